//! A time expression: five fields or a nickname, and the wall-clock minutes it matches.
//!
//! Matching is on civil time alone; what clock changes do to it is `clock`'s part. Minutes are
//! counted from the civil 1970-01-01 00:00 ("wall minutes"). crontab(5).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use crate::dialect::Dialect;
use crate::error::{Fault, ParseError, quote};
use crate::field::{self, DAY, Field, HOUR, MINUTE, MONTH, Spec, WEEKDAY};
use crate::mix::mix;

/// Minutes in a day.
pub(crate) const DAY_MINUTES: i64 = 24 * 60;

/// When a line runs.
///
/// ```
/// use sockeye_schedule::{Dialect, Expr};
/// let expr = Expr::parse("0 4 * * 6,0", Dialect::Debian).unwrap();
/// assert_eq!(expr.describe(), "at 04:00 on Saturday and Sunday");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    text: String,
    when: When,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// `@reboot`: once, when the scheduler starts.
    Start,
    Calendar(Calendar),
}

/// The five fields as sets, with what their first characters decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calendar {
    pub minutes: u64,
    pub hours: u64,
    pub days: u64,
    pub months: u64,
    /// Sunday is 0 only.
    pub weekdays: u64,
    /// Minute or hour begins with `*`: a clock change neither owes nor repeats it a run.
    pub wildcard: bool,
    /// Day of month or day of week begins with `*`: both must match, else either may.
    pub both_days: bool,
}

impl Expr {
    /// Reads five fields or a nickname, with nothing after them.
    ///
    /// The remarks a daemon would not make (a range that never matches) are in [`Expr::notes`].
    pub fn parse(text: &str, dialect: Dialect) -> Result<Expr, ParseError> {
        Expr::parse_noting(text, dialect, &mut Vec::new()).map_err(|fault| fault.on_line(1))
    }

    /// What in `text` is taken but may not mean what was meant. Empty where it does not parse.
    pub fn notes(text: &str, dialect: Dialect) -> Vec<ParseError> {
        let mut notes = Vec::new();
        match Expr::parse_noting(text, dialect, &mut notes) {
            Ok(_) => notes.into_iter().map(|note| note.on_line(1)).collect(),
            Err(_) => Vec::new(),
        }
    }

    fn parse_noting(text: &str, dialect: Dialect, notes: &mut Vec<Fault>) -> Result<Expr, Fault> {
        let bytes = text.as_bytes();
        let (expr, end) = Expr::read(bytes, dialect, 0, notes)?;
        let at = skip_blanks(bytes, end);
        match bytes.get(at..) {
            None | Some([]) => Ok(expr),
            Some(rest) => Err(Fault::new(
                at,
                format!("{} follows the last field", quote(rest)),
                "cron has five fields, from minutes to days of the week, and no seconds",
            )),
        }
    }

    /// Reads an expression from the start of a line; the second value is where it ends.
    pub(crate) fn read(
        line: &[u8],
        dialect: Dialect,
        seed: u64,
        notes: &mut Vec<Fault>,
    ) -> Result<(Expr, usize), Fault> {
        let start = skip_blanks(line, 0);
        let (when, end) = match line.get(start) {
            Some(b'@') => nickname(line, start)?,
            _ => calendar(line, start, dialect, seed, notes)?,
        };
        let text = String::from_utf8_lossy(line.get(start..end).unwrap_or_default());
        let expr = Expr { text: text.split_ascii_whitespace().collect::<Vec<_>>().join(" "), when };
        if !expr.at_start() && expr.never() && notes.is_empty() {
            let what = "this day never comes in these months";
            notes.push(Fault::new(start, what, "check the days of the month against the months"));
        }
        Ok((expr, end))
    }

    /// Whether this is `@reboot`, which runs at the start of the scheduler and at no instant.
    pub fn at_start(&self) -> bool {
        self.when == When::Start
    }

    /// Whether minutes or hours begin with `*`. cron treats such jobs differently when the clock
    /// changes: they follow the clock, where jobs at fixed times run once for every time named.
    pub fn wildcard(&self) -> bool {
        matches!(self.when, When::Calendar(calendar) if calendar.wildcard)
    }

    /// Whether no instant ever matches: an empty field, 30 February, or `@reboot`.
    pub fn never(&self) -> bool {
        match self.when {
            When::Start => true,
            When::Calendar(calendar) => calendar.never(),
        }
    }

