//! Starting a program: clone3(2), the steps of the child, execve(2), as one safe function.
//!
//! Between the two calls the child runs on a copy of the parent's memory in which a lock may be
//! held by a thread that it lacks. It therefore makes system calls only: no allocation, no lock,
//! no formatting, no panic (signal-safety(7)); all memory that it needs is laid out before. So,
//! unlike [`crate::fork::fork`], this may be called beside other threads.
//!
//! What fails in the child comes back as three numbers through a pipe that a successful execve
//! closes; the failed child is reaped here.

mod child;

use std::ffi::{CStr, CString, c_char};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{self, PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process, pidfd_open, pidfd_send_signal,
};

use crate::signal::{self, SignalSet};
use crate::wait::{self, Hang};

/// How long a child may take from its start to its execve: longer only where a file system hangs.
pub const EXEC_WAIT: Duration = Duration::from_secs(10);

/// What the child does before execve. Nothing is inherited but what no field names: the credentials
/// if `account` is none, the working directory if `directory` is, and so on.
pub struct Plan<'a> {
    /// Absolute, or relative to the directory of the child.
    pub path: &'a CStr,
    pub arguments: &'a [CString],
    /// Each `NAME=value`.
    pub environment: &'a [CString],
    /// Adds `LISTEN_PID=` with the child's own number (sd_listen_fds(3)).
    pub listen_pid: bool,
    /// Become 0, 1, 2, ... in this order; all others are closed by execve. Their file status flags
    /// (`O_NONBLOCK`), which they share with the parent, stay as they are.
    pub descriptors: &'a [BorrowedFd<'a>],
    pub session: Session,
    /// The terminal whose foreground process group the child's becomes (tcsetpgrp(3)).
    pub foreground: Option<BorrowedFd<'a>>,
    /// A directory of cgroup v2 (cgroups(7)) that the child is born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// -1000 (never) to 1000 (first); proc(5), `/proc/PID/oom_score_adj`.
    pub oom_score_adj: Option<i32>,
    /// -20 (first) to 19 (last); setpriority(2).
    pub nice: Option<i32>,
    pub umask: Option<u32>,
    pub limits: &'a [(Resource, Rlimit)],
    pub account: Option<Account<'a>>,
    pub directory: Option<&'a CStr>,
    /// Sent to the child when the **thread** that started it ends (prctl(2), `PR_SET_PDEATHSIG`).
    pub death_signal: Option<Signal>,
    pub no_new_privileges: bool,
}

/// The process group and session of the child (credentials(7)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Session {
    /// Those of the parent.
    Same,
    /// A process group of its own in the parent's session (setpgid(2)).
    Group,
    /// A session of its own, without a terminal (setsid(2)).
    New,
}

#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    pub uid: u32,
    pub gid: u32,
    pub groups: &'a [u32],
}

/// A child that runs its program.
#[derive(Debug)]
pub struct Spawned {
    pub pid: u32,
    pub pidfd: OwnedFd,
}

/// The step that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Clone,
    Signals,
    Session,
    Foreground,
    Cgroup,
    OomScore,
    Nice,
    /// `Failure::index` is the number that the descriptor should have had.
    Descriptor,
    /// `Failure::index` is the place in `Plan::limits`.
    Limit,
    Account,
    Directory,
    /// The parent had ended already.
    DeathSignal,
    NoNewPrivileges,
    Exec,
}

impl Stage {
    const ALL: [Stage; 14] = [
        Stage::Clone,
        Stage::Signals,
        Stage::Session,
        Stage::Foreground,
        Stage::Cgroup,
        Stage::OomScore,
        Stage::Nice,
        Stage::Descriptor,
        Stage::Limit,
        Stage::Account,
        Stage::Directory,
        Stage::DeathSignal,
        Stage::NoNewPrivileges,
        Stage::Exec,
    ];
}

/// What failed, and the error number that says why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    pub stage: Stage,
    pub index: u32,
    pub errno: i32,
}

const REPORT_BYTES: usize = 12;

