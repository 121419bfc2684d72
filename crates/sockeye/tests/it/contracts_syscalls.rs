//! The gate that no machine's speed can move: system calls for a request of a cached file over a
//! kept connection, counted by strace(1) from outside.

use std::fs;

use testkit::load::Plan;
use testkit::{load, trace};

use crate::contracts_kit::plan;
use crate::harness::{Server, Site};

/// So many that what is done once, at the beginning, does not show.
const REQUESTS: u64 = 20_000;

fn check(model: &str, connections: usize, calls_max: f64) {
    if !trace::is_available() {
        assert!(std::env::var_os("CI").is_none(), "strace is missing, and this is CI");
        return eprintln!("skipped: strace is missing");
    }
    let site = Site::new();
    fs::write(site.path().join("4k.bin"), vec![b'x'; 4096]).unwrap();
    let root = site.path().to_str().unwrap();
    let server = Server::start(&[root, "--workers", "1", "--io-model", model, "--strict"]);
    let load = Plan {
        connections,
        requests: REQUESTS,
        reconnect_every: None,
        targets: vec!["/4k.bin".to_owned()],
        expect: load::Expect::Length(4096),
        ..plan(server.address(), &site)
    };
    let counted = trace::syscalls_per_request(server.pid(), || {
        let report = load::run(&load)?;
        assert_eq!(report.failed(), 0, "{model}: {report}");
        Ok(report.answered())
    });
    let counted = counted.unwrap();
    let calls = counted.per_request();
    eprintln!("{model}: {calls:.3} system calls a request, {connections} busy: {counted:?}");
    assert!(calls <= calls_max, "{model}: {calls:.3} calls a request: {counted:?}");
}

#[test]
fn blocking_makes_two_calls() {
    check("blocking", 1, 2.05);
}

#[test]
fn epoll_makes_two_calls_and_its_share_of_a_wait() {
    check("epoll", 64, 2.1);
}

#[test]
fn io_uring_makes_one_call_and_its_share_of_a_wait() {
    if let Err(error) = engine::Model::IoUring.probe() {
        return eprintln!("skipped: {error}");
    }
    check("io_uring", 64, 1.2);
}
