//! The runner against a daemon's loop, over seeds: jobs, policies, exits and clocks at random.
//!
//! Beside the runner lives a model of cron that looks at every minute it is awake. Whatever the
//! policy on overlap, each time the model starts a job must be started, skipped or waiting in the
//! runner, exactly once, and nothing else may be. A failure prints its seed; the same seed gives
//! the same trace.

use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sockeye_schedule::{
    Action, Cause, Dialect, Event, Exit, Expr, Job, JobId, Missed, Now, Overlap, Policy, RunId,
    Runner, Schedule, SkipReason, limits,
};

use crate::brute::{Dice, holds_civil};

const SEEDS: u64 = 1_000;
const STEPS: u64 = 250;

const EXPRESSIONS: &[&str] = &[
    "* * * * *",
    "*/3 * * * *",
    "*/10 */2 * * *",
    "0 * * * *",
    "5 0-23 * * *",
    "0,20,40 0-23/2 * * *",
    "0-59 1-5 * * *",
    "30 2 * * *",
    "15 3 1 * *",
    "0 12 13 * 5",
    "59 23 * * *",
];

/// A job in the model: when cron last looked, and the times it started the job that the runner has
/// not accounted for.
struct Model {
    expr: &'static str,
    owed: BTreeMap<i64, u32>,
}

struct World {
    seed: u64,
    dice: Dice,
    now: Now,
    runner: Runner,
    /// cron's virtual clock and the last minute it looked at, in minutes.
    virtual_clock: i64,
    looked_at: i64,
    models: BTreeMap<JobId, Model>,
    /// Runs under way that will end, by the monotonic clock; the latest first.
    exits: BinaryHeap<std::cmp::Reverse<(Duration, RunId)>>,
    running: BTreeMap<RunId, JobId>,
    trace: Vec<String>,
}

/// How much of the trace is shown when a seed fails.
const TRACE_SHOWN: usize = 30;

