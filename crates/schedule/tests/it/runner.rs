//! The runner, case by case: overlap, timeout, jitter, missed runs, clocks that jump.

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sockeye_schedule::{
    Action, Cause, Dialect, Event, Exit, Expr, Job, JobId, KillReason, Missed, Now, Overlap,
    Policy, RunId, Runner, Schedule, SkipReason, limits,
};

const MINUTE: i64 = 60;

/// A runner with a clock moved by hand, and everything it asked for.
struct World {
    now: Now,
    runner: Runner,
    actions: Vec<Action>,
}

impl World {
    /// At 2026-01-01T00:00:30Z, half a minute past a minute.
    fn new() -> World {
        let wall = Timestamp::from_second(1_767_225_630).expect("in range");
        let now = Now { wall, mono: Duration::from_secs(1_000) };
        World { now, runner: Runner::new(1, now), actions: Vec::new() }
    }

    fn add(&mut self, expr: &str, policy: Policy) -> JobId {
        let job = job(expr, policy);
        self.runner.add(job, self.now, &mut self.actions).expect("there is room")
    }

    fn handle(&mut self, event: Event) {
        self.runner.handle(event, self.now, &mut self.actions);
        self.runner.check_invariants();
    }

    /// Lets seconds pass, awake: waking up when the runner asks for it.
    fn pass(&mut self, seconds: i64) {
        let mut left = Duration::from_secs(seconds.unsigned_abs());
        while !left.is_zero() {
            let nap = self.runner.wait(self.now).unwrap_or(left).min(left);
            left -= nap;
            self.now.mono += nap;
            self.now.wall += SignedDuration::try_from(nap).expect("in range");
            self.handle(Event::Tick);
        }
    }

    /// Sets the clock, or lets the machine sleep, and wakes up.
    fn jump(&mut self, minutes: i64) {
        self.now.wall += SignedDuration::from_mins(minutes);
        self.handle(Event::Tick);
    }

    /// Stops the scheduler itself for a while.
    fn stall(&mut self, minutes: i64) {
        self.now.mono += Duration::from_secs((minutes * MINUTE).unsigned_abs());
        self.jump(minutes);
    }

    fn exit(&mut self, run: RunId) {
        self.handle(Event::Exited { run, exit: Exit::Code(0), bytes: 7 });
    }

    /// What was asked for since the last call, in short: see `short`.
    #[track_caller]
    fn check(&mut self, expected: &[&str]) -> Vec<RunId> {
        let runs = self.actions.iter().filter_map(|action| match action {
            Action::Start { run, .. } => Some(*run),
            Action::Kill { .. } | Action::Skip { .. } | Action::Missed { .. } => None,
        });
        let runs = runs.collect();
        let found: Vec<String> = self.actions.drain(..).map(short).collect();
        assert_eq!(found, expected);
        runs
    }
}

fn job(expr: &str, policy: Policy) -> Job {
    let parsed = Expr::parse(expr, Dialect::Debian).expect("a good expression");
    let schedule = Schedule::new(parsed, Dialect::Debian, TimeZone::UTC);
    Job { name: expr.to_string(), schedule, policy, last_seen: None }
}

/// An action as a word and a time of day.
fn short(action: Action) -> String {
    let clock = |at: Timestamp| at.strftime("%H:%M").to_string();
    match action {
        Action::Start { slot, cause: Cause::Due, .. } => format!("start {}", clock(slot)),
        Action::Start { slot, cause: Cause::CaughtUp, .. } => format!("catch up {}", clock(slot)),
        Action::Start { cause: Cause::Start, .. } => "start at start".to_string(),
        Action::Start { cause: Cause::Asked, .. } => "start as asked".to_string(),
        Action::Kill { reason: KillReason::Timeout, .. } => "kill: timeout".to_string(),
        Action::Kill { reason: KillReason::Replaced, .. } => "kill: replaced".to_string(),
        Action::Skip { slot, reason, .. } => format!("skip {}: {reason:?}", clock(slot)),
        Action::Missed { first, count, .. } => format!("missed {count} from {}", clock(first)),
    }
}

