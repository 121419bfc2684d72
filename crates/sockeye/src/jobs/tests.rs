//! The driver with real processes and a clock moved by hand.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::tz::TimeZone;
use schedule::{Dialect, Expr, Overlap, Policy, Schedule};

use super::spec::Output;
use super::*;
use crate::clock;

/// How long anything may take that is not itself about time.
const WAIT: Duration = Duration::from_secs(20);

/// A driver with a clock of its own, and everything that came out of it.
struct World {
    jobs: Jobs,
    now: Now,
    events: Vec<Event>,
}

impl World {
    fn new(history: History) -> World {
        let now = Now { wall: "2026-01-01T00:00:30Z".parse().unwrap(), mono: Duration::ZERO };
        let jobs = Jobs::new(history, Duration::from_secs(5), 0, now);
        World { jobs, now, events: Vec::new() }
    }

    fn with(specs: Vec<JobSpec>) -> World {
        let mut world = World::new(History::in_memory());
        world.jobs.configure(specs, world.now, &mut world.events);
        world
    }

    /// Moves both clocks.
    fn pass(&mut self, seconds: u64) {
        let by = Duration::from_secs(seconds);
        self.now.wall += by;
        self.now.mono += by;
        self.jobs.on_time(self.now, &mut self.events);
    }

    /// Polls and reaps its own children, and no others', until the condition holds.
    fn until(&mut self, what: &str, holds: impl Fn(&World) -> bool) {
        let deadline = clock::now() + WAIT;
        while !holds(self) {
            assert!(clock::now() < deadline, "waited in vain: {what}: {:?}", self.events);
            self.turn(deadline);
        }
    }

    fn turn(&mut self, deadline: Instant) {
        let mut set = sys::poll::PollSet::default();
        for (fd, events, tag) in self.jobs.watches() {
            set.push(fd, events, tag);
        }
        set.wait(Some(Duration::from_millis(2))).unwrap();
        for (tag, _) in set.ready().collect::<Vec<_>>() {
            self.jobs.on_ready(tag, &mut self.events);
        }
        for pid in self.jobs.pids.keys().copied().collect::<Vec<u32>>() {
            let id = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
            let options = rustix::process::WaitIdOptions::EXITED
                | rustix::process::WaitIdOptions::NOHANG
                | rustix::process::WaitIdOptions::NOWAIT;
            let id = rustix::process::WaitId::Pid(id);
            if rustix::process::waitid(id, options).unwrap().is_some() {
                self.jobs.before_reap(pid);
                let ended = sys::wait::take(pid, sys::wait::Hang::No).unwrap().unwrap();
                let how = process::Exit::from(ended).how;
                assert!(self.jobs.on_exit(pid, how, self.now, &mut self.events));
            }
        }
        assert!(clock::now() < deadline);
    }

    fn until_idle(&mut self) {
        self.until("all runs end", |world| world.jobs.runs.is_empty());
    }

