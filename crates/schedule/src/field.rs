//! One of the five fields: text to a set of numbers.
//!
//! Both daemons read a field character by character, and what they make of careless text follows
//! from that. Debian's reader stops at the first character it does not expect and skips to the next
//! blank, so `5#2` is 5; cronie's insists on a separator. The readers here take the same decisions
//! and say so, in notes where the daemon would be silent. crontab(5); cronie `src/entry.c`.

use crate::dialect::Dialect;
use crate::error::{Fault, quote};
use crate::mix::below;

/// What a field may hold.
pub(crate) struct Spec {
    pub name: &'static str,
    pub low: u8,
    pub high: u8,
    pub names: &'static [&'static str],
}

pub(crate) const MINUTE: Spec = Spec { name: "minute", low: 0, high: 59, names: &[] };
pub(crate) const HOUR: Spec = Spec { name: "hour", low: 0, high: 23, names: &[] };
pub(crate) const DAY: Spec = Spec { name: "day of month", low: 1, high: 31, names: &[] };
pub(crate) const MONTH: Spec = Spec { name: "month", low: 1, high: 12, names: &MONTHS };
pub(crate) const WEEKDAY: Spec = Spec { name: "day of week", low: 0, high: 7, names: &WEEKDAYS };

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// The set a field names, and whether its first character is `*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub bits: u64,
    pub star: bool,
}

/// Reads one field; `text` is free of blanks. Notes are appended to `notes`.
pub(crate) fn parse(
    text: &[u8],
    spec: &Spec,
    dialect: Dialect,
    seed: u64,
    notes: &mut Vec<Fault>,
) -> Result<Field, Fault> {
    let mut reader = Reader { text, at: 0, spec, dialect, seed, bits: 0, notes };
    reader.list()?;
    Ok(Field { bits: reader.bits, star: text.first() == Some(&b'*') })
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    spec: &'a Spec,
    dialect: Dialect,
    seed: u64,
    bits: u64,
    notes: &'a mut Vec<Fault>,
}

/// A range as read: the bounds, the step, and where each stands in the text.
struct Range {
    start: usize,
    low: u32,
    high: u32,
    step: u32,
    /// The upper bound came from `*` or the field's end, not from the text.
    whole: bool,
}

