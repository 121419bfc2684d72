//! `epoll`: epoll(7), edge-triggered for connections.
//!
//! A connection is added once, at its first `EAGAIN`, for both directions, and never modified: a
//! one-shot connection costs no epoll_ctl(2) at all, and writability in the mask adds no wake-up.
//! Listeners are level-triggered, so that one accept a turn loses nothing, and exclusive, so that
//! a connection wakes one process.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use super::{Event, Interest, Poller};
use crate::slab::Key;

/// Events taken from the kernel at once.
const BATCH: usize = 256;

pub struct Epoll {
    epoll: OwnedFd,
    batch: Box<[MaybeUninit<epoll::Event>; BATCH]>,
}

impl Epoll {
    pub fn new() -> io::Result<Epoll> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        Ok(Epoll { epoll, batch: Box::new([MaybeUninit::uninit(); BATCH]) })
    }
}

impl Poller for Epoll {
    fn edge_triggered(&self) -> bool {
        true
    }

    fn add(&mut self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        let flags = if interest.listener {
            EventFlags::IN | EventFlags::EXCLUSIVE
        } else {
            EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET
        };
        Ok(epoll::add(&self.epoll, fd, EventData::new_u64(key.pack()), flags)?)
    }

    /// Nothing to change: one registration covers both directions.
    fn modify(&mut self, _: BorrowedFd<'_>, _: Key, _: Interest) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>, _: Key) {
        // It fails only when the descriptor is not in the set, which is what is wanted.
        let _ = epoll::delete(&self.epoll, fd);
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let limit = timeout.map(super::timespec);
        let found = match epoll::wait(&self.epoll, &mut self.batch[..], limit.as_ref()) {
            Ok((found, _)) => found,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        events.extend(found.iter().map(event));
        Ok(())
    }
}

fn event(found: &epoll::Event) -> Event {
    let flags = found.flags;
    let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
    Event {
        key: Key::unpack(found.data.u64()),
        read: broken || flags.contains(EventFlags::IN),
        write: broken || flags.contains(EventFlags::OUT),
        read_closed: broken || flags.contains(EventFlags::RDHUP),
        drain: false,
    }
}
