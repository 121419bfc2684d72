//! What goes into the machine and what comes out of it: events, actions, and reports for the log.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::spec::Spec;
use crate::How;

/// One start of a program. Never used again, also not by the next start in the same slot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct InstanceId(pub u64);

/// The caller's name for one of its requests. Each is answered exactly once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub u64);

/// What happened, or what somebody wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The answer to `Action::Spawn`: it runs.
    Started {
        id: InstanceId,
        pid: u32,
    },
    /// The answer to `Action::Spawn`: there is no process.
    NotStarted {
        id: InstanceId,
        reason: String,
    },
    /// READY=1.
    Ready {
        id: InstanceId,
    },
    /// Another message of sd_notify(3).
    Notified {
        id: InstanceId,
        notice: Notice,
    },
    ProbePassed {
        id: InstanceId,
    },
    ProbeFailed {
        id: InstanceId,
        reason: String,
    },
    /// The main process was reaped. With `group_left`, others of its group or cgroup still live,
    /// and `GroupGone` is to follow.
    Exited {
        id: InstanceId,
        how: How,
        group_left: bool,
    },
    /// Nothing of the instance's group or cgroup lives any more.
    GroupGone {
        id: InstanceId,
    },
    MemoryAt {
        id: InstanceId,
        bytes: u64,
    },
    Start {
        app: Arc<str>,
        token: Token,
    },
    Stop {
        app: Arc<str>,
        token: Token,
    },
    Restart {
        app: Arc<str>,
        token: Token,
    },
    /// The whole set from now on: what is new is added, what is missing is stopped and removed,
    /// what has another fingerprint is replaced.
    Configure {
        specs: Vec<Spec>,
        token: Token,
    },
    /// Stops everything and starts nothing any more.
    Shutdown {
        token: Token,
    },
}

/// What an instance says of itself, besides READY=1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// WATCHDOG=1.
    WatchdogPing,
    /// WATCHDOG_USEC=: from now on a ping is due so often; zero ends it.
    WatchdogEvery(Duration),
    /// EXTEND_TIMEOUT_USEC=: the start or the stop takes so long from now.
    ExtendTimeout(Duration),
    /// STOPPING=1: it ends by itself.
    Stopping,
    /// MAINPID=.
    MainPid(u32),
}

/// What the caller has to do, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Start the program; answer with `Started` or `NotStarted`.
    Spawn {
        id: InstanceId,
        app: Arc<str>,
        slot: u32,
    },
    /// Send the stop signal to the group.
    Stop {
        id: InstanceId,
    },
    /// SIGKILL to everything that belongs to it.
    Kill {
        id: InstanceId,
    },
    /// Begin a probe; answer with `ProbePassed` or `ProbeFailed`. One that is still under way for
    /// this instance is replaced.
    Probe {
        id: InstanceId,
        purpose: Purpose,
    },
    Report(Report),
    Answer {
        token: Token,
        outcome: Outcome,
    },
}

/// Which of the app's two probes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    Readiness,
    Liveness,
}

/// How a request ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Done,
    /// Nothing was changed.
    Refused(String),
    /// It was tried; the words say what came of it.
    Failed(String),
}

/// A line for the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    pub app: Arc<str>,
    pub slot: u32,
    pub what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    Started {
        pid: u32,
    },
    NotStarted {
        reason: String,
    },
    Ready {
        after: Duration,
    },
    /// An end that the machine did not ask for.
    Ended {
        how: How,
        lived: Duration,
    },
    /// An end after the machine's stop signal.
    Stopped {
        how: How,
        took: Duration,
    },
    /// Why an instance is being ended.
    Ending(Why),
    StopTimedOut {
        after: Duration,
    },
    /// The main process ended by itself and left others of its group, which are killed.
    LeftOthers,
    /// Processes of its group still lived after so many SIGKILLs and are not waited for.
    GroupLost {
        kills: u32,
    },
    /// The main process is not gone after so many SIGKILLs.
    Unkillable {
        kills: u32,
    },
    NextStart {
        delay: Duration,
    },
    CrashLoop {
        ends: u32,
    },
    Recovered,
    /// It ended and its policy starts no other.
    Finished {
        success: bool,
    },
    /// The new instance did not become ready; what was not yet replaced stays as it is.
    ReplacementFailed {
        reason: String,
    },
    /// `after` that app: it did not start, and this one starts all the same.
    WaitedInVain {
        on: Arc<str>,
    },
    /// `requires` that app, which did not start: this one waits until it does.
    Blocked {
        on: Arc<str>,
    },
    /// Taken over from the program before an upgrade in place.
    Adopted {
        pid: u32,
    },
}

