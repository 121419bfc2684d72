//! The program as a shell sees it: exit statuses, which stream a text goes to, broken pipes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

fn sockeye(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command.args(arguments).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(path)
}

/// The exit status, and what standard output and standard error must contain; none: be empty.
fn check(arguments: &[&str], status: i32, stdout: Option<&str>, stderr: Option<&str>) {
    let output = sockeye(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
    check_stream(arguments, &output.stdout, stdout);
    check_stream(arguments, &output.stderr, stderr);
}

fn check_stream(arguments: &[&str], found: &[u8], expected: Option<&str>) {
    let found = String::from_utf8_lossy(found);
    assert!(!found.contains('\u{1b}'), "{arguments:?}: colour without a terminal: {found}");
    assert!(!found.contains("panicked"), "{arguments:?}: {found}");
    match expected {
        Some(expected) => assert!(found.contains(expected), "{arguments:?}: {found}"),
        None => assert_eq!(found, "", "{arguments:?}"),
    }
}

#[test]
fn help_and_version_are_answers() {
    check(&["--version"], 0, Some("sockeye "), None);
    check(&["--help"], 0, Some("Examples:"), None);
    check(&["serve", "--help"], 0, Some("thread-per-core"), None);
    check(&["help", "stop"], 0, Some("--fast"), None);
}

#[test]
fn usage_errors_are_two() {
    check(&[], 2, None, Some("Usage: sockeye"));
    check(&["fly"], 2, None, Some("unrecognized subcommand"));
    check(&["serve", "--io-model", "kqueue"], 2, None, Some("possible values"));
    check(&["serve", "--listen", "80"], 2, None, Some("127.0.0.1:80"));
    check(&["check", "--set", "lisen=1"], 2, None, Some("did you mean `listen`?"));
}

#[test]
fn failures_are_one_with_their_remedy() {
    let missing = "/nonexistent/sockeye";
    check(&["serve", missing], 1, None, Some("create it, or name another folder"));
    check(&["check", "--config", missing], 1, None, Some("check the path given to --config"));
    for verb in ["status", "reload", "reopen-logs", "stop"] {
        check(&[verb, "--control", missing], 1, None, Some("is it running?"));
    }
    check(&["man", "/dev/null/pages"], 1, None, Some("cannot write the man pages"));
}

#[test]
fn check_says_yes_or_shows_the_place() {
    let valid = fixture("valid/bom-and-crlf.toml");
    check(&["check", "--config", valid.to_str().unwrap()], 0, Some("2 workers"), None);
    let invalid = fixture("invalid/unknown-key.toml");
    let place = "unknown-key.toml:3:1: unknown key `lisen` in [server]";
    check(&["check", "--config", invalid.to_str().unwrap()], 1, None, Some(place));
}

#[test]
fn warnings_do_not_fail_a_check() {
    let flags = ["check", "--process-model", "iterative", "--io-model", "epoll"];
    check(&flags, 0, Some("is in order"), Some("warning: iterative with epoll is pointless"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = sockeye(&["completions", "bash"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_is_a_failure() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = sockeye(&["models"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write to standard output"));
}

/// Runs the program against a master that reads one line and answers with this one.
fn answered(arguments: &[&str], answer: &'static str) -> (String, Output) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let master = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        line
    });
    let output = sockeye(arguments).arg("--control").arg(&path).output().unwrap();
    (master.join().unwrap(), output)
}

#[test]
fn verbs_speak_to_the_master() {
    fn check(arguments: &[&str], asked: &str, answer: &'static str, code: i32, said: &str) {
        let (line, output) = answered(arguments, answer);
        assert_eq!(line, format!("{{\"version\":1,\"message\":{asked}}}\n"));
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let stream = if code == 0 { &output.stdout } else { &output.stderr };
        let text = String::from_utf8_lossy(stream);
        assert!(text.contains(said), "{arguments:?}: {text}");
    }
    const DONE: &str = "{\"version\":1,\"message\":\"done\"}\n";
    const REFUSED: &str =
        "{\"version\":1,\"message\":{\"refused\":{\"message\":\"site.toml:3:1: no\"}}}\n";
    const RELOADED: &str = "{\"version\":1,\"message\":{\"reloaded\":{\"generation\":7}}}\n";
    const VIEW: &str =
        "{\"version\":1,\"message\":{\"status\":{\"format\":1,\"master_pid\":42}}}\n";
    check(&["reload"], "\"reload\"", RELOADED, 0, "generation 7 is serving");
    check(&["reload"], "\"reload\"", REFUSED, 1, "site.toml:3:1: no");
    check(&["reload"], "\"reload\"", DONE, 1, "another question");
    check(&["reopen-logs"], "\"reopen-logs\"", DONE, 0, "opened again");
    check(&["stop"], r#"{"stop":{"fast":false}}"#, DONE, 0, "stopped");
    check(&["stop", "--fast"], r#"{"stop":{"fast":true}}"#, DONE, 0, "stopped");
    check(&["status"], "\"status\"", VIEW, 0, "master 42");
    check(&["status", "--json"], "\"status\"", VIEW, 0, "\"master_pid\": 42");
    check(&["status"], "\"status\"", "gibberish\n", 1, "answered badly");
}
