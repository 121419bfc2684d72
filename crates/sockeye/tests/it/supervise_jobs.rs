//! What users of jobs meet: overlap, timeouts, output, history over a restart of the master, and
//! edits of crontabs that are noticed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use testkit::tree;

use crate::harness::eventually;
use crate::supervise_kit::{Family, pid, shell_app};

/// A job that nobody but `cron trigger` runs.
fn job(name: &str, line: &str, more: &str) -> String {
    format!("[[job]]\nname = \"{name}\"\nschedule = \"0 0 30 2 *\"\nshell = '''{line}'''\n{more}\n")
}

fn running(family: &Family, name: &str) -> Vec<u32> {
    let job = family.job(name);
    job["running"].as_array().unwrap().iter().filter_map(pid).collect()
}

fn last(family: &Family, name: &str) -> Value {
    family.job(name)["last"].clone()
}

#[test]
fn a_run_that_comes_while_one_is_under_way() {
    let counts = "echo run >> count; while [ ! -e done ]; do sleep 0.02; done";
    let text = [
        job("skips", counts, ""),
        job("queues", &counts.replace("count", "queued"), "overlap = \"queue\""),
        job("allows", "exec sleep 1000", "overlap = \"allow\""),
        job("kills", "exec sleep 1000", "overlap = \"kill\""),
    ];
    // A job starts at home, wherever the master stands.
    let folder = tempfile::tempdir().unwrap();
    let here = format!("directory = \"{}\"\n", folder.path().display());
    let text: String = text.iter().map(|job| format!("{job}{here}")).collect();
    let family = Family::start_in(folder, &text);
    for name in ["skips", "queues", "allows", "kills"] {
        family.done(&["cron", "trigger", name]);
        eventually("it runs", || running(&family, name).len() == 1);
    }
    let first = running(&family, "kills");
    for name in ["skips", "queues", "allows", "kills"] {
        family.done(&["cron", "trigger", name]);
    }
    assert_eq!(running(&family, "allows").len(), 2);
    eventually("the old run is killed, a new one runs", || {
        let now = running(&family, "kills");
        now.len() == 1 && now != first
    });
    assert!(last(&family, "kills")["how"].as_str().unwrap().contains("SIGTERM"));
    fs::write(family.path("done"), "").unwrap();
    let lines = |name: &str| fs::read_to_string(family.path(name)).unwrap().lines().count();
    eventually("all that was to run has run", || {
        lines("queued") == 2 && ["skips", "queues"].iter().all(|it| running(&family, it).is_empty())
    });
    assert_eq!((lines("count"), family.job("skips")["skipped"].as_u64()), (1, Some(1)));
}

#[test]
fn a_timeout_ends_all_of_a_run() {
    let line = "echo begun; setsid sleep 1000 & sleep 1000";
    let family = Family::start(&job("slow", line, "timeout = \"300ms\""));
    family.done(&["cron", "trigger", "slow"]);
    eventually("it was ended", || last(&family, "slow")["success"] == false);
    eventually("nothing of it is left", || tree::descendants(family.server.pid()).is_empty());
    assert!(family.server.child.output().contains("begun"));
    let said = family.fails(&["cron", "trigger", "nobody"]);
    assert!(said.contains("there is no job \"nobody\""), "{said}");
}

/// The redirection is the shell's, `output` is ours, and no pipe that nobody reads stops a job.
#[test]
fn output_that_nobody_reads_stops_nobody() {
    let much = "head -c 3000000 /dev/zero";
    let text = [
        job("shell", &format!("{much} >/dev/null 2>&1"), ""),
        job("null", much, "output = \"/dev/null\""),
        job("file", "echo one; echo two >&2", "output = \"out\""),
    ];
    let family = Family::start(&text.concat());
    for name in ["shell", "null", "file"] {
        family.done(&["cron", "trigger", name]);
        eventually("it has run", || last(&family, name)["success"] == true);
    }
    assert_eq!(fs::read_to_string(family.path("out")).unwrap(), "one\ntwo\n");
    let said = family.server.child.output();
    assert!(!said.contains('\0') && !said.contains("two"), "{said}");
}

#[test]
fn history_survives_the_master() {
    let text = job("fails", "echo five; exit 5", "");
    let family = Family::start(&text);
    family.done(&["cron", "trigger", "fails"]);
    eventually("it has run", || last(&family, "fails")["success"] == false);
    let before = last(&family, "fails");
    assert_eq!((&before["how"], &before["bytes"]), (&"exit 5".into(), &5.into()));
    let folder = family.end();
    let family = Family::start_in(folder, &text);
    assert_eq!(last(&family, "fails"), before);
}

/// A job that gives the order to restart what is not ready reports that it failed, and why.
#[test]
fn an_order_that_fails_is_a_run_that_failed() {
    let text = [
        shell_app("broken", "exit 9", "ready = \"exec:true\"\nautostart = false"),
        "[[job]]\nname = \"mend\"\nschedule = \"@yearly\"\nrun = \"restart broken\"\n".to_owned(),
    ];
    let family = Family::start(&text.concat().replace("exec:true", "exec:false"));
    family.done(&["cron", "trigger", "mend"]);
    eventually("it has failed", || last(&family, "mend")["success"] == false);
    family.done(&["app", "list"]);
}

fn write_tab(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// As cron does, within a minute; or at once by a reload.
#[test]
fn edits_of_a_crontab_are_noticed() {
    const MINUTE: Duration = Duration::from_secs(75);
    let folder = tempfile::tempdir().unwrap();
    let tab = folder.path().join("tab");
    write_tab(&tab, "0 0 1 1 * echo one\nthis is wrong\n");
    let family = Family::start_in(folder, "crontab = [\"tab\"]\n");
    family.hears("tab:2:1");
    assert_eq!(family.job("tab:1")["what"], "echo one");
    write_tab(&tab, "0 0 1 1 * echo two\n");
    family.done(&["reload"]);
    assert_eq!(family.job("tab:1")["what"], "echo two");
    write_tab(&tab, "0 0 1 1 * echo three\n0 0 1 1 * echo four\n");
    let begin = Instant::now();
    while family.done(&["cron", "list"]).lines().count() != 3 {
        assert!(begin.elapsed() < MINUTE, "the edit was not noticed");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(family.job("tab:2")["what"], "echo four");
}
