//! The contract of an upgrade in place: the same process becomes the new program, no request
//! fails, nothing is left over; and a new program that is no good changes nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tempfile::TempDir;
use testkit::load::{self, Plan};
use testkit::{Signal, tree};

use crate::contracts_kit::{assert_flawless, census, expect_census, settle, signal};
use crate::harness::{Server, Site, eventually};
use crate::supervise_kit::{Family, RATE, RATE_MIN, python_app, rounds, shell_app};

/// A binary of a test's own, in a folder of its own.
struct Binary {
    path: PathBuf,
    folder: TempDir,
}

impl Binary {
    fn new() -> Binary {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sockeye");
        fs::copy(env!("CARGO_BIN_EXE_sockeye"), &path).unwrap();
        Binary { path, folder }
    }

    /// Puts something else in its place, as a package manager does: under the same name.
    fn replace(&self, write: impl FnOnce(&Path)) {
        let new = self.folder.path().join("new");
        write(&new);
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&new, &self.path).unwrap();
    }
}

fn start(binary: &Binary, site: &Site) -> Server {
    Server::start_from(Command::new(&binary.path), |command| {
        command.arg(site.path()).args(["--workers", "2"]);
    })
}

fn upgrade(server: &Server) {
    let output = server.verb(&["upgrade"]);
    assert!(output.status.success(), "{output:?}\n{}", server.child.errors());
}

fn plan(server: &Server, site: &Site) -> Plan {
    Plan { rate: Some(RATE), ..crate::contracts_kit::plan(server.address(), site) }
}

#[test]
fn upgrades_in_place_drop_nobody_and_leave_nothing() {
    let (binary, site) = (Binary::new(), Site::new());
    let server = start(&binary, &site);
    let (times, must_be_fast) = rounds(20);
    // The first one begins with descriptors that it has from the tests.
    upgrade(&server);
    settle(&server);
    let (pid, expected) = (server.status()["master_pid"].clone(), census(&server));
    let running = load::start(plan(&server, &site));
    let begin = Instant::now();
    for _ in 0..times {
        let answered = running.answered();
        eventually("requests are answered", || {
            let pace = running.answered() as f64 / begin.elapsed().as_secs_f64();
            running.answered() > answered && (!must_be_fast || pace >= RATE_MIN)
        });
        let workers = server.workers();
        upgrade(&server);
        assert_ne!(server.workers(), workers);
    }
    let report = running.stop().unwrap();
    assert_flawless(&format!("{times} upgrades in place"), &report, &server);
    settle(&server);
    assert_eq!(server.status()["master_pid"], pid);
    expect_census(&server, &expected);
    server.stop();
}

/// Apps do not notice: the same processes, with the same sockets, heard and looked after as before.
#[test]
fn upgrades_in_place_keep_apps_and_their_clients() {
    let binary = Binary::new();
    let text = [
        python_app("api", "instances = 2"),
        shell_app("prints", "while :; do echo tick; sleep 0.05; done", ""),
    ];
    let folder = tempfile::tempdir().unwrap();
    let family = Family::start_from(Command::new(&binary.path), folder, &text.concat());
    ["api", "prints"].iter().for_each(|name| family.settle(name));
    family.done(&["upgrade"]);
    let (times, must_be_fast) = rounds(20);
    let (server, pids) = (&family.server, [family.pids("api"), family.pids("prints")]);
    let open = tree::descriptors(server.pid()).unwrap();
    let running = load::start(crate::supervise_kit::plan(family.address("api")));
    let begin = Instant::now();
    for _ in 0..times {
        let answered = running.answered();
        eventually("requests are answered", || {
            let pace = running.answered() as f64 / begin.elapsed().as_secs_f64();
            running.answered() > answered && (!must_be_fast || pace >= RATE_MIN)
        });
        family.done(&["upgrade"]);
        assert_eq!([family.pids("api"), family.pids("prints")], pids);
    }
    family.done(&["app", "restart", "api"]);
    let report = running.stop().unwrap();
    assert_flawless(&format!("{times} upgrades in place above apps"), &report, server);
    assert!(family.pids("api").iter().all(|pid| !pids[0].contains(pid)));
    eventually("no more descriptors are open", || tree::descriptors(server.pid()).unwrap() <= open);
    let ticks = || server.child.output().lines().filter(|line| line.ends_with("tick")).count();
    let heard = ticks();
    eventually("what it prints is heard", || ticks() > heard);
    signal(pids[1][0], Signal::KILL);
    family.replaced("prints", pids[1][0]);
}

#[test]
fn a_new_program_that_is_no_good_changes_nothing() {
    let (binary, site) = (Binary::new(), Site::new());
    let server = start(&binary, &site);
    upgrade(&server);
    settle(&server);
    let (workers, expected) = (server.workers(), census(&server));
    let running = load::start(plan(&server, &site));
    let refused = |what: &str, words: &str| {
        let output = server.verb(&["upgrade"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(words), "{what}: {said}");
        assert_eq!(server.workers(), workers, "{what}");
    };
    binary.replace(|path| fs::write(path, b"\x7fELF is what it says").unwrap());
    refused("garbage", "");
    binary.replace(|path| fs::write(path, "#!/bin/sh\necho I am no good >&2\nexit 1\n").unwrap());
    refused("one that fails", "I am no good");
    fs::remove_file(&binary.path).unwrap();
    refused("none", "");
    binary.replace(|path| assert!(fs::copy(env!("CARGO_BIN_EXE_sockeye"), path).unwrap() > 0));
    eventually("the master has let go of what it had tried with", || {
        tree::descriptors(server.pid()).unwrap() == expected[0]
    });
    upgrade(&server);
    assert_flawless("three refused upgrades and a good one", &running.stop().unwrap(), &server);
    settle(&server);
    expect_census(&server, &expected);
}
