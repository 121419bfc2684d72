//! poll(2) over a set that is kept between calls.
//!
//! `rustix::event::poll` wants borrowed descriptors for each call, which would mean rebuilding the
//! array every turn; this keeps the array and changes it in place.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

pub const IN: i16 = libc::POLLIN;
pub const OUT: i16 = libc::POLLOUT;
pub const RDHUP: i16 = libc::POLLRDHUP;
pub const ERR: i16 = libc::POLLERR;
pub const HUP: i16 = libc::POLLHUP;
pub const NVAL: i16 = libc::POLLNVAL;

/// A dense array of descriptors to poll, each with a caller's number beside it.
#[derive(Default)]
pub struct PollSet {
    entries: Vec<libc::pollfd>,
    tags: Vec<u64>,
}

impl PollSet {
    /// Adds a descriptor and returns its index, which stays valid until a `remove`.
    pub fn push(&mut self, fd: BorrowedFd<'_>, events: i16, tag: u64) -> usize {
        self.entries.push(libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 });
        self.tags.push(tag);
        self.entries.len() - 1
    }

    pub fn set_events(&mut self, index: usize, events: i16) {
        self.entries[index].events = events;
    }

    /// Removes an entry by moving the last one into its place; returns the moved entry's tag.
    pub fn swap_remove(&mut self, index: usize) -> Option<u64> {
        self.entries.swap_remove(index);
        self.tags.swap_remove(index);
        self.tags.get(index).copied()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Waits; `None` waits without end, and a part of a millisecond is rounded up so that a short
    /// timeout cannot become a busy loop. An interruption counts as zero events.
    pub fn wait(&mut self, timeout: Option<Duration>) -> io::Result<usize> {
        let length = self.entries.len() as libc::nfds_t;
        // SAFETY: the pointer and length describe the live, exclusively borrowed `entries`.
        let n = unsafe { libc::poll(self.entries.as_mut_ptr(), length, milliseconds(timeout)) };
        match crate::check(n) {
            Ok(n) => Ok(n as usize),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                self.entries.iter_mut().for_each(|entry| entry.revents = 0);
                Ok(0)
            }
            Err(error) => Err(error),
        }
    }

    /// The entries that the last `wait` found ready: (tag, returned events).
    pub fn ready(&self) -> impl Iterator<Item = (u64, i16)> + '_ {
        let ready = |(entry, tag): (&libc::pollfd, &u64)| {
            (entry.revents != 0).then_some((*tag, entry.revents))
        };
        self.entries.iter().zip(&self.tags).filter_map(ready)
    }
}

/// A timeout as the millisecond argument of poll(2) and epoll_wait(2), rounded up; -1 is no end.
pub fn milliseconds(timeout: Option<Duration>) -> i32 {
    let Some(timeout) = timeout else { return -1 };
    let rest = u64::from(timeout.subsec_nanos().div_ceil(1_000_000));
    let whole = timeout.as_secs().saturating_mul(1000).saturating_add(rest);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn reports_the_ready_one_and_survives_removal() {
        let (a, mut b) = UnixStream::pair().unwrap();
        let (c, _d) = UnixStream::pair().unwrap();
        let mut set = PollSet::default();
        let first = set.push(c.as_fd(), IN, 1);
        set.push(a.as_fd(), IN, 2);
        b.write_all(b"x").unwrap();
        assert_eq!(set.wait(None).unwrap(), 1);
        assert_eq!(set.ready().collect::<Vec<_>>(), [(2, IN)]);
        assert_eq!(set.swap_remove(first), Some(2));
        assert_eq!(set.wait(Some(Duration::ZERO)).unwrap(), 1);
    }

    #[test]
    fn a_short_timeout_is_rounded_up() {
        assert_eq!(milliseconds(Some(Duration::from_nanos(1))), 1);
        assert_eq!(milliseconds(Some(Duration::ZERO)), 0);
        assert_eq!(milliseconds(None), -1);
    }
}
