//! The driver of scheduled jobs: carries out what [`schedule::Runner`] decides.
//!
//! It has no loop of its own. The owner (the master, `cron run`, `run --crontab`) polls what
//! [`Jobs::watches`] names, calls [`Jobs::on_ready`] and [`Jobs::on_time`], reaps all children in
//! its one place and tells each end by [`Jobs::on_exit`]. What is for the owner to do or to log
//! comes back as [`Event`]s. No call blocks on a job:
//!
//! - a run is over when its process is reaped, not when its pipe ends: a daemon that it has left
//!   behind may hold the pipe for ever. Such pipes are read on, so that nobody blocks on them;
//! - a run that is killed gets TERM, then after the grace KILL, and with it its process group and
//!   whatever it has started, also in other sessions.

pub mod configured;
pub mod crontab;
pub mod history;
pub mod person;
pub mod spec;
mod start;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use process::output::{Piece, Pipe};
use process::{Group, How, Process, Signal, Snapshot, signal_group, signal_process};
use schedule::{Action, Cause, Exit, Job, JobId, KillReason, Now, RunId, Runner, SkipReason};

use crate::clock;
use history::{History, Past};
use spec::{JobSpec, What};
use start::Sink;

/// Runs at a time, of all jobs together.
pub const RUNS_MAX: usize = 4096;
/// Pipes that are read on after their run has ended, for what it left running.
const LINGERING_MAX: usize = 256;
/// Calls to read what is left in the pipe of a run that has ended: each takes a full pipe, and one
/// whose size was raised (fcntl(2), `F_SETPIPE_SZ`) holds 1 MiB.
const LAST_READS_MAX: usize = 17;

/// What the owner is to carry out or to log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// To be carried out, and answered by [`Jobs::finished`].
    Verb { run: RunId, job: String, text: String },
    /// A line that a job has printed, without its newline.
    Line { job: String, bytes: Vec<u8> },
    /// For the log.
    Said { job: String, text: String },
}

/// Everything about one job, for lists.
#[derive(Clone, Debug)]
pub struct View {
    pub name: String,
    pub spec: Arc<JobSpec>,
    /// The expression as it was written.
    pub schedule: String,
    pub next: Option<Timestamp>,
    /// The process (none for a verb) and the start of each run under way.
    pub running: Vec<(Option<u32>, Timestamp)>,
    pub last: Option<Past>,
    /// Times that were skipped, and that were missed.
    pub skipped: u64,
    pub missed: u64,
}

/// All jobs and their runs.
pub struct Jobs {
    runner: Runner,
    specs: BTreeMap<JobId, Arc<JobSpec>>,
    identities: BTreeMap<String, JobId>,
    runs: BTreeMap<RunId, Run>,
    pids: BTreeMap<u32, RunId>,
    taps: BTreeMap<u64, Tap>,
    taps_ever: u64,
    remains: Vec<Remains>,
    history: History,
    /// Between TERM and KILL.
    grace: Duration,
    /// Nothing is started any more.
    stopping: bool,
}

struct Run {
    spec: Arc<JobSpec>,
    slot: Timestamp,
    cause: Cause,
    started: Now,
    /// None for a verb.
    pid: Option<u32>,
    output: Followed,
    ladder: Ladder,
}

/// How a run's output is counted.
enum Followed {
    Not,
    Tap(u64),
    /// The pipe has ended before the run.
    Counted(u64),
    /// And its size at the start.
    File(File, u64),
}

/// How far the stop of a run has come.
enum Ladder {
    Runs,
    /// TERM was sent, also to these; KILL follows at this time of the monotonic clock.
    Asked(Vec<Process>, Duration),
    Killed,
}

/// The read end of a run's output.
struct Tap {
    run: RunId,
    job: String,
    pipe: Pipe,
    /// The run is over.
    lingers: bool,
}

/// What is left of a run that was stopped, after its own end.
struct Remains {
    members: Vec<Process>,
    until: Duration,
}

