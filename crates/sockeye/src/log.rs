//! The log of a master or an init: a line for each line of a program, and for what there is to say.
//!
//! Who reaps must not sleep because nobody reads its log: children would not be reaped. So a
//! descriptor is written to only when poll(2) says that it takes [`PIECE_BYTES`], which a pipe then
//! does without blocking (pipe(7), `PIPE_BUF`); the rest waits here, and what does not fit is
//! counted and left out.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use process::output::escaped;

/// What waits at most.
const WAITING_BYTES_MAX: usize = 1 << 20;
/// What is written at a time.
const PIECE_BYTES: usize = 4096;
/// What is written after the end, if it is taken at once.
const LAST_PIECES_MAX: usize = WAITING_BYTES_MAX / PIECE_BYTES + 1;

pub struct Log {
    /// Where lines of jobs go: standard output is a program's own if there is one.
    fd: BorrowedFd<'static>,
    waiting: VecDeque<u8>,
    left_out: u64,
    /// Nobody can read it any more.
    gone: bool,
}

impl Log {
    /// To standard output, or, where that is a program's, to standard error.
    pub fn new(to_stdout: bool) -> Log {
        let fd = if to_stdout { rustix::stdio::stdout() } else { rustix::stdio::stderr() };
        Log { fd, waiting: VecDeque::new(), left_out: 0, gone: false }
    }

    /// A line that a program has printed.
    pub fn line(&mut self, name: &str, bytes: &[u8]) {
        self.add(&format!("{name}: {}\n", escaped(bytes)));
    }

    /// What there is to say about a job.
    pub fn said(&mut self, job: &str, text: &str) {
        self.add(&format!("sockeye: job {job}: {}\n", escaped(text.as_bytes())));
    }

    pub fn say(&mut self, text: &str) {
        self.add(&format!("sockeye: {text}\n"));
    }

    fn add(&mut self, line: &str) {
        if self.gone {
            return;
        }
        if self.waiting.len() + line.len() > WAITING_BYTES_MAX {
            self.left_out += 1;
            return;
        }
        if self.left_out > 0 && self.waiting.len() < WAITING_BYTES_MAX / 2 {
            let text = format!("sockeye: {} lines were left out: nobody read\n", self.left_out);
            self.waiting.extend(text.bytes());
            self.left_out = 0;
        }
        self.waiting.extend(line.bytes());
    }

    /// What to poll for output, if there is something to write.
    pub fn wants(&self) -> Option<BorrowedFd<'static>> {
        (!self.waiting.is_empty()).then_some(self.fd)
    }

    /// Writes a piece; poll(2) has said that it is taken.
    pub fn write(&mut self) {
        let count = self.waiting.len().min(PIECE_BYTES);
        let piece: Vec<u8> = self.waiting.iter().take(count).copied().collect();
        match rustix::io::write(self.fd, &piece) {
            Ok(written) => drop(self.waiting.drain(..written)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => {
                self.gone = true;
                self.waiting.clear();
            }
        }
    }

    /// Writes what is taken at once.
    pub fn finish(&mut self) {
        for _ in 0..LAST_PIECES_MAX {
            let mut polled = [PollFd::new(&self.fd, PollFlags::OUT)];
            let ready = poll(&mut polled, Some(&Timespec::default()));
            if self.waiting.is_empty() || !matches!(ready, Ok(1..)) {
                return;
            }
            self.write();
        }
    }
}
