//! One value of the file, read as what its key takes, or the mistake in words.

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::error::{Problem, quoted};
use super::keys::names;
use super::nearest::nearest;
use super::units::{duration_from_text, size_from_text};
use crate::settings::{ListenAddress, NAME_CHARS_MAX, Named, Workers};

/// More addresses than this are a slip.
const LISTEN_MAX: usize = 64;
/// Words of one command; the kernel's own limit is on their bytes (execve(2)).
const WORDS_MAX: usize = 4096;
/// The limits of setrlimit(2) that a program can be given.
const LIMIT_NAMES: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// A value of the file together with its key and place: it reads itself or says what is wrong.
pub struct Value<'a> {
    pub key: &'static str,
    pub span: Range<usize>,
    pub inner: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    pub(super) fn text(&self) -> Result<&'a str, Problem> {
        match self.inner {
            DeValue::String(text) if text.is_empty() => {
                Err(self.problem("is empty", "write a value, or leave the key out"))
            }
            DeValue::String(text) if text.contains('\0') => {
                Err(self.problem("holds a zero byte", "leave it out"))
            }
            DeValue::String(text) => Ok(text),
            other => Err(self.wrong_kind("text in quotes", other, "")),
        }
    }

    pub(super) fn path(&self) -> Result<&'a str, Problem> {
        self.text()
    }

    pub(super) fn truth(&self) -> Result<bool, Problem> {
        match self.inner {
            DeValue::Boolean(truth) => Ok(*truth),
            other => Err(self.wrong_kind("true or false", other, "")),
        }
    }

    pub(super) fn named<T: Named>(&self) -> Result<T, Problem> {
        let DeValue::String(text) = self.inner else {
            let help = format!("one of, in quotes: {}", names::<T>().join(", "));
            return Err(self.wrong_kind("a name", self.inner, &help));
        };
        T::from_name(text).ok_or_else(|| {
            let names = names::<T>();
            let help = match nearest(text, names.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"? One of: {}", names.join(", ")),
                None => format!("one of: {}", names.join(", ")),
            };
            self.problem(&format!("cannot be \"{}\"", quoted(text)), &help)
        })
    }

    pub(super) fn read_text<T>(&self, read: fn(&str) -> Result<T, String>) -> Result<T, Problem> {
        read(self.text()?).map_err(|why| self.problem(&why, ""))
    }

    pub(super) fn workers(&self) -> Result<Workers, Problem> {
        match self.inner {
            DeValue::Integer(number) => {
                Workers::from_text(number.as_str()).map_err(|why| self.problem(&why, ""))
            }
            DeValue::String(_) => self.read_text(Workers::from_text),
            other => Err(self.wrong_kind("\"auto\" or a number", other, "")),
        }
    }

    pub(super) fn count(&self, min: u64, max: u64) -> Result<u64, Problem> {
        let DeValue::Integer(number) = self.inner else {
            return Err(self.wrong_kind("a whole number", self.inner, ""));
        };
        let count = u64::from_str_radix(number.as_str(), number.radix()).ok();
        count.filter(|count| (min..=max).contains(count)).ok_or_else(|| {
            self.problem("is out of range", &format!("a number from {min} to {max}"))
        })
    }

    pub(super) fn size(&self, min: u64, max: u64) -> Result<u64, Problem> {
        let bytes = match self.inner {
            DeValue::Integer(_) => return self.count(min, max),
            _ => self.read_text(size_from_text)?,
        };
        if (min..=max).contains(&bytes) {
            return Ok(bytes);
        }
        Err(self.problem("is out of range", &format!("a size from {min} to {max} bytes")))
    }

    pub(super) fn duration(&self, min: Duration) -> Result<Duration, Problem> {
        if let DeValue::Integer(number) = self.inner {
            let help = format!("write \"{}s\" if seconds are meant", quoted(number.as_str()));
            return Err(self.problem("has no unit", &help));
        }
        let duration = self.read_text(duration_from_text)?;
        if duration < min {
            return Err(self.problem("must be more than zero", "write \"1ms\" or more"));
        }
        Ok(duration)
    }

    /// The name of a program: it stands in logs and is typed.
    pub(super) fn name(&self) -> Result<String, Problem> {
        let text = self.text()?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.len() <= NAME_CHARS_MAX && text.chars().all(fits) {
            return Ok(text.to_owned());
        }
        let help = format!("letters, digits, \"-\", \"_\" and \".\", {NAME_CHARS_MAX} at most");
        Err(self.problem(&format!("cannot be \"{}\"", quoted(text)), &help))
    }

    /// A list of texts, not empty; one text is a list of one.
    pub(super) fn words(&self) -> Result<Vec<String>, Problem> {
        let DeValue::Array(list) = self.inner else { return Ok(vec![self.text()?.to_owned()]) };
        if list.is_empty() || list.len() > WORDS_MAX {
            let help = format!("from 1 to {WORDS_MAX} texts in quotes");
            return Err(self.problem("has too few or too many words", &help));
        }
        list.iter().map(|item| self.at(item).word()).collect()
    }

    /// Arguments may be empty.
    fn word(&self) -> Result<String, Problem> {
        match self.inner {
            DeValue::String(text) if text.is_empty() => Ok(String::new()),
            _ => self.text().map(str::to_owned),
        }
    }

    /// A list of names, which may be empty.
    pub(super) fn names(&self) -> Result<Vec<String>, Problem> {
        let DeValue::Array(list) = self.inner else { return Ok(vec![self.name()?]) };
        list.iter().map(|item| self.at(item).name()).collect()
    }

    pub(super) fn environment(&self) -> Result<Vec<(String, String)>, Problem> {
        self.entries(|name, value| {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(value.problem("has a name that cannot be a variable's", ""));
            }
            Ok((name.to_owned(), value.word()?))
        })
    }

    /// Resource limits by name.
    pub(super) fn limits(&self) -> Result<Vec<(String, u64)>, Problem> {
        self.entries(|name, value| {
            if !LIMIT_NAMES.contains(&name) {
                let what = format!("has no limit called {}", quoted(name));
                return Err(value.problem(&what, &format!("one of: {}", LIMIT_NAMES.join(", "))));
            }
            Ok((name.to_owned(), value.size(0, u64::MAX >> 1)?))
        })
    }

    fn entries<T>(
        &self,
        read: impl Fn(&str, &Value<'_>) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let DeValue::Table(table) = self.inner else {
            return Err(self.wrong_kind("a table, as in { NAME = ... }", self.inner, ""));
        };
        table.iter().map(|(name, item)| read(name.get_ref(), &self.at(item))).collect()
    }

    pub(super) fn umask(&self) -> Result<u32, Problem> {
        let help = "write three octal digits in quotes, as in \"022\"";
        let DeValue::String(text) = self.inner else {
            return Err(self.wrong_kind("octal digits in quotes", self.inner, help));
        };
        let mask = u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777);
        mask.ok_or_else(|| self.problem("is no umask", help))
    }

    pub(super) fn addresses(&self) -> Result<Vec<ListenAddress>, Problem> {
        let DeValue::Array(list) = self.inner else { return Ok(vec![self.address()?]) };
        if list.is_empty() || list.len() > LISTEN_MAX {
            let help = format!("from 1 to {LISTEN_MAX} addresses, as in [\"127.0.0.1:8080\"]");
            return Err(self.problem("has too few or too many addresses", &help));
        }
        list.iter().map(|item| self.at(item).address()).collect()
    }

    fn address(&self) -> Result<ListenAddress, Problem> {
        if let DeValue::Integer(number) = self.inner {
            let help = format!("write \"127.0.0.1:{}\"", quoted(number.as_str()));
            return Err(self.wrong_kind("addresses", self.inner, &help));
        }
        let text = self.text()?;
        ListenAddress::from_text(text)
            .map_err(|why| self.problem(&format!("\"{}\" {why}", quoted(text)), ""))
    }

    /// An element of this value.
    fn at(&self, item: &'a Spanned<DeValue<'a>>) -> Self {
        Self { key: self.key, span: item.span(), inner: item.get_ref() }
    }

    pub(super) fn wrong_kind(&self, wanted: &str, found: &DeValue<'_>, help: &str) -> Problem {
        self.problem(&format!("takes {wanted}, not {}", kind(found)), help)
    }

    pub(super) fn problem(&self, what: &str, help: &str) -> Problem {
        Problem {
            span: self.span.clone(),
            message: format!("`{}` {what}", self.key),
            help: (!help.is_empty()).then(|| help.to_owned()),
        }
    }
}

/// What a value is, with its article.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}
