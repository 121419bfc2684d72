//! Signal-driven I/O when the queue of signals is full: over `RLIMIT_SIGPENDING` the kernel sends
//! one plain SIGIO that names nobody, and everything has to be looked at.

use std::process::Command;

use testkit::load::{Plan, run};

use crate::harness::{Server, WAIT};

#[test]
fn no_request_is_lost_when_signals_are() {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--sigpending=1", env!("CARGO_BIN_EXE_sockeye")]);
    let server = Server::start_from(prlimit, |command| {
        command.args(["--io-model", "sigio", "--workers", "1"]);
    });
    let plan = Plan {
        connections: 32,
        requests: 3000,
        reconnect_every: Some(10),
        duration: WAIT,
        ..Plan::new(server.address().clone(), "/style.css")
    };
    let report = run(&plan).unwrap();
    assert_eq!((report.failed(), report.ok), (0, 3000), "{report}");
    server.stop();
}