    pub(crate) fn when(&self) -> When {
        self.when
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Expr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Expr, ParseError> {
        Expr::parse(text, Dialect::default())
    }
}

/// Where the blanks (spaces and tabs) from `at` on end.
pub(crate) fn skip_blanks(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| blank(**byte)).count()
}

/// Where the word that begins at `at` ends.
pub(crate) fn skip_word(line: &[u8], at: usize) -> usize {
    let rest = line.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| !blank(**byte)).count()
}

fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The nicknames with the fields they stand for.
const NICKNAMES: [(&str, &str); 7] = [
    ("yearly", "0 0 1 1 *"),
    ("annually", "0 0 1 1 *"),
    ("monthly", "0 0 1 * *"),
    ("weekly", "0 0 * * 0"),
    ("daily", "0 0 * * *"),
    ("midnight", "0 0 * * *"),
    ("hourly", "0 * * * *"),
];

fn nickname(line: &[u8], start: usize) -> Result<(When, usize), Fault> {
    let end = skip_word(line, start);
    let word = line.get(start + 1..end).unwrap_or_default();
    if word == b"reboot" {
        return Ok((When::Start, end));
    }
    let known = NICKNAMES.iter().find(|(name, _)| name.as_bytes() == word);
    let (_, fields) = known.ok_or_else(|| unknown_nickname(start, word))?;
    let (when, _) = calendar(fields.as_bytes(), 0, Dialect::Debian, 0, &mut Vec::new())?;
    Ok((when, end))
}

fn unknown_nickname(at: usize, word: &[u8]) -> Fault {
    let what = format!("cron has no nickname {}", quote(&[b"@", word].concat()));
    let lower = word.to_ascii_lowercase();
    let known = NICKNAMES.iter().map(|(name, _)| *name).chain(["reboot"]);
    if let Some(name) = known.clone().find(|name| name.as_bytes() == lower) {
        return Fault::new(at, what, format!("nicknames are lower case: write @{name}"));
    }
    if lower.starts_with(b"every") {
        return Fault::new(at, what, "write a step, as in */5 * * * *");
    }
    let list: Vec<String> = known.map(|name| format!("@{name}")).collect();
    Fault::new(at, what, format!("write one of {}", list.join(", ")))
}

fn calendar(
    line: &[u8],
    start: usize,
    dialect: Dialect,
    seed: u64,
    notes: &mut Vec<Fault>,
) -> Result<(When, usize), Fault> {
    let mut at = start;
    let mut fields = [Field { bits: 0, star: false }; 5];
    for (index, (spec, field)) in SPECS.iter().zip(&mut fields).enumerate() {
        let from = skip_blanks(line, at);
        at = skip_word(line, from);
        let text = line.get(from..at).unwrap_or_default();
        if text.is_empty() {
            return Err(missing_field(from, index, spec));
        }
        let mut remarks = Vec::new();
        *field = field::parse(text, spec, dialect, mix(seed, index as u64), &mut remarks)
            .map_err(|fault| fault.shifted(from))?;
        notes.extend(remarks.into_iter().map(|note| note.shifted(from)));
    }
    Ok((When::Calendar(Calendar::new(fields)), at))
}

const SPECS: [&Spec; 5] = [&MINUTE, &HOUR, &DAY, &MONTH, &WEEKDAY];

fn missing_field(at: usize, found: usize, spec: &Spec) -> Fault {
    let what = format!("the {} is missing: {found} of 5 fields found", spec.name);
    Fault::new(at, what, "write minute, hour, day of month, month, day of week")
}

impl Calendar {
    fn new([minute, hour, day, month, weekday]: [Field; 5]) -> Calendar {
        let sunday = (weekday.bits | weekday.bits >> 7) & 1;
        Calendar {
            minutes: minute.bits,
            hours: hour.bits,
            days: day.bits,
            months: month.bits,
            weekdays: (weekday.bits & 0x7e) | sunday,
            wildcard: minute.star || hour.star,
            both_days: day.star || weekday.star,
        }
    }

    pub fn never(&self) -> bool {
        let some_date = (1..=12)
            .filter(|month| has(self.months, *month))
            .any(|month| self.days & days_up_to(LONGEST[month as usize - 1]) != 0);
        let some_weekday = self.weekdays != 0 && self.months != 0;
        let day =
            if self.both_days { some_date && some_weekday } else { some_date || some_weekday };
        !day || self.minutes == 0 || self.hours == 0
    }