impl Jobs {
    /// Without jobs. `seed` decides jitter, `grace` lies between TERM and KILL.
    pub fn new(history: History, grace: Duration, seed: u64, now: Now) -> Jobs {
        Jobs {
            runner: Runner::new(seed, now),
            specs: BTreeMap::new(),
            identities: BTreeMap::new(),
            runs: BTreeMap::new(),
            pids: BTreeMap::new(),
            taps: BTreeMap::new(),
            taps_ever: 0,
            remains: Vec::new(),
            history,
            grace,
            stopping: false,
        }
    }

    /// Makes these the jobs. Those that stay keep their place in time, runs under way go on.
    pub fn configure(&mut self, specs: Vec<JobSpec>, now: Now, out: &mut Vec<Event>) {
        let mut actions = Vec::new();
        let mut kept = BTreeSet::new();
        for spec in specs {
            if !kept.insert(spec.identity.clone()) {
                say(out, &spec.name, "left out: another job is the same");
                continue;
            }
            self.take_on(spec, now, &mut actions, out);
        }
        let gone = self.identities.iter().filter(|(identity, _)| !kept.contains(*identity));
        for id in gone.map(|(_, id)| *id).collect::<Vec<JobId>>() {
            self.drop_job(id, now, &mut actions);
        }
        self.act(actions, now, out);
    }

    /// Runs the `@reboot` jobs: once after the first `configure`, not after a reload.
    pub fn start(&mut self, now: Now, out: &mut Vec<Event>) {
        self.handle(schedule::Event::Start, now, out);
    }

    /// Runs a job now, as far as its policy on overlap lets it.
    pub fn trigger(&mut self, name: &str, now: Now, out: &mut Vec<Event>) -> Result<(), String> {
        if self.stopping {
            return Err("the scheduler is stopping: nothing is started any more".into());
        }
        let named = self.specs.iter().find(|(_, spec)| spec.name == name).map(|(id, _)| *id);
        let job = named.ok_or_else(|| {
            format!("there is no job {name:?}: `sockeye cron list` shows their names")
        })?;
        self.handle(schedule::Event::Run { job }, now, out);
        Ok(())
    }

    /// What to poll: descriptor, events (as in poll(2)), and the tag for [`Jobs::on_ready`].
    pub fn watches(&self) -> impl Iterator<Item = (BorrowedFd<'_>, i16, u64)> {
        self.taps.iter().map(|(tag, tap)| (tap.pipe.as_fd(), sys::poll::IN, *tag))
    }

    /// A polled descriptor is ready, in whatever way.
    pub fn on_ready(&mut self, tag: u64, out: &mut Vec<Event>) {
        let Some(tap) = self.taps.get_mut(&tag) else { return };
        tap.read(out);
        if tap.is_over() {
            let (run, bytes) = (tap.run, tap.pipe.bytes());
            self.taps.remove(&tag);
            if let Some(run) = self.runs.get_mut(&run) {
                run.output = Followed::Counted(bytes);
            }
        }
    }

    /// A wait is over: starts what is due, kills what is overdue.
    pub fn on_time(&mut self, now: Now, out: &mut Vec<Event>) {
        self.handle(schedule::Event::Tick, now, out);
        self.climb(now);
    }

    /// How long to wait at most before the next [`Jobs::on_time`].
    pub fn wait(&self, now: Now) -> Option<Duration> {
        let due = if self.stopping { None } else { self.runner.wait(now) };
        let ladders = self.runs.values().filter_map(|run| match &run.ladder {
            Ladder::Asked(_, until) => Some(*until),
            Ladder::Runs | Ladder::Killed => None,
        });
        let deadlines = ladders.chain(self.remains.iter().map(|remains| remains.until));
        deadlines.map(|until| until.saturating_sub(now.mono)).chain(due).min()
    }

    /// A child is a zombie and about to be reaped: the time to hold what it leaves behind.
    pub fn before_reap(&mut self, pid: u32) {
        let Some(run) = self.pids.get(&pid).and_then(|run| self.runs.get_mut(run)) else { return };
        match std::mem::replace(&mut run.ladder, Ladder::Runs) {
            Ladder::Runs => {}
            Ladder::Asked(mut members, until) => {
                members.extend(members_of(pid));
                members.retain(Process::is_alive);
                if !members.is_empty() {
                    self.remains.push(Remains { members, until });
                }
            }
            Ladder::Killed => signal_each(&members_of(pid), Signal::KILL),
        }
    }

