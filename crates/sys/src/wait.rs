//! waitid(2) with the resources that the child has used, which `rustix` leaves out, as it does the
//! child's number.
//!
//! A child that has ended can be looked at first and taken later: until it is taken it keeps its
//! number, so whatever is signalled by that number or by its process group is still the child's.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// Whether to wait for a child that has not ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hang {
    No,
    UntilItEnds,
}

/// A child that has ended and was reaped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    pub pid: u32,
    pub how: How,
    pub usage: Usage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    Exit(i32),
    Signal { number: i32, core_dumped: bool },
}

/// What a child and those of its children that it reaped have used (getrusage(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    pub user: Duration,
    pub system: Duration,
    /// The most memory that one of them had resident, in bytes.
    pub rss_max: u64,
}

/// A child that has ended, left as it is. `None`: none has, or there are no children.
pub fn peek() -> io::Result<Option<u32>> {
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    Ok(waitid(libc::P_ALL, 0, options)?.map(|ended| ended.pid))
}

/// Reaps this child. `None`: it has not ended, or is no child of this process.
pub fn take(pid: u32, hang: Hang) -> io::Result<Option<Ended>> {
    let hang = if hang == Hang::No { libc::WNOHANG } else { 0 };
    waitid(libc::P_PID, pid, libc::WEXITED | hang)
}

/// Reaps the child that a pidfd stands for, which cannot be another of the same number.
pub fn take_by(pidfd: BorrowedFd<'_>, hang: Hang) -> io::Result<Option<Ended>> {
    let hang = if hang == Hang::No { libc::WNOHANG } else { 0 };
    waitid(libc::P_PIDFD, pidfd.as_raw_fd().cast_unsigned(), libc::WEXITED | hang)
}

/// The bare call, for its fifth argument.
fn waitid(kind: libc::idtype_t, id: u32, options: i32) -> io::Result<Option<Ended>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let (info_at, usage_at) = (info.as_mut_ptr(), usage.as_mut_ptr());
    loop {
        // SAFETY: both pointers are to live values of the right types.
        let result =
            unsafe { libc::syscall(libc::SYS_waitid, kind, id, info_at, options, usage_at) };
        if result == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ECHILD) => return Ok(None),
            _ => return Err(error),
        }
    }
    // SAFETY: zeroed at first, and every bit pattern is a valid siginfo_t.
    let info = unsafe { info.assume_init() };
    // SAFETY: as above: all its fields are integers.
    let usage = unsafe { usage.assume_init() };
    Ok(ended(&info, &usage))
}

fn ended(info: &libc::siginfo_t, usage: &libc::rusage) -> Option<Ended> {
    // SAFETY: waitid filled in a SIGCHLD's fields, or left all zero if nobody has ended.
    let pid = unsafe { info.si_pid() };
    // SAFETY: as above.
    let status = unsafe { info.si_status() };
    let how = match info.si_code {
        libc::CLD_EXITED => How::Exit(status),
        code => How::Signal { number: status, core_dumped: code == libc::CLD_DUMPED },
    };
    let time = |time: libc::timeval| {
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_usec.unsigned_abs() as u32 * 1000)
    };
    let usage = Usage {
        user: time(usage.ru_utime),
        system: time(usage.ru_stime),
        rss_max: usage.ru_maxrss.unsigned_abs() * 1024,
    };
    (pid > 0).then(|| Ended { pid: pid.cast_unsigned(), how, usage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[expect(clippy::zombie_processes, reason = "take() is what waits for it")]
    fn check(script: &str, how: How) {
        let child = Command::new("sh").args(["-c", script]).spawn().unwrap();
        let ended = take(child.id(), Hang::UntilItEnds).unwrap().unwrap();
        assert_eq!((ended.pid, ended.how), (child.id(), how), "{script}");
        assert!(ended.usage.rss_max > 0, "{:?}", ended.usage);
        assert_eq!(take(child.id(), Hang::No).unwrap(), None);
    }

    #[test]
    fn an_end_says_how_and_what_was_used() {
        check("exit 7", How::Exit(7));
        check("kill -TERM $$", How::Signal { number: libc::SIGTERM, core_dumped: false });
    }

    #[test]
    #[expect(clippy::zombie_processes, reason = "take() is what waits for it")]
    fn a_child_that_runs_is_left_alone() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        assert_eq!(take(child.id(), Hang::No).unwrap(), None);
        child.kill().unwrap();
        let ended = take(child.id(), Hang::UntilItEnds).unwrap().unwrap();
        assert!(matches!(ended.how, How::Signal { number: libc::SIGKILL, .. }));
    }
}
