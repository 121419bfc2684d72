//! What the engine keeps for each connection and listener: its descriptor, what is known of its
//! readiness, who waits for it, and until when.
//!
//! Readiness is two facts a direction, after HAProxy: *wanted* (someone waits) and *ready* (no
//! `EAGAIN` since the last event). A poller watches what is wanted and not ready.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::Waker;

use crate::buffer::ReadBuf;
use crate::clock::Tick;
use crate::event::{Event, SimId};
use sys::uring::RingBuf;

/// What a slot stands on.
pub enum Handle {
    Fd(OwnedFd),
    Sim(SimId),
}

impl Handle {
    pub fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Handle::Fd(fd) => Ok(fd.as_fd()),
            Handle::Sim(_) => Err(io::Error::other("a simulated socket has no descriptor")),
        }
    }
}

/// Which way an operation goes. Accepting is reading.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    Read,
    Write,
}

/// What is known of one direction of a slot.
#[derive(Default)]
pub struct Side {
    /// The last operation did not say `EAGAIN`, and no short read has shown the queue empty.
    pub ready: bool,
    /// Who waits.
    pub waiter: Option<Waker>,
}

impl Side {
    pub fn wanted(&self) -> bool {
        self.waiter.is_some()
    }

    pub fn wake(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    /// Notes who waits now. (A packed waker is a word: nothing is allocated or counted.)
    pub fn wait(&mut self, waker: &Waker) {
        self.waiter = Some(waker.clone());
    }
}

/// What is special to one discipline.
pub enum Private {
    Readiness(Watch),
    Blocking(BlockingState),
    Ring(RingState),
}

/// What a poller has been told about a slot.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watch {
    pub added: bool,
    pub read: bool,
    pub write: bool,
}

#[derive(Default)]
pub struct BlockingState {
    /// Bytes that the park point received for the task that waits.
    pub received: Option<(ReadBuf, io::Result<usize>)>,
    /// `SO_RCVTIMEO` has been set.
    pub timeout_set: bool,
    /// Interrupts other waits instead of taking part in them (a control channel).
    pub urgent: bool,
}

#[derive(Default)]
pub struct RingState {
    /// The newest bytes, still in the ring's buffer: only between a completion and the turn of the
    /// task that waits for it.
    pub received: Option<RingBuf>,
    /// What few slots have, kept out of the others' memory.
    pub rare: Option<Box<Rare>>,
    /// Receive or accept is armed in the kernel.
    pub read_armed: bool,
    pub poll_armed: bool,
    /// A cancellation is on its way.
    pub cancelling: bool,
}

#[derive(Default)]
pub struct Rare {
    pub accepted: VecDeque<io::Result<OwnedFd>>,
    /// Bytes that came while nobody waited, copied so that the ring has its buffer back.
    pub spilled: Vec<u8>,
    pub error: Option<io::Error>,
}

impl RingState {
    pub fn in_kernel(&self) -> bool {
        self.read_armed || self.poll_armed
    }

    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// The next connection that the kernel has accepted.
    pub fn next_accepted(&mut self) -> Option<io::Result<OwnedFd>> {
        self.rare.as_mut()?.accepted.pop_front()
    }

    pub fn spilled(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.spilled.len())
    }
}

pub struct Slot {
    pub handle: Handle,
    pub listener: bool,
    pub read: Side,
    pub write: Side,
    /// The peer has sent its last byte (end of file read, or told of by the kernel).
    pub read_closed: bool,
    /// A short read does not show the queue empty: read until `EAGAIN` once.
    pub drain: bool,
    /// End of file has been read.
    pub at_end: bool,
    /// What the poller said when it was told of the slot.
    pub failed: Option<io::Error>,
    pub deadline: Tick,
    /// When the earliest entry of the wheel that points here is due; `NEVER` when there is none.
    pub filed: Tick,
    pub timed_out: bool,
    /// Its owner has let go; the slot stays until the kernel has too (rings only).
    pub closing: bool,
    pub private: Private,
}

impl Slot {
    pub fn new(handle: Handle, listener: bool, private: Private) -> Slot {
        Slot {
            handle,
            listener,
            read: Side { ready: true, waiter: None },
            write: Side { ready: true, waiter: None },
            read_closed: false,
            drain: false,
            at_end: false,
            failed: None,
            deadline: Tick::NEVER,
            filed: Tick::NEVER,
            timed_out: false,
            closing: false,
            private,
        }
    }

    pub fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Read => &mut self.read,
            Direction::Write => &mut self.write,
        }
    }

    /// Hands an event to whoever waits: each wakes and tries again.
    pub fn on_event(&mut self, event: &Event) {
        self.read_closed |= event.read_closed;
        self.drain |= event.drain;
        if event.read || event.read_closed {
            self.read.ready = true;
            self.read.wake();
        }
        if event.write {
            self.write.ready = true;
            self.write.wake();
        }
    }

    /// Why an operation on this slot fails before it is tried, if it does.
    pub fn refusal(&mut self) -> Option<io::Error> {
        if self.timed_out {
            return Some(io::Error::new(
                io::ErrorKind::TimedOut,
                "the connection's deadline is over",
            ));
        }
        self.failed.take()
    }
}