    /// A child was reaped. `false`: it was none of ours.
    pub fn on_exit(&mut self, pid: u32, how: How, now: Now, out: &mut Vec<Event>) -> bool {
        self.forget_ended_remains();
        let Some(run) = self.pids.remove(&pid) else { return false };
        let exit = match how {
            How::Exit(code) => Exit::Code(code),
            How::Signal { number, .. } => Exit::Signal(number),
        };
        self.end(run, exit, &how.to_string(), now, out);
        true
    }

    /// The owner has carried out a verb, or could not.
    pub fn finished(
        &mut self,
        run: RunId,
        result: Result<(), String>,
        now: Now,
        out: &mut Vec<Event>,
    ) {
        match result {
            Ok(()) => self.end(run, Exit::Code(0), "done", now, out),
            Err(why) => self.end(run, Exit::Code(1), &format!("failed: {why}"), now, out),
        }
    }

    /// Starts nothing more and stops all runs: TERM, and after the grace KILL. Those without a
    /// process, the verbs, are the owner's to end.
    pub fn stop(&mut self, now: Now) {
        self.stopping = true;
        for run in self.runs.values_mut() {
            run.ask(now.mono.saturating_add(self.grace));
        }
    }

    /// Whether no process of a job is left that this knows of.
    pub fn is_idle(&self) -> bool {
        self.pids.is_empty() && self.remains.is_empty()
    }

    pub fn len(&self) -> usize {
        self.specs.len()
    }

    /// All jobs, in the order they were added.
    pub fn view(&self) -> impl Iterator<Item = View> {
        self.specs.iter().map(|(id, spec)| {
            let running = self.runner.running(*id).filter_map(|run| self.runs.get(&run));
            let (skipped, missed) = self.runner.lost(*id);
            View {
                name: spec.name.clone(),
                spec: spec.clone(),
                schedule: spec.schedule.expr().to_string(),
                next: self.runner.next(*id),
                running: running.map(|run| (run.pid, run.started.wall)).collect(),
                last: self.history.of(&spec.identity).next_back().cloned(),
                skipped,
                missed,
            }
        })
    }
}

impl Jobs {
    fn take_on(
        &mut self,
        spec: JobSpec,
        now: Now,
        actions: &mut Vec<Action>,
        out: &mut Vec<Event>,
    ) {
        if let Some(id) = self.identities.get(&spec.identity).copied() {
            if self.specs.get(&id).is_some_and(|known| known.same_times(&spec)) {
                self.specs.insert(id, Arc::new(spec));
                return;
            }
            self.drop_job(id, now, actions);
        }
        let job = Job {
            name: spec.identity.clone(),
            schedule: spec.schedule.clone(),
            policy: spec.policy,
            last_seen: self.history.of(&spec.identity).next_back().map(|past| past.slot),
        };
        match self.runner.add(job, now, actions) {
            Some(id) => {
                self.identities.insert(spec.identity.clone(), id);
                self.specs.insert(id, Arc::new(spec));
            }
            None => say(out, &spec.name, "left out: there are too many jobs"),
        }
    }

    fn drop_job(&mut self, id: JobId, now: Now, actions: &mut Vec<Action>) {
        self.runner.remove(id, now, actions);
        if let Some(spec) = self.specs.remove(&id) {
            self.identities.remove(&spec.identity);
        }
    }

    fn handle(&mut self, event: schedule::Event, now: Now, out: &mut Vec<Event>) {
        if self.stopping && event == schedule::Event::Tick {
            return;
        }
        let mut actions = Vec::new();
        self.runner.handle(event, now, &mut actions);
        self.act(actions, now, out);
    }