impl Failure {
    fn of(stage: Stage, error: &io::Error) -> Failure {
        Failure { stage, index: 0, errno: error.raw_os_error().unwrap_or(libc::EIO) }
    }

    fn to_bytes(self) -> [u8; REPORT_BYTES] {
        let mut bytes = [0; REPORT_BYTES];
        let words = [self.stage as u32, self.index, self.errno.cast_unsigned()];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: [u8; REPORT_BYTES]) -> Option<Failure> {
        let mut words = [0; 3];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(4)) {
            *word = u32::from_ne_bytes(bytes.try_into().ok()?);
        }
        let stage = *Stage::ALL.get(words[0] as usize)?;
        Some(Failure { stage, index: words[1], errno: words[2].cast_signed() })
    }
}

/// What the child needs memory for.
struct Memory {
    /// Ended by a null pointer.
    arguments: Vec<*const c_char>,
    /// Ended by two null pointers if `LISTEN_PID` is to be added, else by one.
    environment: Vec<*const c_char>,
    /// The numbers of `Plan::descriptors`, which the child changes when it moves them.
    sources: Vec<i32>,
    oom_score_adj: Option<String>,
    parent: u32,
}

impl Memory {
    fn of(plan: &Plan<'_>) -> Memory {
        let nulls = 1 + usize::from(plan.listen_pid);
        let pointers = |texts: &[CString], nulls: usize| {
            let ends = std::iter::repeat_n(std::ptr::null(), nulls);
            texts.iter().map(|text| text.as_ptr()).chain(ends).collect()
        };
        Memory {
            arguments: pointers(plan.arguments, 1),
            environment: pointers(plan.environment, nulls),
            sources: plan.descriptors.iter().map(AsRawFd::as_raw_fd).collect(),
            oom_score_adj: plan.oom_score_adj.map(|score| score.to_string()),
            parent: std::process::id(),
        }
    }
}

/// A child on its way to its program.
#[derive(Debug)]
pub struct Started {
    pub child: Spawned,
    report: OwnedFd,
}

/// Starts the program and returns when it runs, or when it is known why it does not. A child that
/// takes longer than [`EXEC_WAIT`] is killed, and left to the reaper.
pub fn spawn(plan: &Plan<'_>) -> Result<Spawned, Failure> {
    let started = begin(plan)?;
    let limit = Timespec::try_from(EXEC_WAIT).ok();
    loop {
        match event::poll(&mut [PollFd::new(&started, PollFlags::IN)], limit.as_ref()) {
            // Begun again with its whole length: signals are few.
            Err(Errno::INTR) => {}
            Ok(0) => return Err(started.give_up()),
            Ok(_) | Err(_) => break,
        }
    }
    started.outcome().unwrap_or(Ok(()))?;
    Ok(started.child)
}

/// Starts the program and returns at once.
pub fn begin(plan: &Plan<'_>) -> Result<Started, Failure> {
    let failed = |error: &io::Error| Failure::of(Stage::Clone, error);
    let pipe = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK);
    let (report, theirs) = pipe.map_err(|error| failed(&error.into()))?;
    let memory = Memory::of(plan);
    // No handler of this process may run in the child, so that no signal may come before the child
    // has given all of them up.
    let mask = signal::swap_mask(&SignalSet::all()).map_err(|error| failed(&error))?;
    let child = match clone(plan.cgroup) {
        Ok(Cloned::Child { in_cgroup }) => child::run(plan, memory, theirs.as_fd(), in_cgroup),
        Ok(Cloned::Parent(child)) => Ok(child),
        Err(failure) => Err(failure),
    };
    // It was this thread's mask before, so it can be set.
    let _ = signal::set_mask(&mask);
    Ok(Started { child: child?, report })
}

