//! The one place that reaps, driven as the master drives it: one thread, one poll(2), SIGCHLD read
//! from a signalfd(2). It has a `main` of its own, because a test harness has threads that would
//! take the signals, and because whoever waits for any child takes the other tests' children too.
//!
//! `SOCKEYE_CHILDREN` sets how many short children are made (1,000 unless given).
#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test tells and fails by these")]

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use sockeye_process::{
    Descriptor, Exit, How, Prepared, Program, Signal, Stream, begin, children, reap, reap_each,
    signal_group, spawn,
};
use sys::poll::{IN, PollSet};
use sys::signal::{SIGCHLD, SignalFd, SignalSet};
use testkit::Watch;

const WAIT: Duration = Duration::from_secs(60);
/// Between two looks of the watch. Its thread shares the memory that each fork copies, so that it
/// holds up what it watches; for exact times, trace `signal_generate` and waitid from outside.
const LOOK: Duration = Duration::from_millis(100);
/// Children that run at the same time.
const FLYING_MAX: usize = 16;

fn main() {
    sys::signal::block(&SignalSet::of(&[SIGCHLD])).unwrap();
    let me = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(me)).unwrap();
    let mut reaper = Reaper {
        signals: SignalFd::new(&SignalSet::of(&[SIGCHLD])).unwrap(),
        ends: HashMap::new(),
    };
    short_children(&mut reaper);
    a_storm_of_kills(&mut reaper);
    orphans(&mut reaper);
    the_group_is_killed_before_its_leader_is_reaped(&reaper);
    assert_eq!(children(), [], "children are left");
}

struct Reaper {
    signals: SignalFd,
    /// The end of each child, and when it was reaped.
    ends: HashMap<u32, (Exit, SystemTime)>,
}

impl Reaper {
    /// Waits for a signal and reaps all that has ended.
    fn turn(&mut self, wait: Duration) {
        self.await_signal(wait);
        reap_each(|_| {}, |exit| _ = self.ends.insert(exit.pid, (exit, SystemTime::now())));
    }

    fn await_signal(&self, wait: Duration) {
        let mut set = PollSet::default();
        set.push(self.signals.as_fd(), IN, 0);
        set.wait(Some(wait)).unwrap();
        while self.signals.read(&mut Vec::new()).unwrap() > 0 {}
    }

    fn await_ends(&mut self, count: usize) {
        let deadline = Instant::now() + WAIT;
        while self.ends.len() < count {
            assert!(Instant::now() < deadline, "{} of {count} have ended", self.ends.len());
            self.turn(Duration::from_millis(100));
        }
    }
}

/// Each tells its number and the time at which it is about to end.
fn dated(number: usize, output: &OwnedFd) -> Prepared<'_> {
    let mut program = Program::new(["/bin/date".to_owned(), format!("+{number} %s%N")]);
    program.stdout = Stream::Fd(Descriptor::Borrowed(output.as_fd()));
    // The reaper is to be measured, not how the scheduler shares out a full machine.
    program.nice = Some(10);
    program.prepare().unwrap()
}

fn short_children(reaper: &mut Reaper) {
    let count = std::env::var("SOCKEYE_CHILDREN").ok().and_then(|text| text.parse().ok());
    let count: usize = count.unwrap_or(1000);
    // A file and not a pipe, whose reader would be woken just before each end.
    let said = tempfile::NamedTempFile::new().unwrap();
    let output = OwnedFd::from(File::options().append(true).open(said.path()).unwrap());
    let watch = Watch::start(std::process::id(), LOOK);
    let began = Instant::now();
    // Numbers of processes are given anew after 32,768 of them.
    let (mut flying, mut ended) = (HashMap::new(), Vec::new());
    let mut beginning = Vec::new();
    while ended.len() < count {
        let mut wait = Duration::from_secs(1);
        if beginning.len() < count && flying.len() < FLYING_MAX {
            let prepared = dated(beginning.len(), &output);
            let before = Instant::now();
            flying.insert(begin(prepared).unwrap().pid(), beginning.len());
            beginning.push(before.elapsed());
            wait = Duration::ZERO;
        }
        reaper.turn(wait);
        for (pid, (exit, reaped)) in reaper.ends.drain() {
            ended.push((flying.remove(&pid).unwrap(), exit, reaped));
        }
        assert!(began.elapsed() < WAIT * (1 + count as u32 / 1000), "it takes too long");
    }
    let (took, seen) = (began.elapsed(), watch.stop());
    let said = read_times(said.path());
    let mut delays = Vec::new();
    for (number, exit, reaped) in ended {
        assert_eq!(exit.how, How::Exit(0));
        assert!(exit.usage.rss_max > 0);
        delays.push(reaped.duration_since(said[&number]).unwrap_or_default());
    }
    eprintln!("{count} children in {took:?}");
    eprintln!("from the last word of a child to its reaping: {}", shares(delays));
    eprintln!("the call that starts one: {}", shares(beginning));
    eprintln!("watched: {seen:?}");
}

