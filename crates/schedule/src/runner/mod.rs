//! What to do at the instants: start, skip, queue, kill, catch up.
//!
//! A state machine without I/O: events and clock readings in, actions out. The caller owns the
//! processes and the one timer; it tells what happened ([`Event`]), carries out what it is told
//! ([`Action`]) and sleeps for [`Runner::wait`]. Everything is bounded by a name in [`limits`].
//!
//! ```text
//!            due                            Exited
//!   idle ----------> running --------------------------> idle, or the head of the queue starts
//!                     |   ^  due again:
//!                     +---+    Allow  one more run
//!                              Skip   told and counted, no run
//!                              Queue  waits for Exited, in turn
//!                              Kill   the run is killed; waits for Exited, alone
//! ```
//!
//! Clock changes and late wake-ups are treated as cron treats them: see `wake`.

mod job;
pub mod limits;
mod types;
mod wake;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{seconds_floor, timestamp};
use job::{Decision, JobState, Lost, Slot};
pub use types::{
    Action, Cause, Event, Exit, Job, JobId, KillReason, Missed, Now, Overlap, Policy, Record,
    RunId, SkipReason,
};
use wake::{Class, Wake};

/// So many entries of a heap may be out of date, beyond as many as are up to date.
const HEAP_SLACK: usize = 64;

/// All jobs and their runs.
#[derive(Debug)]
pub struct Runner {
    seed: u64,
    jobs: BTreeMap<JobId, JobState>,
    runs: BTreeMap<RunId, Run>,
    /// When each job is due, in seconds. An entry counts while its generation is the job's.
    due: BinaryHeap<Reverse<(i64, JobId, u64)>>,
    /// When each run is to be killed, by the monotonic clock. An entry counts while its run runs.
    deadlines: BinaryHeap<Reverse<(Duration, RunId)>>,
    /// The reading of the call under way.
    now: Now,
    /// The reading up to which times have been dealt with.
    last: Now,
    /// cron's virtual clock, in seconds: ahead of the wall clock after that was set back.
    virtual_clock: i64,
    jobs_ever: u32,
    runs_ever: u64,
}

/// A run that has started and not ended.
#[derive(Debug)]
struct Run {
    job: JobId,
    slot: Slot,
    started: Now,
    state: RunState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RunState {
    Running,
    /// A kill was asked for; it is not asked for again.
    Killing,
}

impl Runner {
    /// A runner without jobs. `seed` decides jitter: the same seed, the same delays.
    pub fn new(seed: u64, now: Now) -> Runner {
        Runner {
            seed,
            jobs: BTreeMap::new(),
            runs: BTreeMap::new(),
            due: BinaryHeap::new(),
            deadlines: BinaryHeap::new(),
            now,
            last: now,
            virtual_clock: seconds_floor(now.wall),
            jobs_ever: 0,
            runs_ever: 0,
        }
    }

    /// Takes a job on; `None` when there are too many. With [`Missed::Once`], a job that missed a
    /// time since it was last seen runs now.
    pub fn add(&mut self, job: Job, now: Now, out: &mut Vec<Action>) -> Option<JobId> {
        self.advance(now, out);
        if self.jobs.len() >= limits::JOBS_MAX {
            return None;
        }
        let id = JobId(self.jobs_ever);
        self.jobs_ever = self.jobs_ever.checked_add(1)?;
        let wall = seconds_floor(now.wall);
        let wildcard = job.schedule.expr().wildcard();
        let after = if wildcard { wall } else { self.virtual_clock };
        let state = JobState::new(job, self.seed, after);
        let missed = state.missed_while_away(wall);
        self.jobs.insert(id, state);
        self.enter_due(id);
        if let Some(lost) = missed {
            self.tell_missed(id, lost, out);
            self.offer(id, Slot { at: lost.last, cause: Cause::CaughtUp }, out);
        }
        Some(id)
    }

    /// Lets a job go. Its runs go on; what waits for them is skipped.
    pub fn remove(&mut self, id: JobId, now: Now, out: &mut Vec<Action>) {
        self.advance(now, out);
        let Some(state) = self.jobs.remove(&id) else { return };
        for slot in state.queue {
            out.push(skip(id, slot, SkipReason::Removed));
        }
        self.trim_due();
    }

    /// Takes an event in and says what to do. A wait that is over is [`Event::Tick`].
    pub fn handle(&mut self, event: Event, now: Now, out: &mut Vec<Action>) {
        self.now = now;
        match event {
            Event::Tick => {}
            Event::Start => self.start_of_scheduler(out),
            Event::Run { job } => self.offer_now(job, Cause::Asked, out),
            Event::Exited { run, exit, bytes } => self.exited(run, exit, bytes, out),
        }
        self.advance(now, out);
    }

