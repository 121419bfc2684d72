//! fork(2) and `_exit(2)`.
//!
//! `fork` is safe to call only from a process with one thread: the child gets a copy of all memory
//! but only the calling thread, so a lock held by another would stay locked for ever. That is
//! checked here at every call, so the function can be safe.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Which side of the fork this is.
pub enum Forked {
    Parent { child: u32 },
    Child,
}

/// Makes a copy of this process. Fails when the process has more than one thread.
///
/// The child must leave through [`exit`], never by returning into `main`: the parent's destructors
/// are not the child's to run.
pub fn fork() -> io::Result<Forked> {
    let tasks = std::fs::read_dir("/proc/self/task")
        .map_err(|e| io::Error::new(e.kind(), format!("count threads in /proc/self/task: {e}")))?;
    let threads = tasks.count();
    if threads != 1 {
        return Err(io::Error::other(format!("fork in a process of {threads} threads")));
    }
    // SAFETY: there is one thread (checked above), so no lock is held by a thread that the child
    // lacks, and the child may run any code.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        child => Ok(Forked::Parent { child: child as u32 }),
    }
}

/// Ends the process at once, without destructors or exit handlers (_exit(2)).
pub fn exit(code: i32) -> ! {
    // SAFETY: _exit has no preconditions and does not return.
    unsafe { libc::_exit(code) }
}

/// Takes over a descriptor that a parent process passed by number (`LISTEN_FDS`, sd_listen_fds(3)),
/// and sets close-on-exec on it. `None` when the number is not an open descriptor above standard
/// error. The caller takes each number once: two owners of one number would close it twice.
pub fn take_inherited(number: i32) -> Option<OwnedFd> {
    if number <= 2 {
        return None;
    }
    // SAFETY: F_GETFD touches no memory; a number that is no descriptor returns -1.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    if flags == -1 {
        return None;
    }
    // SAFETY: F_SETFD takes an integer.
    unsafe { libc::fcntl(number, libc::F_SETFD, flags | libc::FD_CLOEXEC) };
    // SAFETY: the number is an open descriptor, and by this function's contract it has no owner.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    #[test]
    fn refuses_to_fork_beside_other_threads() {
        // The test harness itself has at least two threads.
        let error = super::fork().err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.starts_with("fork in a process of "), "{error}");
    }
}
