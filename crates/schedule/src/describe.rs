//! Words for an expression: `0 4 * * 6,0` is "at 04:00 on Sunday and Saturday".
//!
//! The words are made from the sets, not from the text, so they say what will happen rather than
//! what was typed: a reversed range reads "never".

use crate::expr::{Calendar, Expr, When, has};

/// More times of day than this are told as minutes and hours instead of a list of clock times.
const TIMES_MAX: usize = 6;
/// More members than this are told as ranges where they form ranges.
const LIST_MAX: usize = 3;

impl Expr {
    /// What the expression means, in English.
    pub fn describe(&self) -> String {
        match self.when() {
            When::Start => "when the scheduler starts".to_string(),
            When::Calendar(calendar) if calendar.never() => "never".to_string(),
            When::Calendar(calendar) => words(&calendar),
        }
    }
}

fn words(calendar: &Calendar) -> String {
    let time = time(calendar);
    let date = date(calendar);
    let text = if date.is_empty() { time } else { format!("{time} {date}") };
    text.replace("every minute every hour", "every minute")
}

fn time(calendar: &Calendar) -> String {
    let minutes = members(calendar.minutes, 0, 59);
    let hours = members(calendar.hours, 0, 23);
    if minutes.len() * hours.len() <= TIMES_MAX {
        let times = hours.iter().flat_map(|h| minutes.iter().map(move |m| clock(*h, *m)));
        return format!("at {}", join(&times.collect::<Vec<_>>(), "and"));
    }
    let minute = minute(&minutes);
    match hour(&minutes, &hours) {
        Some(hour) => format!("{minute} {hour}"),
        None => minute,
    }
}

fn minute(minutes: &[i64]) -> String {
    if let Some(step) = step(minutes, 60) {
        return if step == 1 { "every minute".into() } else { format!("every {step} minutes") };
    }
    match (minutes, range(minutes)) {
        ([0], _) => "on the hour".to_string(),
        ([minute], _) => format!("at {minute} past"),
        (_, Some((first, last))) => format!("every minute from {first} to {last} past"),
        _ => match stride(minutes) {
            Some(stride) => format!(
                "every {stride} minutes from {} to {} past",
                minutes.first().copied().unwrap_or(0),
                minutes.last().copied().unwrap_or(0)
            ),
            None => format!("at {} past", list(minutes, |m| m.to_string())),
        },
    }
}

/// The hours, to follow the minutes; nothing where the minutes alone say it.
fn hour(minutes: &[i64], hours: &[i64]) -> Option<String> {
    let past = step(minutes, 60).is_none();
    if let Some(step) = step(hours, 24) {
        return match (step, past, minutes) {
            (1, false, _) => None,
            (1, true, [0]) => Some("every hour".to_string()),
            (1, true, _) => Some("every hour".to_string()),
            _ => Some(format!("{}every {}hour", if past { "" } else { "of " }, nth_each(step))),
        };
    }
    if let Some((first, last)) = range(hours) {
        return Some(match past {
            true => format!("every hour from {} to {}", clock(first, 0), clock(last, 0)),
            false => format!("from {} to {}", clock(first, 0), clock(last, 59)),
        });
    }
    let list = list(hours, |hour| clock(hour, 0));
    Some(if past { list } else { format!("in the hours of {list}") })
}

fn date(calendar: &Calendar) -> String {
    let (days, weekdays) = (calendar.days, calendar.weekdays);
    let every_day = members(days, 1, 31).len() == 31;
    let every_weekday = members(weekdays, 0, 6).len() == 7;
    let days = (!every_day).then(|| day_of_month(days));
    let weekdays = (!every_weekday).then(|| weekday(weekdays));
    let day = match (days, weekdays, calendar.both_days) {
        (Some(days), Some(weekdays), true) => format!("{days} if it is {weekdays}"),
        (Some(days), Some(weekdays), false) => format!("{days} and on {weekdays}"),
        (Some(days), None, true) => days,
        (None, Some(weekdays), true) => format!("on {weekdays}"),
        // With the OR rule, a full set on either side is every day.
        (_, _, false) | (None, None, true) => String::new(),
    };
    match (day.is_empty(), month(calendar.months)) {
        (_, None) => day,
        (true, Some(months)) => format!("in {months}"),
        (false, Some(months)) => format!("{day} in {months}"),
    }
}

fn day_of_month(bits: u64) -> String {
    let days = members(bits, 1, 31);
    if let Some(step) = step_from(&days, 1, 31) {
        return format!("on every {}day of the month", nth_each(step));
    }
    match range(&days) {
        Some((first, last)) => format!("on the {} to {}", ordinal(first), ordinal(last)),
        None => format!("on the {}", list(&days, ordinal)),
    }
}

fn weekday(bits: u64) -> String {
    let days = members(bits, 0, 6);
    let name = |day: i64| named(&WEEKDAYS, day).to_string();
    match range(&days) {
        Some((first, last)) => format!("{} to {}", name(first), name(last)),
        None => list(&days, name),
    }
}

fn month(bits: u64) -> Option<String> {
    let months = members(bits, 1, 12);
    let name = |month: i64| named(&MONTHS, month - 1).to_string();
    match (months.len(), range(&months)) {
        (12, _) => None,
        (_, Some((first, last))) => Some(format!("{} to {}", name(first), name(last))),
        _ => Some(list(&months, name)),
    }
}

fn members(bits: u64, low: i64, high: i64) -> Vec<i64> {
    (low..=high).filter(|value| has(bits, *value)).collect()
}

/// The step of a set that runs evenly through a whole cycle from 0.
fn step(members: &[i64], cycle: i64) -> Option<i64> {
    let stride = if members.len() > 1 { stride(members)? } else { return None };
    let whole = members.first() == Some(&0) && stride * members.len() as i64 == cycle;
    whole.then_some(stride)
}

/// The step of a set that runs from `low` as far as `high` allows.
fn step_from(members: &[i64], low: i64, high: i64) -> Option<i64> {
    let stride = stride(members).filter(|stride| *stride > 1)?;
    let last = members.last().copied()?;
    (members.len() > LIST_MAX && members.first() == Some(&low) && last + stride > high)
        .then_some(stride)
}

/// The common distance of three or more members.
fn stride(members: &[i64]) -> Option<i64> {
    let mut gaps = members.windows(2).map(|pair| pair[1] - pair[0]);
    let first = gaps.next()?;
    (gaps.all(|gap| gap == first) && (members.len() > 2 || first == 30 || first == 12))
        .then_some(first)
}

/// The ends of a set without holes, long enough to be told as a range.
fn range(members: &[i64]) -> Option<(i64, i64)> {
    let (first, last) = (*members.first()?, *members.last()?);
    let whole = last - first + 1 == members.len() as i64;
    (whole && members.len() >= LIST_MAX).then_some((first, last))
}

fn list(members: &[i64], name: impl Fn(i64) -> String) -> String {
    join(&members.iter().map(|member| name(*member)).collect::<Vec<_>>(), "and")
}

fn join(words: &[String], last_joint: &str) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} {last_joint} {last}", first.join(", ")),
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

/// "2nd " and so on, to stand before a noun after "every"; nothing for every single one.
fn nth_each(step: i64) -> String {
    if step == 1 { String::new() } else { format!("{} ", ordinal(step)) }
}

fn named<'a>(names: &[&'a str], index: i64) -> &'a str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("?")
}

const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
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