    /// How long to sleep from `now` at most; `None` for until something happens.
    pub fn wait(&self, now: Now) -> Option<Duration> {
        let wall = self.due.peek().map(|Reverse((at, _, _))| {
            let until = timestamp(*at).duration_since(now.wall);
            Duration::try_from(until).unwrap_or_default().min(limits::WAIT_MAX)
        });
        let mono = self.deadlines.peek().map(|Reverse((at, _))| at.saturating_sub(now.mono));
        [wall, mono].into_iter().flatten().min()
    }

    /// The job as it was added.
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(&id).map(JobState::job)
    }

    /// All jobs, in the order they were added.
    pub fn jobs(&self) -> impl Iterator<Item = JobId> {
        self.jobs.keys().copied()
    }

    /// When a job will next be due, jitter included.
    pub fn next(&self, id: JobId) -> Option<Timestamp> {
        self.jobs.get(&id)?.due().map(timestamp)
    }

    /// A job's runs that have not ended.
    pub fn running(&self, id: JobId) -> impl Iterator<Item = RunId> {
        self.jobs.get(&id).into_iter().flat_map(|state| state.running.iter().copied())
    }

    /// How many times of a job wait for a run to end.
    pub fn waiting(&self, id: JobId) -> usize {
        self.jobs.get(&id).map_or(0, |state| state.queue.len())
    }

    /// A job's ended runs, the latest last.
    pub fn history(&self, id: JobId) -> impl Iterator<Item = &Record> {
        self.jobs.get(&id).into_iter().flat_map(|state| state.history.iter())
    }

    /// How many times of a job were skipped, and how many missed, since it was added.
    pub fn lost(&self, id: JobId) -> (u64, u64) {
        self.jobs.get(&id).map_or((0, 0), |state| (state.skipped, state.missed))
    }

    /// Panics if the parts contradict each other: for tests, after every call.
    pub fn check_invariants(&self) {
        let mut live: BTreeMap<JobId, usize> = BTreeMap::new();
        for Reverse((at, id, generation)) in &self.due {
            if let Some(state) = self.jobs.get(id).filter(|job| job.generation == *generation) {
                assert_eq!(state.due(), Some(*at), "{id:?} is due when the heap says");
                *live.entry(*id).or_default() += 1;
            }
        }
        for (id, state) in &self.jobs {
            state.check_invariants();
            let entries = live.get(id).copied().unwrap_or(0);
            assert_eq!(entries, usize::from(state.due().is_some()), "{id:?} is in the heap once");
            let ours = |run: &RunId| self.runs.get(run).is_some_and(|run| run.job == *id);
            assert!(state.running.iter().all(ours), "the runs of {id:?} are known");
        }
        for (id, run) in &self.runs {
            let known = self.jobs.get(&run.job).is_none_or(|job| job.running.contains(id));
            assert!(known && id.0 < self.runs_ever, "{id:?} is its job's");
        }
        assert!(self.due.len() <= 2 * self.jobs.len() + HEAP_SLACK, "old entries are trimmed");
        assert!(self.deadlines.len() <= 2 * self.runs.len() + HEAP_SLACK + 1);
        assert!(self.virtual_clock >= seconds_floor(self.last.wall), "virtual clock is not behind");
    }
}

impl Runner {
    fn start_of_scheduler(&mut self, out: &mut Vec<Action>) {
        let at_start = |(_, state): &(&JobId, &JobState)| state.job().schedule.expr().at_start();
        let jobs: Vec<JobId> = self.jobs.iter().filter(at_start).map(|(id, _)| *id).collect();
        for id in jobs {
            self.offer_now(id, Cause::Start, out);
        }
    }

    fn offer_now(&mut self, id: JobId, cause: Cause, out: &mut Vec<Action>) {
        self.offer(id, Slot { at: seconds_floor(self.now.wall), cause }, out);
    }

    /// Deals with all times up to `now`.
    fn advance(&mut self, now: Now, out: &mut Vec<Action>) {
        self.now = now;
        let wake = Wake::new(self.last, self.virtual_clock, now);
        self.last = now;
        self.virtual_clock = wake.virtual_clock;
        match wake.class {
            Class::Back => self.move_back(&wake, JobState::wildcard),
            Class::FarBack => self.move_back(&wake, |_| true),
            Class::Late | Class::Gap | Class::Ahead => {}
        }
        self.run_due(&wake, out);
        self.kill_overdue(out);
    }

    fn earliest(&mut self) -> Option<i64> {
        while let Some(Reverse((at, id, generation))) = self.due.peek() {
            if self.jobs.get(id).is_some_and(|job| job.generation == *generation) {
                return Some(*at);
            }
            self.due.pop();
        }
        None
    }

