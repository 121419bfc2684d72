//! `nonblocking`: no waiting call at all. Every operation that somebody waits for is simply tried
//! again, each lap: about 175 ns for each idle connection and lap, which is why it warns.

use std::cell::Cell;
use std::collections::HashMap;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::Duration;

use super::{Event, Interest, Poller};
use crate::slab::Key;

/// Laps without progress after which the processor is given away between laps.
const SPIN_LAPS: u32 = 64;
/// The longest pause between laps: what an idle server adds to its first answer.
const PAUSE_MAX: Duration = Duration::from_millis(1);
/// The first pause; each idle lap doubles it.
const PAUSE_MIN: Duration = Duration::from_micros(10);

pub struct Nonblocking {
    wanted: HashMap<u64, Interest>,
    /// Set by the engine whenever an operation succeeds.
    progress: Rc<Cell<bool>>,
    idle_laps: u32,
}

impl Nonblocking {
    pub fn new(progress: Rc<Cell<bool>>) -> Nonblocking {
        Nonblocking { wanted: HashMap::new(), progress, idle_laps: 0 }
    }
}

impl Poller for Nonblocking {
    fn edge_triggered(&self) -> bool {
        false
    }

    fn add(&mut self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        self.modify(fd, key, interest)
    }

    fn modify(&mut self, _: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        if interest.read || interest.write {
            self.wanted.insert(key.pack(), interest);
        } else {
            self.wanted.remove(&key.pack());
        }
        Ok(())
    }

    fn remove(&mut self, _: BorrowedFd<'_>, key: Key) {
        self.wanted.remove(&key.pack());
    }

    /// "Ready" is a guess about everything that is wanted.
    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        self.idle_laps = if self.progress.replace(false) { 0 } else { self.idle_laps + 1 };
        if self.idle_laps > SPIN_LAPS {
            let doubled = PAUSE_MIN * (1 << (self.idle_laps - SPIN_LAPS).min(7));
            std::thread::sleep(doubled.min(PAUSE_MAX).min(timeout.unwrap_or(PAUSE_MAX)));
        }
        events.extend(self.wanted.iter().map(|(key, interest)| Event {
            key: Key::unpack(*key),
            read: interest.read,
            write: interest.write,
            read_closed: false,
            drain: false,
        }));
        Ok(())
    }
}
