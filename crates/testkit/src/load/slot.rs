//! One client of the crowd: its connection, what it has asked and what has come back.
//!
//! ```text
//! Resting -> Connecting -> Open (idle <-> asking) -> Resting | Done
//! ```

use std::time::Instant;

use rustix::fd::OwnedFd;

use crate::response::Reader;

#[derive(Debug)]
pub(super) struct Slot {
    /// Grows with every connection, so that an event for an old one is known as such.
    pub generation: u32,
    /// Whether `Plan::reconnect_every` holds for this client.
    pub reconnects: bool,
    pub state: State,
}

#[derive(Debug)]
pub(super) enum State {
    /// Not connected, and to be before long.
    Resting {
        until: Instant,
    },
    Connecting {
        socket: OwnedFd,
        since: Instant,
    },
    Open(Session),
    /// Not connected, and not to be again.
    Done,
}

#[derive(Debug)]
pub(super) struct Session {
    pub socket: OwnedFd,
    pub reader: Reader,
    /// How much of the expected body has been compared.
    pub compared: usize,
    pub body_differs: bool,
    pub asked_at: Instant,
    /// Requests sent (or being sent) and not yet answered.
    pub outstanding: u32,
    /// What remains of the bytes of `batch` to send.
    pub unsent: usize,
    pub batch: BatchKey,
    /// Requests this connection has asked.
    pub asked: u64,
}

/// Which of the prepared byte strings is on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BatchKey {
    pub target: usize,
    pub last: bool,
}

/// Requests ready to be sent.
#[derive(Debug)]
pub(super) struct Batch {
    pub requests: u32,
    pub bytes: Vec<u8>,
}

impl Session {
    pub fn new(socket: OwnedFd, now: Instant) -> Session {
        Session {
            socket,
            reader: Reader::default(),
            compared: 0,
            body_differs: false,
            asked_at: now,
            outstanding: 0,
            unsent: 0,
            batch: BatchKey::default(),
            asked: 0,
        }
    }
}