impl Started {
    /// Whether the program runs, or what failed; `None` when that is not known yet. A child that
    /// has failed is reaped here, unless it is already. One that was killed on its way counts as
    /// running: its end comes as that of any other.
    pub fn outcome(&self) -> Option<Result<(), Failure>> {
        let mut bytes = [0; REPORT_BYTES];
        // It is written at once and is shorter than PIPE_BUF, so it comes at once (pipe(7)).
        let failure = match rustix::io::retry_on_intr(|| rustix::io::read(&self.report, &mut bytes))
        {
            Err(Errno::AGAIN) => return None,
            Ok(REPORT_BYTES) => Failure::from_bytes(bytes),
            Ok(_) | Err(_) => None,
        };
        let Some(failure) = failure else { return Some(Ok(())) };
        // It has said that it ends, so this takes no time; it may be reaped already.
        let _ = wait::take_by(self.child.pidfd.as_fd(), Hang::UntilItEnds);
        Some(Err(failure))
    }

    /// Kills a child that hangs in a system call. It may be long in ending, so that it is left to
    /// the reaper.
    pub fn give_up(self) -> Failure {
        // One that cannot be signalled has ended.
        let _ = pidfd_send_signal(&self.child.pidfd, Signal::KILL);
        Failure { stage: Stage::Exec, index: 0, errno: libc::ETIMEDOUT }
    }
}

impl AsFd for Started {
    /// To be polled for reading: ready when the outcome is known.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.report.as_fd()
    }
}

enum Cloned {
    Parent(Spawned),
    Child { in_cgroup: bool },
}

/// `struct clone_args` of clone3(2).
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// clone3(2) with a pidfd, which no other child can be mistaken for; where it is missing or a
/// filter forbids it, fork(2) and pidfd_open(2).
fn clone(cgroup: Option<BorrowedFd<'_>>) -> Result<Cloned, Failure> {
    const CLONE_PIDFD: u64 = 0x1000;
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: i32 = -1;
    let mut arguments = CloneArguments {
        flags: CLONE_PIDFD,
        pidfd: std::ptr::from_mut(&mut pidfd).expose_provenance() as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..Default::default()
    };
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    let size = size_of::<CloneArguments>();
    // SAFETY: the arguments are a live clone_args of this size whose pidfd points to a live i32;
    // no stack and no CLONE_VM mean that the child goes on from here on a copy of all memory. What
    // it does then is safe beside other threads' locks: see the head of this file.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size) };
    if pid == 0 {
        return Ok(Cloned::Child { in_cgroup: true });
    }
    if pid > 0 {
        // SAFETY: the kernel has just made this descriptor for us and nobody else has it.
        let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
        return Ok(Cloned::Parent(Spawned { pid: pid as u32, pidfd }));
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::EPERM) => fork(),
        Some(libc::EAGAIN | libc::ENOMEM) | None => Err(Failure::of(Stage::Clone, &error)),
        Some(_) if cgroup.is_some() => Err(Failure::of(Stage::Cgroup, &error)),
        Some(_) => Err(Failure::of(Stage::Clone, &error)),
    }
}

fn fork() -> Result<Cloned, Failure> {
    // SAFETY: the child makes only system calls until it executes or exits.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        return Ok(Cloned::Child { in_cgroup: false });
    }
    let failed = |error: io::Error| Failure::of(Stage::Clone, &error);
    let pid = crate::check(pid).map_err(failed)?;
    let Some(child) = Pid::from_raw(pid) else { return Err(failed(Errno::CHILD.into())) };
    // The child is not reaped yet, so the number is its own.
    pidfd_open(child, PidfdFlags::empty())
        .map(|pidfd| Cloned::Parent(Spawned { pid: pid.cast_unsigned(), pidfd }))
        .map_err(|error| {
            // A child that cannot be signalled or waited for has ended.
            let _ = kill_process(child, Signal::KILL);
            let _ = wait::take(pid.cast_unsigned(), Hang::UntilItEnds);
            failed(error.into())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_pipe() {
        for stage in Stage::ALL {
            let failure = Failure { stage, index: 7, errno: 13 };
            assert_eq!(Failure::from_bytes(failure.to_bytes()), Some(failure));
        }
        assert_eq!(Failure::from_bytes([0xff; REPORT_BYTES]), None);
    }
}
