//! The terminal of an init, if its standard input is one: given to the program, so that the keys'
//! signals reach it, and taken back when the program ends or is stopped.
//!
//! Job control (credentials(7), tcsetpgrp(3)): a stopped program stops its init too, so that the
//! shell above sees a stopped job; when the shell lets the init go on, so does the program. A PID 1
//! has no shell above and cannot be stopped.

use std::os::fd::BorrowedFd;

use process::Signal;
use rustix::process::{
    Pid, WaitId, WaitIdOptions, getpgrp, getpid, kill_process, kill_process_group, waitid,
};
use rustix::termios::{isatty, tcgetpgrp, tcsetpgrp};

/// SIGCONT and the signals that stop (signal(7)).
const SIGCONT: i32 = 18;

pub struct Terminal {
    fd: Option<BorrowedFd<'static>>,
}

impl Terminal {
    pub fn new() -> Terminal {
        let stdin = rustix::stdio::stdin();
        Terminal { fd: isatty(stdin).then_some(stdin) }
    }

    /// The terminal, if it is ours to give: a background job has none.
    pub fn to_give(&self) -> Option<BorrowedFd<'static>> {
        self.fd.filter(|fd| tcgetpgrp(fd) == Ok(getpgrp()))
    }

    /// Makes us the foreground again (SIGTTOU, which this would bring, is blocked).
    pub fn take_back(&self) {
        if let Some(fd) = self.fd {
            // The terminal may be gone.
            let _ = tcsetpgrp(fd, getpgrp());
        }
    }

    /// Before SIGCONT reaches the program, it gets the terminal if the shell gave that to us.
    pub fn before_forward(&self, number: i32, program: u32) {
        if number == SIGCONT
            && let Some(fd) = self.to_give()
            && let Some(group) = Pid::from_raw(program.cast_signed())
        {
            let _ = tcsetpgrp(fd, group);
        }
    }

    /// If the program has been stopped, stops this process too, until somebody lets it go on.
    pub fn follow_stop(&self, program: u32) {
        let Some(pid) = Pid::from_raw(program.cast_signed()) else { return };
        let options = WaitIdOptions::STOPPED | WaitIdOptions::NOHANG;
        let stopped = waitid(WaitId::Pid(pid), options);
        if !matches!(stopped, Ok(Some(status)) if status.stopped()) || getpid().is_init() {
            return;
        }
        self.take_back();
        let _ = kill_process(getpid(), Signal::STOP);
        // Going on: whoever stopped the program by name lets it go on by letting us.
        self.before_forward(SIGCONT, program);
        let _ = kill_process_group(pid, Signal::CONT);
    }
}
