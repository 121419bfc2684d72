//! Reaping (wait(2)): every child that has ended, known or not, until none is left.
//!
//! A SIGCHLD stands for any number of ends, so one is no reason to wait for one child. Children
//! that nobody here started (orphans adopted by a subreaper or by PID 1) are reaped alike.
//!
//! Each is looked at before it is reaped: a zombie keeps its number, so that what is signalled by
//! that number, such as the rest of its process group, cannot be somebody else's by then.

use std::fmt;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use sys::wait::{self, Ended, Hang};

pub use sys::wait::Usage;

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
    /// What it and those of its children that it reaped have used.
    pub usage: Usage,
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Exit {
        let how = match ended.how {
            wait::How::Exit(code) => How::Exit(code),
            wait::How::Signal { number, core_dumped } => How::Signal { number, core_dumped },
        };
        Exit { pid: ended.pid, how, usage: ended.usage }
    }
}

impl How {
    pub fn is_success(self) -> bool {
        self == How::Exit(0)
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
    reap_each(|_| {}, |exit| out.push(exit));
}

/// Reaps every child that has ended; never waits. For each, `before` is called while it is still a
/// zombie (which is when to signal what is left of its group), `after` when it is no more.
pub fn reap_each(mut before: impl FnMut(u32), mut after: impl FnMut(Exit)) {
    // An error says that there are no children, or would come again at once.
    while let Ok(Some(pid)) = wait::peek() {
        before(pid);
        match wait::take(pid, Hang::No) {
            Ok(Some(ended)) => after(ended.into()),
            // Reaped elsewhere: only one place may, so there is nothing more to be had here.
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
