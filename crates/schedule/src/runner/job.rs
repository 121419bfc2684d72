//! One job of a runner: where it stands in time, what runs, what waits, what was.

use std::collections::{BTreeSet, VecDeque};

use crate::clock::{seconds_floor, timestamp};
use crate::mix::{below, mix};
use crate::schedule::{Fire, Fires};

use super::limits::{HISTORY_MAX, JITTER_MAX, MISSED_COUNT_MAX, QUEUE_MAX, RUNS_PER_JOB_MAX};
use super::types::{Cause, Job, Missed, Overlap, Record, RunId, SkipReason};
use super::wake::{Verdict, Wake};

#[derive(Debug)]
pub(super) struct JobState {
    job: Job,
    /// Jitter: how many seconds after its times the job is due.
    delay: i64,
    fires: Fires,
    /// The time after those dealt with.
    upcoming: Option<Fire>,
    /// Counts up when the job is moved in time, so that its old place in the heap is known as such.
    pub generation: u64,
    pub running: BTreeSet<RunId>,
    pub queue: VecDeque<Slot>,
    pub history: VecDeque<Record>,
    pub skipped: u64,
    pub missed: u64,
}

/// A time at which a run is wanted, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub at: i64,
    pub cause: Cause,
}

/// What is due of a job at a wake-up.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub slots: Vec<Slot>,
    pub lost: Option<Lost>,
}

/// Times that passed without a run of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub first: i64,
    pub last: i64,
    pub count: u32,
}

/// What becomes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Start,
    Wait,
    Skip(SkipReason),
    /// Wait alone, and have the run killed. A slot that waited before gives way.
    Replace(Option<Slot>),
}

impl JobState {
    /// A job that has dealt with all times up to `after`.
    pub fn new(job: Job, seed: u64, after: i64) -> JobState {
        let jitter = job.policy.jitter.min(JITTER_MAX).as_secs();
        let delay = below(seed, name_hash(&job.name), jitter + 1);
        let delay = i64::try_from(delay).unwrap_or(0);
        let mut fires = job.schedule.fires(timestamp(after - delay));
        let upcoming = fires.next();
        JobState {
            job,
            delay,
            fires,
            upcoming,
            generation: 0,
            running: BTreeSet::new(),
            queue: VecDeque::new(),
            history: VecDeque::new(),
            skipped: 0,
            missed: 0,
        }
    }

    /// Moves the job in time: all up to `after` counts as dealt with, all later not.
    pub fn move_to(&mut self, after: i64) {
        self.fires = self.job.schedule.fires(timestamp(after - self.delay));
        self.upcoming = self.fires.next();
        self.generation += 1;
    }

    pub fn job(&self) -> &Job {
        &self.job
    }

    pub fn wildcard(&self) -> bool {
        self.job.schedule.expr().wildcard()
    }

    /// When the job is due next, in seconds.
    pub fn due(&self) -> Option<i64> {
        self.upcoming.map(|fire| seconds_floor(fire.at) + self.delay)
    }

    /// Takes all times up to the wake-up: those to run, and those lost.
    pub fn take_due(&mut self, wake: &Wake) -> Batch {
        let mut batch = Batch::default();
        while let Some(fire) = self.upcoming
            && let Some(due) = self.due().filter(|due| *due <= wake.wall)
        {
            self.judge(fire, due, wake, &mut batch);
            if batch.lost.is_some_and(|lost| lost.count >= MISSED_COUNT_MAX) {
                self.fires.skip_to(timestamp(wake.before_this_minute() - self.delay));
            }
            self.upcoming = self.fires.next();
        }
        if self.job.policy.missed == Missed::Once {
            batch.make_up_once();
        }
        self.missed += batch.lost.map_or(0, |lost| u64::from(lost.count));
        batch
    }

