//! The child between clone3(2) and execve(2): system calls only, in the one order that works.
//!
//! The order has reasons. Dispositions go first and the mask last, so that no signal is handled by
//! a handler that is not the program's. What needs privileges (cgroup, scores, limits) comes before
//! the account is changed, what the program could not do itself (the directory) after it. The
//! death signal comes after the account, since changing that clears it (prctl(2)).

use std::convert::Infallible;
use std::ffi::c_char;
use std::os::fd::{AsFd, BorrowedFd, RawFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{self, Gid, Uid};
use rustix::thread;

use super::{Account, Failure, Memory, Plan, Session, Stage};
use crate::fork;
use crate::signal::{self, SignalSet};

/// The exit status of a child that could not execute its program; nobody reads it.
const FAILED: i32 = 127;
/// The room for `LISTEN_PID=`, ten digits and a null.
const LISTEN_PID_BYTES: usize = 24;
/// How many descriptors are looked at where close_range(2) is missing (before Linux 5.11).
const DESCRIPTORS_MAX: RawFd = 65_536;

type Step = Result<(), Failure>;

/// Does the steps and executes the program, or reports what failed and ends.
pub(super) fn run(
    plan: &Plan<'_>,
    mut memory: Memory,
    report: BorrowedFd<'_>,
    in_cgroup: bool,
) -> ! {
    // Out of the way of the descriptors that are placed from 0 up.
    let lowest = plan.descriptors.len() as RawFd;
    let moved = rustix::io::fcntl_dupfd_cloexec(report, lowest);
    let report = moved.as_ref().map_or(report, AsFd::as_fd);
    let Err(failure) = steps(plan, &mut memory, in_cgroup);
    // If the parent does not hear of it there is nobody left to tell.
    let _ = rustix::io::write(report, &failure.to_bytes());
    fork::exit(FAILED)
}

fn steps(plan: &Plan<'_>, memory: &mut Memory, in_cgroup: bool) -> Result<Infallible, Failure> {
    reset_dispositions();
    session(plan.session)?;
    if let Some(terminal) = plan.foreground {
        let set = rustix::termios::tcsetpgrp(terminal, process::getpgrp());
        set.map_err(|errno| failure(Stage::Foreground, errno))?;
    }
    if let Some(cgroup) = plan.cgroup.filter(|_| !in_cgroup) {
        write_file(cgroup, c"cgroup.procs", b"0").map_err(|errno| failure(Stage::Cgroup, errno))?;
    }
    if let Some(score) = &memory.oom_score_adj {
        write_file(rustix::fs::CWD, c"/proc/self/oom_score_adj", score.as_bytes())
            .map_err(|errno| failure(Stage::OomScore, errno))?;
    }
    if let Some(nice) = plan.nice {
        process::setpriority_process(None, nice).map_err(|errno| failure(Stage::Nice, errno))?;
    }
    place_descriptors(&mut memory.sources)?;
    for (index, (resource, limit)) in plan.limits.iter().enumerate() {
        process::setrlimit(*resource, *limit)
            .map_err(|errno| Failure { index: index as u32, ..failure(Stage::Limit, errno) })?;
    }
    if let Some(account) = plan.account {
        become_account(account).map_err(|errno| failure(Stage::Account, errno))?;
    }
    if let Some(umask) = plan.umask {
        process::umask(Mode::from_raw_mode(umask));
    }
    if let Some(directory) = plan.directory {
        process::chdir(directory).map_err(|errno| failure(Stage::Directory, errno))?;
    }
    death_signal(plan, memory.parent).map_err(|errno| failure(Stage::DeathSignal, errno))?;
    if plan.no_new_privileges {
        thread::set_no_new_privs(true).map_err(|errno| failure(Stage::NoNewPrivileges, errno))?;
    }
    Err(execute(plan, memory))
}

fn failure(stage: Stage, errno: Errno) -> Failure {
    Failure { stage, index: 0, errno: errno.raw_os_error() }
}

/// Gives every signal its default action: execve resets handlers by itself, but not what is
/// ignored, such as SIGPIPE in any Rust program. The bare call reaches the two signals as well
/// that the C library keeps to itself.
fn reset_dispositions() {
    const SIGNALS: libc::c_int = 64;
    // `struct sigaction` of the kernel, not of the C library: SIG_DFL, no flags, empty mask.
    let default = [0u64; 4];
    let nothing = std::ptr::null_mut::<u64>();
    for number in 1..=SIGNALS {
        let action = default.as_ptr();
        // SAFETY: the action is live and at least as large as the kernel's structure; no old one
        // is asked for; SIG_DFL runs none of our code. KILL and STOP are refused, which is right.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, number, action, nothing, 8usize) };
    }
}

fn session(session: Session) -> Step {
    let done = match session {
        Session::Same => Ok(()),
        Session::Group => process::setpgid(None, None),
        Session::New => process::setsid().map(drop),
    };
    done.map_err(|errno| failure(Stage::Session, errno))
}

fn write_file(at: BorrowedFd<'_>, path: &std::ffi::CStr, bytes: &[u8]) -> Result<(), Errno> {
    let file = rustix::fs::openat(at, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, bytes).map(drop)
}

/// Moves every descriptor above all the places first, so that placing one overwrites no other, and
/// one that is given twice stands in both places.
fn place_descriptors(sources: &mut [RawFd]) -> Step {
    let count = sources.len() as RawFd;
    let failed = |index: usize| Failure {
        stage: Stage::Descriptor,
        index: index as u32,
        errno: std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EBADF),
    };
    for (index, source) in sources.iter_mut().enumerate() {
        // SAFETY: fcntl with these arguments touches no memory.
        *source = unsafe { libc::fcntl(*source, libc::F_DUPFD_CLOEXEC, count) };
        if *source == -1 {
            return Err(failed(index));
        }
    }
    for (index, source) in sources.iter().enumerate() {
        // SAFETY: nothing in this process uses the place's old descriptor any more: it only
        // executes from here on.
        if unsafe { libc::dup2(*source, index as RawFd) } == -1 {
            return Err(failed(index));
        }
    }
    close_rest_at_exec(count);
    Ok(())
}

