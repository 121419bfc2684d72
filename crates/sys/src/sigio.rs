//! Signal-driven I/O: a real-time signal that names the descriptor (fcntl(2), `F_SETSIG`).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Bands of a poll signal: the `si_band` bits have poll(2)'s values.
pub const IN: u32 = libc::POLLIN as u32;
pub const OUT: u32 = libc::POLLOUT as u32;
pub const ERR: u32 = libc::POLLERR as u32;
pub const HUP: u32 = libc::POLLHUP as u32;

#[repr(C)]
struct OwnerEx {
    kind: i32,
    pid: i32,
}

const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;
const F_OWNER_TID: i32 = 0;

/// Sends `signal` to thread `tid` whenever the descriptor's readiness changes. What arrived before
/// this call sends nothing: the caller tries once after arming.
pub fn arm(fd: BorrowedFd<'_>, signal: i32, tid: u32) -> io::Result<()> {
    let raw = fd.as_raw_fd();
    // SAFETY: F_SETSIG takes an integer and touches no memory of ours.
    crate::check(unsafe { libc::fcntl(raw, F_SETSIG, signal) })?;
    let owner = OwnerEx { kind: F_OWNER_TID, pid: tid as i32 };
    // SAFETY: F_SETOWN_EX reads one f_owner_ex, which `owner` is in layout and which lives here.
    crate::check(unsafe { libc::fcntl(raw, F_SETOWN_EX, &raw const owner) })?;
    // Off first: the number that a signal names is the one by which O_ASYNC was turned on, and on
    // a socket that was inherited this may have been another process's number for it.
    set_async(fd, false)?;
    set_async(fd, true)
}

/// Stops the signals. Those already queued still arrive (they survive even close(2)).
pub fn disarm(fd: BorrowedFd<'_>) -> io::Result<()> {
    set_async(fd, false)
}

fn set_async(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd)?;
    let wanted = rustix::fs::OFlags::from_bits_retain(libc::O_ASYNC as u32);
    let flags = if on { flags | wanted } else { flags - wanted };
    // SAFETY: F_SETFL takes an integer. (rustix refuses O_ASYNC, hence the raw call.)
    crate::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags.bits()) }).map(drop)
}

/// How many signals may wait at once for all processes of this user (`RLIMIT_SIGPENDING`).
pub fn pending_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one rlimit, which `limit` is.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_SIGPENDING, &mut limit) };
    crate::check(result).ok()?;
    (limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{self, SignalSet};
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[test]
    fn an_armed_socket_names_itself() {
        let set = SignalSet::of(&[signal::sigrtmin() + 5]);
        signal::block(&set).unwrap();
        let (a, mut b) = UnixStream::pair().unwrap();
        arm(a.as_fd(), signal::sigrtmin() + 5, signal::gettid()).unwrap();
        b.write_all(b"x").unwrap();
        let found = signal::sigtimedwait(&set, Some(Duration::from_secs(5))).unwrap().unwrap();
        assert_eq!(found.fd, a.as_raw_fd());
        assert_ne!(found.band & IN, 0);
        disarm(a.as_fd()).unwrap();
        b.write_all(b"x").unwrap();
        assert_eq!(signal::sigtimedwait(&set, Some(Duration::ZERO)).unwrap(), None);
    }
}