    /// Carries actions out, and those that follow: a start that fails is an end, after which the
    /// next in the queue is started. Each round takes one from a bounded queue.
    fn act(&mut self, actions: Vec<Action>, now: Now, out: &mut Vec<Event>) {
        let mut actions = std::collections::VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            let failed = self.carry_out(action, now, out);
            if let Some(run) = failed {
                let mut more = Vec::new();
                let event = schedule::Event::Exited { run, exit: Exit::NotStarted, bytes: 0 };
                self.runner.handle(event, now, &mut more);
                actions.extend(more);
            }
        }
    }

    /// Carries one action out; gives back the run that could not be started.
    fn carry_out(&mut self, action: Action, now: Now, out: &mut Vec<Event>) -> Option<RunId> {
        match action {
            Action::Start { run, job, slot, cause } => {
                let spec = self.specs.get(&job)?.clone();
                let why = self.begin(run, &spec, slot, cause, now, out).err()?;
                say(out, &spec.name, &format!("not started: {why}"));
                let (started, took, exit) = (now.wall, Duration::ZERO, Exit::NotStarted);
                let past = Past { slot, started, took, exit, cause, bytes: 0 };
                self.remember(&spec, past, out);
                return Some(run);
            }
            Action::Kill { run, job, reason } => {
                let run = self.runs.get_mut(&run)?;
                run.ask(now.mono.saturating_add(self.grace));
                let why = match reason {
                    KillReason::Timeout => "stopped: it takes longer than its timeout",
                    KillReason::Replaced => "stopped: its next run is due",
                };
                say(out, self.specs.get(&job).map_or("", |spec| &spec.name), why);
            }
            Action::Skip { job, slot, reason } => {
                let text = format!("the run of {slot} is left out: {}", skip_words(reason));
                say(out, &self.specs.get(&job)?.name, &text);
            }
            Action::Missed { job, first, count } => {
                let times = if count == 1 { "1 time".into() } else { format!("{count} times") };
                let text = format!("missed {times} since {first}");
                say(out, &self.specs.get(&job)?.name, &text);
            }
        }
        None
    }

    fn begin(
        &mut self,
        id: RunId,
        spec: &Arc<JobSpec>,
        slot: Timestamp,
        cause: Cause,
        now: Now,
        out: &mut Vec<Event>,
    ) -> Result<(), String> {
        let mut run = Run {
            spec: spec.clone(),
            slot,
            cause,
            started: now,
            pid: None,
            output: Followed::Not,
            ladder: Ladder::Runs,
        };
        if self.stopping {
            return Err("the scheduler is stopping".into());
        }
        if self.runs.len() >= RUNS_MAX {
            return Err(format!("{RUNS_MAX} runs are under way"));
        }
        if let What::Verb(text) = &spec.what {
            out.push(Event::Verb { run: id, job: spec.name.clone(), text: text.clone() });
        } else {
            let started = start::start(spec)?;
            run.pid = Some(started.pid);
            run.output = match started.sink {
                Sink::Null => Followed::Not,
                Sink::File(file, size) => Followed::File(file, size),
                Sink::Pipe(pipe) => Followed::Tap(self.open_tap(id, &spec.name, pipe)),
            };
            self.pids.insert(started.pid, id);
        }
        self.runs.insert(id, run);
        Ok(())
    }

    fn end(&mut self, id: RunId, exit: Exit, words: &str, now: Now, out: &mut Vec<Event>) {
        let Some(run) = self.runs.remove(&id) else { return };
        let bytes = self.last_output(&run, out);
        let took = now.mono.saturating_sub(run.started.mono);
        if !run.spec.quiet || exit != Exit::Code(0) {
            say(out, &run.spec.name, &format!("{words} after {}", seconds(took)));
        }
        let past =
            Past { slot: run.slot, started: run.started.wall, took, exit, cause: run.cause, bytes };
        self.remember(&run.spec, past, out);
        if self.stopping {
            return;
        }
        self.handle(schedule::Event::Exited { run: id, exit, bytes }, now, out);
    }

    fn remember(&mut self, spec: &JobSpec, past: Past, out: &mut Vec<Event>) {
        if let Err(problem) = self.history.add(&spec.identity, past) {
            say(out, &spec.name, &problem);
        }
    }

    /// Reads what a run that has ended left in its pipe, and says how much it printed in all.
    fn last_output(&mut self, run: &Run, out: &mut Vec<Event>) -> u64 {
        match &run.output {
            Followed::Not => 0,
            Followed::Counted(bytes) => *bytes,
            Followed::File(file, before) => {
                file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(*before))
            }
            Followed::Tap(tag) => {
                let Some(tap) = self.taps.get_mut(tag) else { return 0 };
                tap.read_last(out);
                let bytes = tap.pipe.bytes();
                if tap.is_over() {
                    self.taps.remove(tag);
                } else {
                    self.linger(*tag);
                }
                bytes
            }
        }
    }

    fn open_tap(&mut self, run: RunId, job: &str, pipe: Pipe) -> u64 {
        let tag = self.taps_ever;
        self.taps_ever += 1;
        self.taps.insert(tag, Tap { run, job: job.to_owned(), pipe, lingers: false });
        tag
    }

    fn linger(&mut self, tag: u64) {
        let mut lingering = self.taps.iter().filter(|(_, tap)| tap.lingers).map(|(tag, _)| *tag);
        if let Some(oldest) = lingering.next()
            && lingering.count() + 1 >= LINGERING_MAX
        {
            self.taps.remove(&oldest);
        }
        if let Some(tap) = self.taps.get_mut(&tag) {
            tap.lingers = true;
        }
    }

    /// Sends KILL where the grace is over.
    fn climb(&mut self, now: Now) {
        for run in self.runs.values_mut() {
            if matches!(&run.ladder, Ladder::Asked(_, until) if *until <= now.mono) {
                run.kill();
            }
        }
        self.remains.retain(|remains| {
            let over = remains.until <= now.mono;
            if over {
                signal_each(&remains.members, Signal::KILL);
            }
            !over
        });
    }
}

