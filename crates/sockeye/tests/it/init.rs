//! `sockeye run` and `sockeye cron run`: an init's contracts, seen from outside.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use testkit::{Child, Signal, Watch, tree};

use crate::harness::{WAIT, eventually, sockeye};

/// Runs that are started before the first is waited for.
const ABREAST: usize = 16;

fn run(words: &[&str]) -> Output {
    sockeye(&["run"]).args(words).output().unwrap()
}

fn sh(script: &str) -> Output {
    run(&["--", "sh", "-c", script])
}

#[test]
fn the_exit_status_is_the_commands() {
    for codes in (0..=255).collect::<Vec<i32>>().chunks(ABREAST) {
        let start = |code: &i32| {
            let script = format!("exit {code}");
            (sockeye(&["run", "--", "sh", "-c", &script]).spawn().unwrap(), *code)
        };
        for (mut child, code) in codes.iter().map(start).collect::<Vec<_>>() {
            assert_eq!(child.wait().unwrap().code(), Some(code));
        }
    }
    for signal in [1, 2, 9, 15, 34] {
        let output = sh(&format!("kill -{signal} $$"));
        assert_eq!(output.status.code(), Some(128 + signal), "{output:?}");
    }
}

#[test]
fn a_command_that_cannot_run_is_explained() {
    fn check(words: &[&str], code: i32, expected: &str) {
        let output = run(words);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(expected), "{text}");
    }
    check(&["--", "no-such-program"], 127, "no such program in PATH");
    check(&["--", "/no/such/program"], 127, "/no/such/program");
    check(&["--", "/"], 126, "cannot be executed");
    check(&["--", "/etc/passwd"], 126, "/etc/passwd");
    check(&["--stop-timeout", "soon", "--", "true"], 2, "is not a duration");
    check(&[], 2, "required arguments were not provided");
}

/// Whoever starts a program must not pass on blocked or ignored signals (signal(7)).
#[test]
fn the_command_starts_with_clean_signals() {
    let text = String::from_utf8(run(&["--", "cat", "/proc/self/status"]).stdout).unwrap();
    for mask in ["SigBlk", "SigIgn", "SigPnd"] {
        let line = text.lines().find(|line| line.starts_with(mask)).unwrap();
        assert!(line.ends_with("0000000000000000"), "{line}");
    }
    let output = run(&["--", "sh", "-c", "ls /proc/self/fd | wc -l"]);
    assert_eq!(output.stdout, b"4\n", "0, 1, 2 and the folder itself");
}

/// Signals that a program can catch, but CHLD, which says nothing about it, and those that tell of
/// a fault of the init itself.
#[test]
fn every_signal_goes_on() {
    const NOT: [i32; 10] = [4, 5, 6, 7, 8, 9, 11, 17, 19, 31];
    let numbers: Vec<i32> =
        (1..=64).filter(|n| !NOT.contains(n) && !(32..=34).contains(n)).collect();
    let traps: String = numbers.iter().map(|n| format!("trap 'echo got {n}' {n}\n")).collect();
    let script = format!("{traps}echo ready\nwhile :; do sleep 1000 & wait; kill $!; done");
    let mut command = sockeye(&["run", "--stop-timeout", "1s", "--", "sh", "-c", &script]);
    let child = Child::start(&mut command).unwrap();
    child.wait_for_line(WAIT, |line| line == "ready").unwrap();
    for number in numbers {
        kill(child.pid(), number);
        child.wait_for_line(WAIT, |line| line == format!("got {number}")).unwrap();
    }
}