/// The time that each child has told.
fn read_times(path: &Path) -> HashMap<usize, SystemTime> {
    let text = std::fs::read_to_string(path).unwrap();
    let times = text.lines().map(|line| {
        let (number, time) = line.split_once(' ').unwrap();
        let time = Duration::from_nanos(time.parse().unwrap());
        (number.parse().unwrap(), SystemTime::UNIX_EPOCH + time)
    });
    times.collect()
}

fn shares(mut times: Vec<Duration>) -> String {
    times.sort();
    let share = |part: usize| times[(times.len() - 1) * part / 1000];
    let (half, many, most) = (share(500), share(990), share(999));
    format!("p50 {half:?}, p99 {many:?}, p99.9 {most:?}, worst {:?}", share(1000))
}

/// SIGKILL to all at once: one SIGCHLD may stand for all of them.
fn a_storm_of_kills(reaper: &mut Reaper) {
    const COUNT: usize = 200;
    let prepared = Program::new(["/bin/sleep", "1000"]).prepare().unwrap();
    let children: Vec<_> = (0..COUNT).map(|_| spawn(&prepared).unwrap()).collect();
    for child in &children {
        rustix::process::pidfd_send_signal(&child.pidfd, Signal::KILL).unwrap();
    }
    reaper.await_ends(COUNT);
    for child in &children {
        let (exit, _) = reaper.ends[&child.pid];
        assert_eq!(exit.how, How::Signal { number: 9, core_dumped: false });
    }
    reaper.ends.clear();
}

/// What a child leaves behind comes to us and is reaped alike.
fn orphans(reaper: &mut Reaper) {
    const COUNT: usize = 50;
    let script = format!("i=0; while [ $i -lt {COUNT} ]; do cat <&3 & i=$((i+1)); done");
    let (theirs, ours) = std::io::pipe().unwrap();
    let mut program = Program::new(["/bin/sh", "-c", &script]);
    program.environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
    program.listeners = vec![("input".to_owned(), OwnedFd::from(theirs).into())];
    let prepared = program.prepare().unwrap();
    let child = spawn(&prepared).unwrap();
    drop(prepared);
    reaper.await_ends(1);
    assert!(reaper.ends.contains_key(&child.pid));
    // They are ours by now, and wait for the end of their input.
    drop(ours);
    reaper.await_ends(1 + COUNT);
    reaper.ends.clear();
}

fn the_group_is_killed_before_its_leader_is_reaped(reaper: &Reaper) {
    let mut program = Program::new(["/bin/sh", "-c", "sleep 1000 & sleep 1000 &"]);
    program.environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
    let child = spawn(&program.prepare().unwrap()).unwrap();
    let (mut hooked, mut ends) = (Vec::new(), Vec::new());
    let deadline = Instant::now() + WAIT;
    while ends.len() < 3 {
        assert!(Instant::now() < deadline, "the group is not gone: {ends:?}");
        reap_each(
            |pid| {
                hooked.push(pid);
                if pid == child.pid {
                    signal_group(pid, Signal::KILL);
                }
            },
            |exit| ends.push(exit),
        );
        reaper.await_signal(Duration::from_millis(100));
    }
    assert!(hooked.contains(&child.pid));
    assert_eq!(ends.iter().filter(|end| end.how == How::Exit(0)).count(), 1);
    let mut none = Vec::new();
    reap(&mut none);
    assert_eq!(none, []);
}