    /// The first matching wall minute from `from` to `to`, both included.
    pub fn first(&self, from: i64, to: i64) -> Option<i64> {
        let mut day = from.div_euclid(DAY_MINUTES);
        let mut minute = from.rem_euclid(DAY_MINUTES);
        let mut date = date_of(day)?;
        while day <= to.div_euclid(DAY_MINUTES) {
            if self.matches_day(date)
                && let Some(found) = self.minute_from(minute)
            {
                return Some(day * DAY_MINUTES + found).filter(|wall| *wall <= to);
            }
            minute = 0;
            let next = self.day_after(date)?;
            day += i64::from(date.until(next).ok()?.get_days());
            date = next;
        }
        None
    }

    /// The last matching wall minute from `from` to `to`, both included.
    pub fn last(&self, from: i64, to: i64) -> Option<i64> {
        let mut day = to.div_euclid(DAY_MINUTES);
        let mut minute = to.rem_euclid(DAY_MINUTES);
        let mut date = date_of(day)?;
        while day >= from.div_euclid(DAY_MINUTES) {
            if self.matches_day(date)
                && let Some(found) = self.minute_to(minute)
            {
                return Some(day * DAY_MINUTES + found).filter(|wall| *wall >= from);
            }
            minute = DAY_MINUTES - 1;
            let before = self.day_before(date)?;
            day -= i64::from(before.until(date).ok()?.get_days());
            date = before;
        }
        None
    }

    /// How many wall minutes from `from` to `to` match, both included.
    pub fn count(&self, from: i64, to: i64) -> u32 {
        let mut count = 0;
        let mut next = from;
        while let Some(wall) = self.first(next, to) {
            count += 1;
            next = wall + 1;
        }
        count
    }

    fn matches_day(&self, date: Date) -> bool {
        let month = has(self.months, i64::from(date.month()));
        let day = has(self.days, i64::from(date.day()));
        let weekday = has(self.weekdays, i64::from(date.weekday().to_sunday_zero_offset()));
        month && if self.both_days { day && weekday } else { day || weekday }
    }

    /// The next day worth looking at: tomorrow, or the first of the next month when this month
    /// does not match.
    fn day_after(&self, date: Date) -> Option<Date> {
        if has(self.months, i64::from(date.month())) {
            date.tomorrow().ok()
        } else {
            date.last_of_month().tomorrow().ok()
        }
    }

    fn day_before(&self, date: Date) -> Option<Date> {
        if has(self.months, i64::from(date.month())) {
            date.yesterday().ok()
        } else {
            date.first_of_month().yesterday().ok()
        }
    }

    /// The first matching minute of a day, not before `minute`.
    fn minute_from(&self, minute: i64) -> Option<i64> {
        let (hour, minute) = (minute / 60, minute % 60);
        if has(self.hours, hour)
            && let Some(found) = lowest(self.minutes, minute)
        {
            return Some(hour * 60 + found);
        }
        Some(lowest(self.hours, hour + 1)? * 60 + lowest(self.minutes, 0)?)
    }

    /// The last matching minute of a day, not after `minute`.
    fn minute_to(&self, minute: i64) -> Option<i64> {
        let (hour, minute) = (minute / 60, minute % 60);
        if has(self.hours, hour)
            && let Some(found) = highest(self.minutes, minute)
        {
            return Some(hour * 60 + found);
        }
        Some(highest(self.hours, hour - 1)? * 60 + highest(self.minutes, 59)?)
    }
}

/// The most days each month has.
const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn days_up_to(last: u32) -> u64 {
    (1 << (last + 1)) - 2
}

pub(crate) fn has(bits: u64, value: i64) -> bool {
    (0..64).contains(&value) && bits >> value & 1 == 1
}

/// The lowest member not below `from`.
fn lowest(bits: u64, from: i64) -> Option<i64> {
    let kept = u32::try_from(from).ok().and_then(|from| u64::MAX.checked_shl(from))?;
    Some(i64::from((bits & kept).trailing_zeros())).filter(|value| *value < 64)
}

/// The highest member not above `to`.
fn highest(bits: u64, to: i64) -> Option<i64> {
    let to = u32::try_from(to).ok().filter(|to| *to < 64)?;
    let kept = bits & (u64::MAX >> (63 - to));
    Some(63 - i64::from(kept.leading_zeros())).filter(|value| *value >= 0)
}

/// The civil date of a day counted from 1970-01-01.
fn date_of(day: i64) -> Option<Date> {
    let midnight = Timestamp::from_second(day.checked_mul(86_400)?).ok()?;
    Some(Offset::UTC.to_datetime(midnight).date())
}