/// Why the machine ends an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// A request, or the configuration has no place for it any more.
    Asked,
    /// Another instance takes its place.
    Replaced,
    Recycled(Limit),
    NotReady {
        after: Duration,
    },
    Unhealthy {
        reason: String,
    },
    WatchdogMissed {
        every: Duration,
    },
    /// It said STOPPING=1.
    ByItself,
}

/// A limit that an instance has grown out of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Limit {
    Memory { bytes: u64, max: u64 },
    Lifetime { max: Duration },
}

impl Why {
    /// The end counts as a failure, whatever the exit status is.
    pub(super) fn is_failure(&self) -> bool {
        matches!(self, Why::NotReady { .. } | Why::Unhealthy { .. } | Why::WatchdogMissed { .. })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.app, self.slot + 1, self.what)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Started { pid } => write!(f, "started as pid {pid}"),
            What::NotStarted { reason } => write!(f, "not started: {reason}"),
            What::Ready { after } => write!(f, "ready after {after:.1?}"),
            What::Ended { how, lived } => write!(f, "ended after {lived:.1?}: {how}"),
            What::Stopped { how, took } => write!(f, "stopped in {took:.1?}: {how}"),
            What::Ending(why) => why.fmt(f),
            What::StopTimedOut { after } => write!(f, "not stopped after {after:.1?}: killed"),
            What::LeftOthers => f.write_str("left processes behind, which are killed"),
            What::GroupLost { kills } => {
                write!(f, "processes of its group live on after {kills} SIGKILLs; not waited for")
            }
            What::Unkillable { kills } => {
                write!(f, "not gone after {kills} SIGKILLs: it hangs in the kernel")
            }
            What::NextStart { delay } => write!(f, "starts again in {delay:.1?}"),
            What::CrashLoop { ends } => {
                write!(f, "crash loop: {ends} ends in a row soon after the start")
            }
            What::Recovered => f.write_str("recovered: it runs as long as a healthy one"),
            What::Finished { success: true } => f.write_str("finished"),
            What::Finished { success: false } => {
                f.write_str("finished in failure; its policy starts no other")
            }
            What::ReplacementFailed { reason } => {
                write!(f, "not replaced: {reason}; the old ones stay")
            }
            What::WaitedInVain { on } => write!(f, "starts without {on}, which did not start"),
            What::Blocked { on } => write!(f, "waits for {on}, which it requires"),
            What::Adopted { pid } => write!(f, "taken over as pid {pid}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Asked => f.write_str("told to stop"),
            Why::Replaced => f.write_str("told to stop: it is replaced"),
            Why::Recycled(Limit::Memory { bytes, max }) => {
                write!(f, "recycled: {bytes} bytes of memory, above memory_max = {max}")
            }
            Why::Recycled(Limit::Lifetime { max }) => {
                write!(f, "recycled: older than lifetime_max = {max:?}")
            }
            Why::NotReady { after } => write!(f, "not ready after {after:.1?}"),
            Why::Unhealthy { reason } => write!(f, "not alive: {reason}"),
            Why::WatchdogMissed { every } => write!(f, "no watchdog ping for {every:.1?}"),
            Why::ByItself => f.write_str("says that it stops"),
        }
    }
}