    /// The clock was set back: the chosen jobs go by it from this minute on.
    fn move_back(&mut self, wake: &Wake, chosen: fn(&JobState) -> bool) {
        for state in self.jobs.values_mut().filter(|state| chosen(state)) {
            state.move_to(wake.before_this_minute());
        }
        self.rebuild_due();
    }

    fn run_due(&mut self, wake: &Wake, out: &mut Vec<Action>) {
        while self.earliest().is_some_and(|at| at <= wake.wall) {
            let Some(Reverse((_, id, _))) = self.due.pop() else { return };
            let Some(state) = self.jobs.get_mut(&id) else { continue };
            let batch = state.take_due(wake);
            self.enter_due(id);
            if let Some(lost) = batch.lost {
                self.tell_missed(id, lost, out);
            }
            for slot in batch.slots {
                self.offer(id, slot, out);
            }
        }
    }

    fn tell_missed(&self, job: JobId, lost: Lost, out: &mut Vec<Action>) {
        out.push(Action::Missed { job, first: timestamp(lost.first), count: lost.count });
    }

    /// Does with a slot what the job's policy on overlap says.
    fn offer(&mut self, id: JobId, slot: Slot, out: &mut Vec<Action>) {
        let Some(state) = self.jobs.get_mut(&id) else { return };
        match state.decide(slot) {
            Decision::Start => self.start(id, slot, out),
            Decision::Wait => {}
            Decision::Skip(reason) => out.push(skip(id, slot, reason)),
            Decision::Replace(replaced) => {
                let runs: Vec<RunId> = state.running.iter().copied().collect();
                out.extend(replaced.map(|slot| skip(id, slot, SkipReason::Replaced)));
                for run in runs {
                    self.kill(run, KillReason::Replaced, out);
                }
            }
        }
    }

    fn start(&mut self, job: JobId, slot: Slot, out: &mut Vec<Action>) {
        let Some(state) = self.jobs.get_mut(&job) else { return };
        let id = RunId(self.runs_ever);
        self.runs_ever += 1;
        state.running.insert(id);
        if let Some(timeout) = state.job().policy.timeout {
            self.deadlines.push(Reverse((self.now.mono.saturating_add(timeout), id)));
        }
        self.runs.insert(id, Run { job, slot, started: self.now, state: RunState::Running });
        out.push(Action::Start { run: id, job, slot: timestamp(slot.at), cause: slot.cause });
    }

    fn kill(&mut self, id: RunId, reason: KillReason, out: &mut Vec<Action>) {
        let Some(run) = self.runs.get_mut(&id) else { return };
        if run.state == RunState::Running {
            run.state = RunState::Killing;
            out.push(Action::Kill { run: id, job: run.job, reason });
        }
    }

    fn kill_overdue(&mut self, out: &mut Vec<Action>) {
        while let Some(Reverse((at, id))) = self.deadlines.peek().copied()
            && at <= self.now.mono
        {
            self.deadlines.pop();
            self.kill(id, KillReason::Timeout, out);
        }
    }

    fn exited(&mut self, id: RunId, exit: Exit, bytes: u64, out: &mut Vec<Action>) {
        let Some(run) = self.runs.remove(&id) else { return };
        self.trim_deadlines();
        let Some(state) = self.jobs.get_mut(&run.job) else { return };
        state.running.remove(&id);
        state.record(Record {
            run: id,
            slot: timestamp(run.slot.at),
            cause: run.slot.cause,
            started: run.started.wall,
            ended: self.now.wall,
            took: self.now.mono.saturating_sub(run.started.mono),
            exit,
            bytes,
        });
        if state.running.is_empty()
            && let Some(slot) = state.queue.pop_front()
        {
            self.start(run.job, slot, out);
        }
    }

    fn enter_due(&mut self, id: JobId) {
        if let Some(state) = self.jobs.get(&id)
            && let Some(at) = state.due()
        {
            self.due.push(Reverse((at, id, state.generation)));
        }
    }

    fn rebuild_due(&mut self) {
        let entry = |(id, state): (&JobId, &JobState)| {
            state.due().map(|at| Reverse((at, *id, state.generation)))
        };
        self.due = self.jobs.iter().filter_map(entry).collect();
    }

    fn trim_due(&mut self) {
        if self.due.len() > 2 * self.jobs.len() + HEAP_SLACK {
            self.rebuild_due();
        }
    }

    fn trim_deadlines(&mut self) {
        if self.deadlines.len() > 2 * self.runs.len() + HEAP_SLACK {
            let runs = &self.runs;
            self.deadlines.retain(|Reverse((_, id))| runs.contains_key(id));
        }
    }
}

fn skip(job: JobId, slot: Slot, reason: SkipReason) -> Action {
    Action::Skip { job, slot: timestamp(slot.at), reason }
}