impl Drop for World {
    #[expect(clippy::print_stdout, reason = "a failed seed is of no use unless it is told")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let from = self.trace.len().saturating_sub(TRACE_SHOWN);
            println!("seed {}:\n{}", self.seed, self.trace[from..].join("\n"));
        }
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice(seed);
        let start = 1_767_225_600 + dice.below(40 * 86_400) as i64;
        let now = Now {
            wall: Timestamp::from_second(start).expect("in range"),
            mono: Duration::from_secs(dice.below(1_000_000)),
        };
        World {
            seed,
            runner: Runner::new(seed, now),
            dice,
            now,
            virtual_clock: start.div_euclid(60),
            looked_at: start.div_euclid(60),
            models: BTreeMap::new(),
            exits: BinaryHeap::new(),
            running: BTreeMap::new(),
            trace: Vec::new(),
        }
    }

    fn add_jobs(&mut self) {
        let overlaps = [Overlap::Allow, Overlap::Skip, Overlap::Queue, Overlap::Kill];
        for number in 0..=self.dice.below(6) {
            let expr = *self.dice.pick(EXPRESSIONS);
            let timeout = (self.dice.below(3) == 0).then(|| Duration::from_secs(90));
            let overlap = *self.dice.pick(&overlaps);
            let policy = Policy { overlap, timeout, ..Policy::default() };
            let parsed = Expr::parse(expr, Dialect::Debian).expect("a good expression");
            let schedule = Schedule::new(parsed, Dialect::Debian, TimeZone::UTC);
            let job = Job { name: number.to_string(), schedule, policy, last_seen: None };
            let mut out = Vec::new();
            let id = self.runner.add(job, self.now, &mut out).expect("there is room");
            assert_eq!(out, []);
            self.models.insert(id, Model { expr, owed: BTreeMap::new() });
        }
    }

    fn step(&mut self) {
        let kind = self.dice.below(40);
        let mut from = |low: i64, count: u64| low + self.dice.below(count) as i64;
        match kind {
            0 => {
                let minutes = from(2, 10);
                self.jump(minutes)
            }
            1 => {
                let minutes = from(10, 170);
                self.jump(minutes)
            }
            2 => {
                let minutes = from(180, 3_000);
                self.jump(minutes)
            }
            3 => {
                let minutes = from(-20, 18);
                self.jump(minutes)
            }
            4 => {
                let minutes = from(-320, 300);
                self.jump(minutes)
            }
            5 => {
                let minutes = from(2, 400);
                self.stall(minutes)
            }
            6 => self.handle(Event::Tick),
            _ => self.pass(),
        }
    }

    /// Sleeps as long as the runner says, or until a run ends.
    fn pass(&mut self) {
        let wait = self.runner.wait(self.now).unwrap_or(limits::WAIT_MAX);
        let exit = self.exits.peek().map(|std::cmp::Reverse((at, _))| *at - self.now.mono);
        let nap = wait.min(exit.unwrap_or(wait));
        self.now.mono += nap;
        self.now.wall += SignedDuration::try_from(nap).expect("in range");
        self.model_looks_every_minute();
        self.end_runs();
        self.handle(Event::Tick);
    }

    fn end_runs(&mut self) {
        while let Some(std::cmp::Reverse((at, run))) = self.exits.peek().copied()
            && at <= self.now.mono
        {
            self.exits.pop();
            if self.running.remove(&run).is_some() {
                let exit = *self.dice.pick(&[Exit::Code(0), Exit::Signal(9), Exit::NotStarted]);
                let bytes = self.dice.below(100);
                self.handle(Event::Exited { run, exit, bytes });
            }
        }
    }

    fn jump(&mut self, minutes: i64) {
        self.now.wall += SignedDuration::from_mins(minutes);
        self.model_looks(self.minute());
        self.handle(Event::Tick);
    }

    fn stall(&mut self, minutes: i64) {
        self.now.mono += Duration::from_secs((minutes * 60).unsigned_abs());
        self.now.wall += SignedDuration::from_mins(minutes);
        self.model_looks(self.minute());
        self.end_runs();
        self.handle(Event::Tick);
    }

    fn minute(&self) -> i64 {
        self.now.wall.as_second().div_euclid(60)
    }

    fn model_looks_every_minute(&mut self) {
        for minute in self.looked_at + 1..=self.minute() {
            self.model_looks(minute);
        }
    }

    /// cron wakes up in a new minute.
    fn model_looks(&mut self, minute: i64) {
        self.looked_at = minute;
        let ahead = minute - self.virtual_clock;
        for model in self.models.values_mut() {
            let wildcard = model.expr.starts_with('*') || model.expr.contains(" */2 ");
            let wildcard = wildcard || model.expr.starts_with("0 * ");
            let minutes: Vec<i64> = match ahead {
                1..=5 => (self.virtual_clock + 1..=minute).collect(),
                6..=180 if !wildcard => (self.virtual_clock + 1..=minute).collect(),
                -180..=0 if !wildcard => vec![],
                _ => vec![minute],
            };
            for minute in minutes.into_iter().filter(|minute| holds_civil(model.expr, *minute)) {
                *model.owed.entry(minute * 60).or_default() += 1;
            }
        }
        if !(-180..=0).contains(&ahead) {
            self.virtual_clock = minute;
        }
    }

    fn handle(&mut self, event: Event) {
        let mut out = Vec::new();
        self.runner.handle(event, self.now, &mut out);
        self.runner.check_invariants();
        self.trace.push(format!("{} {event:?}", self.now.wall));
        for action in out {
            self.trace.push(format!("  {action:?}"));
            self.carry_out(action);
        }
        self.check_owed();
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Start { run, job, slot, cause } => {
                assert_eq!(cause, Cause::Due);
                self.pay(job, slot);
                self.running.insert(run, job);
                let takes = Duration::from_secs(self.dice.below(400));
                self.exits.push(std::cmp::Reverse((self.now.mono + takes, run)));
            }
            Action::Kill { run, job, .. } => {
                assert_eq!(self.running.get(&run), Some(&job), "only what runs is killed");
                let soon = Duration::from_secs(self.dice.below(5));
                self.exits.push(std::cmp::Reverse((self.now.mono + soon, run)));
            }
            Action::Skip { job, slot, reason } => {
                assert_ne!(reason, SkipReason::Removed);
                self.pay(job, slot);
            }
            Action::Missed { .. } => {}
        }
    }

    /// A time the runner dealt with: the model must have named it, and not be owed more often.
    fn pay(&mut self, job: JobId, slot: Timestamp) {
        let owed = &mut self.models.get_mut(&job).expect("a job").owed;
        let left = owed.get_mut(&slot.as_second());
        let left = left.unwrap_or_else(|| panic!("cron does not start {job:?} at {slot}"));
        *left -= 1;
        if *left == 0 {
            owed.remove(&slot.as_second());
        }
    }

    /// Whatever cron started and the runner has not dealt with is waiting for a run to end.
    fn check_owed(&self) {
        if self.looked_at != self.minute() {
            return;
        }
        for (id, model) in &self.models {
            let owed: u32 = model.owed.values().sum();
            let waiting = self.runner.waiting(*id);
            assert_eq!(owed as usize, waiting, "{id:?} {}: {:?}", model.expr, model.owed);
        }
    }
}

