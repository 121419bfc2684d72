//! The contract of a rolling restart: an app on inherited sockets is replaced, instance by
//! instance, and no request fails. Nobody is refused when an instance is killed, either.

use std::fs;
use std::time::Instant;

use testkit::load::{self, Report};
use testkit::{Peer, Reaping, Signal, tree};

use crate::contracts_kit::{assert_flawless, expect_none_neglected, signal};
use crate::harness::{Site, eventually};
use crate::supervise_kit::{Family, RATE_MIN, plan, python_app, rounds};

/// Restarts an app of two instances again and again under load.
fn check(what: &str, family: &Family, few: usize) -> Report {
    family.settle("api");
    let (times, must_be_fast) = rounds(few);
    let running = load::start(plan(family.address("api")));
    let begin = Instant::now();
    for _ in 0..times {
        let (old, answered) = (family.pids("api"), running.answered());
        eventually("requests are answered", || {
            let pace = running.answered() as f64 / begin.elapsed().as_secs_f64();
            running.answered() > answered && (!must_be_fast || pace >= RATE_MIN)
        });
        family.done(&["app", "restart", "api"]);
        let new = family.pids("api");
        assert_eq!((old.len(), new.len()), (2, 2));
        assert!(new.iter().all(|pid| !old.contains(pid)), "{old:?} became {new:?}");
    }
    let report = running.stop().unwrap();
    assert_flawless(&format!("{times} rolling restarts of {what}"), &report, &family.server);
    if must_be_fast {
        assert!(report.requests_per_second() >= RATE_MIN, "{report}");
    }
    report
}

#[test]
fn rolling_restarts_of_a_python_app() {
    let family = Family::start(&python_app("api", "instances = 2"));
    let reaping = Reaping::watch(family.server.pid());
    check("a Python app", &family, 4);
    expect_none_neglected(reaping, "rolling restarts of a Python app");
    let open = tree::descriptors(family.server.pid()).unwrap();
    family.done(&["app", "restart", "api"]);
    eventually("as many descriptors are open as before", || {
        tree::descriptors(family.server.pid()).unwrap() <= open
    });
}

/// Sockeye itself takes its sockets from a service manager, and tells it that it is ready.
#[test]
fn rolling_restarts_of_sockeye_under_itself() {
    let site = Site::new();
    let program = env!("CARGO_BIN_EXE_sockeye");
    let root = site.path().display();
    let line = format!("exec {program} serve {root} --workers 1 --control control-$$.sock");
    let text = format!(
        "[[app]]\nname = \"api\"\ncommand = [\"/bin/sh\", \"-c\", \"{line}\"]\n\
         listen = \"127.0.0.1:0\"\ninstances = 2\nready = \"notify\"\nstop_signal = \"QUIT\"\n"
    );
    let family = Family::start(&text);
    check("Sockeye under itself", &family, 4);
}

/// Requests that were with it are lost; nobody is refused, and another takes its place.
#[test]
fn an_instance_that_is_killed_leaves_its_queue_to_the_others() {
    let family = Family::start(&python_app("api", "instances = 2\nrestart_delay = \"1ms\""));
    family.settle("api");
    let running = load::start(plan(family.address("api")));
    for _ in 0..3 {
        let (old, answered) = (family.pids("api"), running.answered());
        eventually("requests are answered", || running.answered() > answered + 50);
        signal(old[0], Signal::KILL);
        eventually("another has taken its place", || {
            let new = family.pids("api");
            new.len() == 2 && !new.contains(&old[0])
        });
        family.settle("api");
    }
    let report = running.stop().unwrap();
    eprintln!("3 SIGKILLs: {report}");
    let others = report.failed() - report.resets - report.unanswered - report.cut_short;
    assert_eq!(others, 0, "{report}");
    family.hears("signal 9 (SIGKILL)");
}

/// The new one never says READY: the old ones stay, and who asked is told why.
#[test]
fn a_successor_that_is_not_ready_replaces_nobody() {
    let more = "instances = 2\nready_timeout = \"400ms\"\nstop_timeout = \"1s\"";
    let family = Family::start(&python_app("api", more).replace("400ms", "20s"));
    family.settle("api");
    family.write(&python_app("api", more));
    family.done(&["reload"]);
    let good = fs::read_to_string(family.path("app.py")).unwrap();
    let old = family.pids("api");
    fs::write(family.path("app.py"), "import time\ntime.sleep(1000)\n").unwrap();
    let running = load::start(plan(family.address("api")));
    let said = family.fails(&["app", "restart", "api"]);
    assert!(said.contains("not ready"), "{said}");
    // The caller is told before the new one has ended.
    eventually("the new one is gone", || family.pids("api") == old);
    family.hears("the old ones stay");
    fs::write(family.path("app.py"), "raise SystemExit(7)\n").unwrap();
    let said = family.fails(&["app", "restart", "api"]);
    assert!(said.contains("exit 7"), "{said}");
    eventually("the new one is gone", || family.pids("api") == old);
    assert_flawless("two restarts that fail", &running.stop().unwrap(), &family.server);
    fs::write(family.path("app.py"), good).unwrap();
    family.write(&python_app("api", more).replace("400ms", "20s"));
    family.done(&["reload"]);
    family.done(&["app", "restart", "api"]);
    assert!(family.pids("api").iter().all(|pid| !old.contains(pid)));
}

/// A change of what the program is replaces its instances; the socket stays, and so does its port.
#[test]
fn a_reload_replaces_what_has_changed_and_drops_nobody() {
    let family = Family::start(&python_app("api", "instances = 2"));
    family.settle("api");
    let (address, old) = (family.address("api"), family.pids("api"));
    let running = load::start(plan(address.clone()));
    family.write(&python_app("api", "instances = 2\nenvironment = { NEW = \"1\" }"));
    family.done(&["reload"]);
    eventually("both are replaced", || {
        let new = family.pids("api");
        new.len() == 2 && new.iter().all(|pid| !old.contains(pid))
    });
    family.settle("api");
    assert_eq!(family.address("api"), address);
    family.write(&python_app("api", "instances = 3\nenvironment = { NEW = \"1\" }"));
    let kept = family.pids("api");
    family.done(&["reload"]);
    eventually("there are three", || family.pids("api").len() == 3);
    family.settle("api");
    assert!(kept.iter().all(|pid| family.pids("api").contains(pid)));
    assert_flawless("changes by reload", &running.stop().unwrap(), &family.server);
    assert_eq!(Peer::connect(&address).unwrap().get("/").unwrap().status, 200);
}
