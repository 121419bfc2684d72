//! One stream of a program, through a pipe(7), line by line.
//!
//! The end of the file is not the end of the program: a process that the program left behind holds
//! the pipe open for as long as it likes. A run is over when its process has ended; then the pipe
//! is read for [`DRAIN_WAIT`] more, and given up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

/// A longer line is given in pieces of this many bytes.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// What one call of [`Pipe::read`] takes at most, so that one that prints without end does not
/// keep its reader from the others. A pipe holds as much by default.
pub const READ_BYTES_MAX: usize = 64 * 1024;
/// How long is read on after the program has ended.
pub const DRAIN_WAIT: Duration = Duration::from_millis(500);

/// The reading end.
#[derive(Debug)]
pub struct Pipe {
    fd: OwnedFd,
    lines: Lines,
    bytes: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// The program has ended; this is how long is read on.
    Draining(Instant),
    /// All writers have closed it.
    Ended,
}

/// A line, or a part of one that is longer than [`LINE_BYTES_MAX`], without its newline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Piece<'a> {
    pub text: &'a [u8],
    /// The line goes on in the next piece.
    pub goes_on: bool,
}

/// A new pipe: the end to read, which never waits, and the end for the program, which does.
pub fn pipe() -> io::Result<(Pipe, OwnedFd)> {
    let (fd, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    fcntl_setfl(&fd, OFlags::NONBLOCK)?;
    Ok((Pipe { fd, lines: Lines::default(), bytes: 0, state: State::Open }, theirs))
}

impl AsFd for Pipe {
    /// To be polled for reading.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Pipe {
    /// Goes on with the reading end of a predecessor (an upgrade in place) and the line that it had
    /// begun.
    pub fn adopt(fd: OwnedFd, begun: Vec<u8>) -> Pipe {
        Pipe { fd, lines: Lines { begun }, bytes: 0, state: State::Open }
    }

    /// What has been read of a line whose end has not come.
    pub fn begun(&self) -> &[u8] {
        &self.lines.begun
    }

    /// Reads what is there, [`READ_BYTES_MAX`] at most. Whole lines go to `line`; the last one, if
    /// it has no newline, at the end of the file.
    pub fn read(&mut self, mut line: impl FnMut(Piece<'_>)) {
        let mut buffer = [0; LINE_BYTES_MAX];
        let mut taken = 0;
        while taken < READ_BYTES_MAX && self.state != State::Ended {
            match rustix::io::read(&self.fd, &mut buffer) {
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Ok(0) | Err(_) => {
                    self.state = State::Ended;
                    self.lines.finish(&mut line);
                }
                Ok(n) => {
                    taken += n;
                    self.bytes += n as u64;
                    self.lines.push(&buffer[..n], &mut line);
                }
            }
        }
    }

    /// The program has ended: from now on the pipe is read for [`DRAIN_WAIT`] at most.
    pub fn program_ended(&mut self, now: Instant) {
        if self.state == State::Open {
            self.state = State::Draining(now + DRAIN_WAIT);
        }
    }

    /// When the pipe is to be given up.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Draining(until) => Some(until),
            State::Open | State::Ended => None,
        }
    }

    /// Whether nothing more is to be had: call [`Pipe::finish`] and drop it.
    pub fn is_over(&self, now: Instant) -> bool {
        match self.state {
            State::Open => false,
            State::Draining(until) => now >= until,
            State::Ended => true,
        }
    }

    /// Gives what is left of a last line without a newline.
    pub fn finish(mut self, mut line: impl FnMut(Piece<'_>)) {
        self.lines.finish(&mut line);
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Cuts a stream into lines; holds less than one line.
#[derive(Debug, Default)]
struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn push(&mut self, mut bytes: &[u8], line: &mut impl FnMut(Piece<'_>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend(&bytes[..end], line);
            if self.begun.is_empty() {
                line(Piece { text: b"", goes_on: false });
            }
            self.finish(line);
            bytes = &bytes[end + 1..];
        }
        self.extend(bytes, line);
    }

    /// A line is given whole only when its end is known; a full buffer that goes on is a piece.
    fn extend(&mut self, mut bytes: &[u8], line: &mut impl FnMut(Piece<'_>)) {
        while !bytes.is_empty() {
            if self.begun.len() == LINE_BYTES_MAX {
                line(Piece { text: &self.begun, goes_on: true });
                self.begun.clear();
            }
            let (now, later) = bytes.split_at(bytes.len().min(LINE_BYTES_MAX - self.begun.len()));
            self.begun.extend_from_slice(now);
            bytes = later;
        }
    }

    fn finish(&mut self, line: &mut impl FnMut(Piece<'_>)) {
        if !self.begun.is_empty() {
            line(Piece { text: &self.begun, goes_on: false });
        }
        // A long line's memory is not kept by one that is quiet.
        self.begun = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(lines: &mut Lines, bytes: &[u8], end: bool) -> Vec<String> {
        let mut found = Vec::new();
        let mut line = |piece: Piece<'_>| {
            let text = String::from_utf8_lossy(piece.text).into_owned();
            let shown = if text.len() > 9 { text.len().to_string() } else { text };
            found.push(shown + if piece.goes_on { "+" } else { "" });
        };
        lines.push(bytes, &mut line);
        if end {
            lines.finish(&mut line);
        }
        found
    }

    #[test]
    fn a_stream_is_cut_into_lines_however_it_comes() {
        let long = "x".repeat(LINE_BYTES_MAX);
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(pieces(&mut Lines::default(), text.as_bytes(), true), expected, "whole");
            for size in [1, 7, 1000] {
                let mut lines = Lines::default();
                let parts = text.as_bytes().chunks(size);
                let mut found: Vec<String> =
                    parts.flat_map(|part| pieces(&mut lines, part, false)).collect();
                found.extend(pieces(&mut lines, b"", true));
                assert_eq!(found, expected, "by {size}");
            }
        };
        check("", &[]);
        check("a", &["a"]);
        check("a\nb\n", &["a", "b"]);
        check("\n\na\r\n", &["", "", "a\r"]);
        check(&format!("{long}\nz"), &["16384", "z"]);
        check(&format!("{long}y\nz\n"), &["16384+", "y", "z"]);
        check(&format!("{long}{long}"), &["16384+", "16384"]);
    }

    #[test]
    fn a_pipe_that_somebody_holds_is_given_up_in_time() {
        let (mut pipe, theirs) = pipe().unwrap();
        rustix::io::write(&theirs, b"one\ntwo").unwrap();
        let mut found = Vec::new();
        let mut keep = |piece: Piece<'_>| found.push(piece.text.to_vec());
        let now = Instant::now();
        pipe.read(&mut keep);
        assert!(!pipe.is_over(now) && pipe.deadline().is_none());
        pipe.program_ended(now);
        assert_eq!(pipe.deadline(), Some(now + DRAIN_WAIT));
        assert!(!pipe.is_over(now) && pipe.is_over(now + DRAIN_WAIT));
        assert_eq!(pipe.bytes(), 7);
        pipe.finish(&mut keep);
        assert_eq!(found, [b"one", b"two"]);
    }

    #[test]
    fn an_end_of_file_is_the_end() {
        let (mut pipe, theirs) = pipe().unwrap();
        rustix::io::write(&theirs, &[b'a', 0xff]).unwrap();
        drop(theirs);
        let mut found = Vec::new();
        pipe.read(|piece| found.extend_from_slice(piece.text));
        assert_eq!(found, [b'a', 0xff]);
        assert!(pipe.is_over(Instant::now()));
    }
}
