//! What the parts of the engine tell each other: events, interests, and what a receive came to.

use crate::slab::Key;

/// What somebody waits for on a descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interest {
    pub read: bool,
    pub write: bool,
    /// A listening socket, which other processes may be watching too.
    pub listener: bool,
}

/// An event: what may now succeed on the descriptor that `key` stands for. An error on it counts
/// as readable and writable, so that the next operation reports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    pub key: Key,
    pub read: bool,
    pub write: bool,
    /// The peer has sent its last byte: read until end of file, whatever the count says.
    pub read_closed: bool,
    /// Read until `EAGAIN` this time: a short read does not mean that nothing is left.
    pub drain: bool,
}

/// What `Conn::poll_fill` came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// At least one new byte.
    Data,
    /// The peer will send no more.
    End,
    /// No room: consume something first ([`crate::INBOX_BYTES`]).
    Full,
}

/// One end of a simulated connection, or a simulated listener.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimId(pub(crate) usize);