/// Everything is close-on-exec already; this is for what somebody forgot, or what this process
/// inherited itself.
fn close_rest_at_exec(first: RawFd) {
    let first_fd = first.cast_unsigned();
    let flags = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: no memory is touched, and with this flag nothing is closed before execve.
    if unsafe { libc::syscall(libc::SYS_close_range, first_fd, u32::MAX, flags) } == 0 {
        return;
    }
    for number in first..DESCRIPTORS_MAX {
        // SAFETY: F_SETFD takes an integer; a number that is no descriptor returns -1.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// The bare system calls change the calling thread only, and this process has no other. (Those of
/// the C library would signal the threads that it believes to have.)
fn become_account(account: Account<'_>) -> Result<(), Errno> {
    // SAFETY: the pointer and length describe the live `groups`.
    let set = unsafe {
        libc::syscall(libc::SYS_setgroups, account.groups.len(), account.groups.as_ptr())
    };
    if set == -1 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::PERM));
    }
    if account.uid == u32::MAX || account.gid == u32::MAX {
        return Err(Errno::INVAL);
    }
    let (uid, gid) = (Uid::from_raw_unchecked(account.uid), Gid::from_raw_unchecked(account.gid));
    thread::set_thread_res_gid(gid, gid, gid)?;
    thread::set_thread_res_uid(uid, uid, uid)
}

/// The parent may have ended before the signal was asked for; then it would never come.
fn death_signal(plan: &Plan<'_>, parent: u32) -> Result<(), Errno> {
    let Some(signal) = plan.death_signal else { return Ok(()) };
    process::set_parent_process_death_signal(Some(signal))?;
    let now = process::getppid().map(|pid| pid.as_raw_nonzero().get().cast_unsigned());
    if now == Some(parent) { Ok(()) } else { Err(Errno::SRCH) }
}

fn execute(plan: &Plan<'_>, memory: &mut Memory) -> Failure {
    let mut text = [0u8; LISTEN_PID_BYTES];
    if plan.listen_pid {
        write_listen_pid(&mut text, process::getpid().as_raw_nonzero().get().cast_unsigned());
        // The first of the two nulls at the end.
        if let Some(place) = memory.environment.iter_mut().rev().nth(1) {
            *place = text.as_ptr().cast::<c_char>();
        }
    }
    if signal::set_mask(&SignalSet::of(&[])).is_err() {
        return failure(Stage::Signals, Errno::INVAL);
    }
    let (arguments, environment) = (memory.arguments.as_ptr(), memory.environment.as_ptr());
    // SAFETY: the path is a C string; both arrays end with a null pointer and point to live C
    // strings. It returns only when it fails.
    unsafe { libc::execve(plan.path.as_ptr(), arguments, environment) };
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    Failure { stage: Stage::Exec, index: 0, errno }
}

/// `LISTEN_PID=` and the number in decimal; the rest of `text` stays zero, so it ends with a null.
fn write_listen_pid(text: &mut [u8; LISTEN_PID_BYTES], pid: u32) {
    const NAME: &[u8] = b"LISTEN_PID=";
    let digits = pid.checked_ilog10().unwrap_or(0) + 1;
    let digits = (0..digits).rev().map(|place| b'0' + (pid / 10u32.pow(place) % 10) as u8);
    text.iter_mut().zip(NAME.iter().copied().chain(digits)).for_each(|(to, from)| *to = from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_is_written_in_decimal() {
        let check = |pid: u32, expected: &str| {
            let mut text = [0; LISTEN_PID_BYTES];
            write_listen_pid(&mut text, pid);
            let text = std::ffi::CStr::from_bytes_until_nul(&text).unwrap();
            assert_eq!(text.to_str().unwrap(), expected);
        };
        check(1, "LISTEN_PID=1");
        check(10, "LISTEN_PID=10");
        check(4_194_304, "LISTEN_PID=4194304");
        check(u32::MAX, "LISTEN_PID=4294967295");
    }
}
