//! The I/O models: each is one file of one shape. This file has their table and the contract.
//!
//! A readiness model implements [`Poller`], four methods and nothing else; whether an operation is
//! worth trying is decided above it, once for all five. The two that are not pollers (`blocking`,
//! where the wait is the system call itself, and `io_uring`, where it is a completion) are drivers
//! of their own beside it.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

pub use crate::event::{Event, Interest};
use crate::slab::Key;

pub mod blocking;
pub mod epoll;
pub mod io_uring;
pub mod nonblocking;
pub mod poll;
pub mod select;
pub mod sigio;
pub mod sim;

/// An I/O model by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Model {
    Blocking,
    Nonblocking,
    Select,
    Poll,
    Epoll,
    Sigio,
    IoUring,
}

impl Model {
    pub const ALL: [Model; 7] = [
        Model::Blocking,
        Model::Nonblocking,
        Model::Select,
        Model::Poll,
        Model::Epoll,
        Model::Sigio,
        Model::IoUring,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Model::Blocking => "blocking",
            Model::Nonblocking => "nonblocking",
            Model::Select => "select",
            Model::Poll => "poll",
            Model::Epoll => "epoll",
            Model::Sigio => "sigio",
            Model::IoUring => "io_uring",
        }
    }

    pub fn by_name(name: &str) -> Option<Model> {
        Model::ALL.into_iter().find(|model| model.name() == name)
    }

    /// Whether this kernel, under whatever sandbox this process is in, offers the model: found out
    /// by making one. The error is the kernel's.
    pub fn probe(self) -> io::Result<()> {
        match self {
            Model::IoUring => io_uring::probe(),
            Model::Epoll => epoll::Epoll::new().map(drop),
            Model::Blocking | Model::Nonblocking | Model::Select | Model::Poll | Model::Sigio => {
                Ok(())
            }
        }
    }

    /// The most descriptors the model can watch, where it has such a limit.
    pub fn descriptor_limit(self) -> Option<usize> {
        (self == Model::Select).then_some(sys::select::FD_SETSIZE)
    }
}

/// How an engine is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Buffers of the ring, a power of two (io_uring only).
    pub ring_buffers: u16,
    /// Bytes of each (io_uring only).
    pub ring_buffer_bytes: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options { ring_buffers: 256, ring_buffer_bytes: 2048 }
    }
}

/// The contract of a readiness model.
pub trait Poller {
    /// Edge-triggered pollers are told of a connection once, for both directions; level-triggered
    /// ones are told each time what is wanted.
    fn edge_triggered(&self) -> bool;

    /// Starts to watch. An edge-triggered poller reports what is ready already.
    fn add(&mut self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()>;

    /// Changes what is watched for.
    fn modify(&mut self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()>;

    /// Ends watching; always before the descriptor is closed, since a forked process may hold the
    /// same socket and keep it firing.
    fn remove(&mut self, fd: BorrowedFd<'_>, key: Key);

    /// Appends what is ready, waiting at most `timeout` (`None`: without end). Being interrupted
    /// is an empty result. Events may be stale or spurious: an operation after one may still say
    /// `EAGAIN`.
    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()>;
}

/// A timeout as the kernel takes it.
fn timespec(timeout: Duration) -> rustix::event::Timespec {
    // Rounded up to a millisecond: epoll_wait(2) counts in those, and a part of one must not
    // become a busy loop.
    let milliseconds = sys::poll::milliseconds(Some(timeout));
    rustix::event::Timespec {
        tv_sec: i64::from(milliseconds / 1000),
        tv_nsec: i64::from(milliseconds % 1000) * 1_000_000,
    }
}
