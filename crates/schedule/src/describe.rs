//! Words for an expression: `0 4 * * 6,0` is "at 04:00 on Saturday and Sunday".
//!
//! The words are made from the sets, not from the text, so they say what will happen rather than
//! what was typed: a reversed range reads "never".

use crate::expr::{Calendar, Expr, When, has};

/// More times of day than this are told as minutes and hours instead of a list of clock times.
const TIMES_MAX: usize = 6;
/// From this many members on, a set without holes is told by its ends.
const RANGE_MIN: usize = 3;

impl Expr {
    /// What the expression means, in English.
    pub fn describe(&self) -> String {
        match self.when() {
            When::Start => "when the scheduler starts".to_string(),
            When::Calendar(calendar) if calendar.never() => "never".to_string(),
            When::Calendar(calendar) => format!("{}{}", time(&calendar), date(&calendar)),
        }
    }
}

/// The shape of a set of minutes or hours.
enum Shape {
    One(i64),
    /// Every so many, evenly through the whole cycle.
    Each(i64),
    /// Every one between two.
    Span(i64, i64),
    /// Every so many between two.
    Stride(i64, i64, i64),
    Some,
}

fn shape(members: &[i64], cycle: i64) -> Shape {
    let (Some(first), Some(last)) = (members.first().copied(), members.last().copied()) else {
        return Shape::Some;
    };
    let count = members.len() as i64;
    match stride(members) {
        _ if count == 1 => Shape::One(first),
        Some(step) if first == 0 && step * count == cycle => Shape::Each(step),
        Some(1) if members.len() >= RANGE_MIN => Shape::Span(first, last),
        Some(step) if members.len() > RANGE_MIN => Shape::Stride(step, first, last),
        _ => Shape::Some,
    }
}

fn time(calendar: &Calendar) -> String {
    let minutes = members(calendar.minutes, 0, 59);
    let hours = members(calendar.hours, 0, 23);
    if minutes.len() * hours.len() <= TIMES_MAX {
        let times = hours.iter().flat_map(|h| minutes.iter().map(move |m| clock(*h, *m)));
        return format!("at {}", join(&times.collect::<Vec<_>>()));
    }
    let minute = minute(&minutes);
    match (shape(&minutes, 60), shape(&hours, 24)) {
        (Shape::Each(_), Shape::Each(1)) => minute,
        (Shape::One(0), Shape::Each(step)) => format!("{}, on the hour", every_hours(step)),
        (Shape::One(_) | Shape::Some, Shape::Each(1)) => format!("every hour {minute}"),
        (Shape::One(_), Shape::Each(step)) => format!("{} {minute}", every_hours(step)),
        (_, Shape::Each(1)) => format!("{minute} of every hour"),
        (_, Shape::Each(step)) => format!("{minute} of every {} hour", ordinal(step)),
        (Shape::One(m), Shape::Span(first, last)) => {
            format!("every hour from {} to {}", clock(first, m), clock(last, m))
        }
        (Shape::Each(_), Shape::Span(first, last)) => format!("{minute} {}", span(first, last)),
        (Shape::Each(_), Shape::One(hour)) => format!("{minute} {}", span(hour, hour)),
        (_, Shape::Span(first, last)) => format!("{minute} of every hour {}", span(first, last)),
        _ => format!("{minute} in the hours of {}", list(&hours, |hour| clock(hour, 0))),
    }
}

fn minute(minutes: &[i64]) -> String {
    match shape(minutes, 60) {
        Shape::Each(1) => "every minute".to_string(),
        Shape::Each(step) => format!("every {step} minutes"),
        Shape::One(minute) => format!("at minute {minute}"),
        Shape::Span(first, last) => format!("every minute from minute {first} to {last}"),
        Shape::Stride(step, first, last) => {
            format!("every {step} minutes from minute {first} to {last}")
        }
        Shape::Some => format!("at minutes {}", list(minutes, |minute| minute.to_string())),
    }
}

fn every_hours(step: i64) -> String {
    if step == 1 { "every hour".to_string() } else { format!("every {step} hours") }
}

fn span(first: i64, last: i64) -> String {
    format!("from {} to {}", clock(first, 0), clock(last, 59))
}

/// The days, with a blank before them; nothing for every day.
fn date(calendar: &Calendar) -> String {
    let days = members(calendar.days, 1, 31);
    let weekdays = weekday_members(calendar.weekdays);
    let months = months(calendar.months);
    let in_months = months.as_ref().map_or(String::new(), |months| format!(" in {months}"));
    let of_months = months.as_deref().unwrap_or("the month");
    let days = (days.len() < 31).then(|| format!(" on {} of {of_months}", day_of_month(&days)));
    let weekdays = (weekdays.len() < 7).then(|| weekday_words(&weekdays));
    match (days, weekdays, calendar.both_days) {
        (Some(days), Some(weekdays), true) => format!("{days}, if it is {weekdays}"),
        (Some(days), Some(weekdays), false) => format!("{days}, and on {weekdays}{in_months}"),
        (Some(days), None, true) => days,
        (None, Some(weekdays), true) => format!(" on {weekdays}{in_months}"),
        // With the OR rule, a full set on either side is every day.
        (None, _, false) | (_, None, false) | (None, None, true) => in_months,
    }
}

fn day_of_month(days: &[i64]) -> String {
    let to_the_end = |step: i64| days.first() == Some(&1) && days.last() > Some(&(31 - step));
    match stride(days).filter(|step| days.len() > RANGE_MIN && *step > 1 && to_the_end(*step)) {
        Some(step) => format!("every {} day", ordinal(step)),
        None => format!("the {}", ends_or_list(days, ordinal)),
    }
}

/// Weekdays from Monday, with Sunday as 7.
fn weekday_members(bits: u64) -> Vec<i64> {
    members(bits | (bits & 1) << 7, 1, 7)
}

fn weekday_words(weekdays: &[i64]) -> String {
    ends_or_list(weekdays, |day| named(&WEEKDAYS, day - 1))
}

fn months(bits: u64) -> Option<String> {
    let months = members(bits, 1, 12);
    (months.len() < 12).then(|| ends_or_list(&months, |month| named(&MONTHS, month - 1)))
}

fn ends_or_list(members: &[i64], name: impl Fn(i64) -> String) -> String {
    match (members, stride(members)) {
        ([first, .., last], Some(1)) if members.len() >= RANGE_MIN => {
            format!("{} to {}", name(*first), name(*last))
        }
        _ => list(members, name),
    }
}

fn members(bits: u64, low: i64, high: i64) -> Vec<i64> {
    (low..=high).filter(|value| has(bits, *value)).collect()
}

/// The common distance of the members.
fn stride(members: &[i64]) -> Option<i64> {
    let mut gaps = members.windows(2).map(|pair| pair[1] - pair[0]);
    let first = gaps.next()?;
    gaps.all(|gap| gap == first).then_some(first)
}

fn list(members: &[i64], name: impl Fn(i64) -> String) -> String {
    join(&members.iter().map(|member| name(*member)).collect::<Vec<_>>())
}

fn join(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn clock(hour: i64, minute: i64) -> String {
    format!("{hour:02}:{minute:02}")
}

fn ordinal(number: i64) -> String {
    let ending = match (number % 10, number % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

fn named(names: &[&str], index: i64) -> String {
    usize::try_from(index).ok().and_then(|index| names.get(index)).unwrap_or(&"?").to_string()
}

const WEEKDAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
