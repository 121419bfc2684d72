//! Reaping (wait(2)): every child that has ended, known or not, until none is left.
//!
//! A SIGCHLD stands for any number of ends, so one is no reason to wait for one child. Children
//! that nobody here started (orphans adopted by a subreaper or by PID 1) are reaped alike.

use std::fmt;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait};

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    Exit(i32),
    Signal { number: i32, core_dumped: bool },
}

/// The end of a child, which is a zombie no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exit {
    pub pid: u32,
    pub how: How,
}

impl How {
    pub fn is_success(self) -> bool {
        self == How::Exit(0)
    }

    fn of(status: WaitStatus) -> Option<How> {
        if let Some(code) = status.exit_status() {
            return Some(How::Exit(code));
        }
        let core_dumped = status.as_raw() & 0x80 != 0;
        status.terminating_signal().map(|number| How::Signal { number, core_dumped })
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            How::Exit(code) => write!(f, "exit {code}"),
            How::Signal { number, core_dumped } => {
                let name = signal_name(number);
                let core = if core_dumped { ", core dumped" } else { "" };
                write!(f, "signal {number} ({name}{core})")
            }
        }
    }
}

/// The name of a signal (signal(7)), for people.
pub fn signal_name(number: i32) -> &'static str {
    const NAMES: [&str; 32] = [
        "no signal",
        "SIGHUP",
        "SIGINT",
        "SIGQUIT",
        "SIGILL",
        "SIGTRAP",
        "SIGABRT",
        "SIGBUS",
        "SIGFPE",
        "SIGKILL",
        "SIGUSR1",
        "SIGSEGV",
        "SIGUSR2",
        "SIGPIPE",
        "SIGALRM",
        "SIGTERM",
        "SIGSTKFLT",
        "SIGCHLD",
        "SIGCONT",
        "SIGSTOP",
        "SIGTSTP",
        "SIGTTIN",
        "SIGTTOU",
        "SIGURG",
        "SIGXCPU",
        "SIGXFSZ",
        "SIGVTALRM",
        "SIGPROF",
        "SIGWINCH",
        "SIGIO",
        "SIGPWR",
        "SIGSYS",
    ];
    usize::try_from(number).ok().and_then(|n| NAMES.get(n)).copied().unwrap_or("real-time signal")
}

/// Appends every child that has ended since the last call; never waits.
pub fn reap(out: &mut Vec<Exit>) {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) => {
                if let Some(how) = How::of(status) {
                    out.push(Exit { pid: pid.as_raw_nonzero().get() as u32, how });
                }
            }
            Err(Errno::INTR) => {}
            // Nobody has ended, or there are no children at all (ECHILD).
            Ok(None) | Err(_) => return,
        }
    }
}

/// Waits until one child has ended; for the end of a program that has told them all to.
pub fn wait_one() {
    // Interrupted, or none left: the caller looks again.
    let _ = wait(WaitOptions::empty());
}

/// The direct children of this process, adopted ones included, as the kernel lists them.
pub fn children() -> Vec<u32> {
    let tid = rustix::thread::gettid().as_raw_nonzero();
    let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/children"));
    let text = text.unwrap_or_default();
    text.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Sends a signal to a child that has not been reaped (so that the number is still its own). One
/// that has ended already is as good as signalled.
pub fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        assert_eq!(How::Exit(3).to_string(), "exit 3");
        let killed = How::Signal { number: 9, core_dumped: false };
        assert_eq!(killed.to_string(), "signal 9 (SIGKILL)");
        let crashed = How::Signal { number: 11, core_dumped: true };
        assert_eq!(crashed.to_string(), "signal 11 (SIGSEGV, core dumped)");
        assert_eq!(signal_name(40), "real-time signal");
    }
}