#[test]
fn what_the_command_leaves_is_asked_to_end_and_then_killed() {
    // One hears TERM; one, in a session of its own, does not.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (heard, deaf) = (path("heard"), path("deaf"));
    let script = format!(
        "sh -c 'trap \"echo yes >{heard}; exit\" TERM; : >{heard}.up; while :; do sleep 0.01; \
         done' & setsid sh -c 'trap \"\" TERM; echo $$ >{deaf}.new; mv {deaf}.new {deaf}; sleep \
         1000; sleep 1000' & while ! [ -e {heard}.up -a -e {deaf} ]; do sleep 0.01; done; exit 7"
    );
    let began = Instant::now();
    let output = run(&["--stop-timeout", "1s", "--", "sh", "-c", &script]);
    let took = began.elapsed();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(fs::read_to_string(heard).unwrap(), "yes\n");
    let pid = fs::read_to_string(deaf).unwrap();
    assert!(!Path::new(&format!("/proc/{}", pid.trim())).exists(), "{pid}");
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

/// The command is the first process of a PID namespace, and daemons made by forking twice are the
/// init's. A watch from outside counts zombies; the init has none when all is still.
#[test]
fn orphans_are_reaped_as_pid_1() {
    let script = "n=0; while [ $n -lt 2000 ]; do (true &); n=$((n+1)); done; echo done; read line";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]);
    command.arg(env!("CARGO_BIN_EXE_sockeye")).args(["run", "--", "sh", "-c", script]);
    command.stdin(std::process::Stdio::piped());
    if !Command::new("unshare").args(["-Ur", "-pf", "true"]).status().unwrap().success() {
        return eprintln!("not tested: this machine allows no namespaces");
    }
    let mut inner = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let watch = Watch::start(inner.id(), Duration::from_millis(1));
    let mut line = String::new();
    let mut out = std::io::BufReader::new(inner.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    assert_eq!(line, "done\n");
    eventually("no zombie is left", || tree::zombies(inner.id()).is_empty());
    let watched = watch.stop();
    drop(inner.stdin.take());
    assert_eq!(inner.wait().unwrap().code(), Some(1), "read(1) at the end of its input");
    assert!(watched.descendants_max > 0, "{watched:?}");
}

fn crontab(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tab");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn cron_run_runs_reloads_and_stops() {
    let text = "A=b\n@reboot echo $A $SHELL; echo err >&2\nbad\n@reboot trap '' TERM; echo up; \
                while :; do sleep 1; done\n";
    let (_folder, path) = crontab(text);
    let words = ["cron", "run", "--stop-timeout", "500ms", &path];
    let mut child = Child::start(&mut sockeye(&words)).unwrap();
    child.wait_for_line(WAIT, |line| line == "tab:4: up").unwrap();
    child.wait_for_line(WAIT, |line| line == "tab:2: b /bin/sh").unwrap();
    child.wait_for_line(WAIT, |line| line == "tab:2: err").unwrap();
    child.wait_for_line(WAIT, |line| line.starts_with("sockeye: job tab:2: exit 0 ")).unwrap();
    child.wait_for_error_line(WAIT, |line| line.contains(":3:1: left out: `bad`")).unwrap();
    fs::write(&path, "@reboot echo again\n* * * * * true\n@daily true\n").unwrap();
    child.signal(Signal::HUP).unwrap();
    child.wait_for_line(WAIT, |line| line == "sockeye: 3 jobs").unwrap();
    let status = child.stop(Signal::TERM, WAIT).unwrap();
    assert_eq!(status.code(), Some(0));
    assert!(!child.output().contains("again"), "@reboot is once a start: {}", child.output());
}

#[test]
fn a_crontab_runs_beside_a_command() {
    let (folder, path) = crontab("@reboot echo from the job; sleep 1000\n");
    let history = folder.path().join("history");
    let script = "echo from the command; read line; exit 5";
    let mut command = sockeye(&["run", "--crontab", &path, "--history"]);
    command.arg(&history).args(["--", "sh", "-c", script]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut errors, &mut line).unwrap();
    assert_eq!(line, "tab:1: from the job\n");
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout, b"from the command\n");
    let history = fs::read_to_string(history).unwrap();
    assert!(history.contains("\"signal\":15"), "{history}");
}

/// A reader that does not read must not keep an init from its children.
#[test]
fn a_log_that_nobody_reads_holds_up_nothing() {
    let (folder, path) = crontab("");
    let mut command = sockeye(&["cron", "run", &path]);
    command.stdout(std::process::Stdio::piped());
    let text =
        format!("HOME={}\n@reboot yes | head -c 3000000; touch done\n", folder.path().display());
    fs::write(&path, text).unwrap();
    let mut child = command.spawn().unwrap();
    eventually("the job ends", || folder.path().join("done").exists());
    eventually("it is reaped", || tree::children(child.id()).is_empty());
    kill(child.id(), 15);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// By number, as `testkit` knows no real-time signals.
fn kill(pid: u32, number: i32) {
    let status = Command::new("kill").args([format!("-{number}"), pid.to_string()]).status();
    assert!(status.unwrap().success(), "{number}");
}
