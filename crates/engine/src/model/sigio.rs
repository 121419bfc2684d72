//! `sigio`: signal-driven I/O. A real-time signal carries the descriptor and what happened to it
//! (fcntl(2) `F_SETSIG`, `F_SETOWN_EX` to this thread); signals are blocked and read as data.
//!
//! Its traps, each met here: nothing is sent for what arrived before arming (so arming reports
//! everything as ready once); queued signals survive close(2), so a number may name a descriptor
//! of somebody else (an event is only a hint, and the operation says `EAGAIN`); and over
//! `RLIMIT_SIGPENDING`, which all processes of the user share, the kernel sends one plain `SIGIO`
//! instead, after which everything is taken for ready once.
//!
//! A fourth concerns listeners: whom to signal is a property of the open file description, which
//! every process that inherited the socket shares. The last to arm it gets the signals (on a
//! reload the new worker, as it should be), nobody disarms it, and each looks at its listeners
//! from time to time without being told.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use sys::sigio;
use sys::signal::{self, SIGIO, Signal, SignalFd, SignalSet};

use super::{Event, Interest, Poller};
use crate::slab::Key;

/// The signal that names a descriptor.
pub fn io_signal() -> i32 {
    signal::sigrtmin() + 3
}

/// The signal by which other threads end the wait.
pub fn wake_signal() -> i32 {
    signal::sigrtmin() + 4
}

pub struct Sigio {
    signals: SignalSet,
    queue: SignalFd,
    thread: u32,
    /// Whose descriptor each number is.
    owners: Vec<Option<Owner>>,
    /// Armed since the last wait: reported as ready once.
    fresh: Vec<Key>,
    batch: Vec<Signal>,
    /// Counts the batches.
    round: u64,
    listeners: usize,
}

/// The longest wait while there are listeners: then they are tried unasked.
const LISTENER_SWEEP: Duration = Duration::from_secs(1);
/// In a busy process, waits between two such tries.
const LISTENER_SWEEP_ROUNDS: u64 = 64;

#[derive(Clone, Copy)]
struct Owner {
    key: Key,
    listener: bool,
    /// The last batch in which a signal named it.
    seen: u64,
}

impl Sigio {
    /// Blocks the signals in this thread for good: unblocked, they would end the process.
    pub fn new() -> io::Result<Sigio> {
        let signals = SignalSet::of(&[io_signal(), wake_signal(), SIGIO]);
        signal::block(&signals)?;
        Ok(Sigio {
            queue: SignalFd::new(&signals)?,
            signals,
            thread: signal::gettid(),
            owners: Vec::new(),
            fresh: Vec::new(),
            batch: Vec::new(),
            round: 0,
            listeners: 0,
        })
    }

    fn event(&mut self, signal: Signal) -> Option<Event> {
        let owner = self.owners.get_mut(usize::try_from(signal.fd).ok()?)?.as_mut()?;
        let twice = std::mem::replace(&mut owner.seen, self.round) == self.round;
        let broken = signal.band & (sigio::ERR | sigio::HUP) != 0;
        Some(Event {
            key: owner.key,
            read: broken || signal.band & sigio::IN != 0,
            write: broken || signal.band & sigio::OUT != 0,
            read_closed: broken,
            // Two signals of one batch may be data and the end of the stream: after a short read
            // no further signal would come for the latter.
            drain: twice,
        })
    }
}

/// Everything may have happened.
fn any(key: Key) -> Event {
    Event { key, read: true, write: true, read_closed: false, drain: true }
}

impl Poller for Sigio {
    fn edge_triggered(&self) -> bool {
        true
    }

    fn add(&mut self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        let number = fd.as_raw_fd() as usize;
        if self.owners.len() <= number {
            self.owners.resize(number + 1, None);
        }
        self.owners[number] = Some(Owner { key, listener: interest.listener, seen: 0 });
        self.fresh.push(key);
        self.listeners += usize::from(interest.listener);
        sigio::arm(fd, io_signal(), self.thread)
    }

    fn modify(&mut self, _: BorrowedFd<'_>, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>, key: Key) {
        let entry = self.owners.get_mut(fd.as_raw_fd() as usize);
        let Some(entry) = entry.filter(|e| e.is_some_and(|owner| owner.key == key)) else { return };
        if entry.take().is_some_and(|owner| owner.listener) {
            self.listeners -= 1;
            return;
        }
        // It fails only when the descriptor cannot be asynchronous, and then it never was.
        let _ = sigio::disarm(fd);
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let timeout = match (self.fresh.is_empty(), self.listeners) {
            (false, _) => Some(Duration::ZERO),
            (true, 0) => timeout,
            (true, _) => Some(timeout.unwrap_or(LISTENER_SWEEP).min(LISTENER_SWEEP)),
        };
        self.batch.clear();
        if let Some(first) = signal::sigtimedwait(&self.signals, timeout)? {
            self.batch.push(first);
            self.queue.read(&mut self.batch)?;
        }
        events.extend(self.fresh.drain(..).map(any));
        if self.batch.is_empty() || self.round.is_multiple_of(LISTENER_SWEEP_ROUNDS) {
            let listeners = self.owners.iter().flatten().filter(|owner| owner.listener);
            events.extend(listeners.map(|owner| any(owner.key)));
        }
        if self.batch.iter().any(|signal| signal.number == SIGIO) {
            events.extend(self.owners.iter().flatten().map(|owner| any(owner.key)));
            return Ok(());
        }
        self.round += 1;
        let batch = std::mem::take(&mut self.batch);
        let named = batch.iter().filter(|signal| signal.number == io_signal());
        events.extend(named.filter_map(|signal| self.event(*signal)));
        self.batch = batch;
        Ok(())
    }
}