fn overlap(overlap: Overlap) -> Policy {
    Policy { overlap, ..Policy::default() }
}

fn missed(missed: Missed) -> Policy {
    Policy { missed, ..Policy::default() }
}

#[test]
fn a_job_runs_when_it_is_due_and_leaves_a_record() {
    let mut world = World::new();
    let job = world.add("*/2 * * * *", Policy::default());
    assert_eq!(world.runner.wait(world.now), Some(limits::WAIT_MAX));
    world.pass(3 * MINUTE);
    let runs = world.check(&["start 00:02"]);
    assert_eq!(world.runner.running(job).collect::<Vec<_>>(), runs);
    world.exit(runs[0]);
    let history: Vec<_> = world.runner.history(job).copied().collect();
    assert_eq!(history.len(), 1);
    assert_eq!((history[0].run, history[0].exit, history[0].bytes), (runs[0], Exit::Code(0), 7));
    assert_eq!((history[0].took, history[0].cause), (Duration::from_secs(90), Cause::Due));
    assert_eq!(world.runner.next(job).expect("a time").to_string(), "2026-01-01T00:04:00Z");
    world.exit(runs[0]);
    assert_eq!(world.runner.history(job).count(), 1, "a run ends once");
}

#[test]
fn overlap_allowed_is_bounded() {
    let mut world = World::new();
    world.add("* * * * *", Policy::default());
    world.pass(70 * MINUTE);
    let started = world.actions.iter().filter(|a| matches!(a, Action::Start { .. })).count();
    let skipped = world
        .actions
        .iter()
        .filter(|action| matches!(action, Action::Skip { reason: SkipReason::TooManyRuns, .. }));
    assert_eq!((started, skipped.count()), (limits::RUNS_PER_JOB_MAX, 6));
}

#[test]
fn overlap_skips() {
    let mut world = World::new();
    let job = world.add("* * * * *", overlap(Overlap::Skip));
    world.pass(2 * MINUTE);
    let runs = world.check(&["start 00:01", "skip 00:02: Running"]);
    world.exit(runs[0]);
    world.pass(MINUTE);
    world.check(&["start 00:03"]);
    assert_eq!(world.runner.lost(job), (1, 0));
}

#[test]
fn overlap_queues_in_turn_up_to_a_bound() {
    let mut world = World::new();
    let job = world.add("* * * * *", overlap(Overlap::Queue));
    world.pass(3 * MINUTE);
    let runs = world.check(&["start 00:01"]);
    world.exit(runs[0]);
    let runs = world.check(&["start 00:02"]);
    world.exit(runs[0]);
    world.check(&["start 00:03"]);
    world.pass(17 * MINUTE);
    world.check(&["skip 00:20: QueueFull"]);
    assert_eq!(world.runner.waiting(job), limits::QUEUE_MAX);
    world.runner.remove(job, world.now, &mut world.actions);
    assert_eq!(world.actions.len(), limits::QUEUE_MAX);
    world.runner.check_invariants();
}

#[test]
fn overlap_kills_once_and_starts_after_the_exit() {
    let mut world = World::new();
    world.add("* * * * *", overlap(Overlap::Kill));
    world.pass(3 * MINUTE);
    let runs = world.check(&["start 00:01", "kill: replaced", "skip 00:02: Replaced"]);
    world.exit(runs[0]);
    world.check(&["start 00:03"]);
}

#[test]
fn a_timeout_kills_once() {
    let mut world = World::new();
    let timeout = Some(Duration::from_secs(90));
    world.add("0 0 * * *", Policy { timeout, ..Policy::default() });
    let job = world.runner.jobs().next().expect("a job");
    world.handle(Event::Run { job });
    assert_eq!(world.runner.wait(world.now), Some(limits::WAIT_MAX));
    world.pass(89);
    world.check(&["start as asked"]);
    assert_eq!(world.runner.wait(world.now), Some(Duration::from_secs(1)));
    world.pass(10 * MINUTE);
    world.check(&["kill: timeout"]);
}

