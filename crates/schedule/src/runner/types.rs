//! The words between the runner and its caller: jobs, policies, events, actions, records.

use std::time::Duration;

use jiff::Timestamp;

use crate::schedule::Schedule;

/// A reading of both clocks, taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// CLOCK_REALTIME: may be set, and runs on while the machine sleeps.
    pub wall: Timestamp,
    /// CLOCK_MONOTONIC: never set, and stands still while the machine sleeps. What the wall clock
    /// does beyond it is a jump.
    pub mono: Duration,
}

/// A job within a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub(super) u32);

/// A run of a job, unique within a runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub(super) u64);

impl RunId {
    /// The number of the run, counted from 0 within its runner: for logs.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// A job to be run.
#[derive(Clone, Debug)]
pub struct Job {
    /// What tells the job from others and stays when the file is edited: jitter is drawn from it.
    pub name: String,
    pub schedule: Schedule,
    pub policy: Policy,
    /// Up to when an earlier runner took care of the job, if that is known.
    pub last_seen: Option<Timestamp>,
}

/// How a job is run. The default is cron's own way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub overlap: Overlap,
    pub missed: Missed,
    /// Every run is this much late at most, by an amount that stays the same for the job.
    pub jitter: Duration,
    /// A run that takes longer is killed.
    pub timeout: Option<Duration>,
}

/// What to do when a job is due while it still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Start one more, as cron does.
    #[default]
    Allow,
    /// Let this time pass.
    Skip,
    /// Start when the run has ended, in turn.
    Queue,
    /// Kill the run, and start when it has ended.
    Kill,
}

/// What to do about times that passed while the scheduler could not act: the machine slept, the
/// clock was set forward, the scheduler was stopped or not running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// As cron: up to 5 minutes late, everything runs; up to three hours, jobs at fixed times run
    /// once for each time missed; beyond, and while not running, nothing.
    #[default]
    Cron,
    /// Up to 5 minutes late, everything runs; beyond, nothing.
    Skip,
    /// Up to 5 minutes late, everything runs; beyond, one run for all that was missed.
    Once,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A wait is over, or the clock may have changed.
    Tick,
    /// The scheduler has started: `@reboot` jobs run. What counts as a boot is the caller's choice.
    Start,
    /// Someone asked for a run now.
    Run { job: JobId },
    /// A run has ended and is reaped.
    Exited { run: RunId, exit: Exit, bytes: u64 },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// It could not be started at all.
    NotStarted,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the job's command. Its end must come back as [`Event::Exited`].
    Start { run: RunId, job: JobId, slot: Timestamp, cause: Cause },
    /// End the run, all of its processes. Asked once a run.
    Kill { run: RunId, job: JobId, reason: KillReason },
    /// For the log: this time passes without a run.
    Skip { job: JobId, slot: Timestamp, reason: SkipReason },
    /// For the log: times that passed unseen, `first` among them. A `count` of
    /// [`limits::MISSED_COUNT_MAX`](super::limits::MISSED_COUNT_MAX) means at least so many.
    Missed { job: JobId, first: Timestamp, count: u32 },
}

/// Why a run was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its time came.
    Due,
    /// Its time was missed, and the policy makes up for it.
    CaughtUp,
    /// The scheduler started.
    Start,
    /// Someone asked for it.
    Asked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillReason {
    Timeout,
    /// The next run waits for its end.
    Replaced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    /// The last run has not ended.
    Running,
    /// As many runs as may wait are waiting.
    QueueFull,
    /// As many runs as may be are running.
    TooManyRuns,
    /// A later time took its place in the wait for a killed run.
    Replaced,
    /// The job was removed while this waited.
    Removed,
}

/// A run that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub run: RunId,
    pub slot: Timestamp,
    pub cause: Cause,
    pub started: Timestamp,
    pub ended: Timestamp,
    /// By the monotonic clock: right even if the wall clock was set meanwhile.
    pub took: Duration,
    pub exit: Exit,
    /// Output written, as the caller counted it.
    pub bytes: u64,
}