impl<'a> Reader<'a> {
    fn list(&mut self) -> Result<(), Fault> {
        loop {
            self.element()?;
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(_) => return self.rest_of_field(),
                None => return Ok(()),
            }
        }
    }

    /// What Debian's reader skips and cronie's refuses: text after a complete element.
    fn rest_of_field(&mut self) -> Result<(), Fault> {
        let rest = quote(self.text.get(self.at..).unwrap_or_default());
        match self.dialect {
            Dialect::Cronie => Err(self.unexpected()),
            Dialect::Debian => {
                let what = format!("Debian's cron ignores {rest} in the {} field", self.spec.name);
                self.notes.push(Fault::new(self.at, what, "remove it, or write what is meant"));
                Ok(())
            }
        }
    }

    fn element(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let (low, high) = (u32::from(self.spec.low), u32::from(self.spec.high));
        match (self.peek(), self.dialect) {
            (Some(b'*'), _) => {
                self.at += 1;
                let step = self.step()?;
                self.fill(Range { start, low, high, step, whole: true })
            }
            (Some(b'~'), Dialect::Cronie) => self.random(start, low),
            _ => self.number_or_range(start),
        }
    }

    fn number_or_range(&mut self, start: usize) -> Result<(), Fault> {
        let low = self.number()?;
        match (self.peek(), self.dialect) {
            (Some(b'-'), _) => {
                self.at += 1;
                let high = self.number()?;
                let stepped = self.peek() == Some(b'/');
                let step = self.step()?;
                let high = self.sunday_at_the_end(low, high, stepped);
                self.fill(Range { start, low, high, step, whole: false })
            }
            (Some(b'~'), Dialect::Cronie) => self.random(start, low),
            (Some(b'/'), _) => Err(self.step_without_range(low)),
            _ => self.insert(start, low),
        }
    }

    /// cronie reads an upper bound of 0 below the lower bound as 7, so that `fri-sun` works. It
    /// does so in every field, and only where no step follows.
    fn sunday_at_the_end(&self, low: u32, high: u32, stepped: bool) -> u32 {
        let wraps = self.dialect == Dialect::Cronie && high == 0 && low > high && !stepped;
        if wraps { 7 } else { high }
    }

    /// cronie's `a~b`: one value, drawn once.
    fn random(&mut self, start: usize, low: u32) -> Result<(), Fault> {
        self.at += 1;
        let open = matches!(self.peek(), None | Some(b','));
        let high = if open { u32::from(self.spec.high) } else { self.number()? };
        self.bound(start, low)?;
        self.bound(start, high)?;
        if low > high {
            let what = format!("the random range {low}~{high} is reversed");
            return Err(Fault::new(start, what, format!("write {high}~{low}")));
        }
        let width = u64::from(high - low) + 1;
        let offset = below(self.seed, start as u64, width);
        self.insert(start, low + u32::try_from(offset).unwrap_or(0))
    }

    fn step(&mut self) -> Result<u32, Fault> {
        if self.peek() != Some(b'/') {
            return Ok(1);
        }
        self.at += 1;
        let at = self.at;
        let step = self.digits()?;
        if step == 0 {
            return Err(Fault::new(at, "a step of 0 never advances", "write a step of 1 or more"));
        }
        Ok(step)
    }

    fn number(&mut self) -> Result<u32, Fault> {
        let at = self.at;
        let word = self.word();
        if let Some(index) = self.spec.names.iter().position(|name| same(word, name)) {
            return Ok(index as u32 + u32::from(self.spec.low));
        }
        digits(word).ok_or_else(|| self.not_a_number(at, word))
    }

    fn digits(&mut self) -> Result<u32, Fault> {
        let at = self.at;
        let word = self.word();
        let remedy = "write a number, as in */5";
        digits(word).ok_or_else(|| match word {
            [] => Fault::new(at, format!("a number is missing{}", self.before(at)), remedy),
            _ => Fault::new(at, format!("{} is not a number", quote(word)), remedy),
        })
    }

    fn word(&mut self) -> &'a [u8] {
        let text: &'a [u8] = self.text;
        let rest = text.get(self.at..).unwrap_or_default();
        let len = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn fill(&mut self, range: Range) -> Result<(), Fault> {
        if self.dialect == Dialect::Debian {
            self.bound(range.start, range.low)?;
            self.bound(range.start, range.high)?;
        }
        self.remark(&range);
        let step = usize::try_from(range.step).unwrap_or(usize::MAX);
        for value in (range.low..=range.high).step_by(step) {
            self.insert(range.start, value)?;
        }
        Ok(())
    }

    /// Notes for ranges that the daemons take without a word and that mean something else.
    fn remark(&mut self, range: &Range) {
        let (low, high) = (range.low, range.high);
        if low > high {
            let what = format!("the range {low}-{high} is reversed: {} never matches", {
                if self.text.contains(&b',') { "this part" } else { "the field" }
            });
            let remedy = format!("write {}", self.wrapped(low, high));
            self.notes.push(Fault::new(range.start, what, remedy));
        } else if range.step > 1 && range.step > high - low {
            let what =
                format!("the step {} is longer than {low}-{high}: only {low} matches", range.step);
            self.notes.push(Fault::new(range.start, what, format!("write {low}")));
        } else if range.whole && uneven(self.spec, range.step) {
            let what = format!(
                "every {} {}s is uneven: the count starts again at {low}",
                range.step, self.spec.name
            );
            self.notes.push(Fault::new(range.start, what, "choose a divisor for even gaps"));
        }
    }

    /// A reversed range as two that are not.
    fn wrapped(&self, low: u32, high: u32) -> String {
        let part = |from: u32, to: u32| match from == to {
            true => from.to_string(),
            false => format!("{from}-{to}"),
        };
        match self.spec.name == WEEKDAY.name {
            true if high == 0 => part(low, 7),
            true => format!("{},{}", part(low, 6), part(0, high)),
            false => {
                let Spec { low: bottom, high: top, .. } = self.spec;
                format!("{},{}", part(low, u32::from(*top)), part(u32::from(*bottom), high))
            }
        }
    }

    fn insert(&mut self, start: usize, value: u32) -> Result<(), Fault> {
        self.bound(start, value)?;
        self.bits |= 1 << value;
        Ok(())
    }

    fn bound(&self, at: usize, value: u32) -> Result<(), Fault> {
        let Spec { name, low, high, .. } = self.spec;
        if value < u32::from(*low) || value > u32::from(*high) {
            let what = format!("{value} is not {} {name}", article(name));
            return Err(Fault::new(at, what, format!("write {low}-{high}")));
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step_without_range(&self, low: u32) -> Fault {
        let step = self.text.get(self.at + 1..).unwrap_or_default();
        let len = step.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let step = match step.get(..len.min(2)) {
            Some(digits) if len > 0 => String::from_utf8_lossy(digits),
            _ => "n".into(),
        };
        let remedy = format!("write {low}-{}/{step}", self.spec.high);
        Fault::new(self.at, "a step needs a range or * before it", remedy)
    }

    fn unexpected(&self) -> Fault {
        let byte = self.text.get(self.at..=self.at).unwrap_or_default();
        let what = format!("{} is not expected in the {} field", quote(byte), self.spec.name);
        Fault::new(self.at, what, "separate values with commas and fields with blanks")
    }

    fn before(&self, at: usize) -> String {
        match self.text.get(at) {
            Some(byte) => format!(" before {}", quote(&[*byte])),
            None => format!(" at the end of {}", quote(self.text)),
        }
    }

    fn not_a_number(&self, at: usize, word: &[u8]) -> Fault {
        let name = self.spec.name;
        if !word.is_empty() {
            let what = format!("{} is not {} {name}", quote(word), article(name));
            return Fault::new(at, what, self.remedy_for(word));
        }
        let what = format!("a {name} is missing{}", self.before(at));
        let remedy = match self.text.get(at) {
            Some(b'?') => "cron has no ?: write *".to_string(),
            Some(b'~') => "only cronie knows ~: write one value".to_string(),
            _ => self.allowed(),
        };
        Fault::new(at, what, remedy)
    }

    fn remedy_for(&self, word: &[u8]) -> String {
        let short = word.get(..3).unwrap_or(word);
        if let Some(name) = self.spec.names.iter().find(|name| same(short, name)) {
            return format!("names have three letters: write {name}");
        }
        match word.to_ascii_uppercase().as_slice() {
            b"L" | b"LW" | b"W" => {
                "cron has no L or W: list the days, or test in the command".into()
            }
            b"H" => "cron has no H: write one value".into(),
            _ => self.allowed(),
        }
    }

    fn allowed(&self) -> String {
        let Spec { low, high, names, .. } = self.spec;
        match (names.first(), names.last()) {
            (Some(first), Some(last)) => format!("write {low}-{high}, {first}-{last} or *"),
            _ => format!("write {low}-{high} or *"),
        }
    }
}

/// Whether `*/step` leaves a shorter gap at the end of the field's cycle.
fn uneven(spec: &Spec, step: u32) -> bool {
    let cycle = u32::from(spec.high - spec.low) + 1;
    spec.names.is_empty() && spec.low == 0 && step > 1 && cycle % step != 0
}

fn same(word: &[u8], name: &str) -> bool {
    word.eq_ignore_ascii_case(name.as_bytes())
}

/// The value of a word of digits, held at the largest number rather than wrapped.
fn digits(word: &[u8]) -> Option<u32> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u32, byte: &u8| sum.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
    Some(word.iter().fold(0, add))
}

fn article(name: &str) -> &'static str {
    if name == "hour" { "an" } else { "a" }
}