#[test]
fn jitter_is_the_same_every_time_and_differs_between_jobs() {
    let jitter = Duration::from_secs(600);
    let policy = Policy { jitter, ..Policy::default() };
    let mut world = World::new();
    let mut delays = std::collections::BTreeSet::new();
    for number in 0..50 {
        let named = Job { name: format!("job {number}"), ..job("0 * * * *", policy) };
        let id = world.runner.add(named, world.now, &mut world.actions).expect("room");
        let first = world.runner.next(id).expect("a time").as_second();
        assert!((0..=600).contains(&(first % 3600)), "{first}");
        delays.insert((id, first % 3600));
    }
    let different: std::collections::BTreeSet<i64> = delays.iter().map(|(_, d)| *d).collect();
    assert!(different.len() > 30, "{different:?}");
    world.pass(3 * 3600);
    for (id, delay) in delays {
        assert_eq!(world.runner.next(id).expect("a time").as_second() % 3600, delay);
    }
}

#[test]
fn reboot_jobs_run_at_the_start_only() {
    let mut world = World::new();
    world.add("@reboot", Policy::default());
    world.add("0 0 * * *", Policy::default());
    world.handle(Event::Start);
    world.pass(10 * MINUTE);
    world.check(&["start at start"]);
}

/// A job at fixed times and one with a wildcard, jumped over; what cron does by default.
#[test]
fn clock_jumps_are_treated_as_cron_does() {
    let check = |minutes: i64, fixed: &[&str], wildcard: &[&str]| {
        for (expr, expected) in [("0,3,10,40 0-23 * * *", fixed), ("*/10 * * * *", wildcard)] {
            let mut world = World::new();
            world.add(expr, Policy::default());
            world.pass(5 * MINUTE);
            world.actions.clear();
            world.jump(minutes);
            world.check(expected);
        }
    };
    // It is 00:05:30.
    check(4, &[], &[]);
    check(5, &["start 00:10"], &["start 00:10"]);
    check(15, &["start 00:10"], &["missed 1 from 00:10", "start 00:20"]);
    check(
        60,
        &["start 00:10", "start 00:40", "start 01:00", "start 01:03"],
        &["missed 6 from 00:10"],
    );
    check(181, &["missed 12 from 00:10"], &["missed 18 from 00:10"]);
    check(185, &["missed 12 from 00:10", "start 03:10"], &["missed 18 from 00:10", "start 03:10"]);
    check(-5, &[], &["start 00:00"]);
    check(-185, &["start 21:00"], &["start 21:00"]);
    check(-187, &[], &[]);
}

#[test]
fn a_clock_set_back_repeats_no_fixed_time_and_no_wildcard_waits() {
    let mut world = World::new();
    world.add("10,50 0-23 * * *", Policy::default());
    world.add("*/30 * * * *", Policy::default());
    world.pass(60 * MINUTE);
    world.check(&["start 00:10", "start 00:30", "start 00:50", "start 01:00"]);
    world.jump(-45);
    world.pass(60 * MINUTE);
    // 00:15 again, to 01:15: only the wildcard job, until the clock is past 01:00.
    world.check(&["start 00:30", "start 01:00", "start 01:10"]);
}

#[test]
fn a_clock_set_back_and_forth_is_where_it_was() {
    let mut world = World::new();
    world.add("10,50 0-23 * * *", Policy::default());
    world.add("*/30 * * * *", Policy::default());
    world.pass(15 * MINUTE);
    world.check(&["start 00:10"]);
    world.jump(-14);
    world.jump(14);
    world.pass(30 * MINUTE);
    world.check(&["start 00:30"]);
}

