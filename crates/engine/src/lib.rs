//! Runs futures over one of the Unix I/O models: connections, listeners, timers, buffers.
//!
//! Who calls it: `serve` (protocols over [`Conn`]) and the program's workers ([`run`],
//! [`Listener`]). What it may know: descriptors, readiness, completions, time. It knows no HTTP and
//! no processes; a process model is somebody else's way of calling [`run`].
//!
//! # The contract
//!
//! Protocol code is written once, as async functions over [`Conn`], and runs unchanged over every
//! [`Model`]. Seven models are three disciplines:
//!
//! | discipline | models | a wait is |
//! |---|---|---|
//! | blocking | `blocking` | the system call itself, made when no task can run |
//! | readiness | `nonblocking`, `select`, `poll`, `epoll`, `sigio` | a [`model::Poller`] |
//! | ring | `io_uring` | completions: multishot accept, multishot receive |
//!
//! and `sim` is an in-memory network under the readiness discipline, with a clock moved by hand.
//!
//! - **Buffers belong to the connection, never to a future.** A `Conn` owns what it has received
//!   and what it has yet to send, so every future over it may be dropped at any await without
//!   losing a byte; the kernel is never lent memory that a drop could free (a ring writes only
//!   into its own buffers). An idle connection holds no buffer at all.
//! - **Send at once**, in every model; wait for writability only after `EAGAIN`.
//! - **A deadline is a store.** [`Conn::set_deadline`] touches no timer; a lazy wheel looks at the
//!   stored value when its turn comes.
//! - **Nobody starves.** A task has a budget of operations a turn; accepting and running tasks are
//!   bounded a turn.
#![forbid(unsafe_code)]

mod buffer;
mod clock;
mod conn;
mod core;
mod engine;
mod event;
mod executor;
mod io;
mod listener;
pub mod model;
mod outbox;
mod slab;
mod sleep;
mod slot;
mod timer;
mod wake;

pub use clock::Tick;
pub use conn::{Conn, Watcher};
pub use engine::{Engine, run};
pub use event::{Fill, SimId};
pub use listener::{Accepted, Listener};
pub use model::sim::{Faults, Sim};
pub use model::{Model, Options};
pub use outbox::OutBuf;
pub use sleep::Sleep;
pub use wake::Remote;

/// Capacity of a connection's receive buffer, in bytes. What a protocol wants to see in one piece
/// (a request head) must be smaller.
pub const INBOX_BYTES: usize = 20 * 1024;