fn run(seed: u64) -> Vec<String> {
    let mut world = World::new(seed);
    world.add_jobs();
    for _ in 0..STEPS {
        world.step();
    }
    std::mem::take(&mut world.trace)
}

#[test]
fn no_time_is_missed_or_doubled_over_a_thousand_seeds() {
    for seed in 0..SEEDS {
        run(seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 141, 592] {
        assert_eq!(run(seed), run(seed));
    }
    assert_ne!(run(1), run(2));
}

/// With [`Missed::Once`] and jitter: after any interruption, a job runs at most once to make up,
/// and no time is started twice.
#[test]
fn making_up_for_missed_runs_doubles_none() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let policy = Policy {
            missed: Missed::Once,
            jitter: Duration::from_secs(world.dice.below(3_600)),
            ..Policy::default()
        };
        let expr = *world.dice.pick(EXPRESSIONS);
        let parsed = Expr::parse(expr, Dialect::Debian).expect("a good expression");
        let schedule = Schedule::new(parsed, Dialect::Debian, TimeZone::UTC);
        let job = Job { name: expr.to_string(), schedule, policy, last_seen: None };
        world.runner.add(job, world.now, &mut Vec::new()).expect("there is room");
        let mut last = Timestamp::MIN;
        for _ in 0..50 {
            let minutes = 1 + world.dice.below(500) as i64;
            let awake = world.dice.below(2) == 0;
            last = sleep_or_work(&mut world, minutes, awake, last);
        }
    }
}

fn sleep_or_work(world: &mut World, minutes: i64, awake: bool, last: Timestamp) -> Timestamp {
    let (naps, length) = if awake { (minutes, 1) } else { (1, minutes) };
    let mut last = last;
    for _ in 0..naps {
        world.now.wall += SignedDuration::from_mins(length);
        world.now.mono += if awake { Duration::from_secs(60) } else { Duration::ZERO };
        let mut out = Vec::new();
        world.runner.handle(Event::Tick, world.now, &mut out);
        world.runner.check_invariants();
        for action in out {
            if let Action::Start { run, slot, .. } = action {
                assert!(slot > last, "{slot} is started twice");
                last = slot;
                let exited = Event::Exited { run, exit: Exit::Code(0), bytes: 0 };
                world.runner.handle(exited, world.now, &mut Vec::new());
            }
        }
    }
    last
}
