//! What is wrong with a line of a crontab, where, and what would be right.
//!
//! cron says "bad minute" and stops; a person needs the column and the correction. One type serves
//! errors (the line is not used) and notes (the line is used, but may not mean what was meant).

use std::{error, fmt};

/// A finding at a place in a crontab.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    line: u32,
    column: u32,
    what: String,
    remedy: String,
}

impl ParseError {
    /// The line, counted from 1. A lone expression is line 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The byte column within the line, counted from 1.
    pub fn column(&self) -> u32 {
        self.column
    }

    /// What is wrong, without the place and the remedy.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What would be right.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}; {}", self.line, self.column, self.what, self.remedy)
    }
}

impl error::Error for ParseError {}

/// A finding at a byte offset within a text whose line is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub at: usize,
    pub what: String,
    pub remedy: String,
}

impl Fault {
    pub fn new(at: usize, what: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { at, what: what.into(), remedy: remedy.into() }
    }

    /// The same finding in a text that begins `by` bytes further left.
    pub fn shifted(mut self, by: usize) -> Fault {
        self.at += by;
        self
    }

    pub fn on_line(self, line: u32) -> ParseError {
        let column = u32::try_from(self.at + 1).unwrap_or(u32::MAX);
        ParseError { line, column, what: self.what, remedy: self.remedy }
    }
}

/// The most bytes of the user's text quoted in a message.
const QUOTE_MAX: usize = 40;

/// A piece of the text for a message: printable, short, in backquotes.
pub(crate) fn quote(text: &[u8]) -> String {
    let cut = text.get(..QUOTE_MAX).unwrap_or(text);
    let shown = String::from_utf8_lossy(cut).escape_debug().to_string().replace("\\\"", "\"");
    if cut.len() < text.len() { format!("`{shown}...`") } else { format!("`{shown}`") }
}
