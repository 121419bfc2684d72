//! An I/O model that the kernel or a sandbox refuses. By strace's fault injection io_uring_setup(2)
//! fails as under a seccomp profile (`EPERM`), or as in an old kernel (`ENOSYS`).

use std::process::Command;

use crate::harness::Server;

fn refusing(error: &str) -> Command {
    let mut strace = Command::new("strace");
    let inject = format!("inject=io_uring_setup:error={error}");
    strace.args(["-f", "-o", "/dev/null", "-e", "trace=io_uring_setup", "-e", &inject]);
    strace.arg(env!("CARGO_BIN_EXE_sockeye"));
    strace
}

fn have_strace() -> bool {
    let there = Command::new("strace").arg("-V").output().is_ok();
    assert!(there || std::env::var_os("CI").is_none(), "CI must have strace");
    if !there {
        eprintln!("skipped: strace is not installed");
    }
    there
}

#[test]
fn a_refused_ring_falls_back_to_epoll_and_says_why() {
    if !have_strace() {
        return;
    }
    for (error, why) in [("EPERM", "io_uring is forbidden (EPERM)"), ("ENOSYS", "no io_uring")] {
        let server = Server::start_from(refusing(error), |command| {
            command.args(["--io-model", "io_uring"]);
        });
        assert_eq!(server.status()["io_model"], "epoll");
        let said = server.child.errors();
        let lines: Vec<&str> = said.lines().filter(|line| line.contains("io_uring")).collect();
        assert!(lines.len() == 1 && lines[0].contains(why), "{error}: {said}");
        assert!(lines[0].contains("using epoll instead"), "{said}");
        server.stop();
    }
}

#[test]
fn with_strict_a_refused_ring_is_an_error() {
    if !have_strace() {
        return;
    }
    let mut command = refusing("EPERM");
    command.args(["serve", "--io-model", "io_uring", "--strict", "--listen", "127.0.0.1:0"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("I/O model io_uring: io_uring is forbidden (EPERM)"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
