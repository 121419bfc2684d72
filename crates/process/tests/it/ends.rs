//! Ending a program with all that it has started, whatever that does to stay (setsid(2),
//! signal(7)), and the memory of it.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use sockeye_process::{
    Cgroup, Cgroups, Child, Group, How, Process, Program, Session, Signal, Snapshot, spawn,
};
use sys::wait::{self, Hang};

use crate::run::{await_end, end, read_line, shell};

const WAIT: Duration = Duration::from_secs(20);

/// A script whose processes all carry a mark, started up to the line `ready`.
struct Marked {
    child: Child,
    mark: String,
}

impl Marked {
    fn start(name: &str, script: &str, cgroup: Option<&Cgroup>) -> Marked {
        // Orphans come to this process, as they do to a master.
        let me = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(me)).unwrap();
        let value = format!("{name}-{}", std::process::id());
        let mut program: Program<'_> = shell(script);
        program.environment.push(("SOCKEYE_TEST_MARK".into(), value.clone().into()));
        program.cgroup = cgroup.map(|cgroup| cgroup.as_fd().into());
        program.session = Session::New;
        let (child, line) = read_line(program);
        assert_eq!(line, "ready\n");
        Marked { child, mark: format!("SOCKEYE_TEST_MARK={value}") }
    }

    fn group(&self) -> Group<'_> {
        Group { leader: self.child.pid, mark: Some(self.mark.as_bytes()), cgroup: None }
    }

    fn members(&self) -> Vec<Process> {
        self.group().members(&Snapshot::take(), |_| false)
    }
}

/// Waits until the processes have ended, and reaps those that have come to us.
fn await_all(processes: &[Process]) {
    let deadline = Instant::now() + WAIT;
    for process in processes {
        while process.is_alive() {
            assert!(Instant::now() < deadline, "{process:?} lives on");
            std::thread::yield_now();
        }
        let _ = wait::take(process.pid, Hang::No);
    }
}

/// Grandchildren in sessions of their own, one of them a daemon that forked twice; all deaf.
const STUBBORN: &str = "trap '' TERM HUP; \
    setsid sh -c 'trap \"\" TERM; echo up; sleep 1000; sleep 1000' | { read up; cat; } & \
    (setsid sh -c 'setsid sh -c \"echo up; exec sleep 1000\" & exec sleep 1000' &) | \
      { read up; echo ready; cat; } & \
    while :; do wait; done";

#[test]
fn nothing_is_left_of_a_program_that_will_not_end() {
    let marked = Marked::start("stubborn", STUBBORN, None);
    let group = marked.group();
    group.ask_to_stop(Signal::TERM);
    let before = marked.members();
    let sessions: std::collections::HashSet<u32> =
        before.iter().map(|process| process.session).collect();
    assert!(before.len() >= 6 && sessions.len() >= 3, "{before:?}");
    assert!(before.iter().any(|process| process.pid == marked.child.pid));
    assert!(Snapshot::memory(&before) > 0);
    assert!(group.memory(&Snapshot::take(), |_| false) > 0);
    assert!(group.kill(|_| false).is_complete);
    assert!(matches!(end(&marked.child), How::Signal { number: 9, .. }));
    await_all(&before);
    assert!(group.is_gone(|_| false), "{:?}", marked.members());
}

#[test]
fn a_daemon_that_forked_twice_is_found_again() {
    let script = "(setsid sh -c 'echo ready; exec sleep 1000' &)";
    let marked = Marked::start("daemon", script, None);
    assert_eq!(end(&marked.child), How::Exit(0));
    let found = marked.members();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].parent, std::process::id());
    assert_ne!(found[0].session, marked.child.pid);
    let unmarked = Group { mark: None, ..marked.group() };
    assert!(unmarked.is_gone(|_| false));
    assert!(marked.group().is_gone(|pid| pid == found[0].pid), "a leader is nobody's orphan");
    let killed = marked.group().kill(|_| false);
    assert_eq!((killed.processes, killed.is_complete), (1, true));
    await_all(&found);
    assert!(marked.group().is_gone(|_| false));
}

/// What forks as fast as it can is caught up with.
#[test]
fn a_storm_of_forks_is_ended() {
    let storm = "echo ready; while :; do (sleep 0.01; sleep 1000) & sleep 0.001; done";
    let marked = Marked::start("storm", storm, None);
    let deadline = Instant::now() + WAIT;
    while marked.members().len() < 20 {
        assert!(Instant::now() < deadline, "no storm");
    }
    assert!(marked.group().kill(|_| false).is_complete);
    end(&marked.child);
    await_all(&marked.members());
    assert!(marked.group().is_gone(|_| false));
}

#[test]
fn a_stopped_program_is_asked_so_that_it_hears() {
    let marked = Marked::start("stopped", "trap 'exit 3' TERM; echo ready; kill -STOP $$", None);
    let deadline = Instant::now() + WAIT;
    while Process::of(marked.child.pid).is_none_or(|process| process.state != 'T') {
        assert!(Instant::now() < deadline, "it did not stop");
    }
    marked.group().ask_to_stop(Signal::TERM);
    assert_eq!(end(&marked.child), How::Exit(3));
}

#[test]
fn a_cgroup_holds_what_leaves_everything_else() {
    let cgroups = match Cgroups::open() {
        Ok(cgroups) => cgroups,
        Err(reason) => return eprintln!("not tested: {reason}"),
    };
    let cgroup = cgroups.group("a/name with ..").unwrap();
    assert!(!cgroup.is_populated().unwrap());
    // Neither session, parent nor environment tell whose this is.
    let script = "(env -i PATH=$PATH setsid sh -c 'echo ready; exec sleep 1000' &)";
    let marked = Marked::start("cgroup", script, Some(&cgroup));
    assert_eq!(end(&marked.child), How::Exit(0));
    assert_eq!(marked.members(), []);
    let group = Group { cgroup: Some(&cgroup), ..marked.group() };
    assert!(!group.is_gone(|_| false));
    assert_eq!(cgroup.oom_kills().is_some(), cgroup.memory().is_some());
    assert!(cgroups.remove(&cgroup).is_err(), "it is not empty");
    group.kill(|_| false);
    let deadline = Instant::now() + WAIT;
    while !group.is_gone(|_| false) {
        assert!(Instant::now() < deadline, "it is not killed");
        std::thread::yield_now();
    }
    cgroups.remove(&cgroup).unwrap();
    cgroups.close().unwrap();
}

#[test]
fn a_death_signal_comes_with_the_end_of_the_thread() {
    let child = std::thread::spawn(|| {
        let mut program = Program::new(["/bin/sleep", "1000"]);
        program.death_signal = Some(Signal::KILL);
        spawn(&program.prepare().unwrap()).unwrap()
    });
    let child = child.join().unwrap();
    await_end(&child.pidfd);
    assert!(matches!(end(&child), How::Signal { number: 9, .. }));
}
