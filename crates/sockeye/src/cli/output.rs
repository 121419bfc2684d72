//! Standard output and standard error: the one place that writes to them, and how a verb ends.
//!
//! Standard output is locked once and buffered. A reader that goes away (`sockeye status | head`)
//! has what it wanted, so a broken pipe is success. Colour only where a person reads: on a
//! terminal, unless `NO_COLOR` (<https://no-color.org>) is set.

use std::fmt::{self, Display};
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};

pub const HEADING: Style = Style::new().bold();
pub const GOOD: Style = AnsiColor::Green.on_default();
pub const POOR: Style = AnsiColor::Yellow.on_default();
pub const BAD: Style = AnsiColor::Red.on_default();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// The command line cannot be understood.
const EXIT_USAGE: u8 = 2;

/// Why a verb did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The words typed are wrong.
    Usage(String),
    /// The words are right; the message says what failed and what would help.
    Failed(String),
    /// The reader of standard output is gone, which is no failure.
    BrokenPipe,
}

impl From<io::Error> for Failure {
    /// Errors of writing; those of other operations are given words where they happen.
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::Failed(format!("cannot write to standard output: {cause}")),
        }
    }
}

/// Where a verb prints.
pub struct Output<'a> {
    out: Box<dyn Write + 'a>,
    colour: bool,
}

impl Output<'static> {
    pub fn stdout() -> Self {
        let lock: StdoutLock<'static> = io::stdout().lock();
        let colour = wants_colour(lock.is_terminal());
        Self { out: Box::new(BufWriter::new(lock)), colour }
    }
}

impl<'a> Output<'a> {
    /// Plain text into any writer, for tests.
    pub fn plain(out: impl Write + 'a) -> Self {
        Self { out: Box::new(out), colour: false }
    }

    pub fn line(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    pub fn heading(&mut self, text: impl Display) -> io::Result<()> {
        let heading = self.paint(HEADING, text).to_string();
        self.line(heading)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// Must come before a fork, or the child repeats what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub fn paint<T: Display>(&self, style: Style, text: T) -> Painted<T> {
        Painted { style: if self.colour { style } else { Style::new() }, text }
    }
}

/// Text in a style.
pub struct Painted<T> {
    style: Style,
    text: T,
}

impl<T: Display> Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.style.render(), self.text, self.style.render_reset())
    }
}

/// Flushes what was printed, says on standard error what failed, and gives the exit status.
pub fn finish(mut output: Output<'_>, result: Result<(), Failure>) -> ExitCode {
    let flushed = output.flush().map_err(Failure::from);
    drop(output);
    match result.and(flushed) {
        Ok(()) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => {
            complain(ERROR, "error", &message);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(message)) => {
            complain(ERROR, "error", &message);
            ExitCode::from(EXIT_USAGE)
        }
    }
}

/// Says what stops the work.
pub fn complain_error(message: &str) {
    complain(ERROR, "error", message);
}

/// Says something that does not stop the work.
pub fn warn(message: &str) {
    complain(WARNING, "warning", message);
}

/// Says what has happened, where nothing is wrong.
pub fn say(message: &str) {
    let mut error = io::stderr().lock();
    let _ = writeln!(error, "sockeye: {message}");
}

/// Standard error may be closed; then there is nobody left to tell.
fn complain(style: Style, kind: &str, message: &str) {
    let mut error = io::stderr().lock();
    let style = if wants_colour(error.is_terminal()) { style } else { Style::new() };
    let kind = Painted { style, text: kind };
    let _ = writeln!(error, "sockeye: {kind}: {message}");
}

fn wants_colour(is_terminal: bool) -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    is_terminal && !is_set("NO_COLOR") && !is_dumb
}

/// A peer's text made fit for a terminal: no control character reaches it.
pub fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let control = character.is_control();
            control
                .then(|| character.escape_default())
                .into_iter()
                .flatten()
                .chain((!control).then_some(character))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_pipe_is_success() {
        let broken = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(matches!(broken, Failure::BrokenPipe));
        let full = Failure::from(io::Error::from(io::ErrorKind::StorageFull));
        assert!(matches!(full, Failure::Failed(_)));
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(escaped("GET /\u{1b}[2J\r\n é"), "GET /\\u{1b}[2J\\r\\n é");
    }
}