    fn judge(&self, fire: Fire, due: i64, wake: &Wake, batch: &mut Batch) {
        let at = seconds_floor(fire.at);
        let too_late = self.job.policy.missed != Missed::Cron && wake.too_late(due);
        let copies = usize::try_from(fire.copies).unwrap_or(1);
        match wake.verdict(due, self.wildcard()) {
            Verdict::Repeated => {}
            Verdict::Run if !too_late => {
                batch.slots.extend(std::iter::repeat_n(Slot { at, cause: Cause::Due }, copies));
            }
            Verdict::Run | Verdict::Lost => batch.lose(at, fire.copies),
        }
    }

    /// Times between the job's last being seen and `wall`, if its policy cares.
    pub fn missed_while_away(&self, wall: i64) -> Option<Lost> {
        let until = timestamp(wall - self.delay);
        let seen = self.job.last_seen.filter(|_| self.job.policy.missed == Missed::Once)?;
        let mut batch = Batch::default();
        let fires = self.job.schedule.fires(seen).take_while(|fire| fire.at <= until);
        for fire in fires.take(MISSED_COUNT_MAX as usize) {
            batch.lose(seconds_floor(fire.at), fire.copies);
        }
        let last = self.job.schedule.previous(timestamp(wall - self.delay + 1));
        batch.lost.map(|lost| Lost { last: last.map_or(lost.last, seconds_floor), ..lost })
    }

    /// What the policy on overlap makes of one more run.
    pub fn decide(&mut self, slot: Slot) -> Decision {
        let free = self.running.is_empty();
        let decision = match self.job.policy.overlap {
            Overlap::Allow if self.running.len() < RUNS_PER_JOB_MAX => Decision::Start,
            Overlap::Allow => Decision::Skip(SkipReason::TooManyRuns),
            Overlap::Skip | Overlap::Queue | Overlap::Kill if free => Decision::Start,
            Overlap::Skip => Decision::Skip(SkipReason::Running),
            Overlap::Queue if self.queue.len() < QUEUE_MAX => Decision::Wait,
            Overlap::Queue => Decision::Skip(SkipReason::QueueFull),
            Overlap::Kill => Decision::Replace(self.queue.pop_front()),
        };
        match decision {
            Decision::Start => {}
            Decision::Wait => self.queue.push_back(slot),
            Decision::Replace(replaced) => {
                self.skipped += u64::from(replaced.is_some());
                self.queue.push_back(slot);
            }
            Decision::Skip(_) => self.skipped += 1,
        }
        decision
    }

    pub fn record(&mut self, record: Record) {
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        self.history.push_back(record);
    }

    pub fn check_invariants(&self) {
        let (running, waiting) = (self.running.len(), self.queue.len());
        let (runs_max, queue_max) = match self.job.policy.overlap {
            Overlap::Allow => (RUNS_PER_JOB_MAX, 0),
            Overlap::Skip => (1, 0),
            Overlap::Queue => (1, QUEUE_MAX),
            Overlap::Kill => (1, 1),
        };
        assert!(running <= runs_max, "{running} runs of {}", self.job.name);
        assert!(waiting <= queue_max, "{waiting} slots of {} wait", self.job.name);
        assert!(waiting == 0 || running > 0, "{} waits for nothing", self.job.name);
        assert!(self.history.len() <= HISTORY_MAX, "history of {} is bounded", self.job.name);
    }
}

impl Batch {
    fn lose(&mut self, at: i64, copies: u32) {
        let lost = self.lost.get_or_insert(Lost { first: at, last: at, count: 0 });
        lost.last = at;
        lost.count = lost.count.saturating_add(copies).min(MISSED_COUNT_MAX);
    }

    /// One run for all that was lost, unless the job runs now anyway.
    fn make_up_once(&mut self) {
        if let Some(lost) = self.lost
            && self.slots.is_empty()
        {
            self.slots.push(Slot { at: lost.last, cause: Cause::CaughtUp });
        }
    }
}

/// A number for a name, the same in every run of the program.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(name.len() as u64, |hash, byte| mix(hash, u64::from(byte) + 1))
}
