//! What is wrong with a configuration, shown where it is: file, line, column, the line itself, a
//! caret under the place, and what would be right.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// More mistakes than this are not read to the end.
pub const PROBLEMS_MAX: usize = 20;

/// The widest piece of a line that is shown; of a longer one, the surroundings of the mistake.
const SHOWN_COLUMNS_MAX: usize = 100;

/// The longest piece of the file that a message repeats.
const QUOTED_CHARS_MAX: usize = 80;

#[derive(Debug)]
pub enum Error {
    Read {
        path: PathBuf,
        cause: io::Error,
    },
    TooLarge {
        path: PathBuf,
    },
    /// Mistakes in the text, in its order.
    Text {
        path: PathBuf,
        text: String,
        problems: Vec<Problem>,
    },
    /// Settings that contradict each other, not all of them from the file.
    Settings(Contradiction),
    /// Settings that this machine cannot fulfil, each with its remedy.
    Places(Vec<String>),
}

/// One mistake in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The bytes it stands in.
    pub span: Range<usize>,
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// Settings that are each right and cannot hold together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The key to change.
    pub key: &'static str,
    pub message: String,
    /// What would be right.
    pub help: String,
}

impl From<Contradiction> for Error {
    fn from(contradiction: Contradiction) -> Self {
        Self::Settings(contradiction)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, cause } => write!(
                f,
                "cannot read the configuration file {}: {}",
                path.display(),
                in_words(cause, "check the path given to --config")
            ),
            Self::TooLarge { path } => write!(
                f,
                "the configuration file {} has more than {} bytes: is it the right file?",
                path.display(),
                super::FILE_BYTES_MAX
            ),
            Self::Text { path, text, problems } => write_problems(f, path, text, problems),
            Self::Settings(Contradiction { message, help, .. }) => write!(f, "{message}: {help}"),
            Self::Places(messages) => f.write_str(&messages.join("\n")),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { cause, .. } => Some(cause),
            Self::TooLarge { .. } | Self::Text { .. } | Self::Settings(_) | Self::Places(_) => None,
        }
    }
}

/// The operating system's words for an error, without its number, and the remedy for its kind.
pub(super) fn in_words(cause: &io::Error, if_missing: &str) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    match cause.kind() {
        io::ErrorKind::NotFound => format!("{text}: {if_missing}"),
        io::ErrorKind::PermissionDenied => {
            format!("{text}: give this user access, or run as one who has it")
        }
        _ => text.to_owned(),
    }
}

fn write_problems(
    f: &mut fmt::Formatter<'_>,
    path: &std::path::Path,
    text: &str,
    problems: &[Problem],
) -> fmt::Result {
    for (index, problem) in problems.iter().enumerate() {
        if index > 0 {
            f.write_str("\n\n")?;
        }
        write_problem(f, path, text, problem)?;
    }
    Ok(())
}

fn write_problem(
    f: &mut fmt::Formatter<'_>,
    path: &std::path::Path,
    text: &str,
    problem: &Problem,
) -> fmt::Result {
    let place = Place::of(text, &problem.span);
    let number = place.line.to_string();
    let margin = " ".repeat(number.len());
    let (line, before, marked) = place.shown();
    writeln!(f, "{}:{}:{}: {}", path.display(), place.line, place.column, problem.message)?;
    writeln!(f, "{margin} |")?;
    writeln!(f, "{number} | {line}")?;
    write!(f, "{margin} | {}{}", " ".repeat(before), "^".repeat(marked))?;
    match &problem.help {
        Some(help) => write_help(f, &margin, help),
        None => Ok(()),
    }
}

/// The help in lines of a readable width, those after the first indented.
fn write_help(f: &mut fmt::Formatter<'_>, margin: &str, help: &str) -> fmt::Result {
    write!(f, "\n{margin} =")?;
    let mut column = 0;
    for word in help.split(' ') {
        if column + word.len() > SHOWN_COLUMNS_MAX {
            write!(f, "\n{margin}  ")?;
            column = 0;
        }
        write!(f, " {word}")?;
        column += 1 + word.len();
    }
    Ok(())
}

/// A span found in its text.
struct Place<'a> {
    /// From 1.
    line: usize,
    /// From 1, in characters.
    column: usize,
    text: &'a str,
    /// Characters marked on this line; at least one.
    marked: usize,
}

impl<'a> Place<'a> {
    fn of(text: &'a str, span: &Range<usize>) -> Self {
        let start = floor_char_boundary(text, span.start);
        let end = floor_char_boundary(text, span.end.max(start));
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        Self {
            line: 1 + text[..line_start].matches('\n').count(),
            column: 1 + text[line_start..start].chars().count(),
            text: text[line_start..line_end].trim_end_matches('\r'),
            marked: text[start..end.clamp(start, line_end)].chars().count().max(1),
        }
    }

    /// The line made fit to print, the columns before the mark, and the length of the mark.
    fn shown(&self) -> (String, usize, usize) {
        let skipped = self.column.saturating_sub(SHOWN_COLUMNS_MAX / 2);
        let skipped = if self.text.chars().count() > SHOWN_COLUMNS_MAX { skipped } else { 0 };
        let shown = self.text.chars().skip(skipped).take(SHOWN_COLUMNS_MAX).map(printable);
        let before = self.column - 1 - skipped;
        let marked = self.marked.min(SHOWN_COLUMNS_MAX.saturating_sub(before).max(1));
        (shown.collect::<String>().trim_end().to_owned(), before, marked)
    }
}

/// One column for every character, and none that moves the cursor.
fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    }
}

fn floor_char_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Text from the file inside a message: no control character, no endless length.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED_CHARS_MAX).map(printable).collect();
    if text.chars().nth(QUOTED_CHARS_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}