    /// What was printed, a job's lines in their order.
    fn lines(&self, job: &str) -> Vec<String> {
        let line = |event: &Event| match event {
            Event::Line { job: its, bytes } if its == job => {
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
            _ => None,
        };
        self.events.iter().filter_map(line).collect()
    }

    fn said(&self, text: &str) -> usize {
        let is =
            |event: &&Event| matches!(event, Event::Said { text: its, .. } if its.contains(text));
        self.events.iter().filter(is).count()
    }
}

fn job(name: &str, expr: &str, shell: &str) -> JobSpec {
    JobSpec {
        identity: name.into(),
        name: name.into(),
        schedule: Schedule::new(expr.parse::<Expr>().unwrap(), Dialect::Debian, TimeZone::UTC),
        policy: Policy::default(),
        what: What::Shell { shell: "/bin/sh".into(), text: shell.into() },
        stdin: None,
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        directory: Some("/".into()),
        account: None,
        umask: None,
        limits: Vec::new(),
        output: Output::Log,
        quiet: false,
        source: None,
    }
}

fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

#[test]
fn a_job_runs_when_it_is_due_and_its_lines_and_end_are_told() {
    let spec = JobSpec {
        stdin: Some(b"in\nput\n".to_vec()),
        environment: vec![("A".into(), OsString::from("b"))],
        ..job("a", "* * * * *", "echo $A $PWD; cat; printf end >&2; exit 3")
    };
    let mut world = World::with(vec![spec]);
    world.pass(29);
    assert!(world.jobs.runs.is_empty());
    world.pass(1);
    world.until_idle();
    assert_eq!(world.lines("a"), ["b /", "in", "put", "end"]);
    assert_eq!(world.said("exit 3 after 0.0 s"), 1, "{:?}", world.events);
    let view = world.jobs.view().next().unwrap();
    let last = view.last.unwrap();
    assert_eq!((last.exit, last.bytes), (Exit::Code(3), 14));
    assert_eq!(view.next, Some("2026-01-01T00:02:00Z".parse().unwrap()));
    assert!(view.running.is_empty());
}

#[test]
fn a_run_is_over_when_its_process_is_not_when_its_pipe_is() {
    let script = "sleep 1000 & echo $!; seq 1 50000 | tail -n 1";
    let mut world = World::with(vec![job("a", "@reboot", script)]);
    world.jobs.start(world.now, &mut world.events);
    world.until_idle();
    let lines = world.lines("a");
    assert_eq!(lines.get(1).map(String::as_str), Some("50000"));
    assert!(alive(&lines[0]), "what a job leaves behind on purpose lives on");
    assert_eq!(world.jobs.watches().count(), 1);
    let pid: i32 = lines[0].parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), Signal::KILL)
        .unwrap();
    world.until("the pipe ends", |world| world.jobs.taps.is_empty());
}

#[test]
fn output_goes_to_a_file_or_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let file = Output::File { path: path.clone(), max: 1 << 20, keep: 1 };
    let mut world = World::with(vec![
        JobSpec { output: file, ..job("file", "@reboot", "echo out; echo err >&2") },
        JobSpec { output: Output::Null, ..job("null", "@reboot", "seq 1 100000") },
    ]);
    world.jobs.start(world.now, &mut world.events);
    world.until_idle();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "out\nerr\n");
    let bytes: Vec<u64> = world.jobs.view().map(|view| view.last.unwrap().bytes).collect();
    assert_eq!(bytes, [8, 0]);
    assert!(world.lines("file").is_empty() && world.lines("null").is_empty());
}

#[test]
fn a_job_that_cannot_start_is_told_and_the_next_one_runs() {
    let broken = JobSpec { directory: Some("/nowhere".into()), ..job("a", "* * * * *", "true") };
    let mut world = World::with(vec![broken, job("b", "* * * * *", "echo here")]);
    world.pass(30);
    world.until_idle();
    assert_eq!(world.said("not started: "), 1, "{:?}", world.events);
    assert_eq!(world.lines("b"), ["here"]);
    assert_eq!(world.jobs.view().next().unwrap().last.unwrap().exit, Exit::NotStarted);
}

/// TERM is ignored by the run and by a descendant in a session of its own: both are gone after the
/// grace, and not before.
#[test]
fn a_timeout_ends_the_run_and_all_it_has_started() {
    let script = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000; sleep 1000' & \
                  sleep 1000; sleep 1000";
    let policy = Policy { timeout: Some(Duration::from_secs(10)), ..Policy::default() };
    let mut world = World::with(vec![JobSpec { policy, ..job("a", "@reboot", script) }]);
    world.jobs.start(world.now, &mut world.events);
    world.until("the grandchild runs", |world| !world.lines("a").is_empty());
    let grandchild = world.lines("a")[0].clone();
    world.pass(10);
    assert_eq!(world.said("takes longer than its timeout"), 1);
    assert_eq!(world.jobs.wait(world.now), Some(Duration::from_secs(5)));
    world.pass(4);
    assert!(alive(&grandchild) && world.jobs.runs.len() == 1);
    world.pass(1);
    world.until_idle();
    world.until("the grandchild is gone", |_| !alive(&grandchild));
    assert_eq!(world.jobs.view().next().unwrap().last.unwrap().exit, Exit::Signal(9));
}