#[test]
fn a_job_added_while_the_clock_is_behind_repeats_no_fixed_time() {
    let mut world = World::new();
    world.pass(60 * MINUTE);
    world.jump(-50);
    world.add("20,50 0-23 * * *", Policy::default());
    world.add("*/30 * * * *", Policy::default());
    world.pass(75 * MINUTE);
    // 00:10 again, to 01:25.
    world.check(&["start 00:30", "start 01:00", "start 01:20"]);
}

#[test]
fn a_stalled_scheduler_is_treated_like_a_sleeping_machine() {
    let mut world = World::new();
    world.add("10,50 0-23 * * *", Policy::default());
    world.add("*/30 * * * *", Policy::default());
    world.stall(55);
    world.check(&["start 00:10", "start 00:50", "missed 1 from 00:30"]);
}

#[test]
fn missed_runs_by_policy() {
    let check = |policy: Missed, minutes: i64, expected: &[&str]| {
        let mut world = World::new();
        world.add("10,50 0-23 * * *", missed(policy));
        world.jump(minutes);
        world.check(expected);
    };
    check(Missed::Cron, 55, &["start 00:10", "start 00:50"]);
    check(Missed::Skip, 52, &["missed 1 from 00:10", "start 00:50"]);
    check(Missed::Skip, 55, &["missed 1 from 00:10", "start 00:50"]);
    check(Missed::Skip, 57, &["missed 2 from 00:10"]);
    check(Missed::Once, 57, &["missed 2 from 00:10", "catch up 00:50"]);
    check(Missed::Cron, 600, &["missed 20 from 00:10"]);
    check(Missed::Once, 600, &["missed 20 from 00:10", "catch up 09:50"]);
    check(Missed::Once, 11, &["start 00:10"]);
}

#[test]
fn a_year_of_missed_minutes_costs_little_and_runs_once() {
    let mut world = World::new();
    world.add("* * * * *", missed(Missed::Once));
    world.jump(365 * 24 * 60);
    let found: Vec<String> = world.actions.drain(..).map(short).collect();
    assert_eq!(found, ["missed 1000 from 00:01", "start 00:00"]);
}

#[test]
fn downtime_is_made_up_for_once_if_asked_for() {
    let check = |policy: Missed, last_seen: &str, expected: &[&str]| {
        let mut world = World::new();
        let seen = Some(last_seen.parse().expect("an instant"));
        let job = Job { last_seen: seen, ..job("30 4 * * *", missed(policy)) };
        world.runner.add(job, world.now, &mut world.actions).expect("there is room");
        world.check(expected);
    };
    check(Missed::Once, "2025-12-28T12:00:00Z", &["missed 3 from 04:30", "catch up 04:30"]);
    check(Missed::Once, "2025-12-31T12:00:00Z", &[]);
    check(Missed::Once, "2027-01-01T00:00:00Z", &[]);
    check(Missed::Cron, "2025-12-28T12:00:00Z", &[]);
    check(Missed::Skip, "2025-12-28T12:00:00Z", &[]);
}

#[test]
fn ten_thousand_jobs_share_one_timer() {
    let mut world = World::new();
    for number in 0..10_000_i64 {
        let expr = format!("{} {} * * *", number % 60, number / 60 % 24);
        world.add(&expr, overlap(Overlap::Skip));
    }
    let mut starts = 0;
    for _ in 0..24 * 60 {
        world.now.wall += SignedDuration::from_mins(1);
        world.now.mono += Duration::from_secs(60);
        world.runner.handle(Event::Tick, world.now, &mut world.actions);
        for action in std::mem::take(&mut world.actions) {
            let Action::Start { run, .. } = action else { panic!("{action:?}") };
            starts += 1;
            let exited = Event::Exited { run, exit: Exit::Code(0), bytes: 0 };
            world.runner.handle(exited, world.now, &mut world.actions);
        }
    }
    assert_eq!(starts, 10_000);
    world.runner.check_invariants();
}