impl Jobs {
    fn forget_ended_remains(&mut self) {
        self.remains.retain_mut(|remains| {
            remains.members.retain(Process::is_alive);
            !remains.members.is_empty()
        });
    }
}

impl Run {
    /// Asks the run and all it has started to end.
    fn ask(&mut self, until: Duration) {
        if let (Some(pid), Ladder::Runs) = (self.pid, &self.ladder) {
            let members = members_of(pid);
            signal_each(&members, Signal::TERM);
            // What is stopped gets its signal when it goes on.
            signal_each(&members, Signal::CONT);
            self.ladder = Ladder::Asked(members, until);
        }
    }

    fn kill(&mut self) {
        if let Some(pid) = self.pid {
            signal_each(&members_of(pid), Signal::KILL);
            signal_group(pid, Signal::KILL);
        }
        if let Ladder::Asked(members, _) = std::mem::replace(&mut self.ladder, Ladder::Killed) {
            signal_each(&members, Signal::KILL);
        }
    }
}

/// A run's process and all it has started. Each run leads a group, and keeps its number until it is
/// reaped.
fn members_of(pid: u32) -> Vec<Process> {
    Group { leader: pid, mark: None, cgroup: None }.members(&Snapshot::take(), |_| true)
}

fn signal_each(members: &[Process], signal: Signal) {
    members.iter().for_each(|member| signal_process(member, signal));
}

impl Tap {
    fn read(&mut self, out: &mut Vec<Event>) {
        let job = &self.job;
        self.pipe.read(|piece: Piece<'_>| {
            out.push(Event::Line { job: job.clone(), bytes: piece.text.to_vec() });
        });
    }

    /// Reads until there is nothing more, within a bound.
    fn read_last(&mut self, out: &mut Vec<Event>) {
        for _ in 0..LAST_READS_MAX {
            let before = self.pipe.bytes();
            self.read(out);
            if self.pipe.bytes() == before {
                return;
            }
        }
    }

    /// Whether nobody can write to it any more.
    fn is_over(&self) -> bool {
        self.pipe.is_over(clock::now())
    }
}

fn say(out: &mut Vec<Event>, job: &str, text: &str) {
    out.push(Event::Said { job: job.to_owned(), text: text.to_owned() });
}

fn skip_words(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Running => "the last one has not ended",
        SkipReason::QueueFull => "as many as may wait are waiting",
        SkipReason::TooManyRuns => "as many as may run are running",
        SkipReason::Replaced => "a later one takes its place",
        SkipReason::Removed => "the job was removed",
    }
}

fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests;