#[test]
fn a_stop_ends_all_runs_and_starts_no_more() {
    let mut world = World::with(vec![job("a", "* * * * *", "sleep 1000")]);
    world.pass(30);
    world.pass(60);
    assert_eq!(world.jobs.runs.len(), 2);
    world.jobs.stop(world.now);
    world.until("all is still", |world| world.jobs.is_idle());
    world.pass(60);
    assert!(world.jobs.runs.is_empty());
    assert!(world.jobs.trigger("a", world.now, &mut world.events).is_err());
    assert_eq!(world.jobs.wait(world.now), None);
}

#[test]
fn a_verb_is_for_the_owner() {
    let what = What::Verb("restart nginx".into());
    let policy = Policy { overlap: Overlap::Skip, ..Policy::default() };
    let mut world = World::with(vec![JobSpec { what, policy, ..job("a", "* * * * *", "") }]);
    world.pass(30);
    let Some(Event::Verb { run, text, .. }) = world.events.pop() else { panic!() };
    assert_eq!(text, "restart nginx");
    world.pass(60);
    assert_eq!(world.said("the last one has not ended"), 1);
    world.jobs.finished(run, Err("it is not ready".into()), world.now, &mut world.events);
    assert_eq!(world.said("failed: it is not ready"), 1);
    world.pass(60);
    assert!(matches!(world.events.last(), Some(Event::Verb { .. })), "{:?}", world.events);
}

#[test]
fn a_reload_keeps_what_stays_and_boots_nothing() {
    let mut world = World::with(vec![job("a", "* * * * *", "echo old"), job("b", "@reboot", "x")]);
    world.pass(30);
    world.until_idle();
    let new = vec![
        job("a", "* * * * *", "echo new"),
        job("b", "@reboot", "echo boot"),
        job("c", "*/2 * * * *", "echo more"),
        job("c", "* * * * *", "echo twice"),
    ];
    world.jobs.configure(new, world.now, &mut world.events);
    assert_eq!(world.said("another job is the same"), 1);
    world.pass(60);
    world.until_idle();
    assert_eq!(
        (world.lines("a"), world.lines("c")),
        (vec!["old".into(), "new".into()], vec!["more".to_owned()])
    );
    assert!(world.lines("b").is_empty());
    world.jobs.configure(Vec::new(), world.now, &mut world.events);
    world.pass(60);
    assert_eq!((world.jobs.len(), world.jobs.runs.len()), (0, 0));
}

#[test]
fn the_last_run_is_known_after_a_restart_and_what_was_missed_is_made_up_for() {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("history");
    let daily = || {
        let policy = Policy { missed: schedule::Missed::Once, ..Policy::default() };
        vec![JobSpec { policy, ..job("a", "1 0 * * *", "echo ran") }]
    };
    let run = |path: &Path, days: u64| {
        let mut world = World::new(History::open(path).unwrap());
        world.now.wall += Duration::from_secs(days * 86_400);
        world.jobs = Jobs::new(History::open(path).unwrap(), Duration::ZERO, 0, world.now);
        world.jobs.configure(daily(), world.now, &mut world.events);
        world
    };
    let mut first = run(&path, 0);
    first.pass(30);
    first.until_idle();
    assert_eq!(first.lines("a"), ["ran"]);
    let mut third = run(&path, 3);
    third.until_idle();
    assert_eq!(third.lines("a"), ["ran"]);
    assert_eq!(third.said("missed 2 times since 2026-01-02T00:01:00Z"), 1, "{:?}", third.events);
}

#[test]
fn ten_thousand_jobs_share_one_timer() {
    let specs = (0..10_000).map(|n| job(&n.to_string(), &format!("{} 12 * * *", n % 60), "x"));
    let mut world = World::with(specs.collect());
    assert_eq!(world.jobs.len(), 10_000);
    assert_eq!(world.jobs.wait(world.now), Some(schedule::limits::WAIT_MAX));
    for _ in 0..1000 {
        world.pass(1);
    }
    assert!(world.jobs.runs.is_empty() && world.jobs.watches().count() == 0);
}
