//! A program with all that it has started: signalled together, and ended together, so that no
//! grandchild survives.
//!
//! Three nets, one under the other. The process group gets signals at once and needs nothing. The
//! session and the mark find in /proc what has left the group: a daemon that forked twice and
//! called setsid(2) still carries the environment it was started with. A cgroup, where there is
//! one, holds what has written over that too.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};

use crate::cgroup::Cgroup;
use crate::tree::{self, Process, Snapshot};

/// Looks at /proc that one [`Group::kill`] takes at most. A process with a signal pending cannot
/// fork, so each look finds only what was forked during the one before.
pub const KILL_ROUNDS_MAX: u32 = 32;

/// What belongs together.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The child that was started with [`crate::Session::New`] or `Group`; its number is that of
    /// the group. It must not be reaped yet, or members must have been seen since: else the number
    /// may be another's.
    pub leader: u32,
    /// A `NAME=value` that was put into its environment, and into no other's.
    pub mark: Option<&'a [u8]>,
    pub cgroup: Option<&'a Cgroup>,
}

/// What [`Group::kill`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Killed {
    /// Processes that were found and signalled; not counted where a cgroup did it.
    pub processes: usize,
    /// Nothing was left that has not been signalled.
    pub is_complete: bool,
}

impl Group<'_> {
    /// Sends a signal to the process group (kill(2)). One that is gone is as good as signalled.
    pub fn signal(&self, signal: Signal) {
        signal_group(self.leader, signal);
    }

    /// Asks the process group to end, with SIGCONT behind it: one that is stopped would sleep on.
    pub fn ask_to_stop(&self, signal: Signal) {
        self.signal(signal);
        self.signal(Signal::CONT);
    }

    /// What runs of it: its session and process group, what these have started, and orphans that
    /// carry its mark with what these have started.
    ///
    /// `is_leader` tells which children of this process it has started itself; the others are
    /// orphans, whose environment is searched for the mark.
    pub fn members(&self, snapshot: &Snapshot, is_leader: impl Fn(u32) -> bool) -> Vec<Process> {
        let tops = snapshot.children().iter().flat_map(|top| {
            let is_marked = !self.owns(top) && !is_leader(top.pid) && self.marks(top.pid);
            snapshot.below(*top, |process| is_marked || self.owns(process))
        });
        tops.collect()
    }

    /// Kills every member, and looks again until no new one is found. Never waits: those that were
    /// killed end, and are reaped, in their own time. Call it while the leader is a zombie (see
    /// [`crate::reap_each`]), or before.
    pub fn kill(&self, is_leader: impl Fn(u32) -> bool) -> Killed {
        self.signal(Signal::KILL);
        if self.cgroup.is_some_and(|cgroup| cgroup.kill().is_ok()) {
            return Killed { processes: 0, is_complete: true };
        }
        let mut killed: Vec<(u32, u64)> = Vec::new();
        for _ in 0..KILL_ROUNDS_MAX {
            let mut members = self.members(&Snapshot::take(), &is_leader);
            members.retain(|member| !killed.contains(&(member.pid, member.started)));
            if members.is_empty() {
                return Killed { processes: killed.len(), is_complete: true };
            }
            members.iter().for_each(|member| signal_process(member, Signal::KILL));
            killed.extend(members.iter().map(|member| (member.pid, member.started)));
        }
        Killed { processes: killed.len(), is_complete: false }
    }

    /// Whether nothing of it runs any more.
    pub fn is_gone(&self, is_leader: impl Fn(u32) -> bool) -> bool {
        match self.cgroup.map(Cgroup::is_populated) {
            Some(Ok(populated)) => !populated,
            _ => self.members(&Snapshot::take(), is_leader).is_empty(),
        }
    }

    /// Bytes that it uses: what its cgroup says, else the sum over its processes in `snapshot`,
    /// where what they share counts in each.
    pub fn memory(&self, snapshot: &Snapshot, is_leader: impl Fn(u32) -> bool) -> u64 {
        let exact = self.cgroup.and_then(Cgroup::memory);
        exact.unwrap_or_else(|| Snapshot::memory(&self.members(snapshot, is_leader)))
    }

    fn owns(&self, process: &Process) -> bool {
        process.session == self.leader || process.group == self.leader
    }

    fn marks(&self, pid: u32) -> bool {
        self.mark.is_some_and(|mark| tree::is_marked(pid, mark))
    }
}

/// Signals a process group whose leader is a child that has not been reaped.
pub fn signal_group(leader: u32, signal: Signal) {
    // 0 would be our own group, and 1 is everybody (kill(2)).
    let leader = i32::try_from(leader).ok().filter(|leader| *leader > 1);
    if let Some(leader) = leader.and_then(Pid::from_raw) {
        let _ = kill_process_group(leader, signal);
    }
}

/// Signals a process that is no child of ours, if it is still the one that was seen.
pub fn signal_process(process: &Process, signal: Signal) {
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let opened = pid.map_or(Err(Errno::SRCH), |pid| pidfd_open(pid, PidfdFlags::empty()));
    let Ok(pidfd) = opened else { return };
    // The number is now held by the descriptor: what is true of it here stays true.
    if process.is_alive() {
        let _ = pidfd_send_signal(pidfd, signal);
    }
}
