//! What attackers send, over real sockets: each case of the table gets the status that the RFC
//! wants, the connection ends as it must, and the workers do not notice.

use std::io::ErrorKind;
use std::time::Duration;

use testkit::hostile::{Answer, Case, cases};
use testkit::{End, Peer, Response};

use crate::harness::{Server, Site};

/// How long silence must last to be taken for waiting.
const SILENCE: Duration = Duration::from_millis(20);
/// Cases there are today; an empty table would prove nothing.
const CASES_MIN: usize = 150;

#[test]
fn prefork_with_epoll() {
    check_model("epoll");
}

#[test]
fn prefork_with_io_uring() {
    check_model("io_uring");
}

#[test]
fn prefork_with_blocking() {
    check_model("blocking");
}

fn check_model(io_model: &str) {
    if io_model == "io_uring" && !crate::harness::has_io_uring() {
        eprintln!("skipped: this kernel refuses io_uring");
        return;
    }
    let site = Site::new();
    let root = site.path().to_str().unwrap();
    let server = Server::start(&[root, "--io-model", io_model, "--strict", "--workers", "2"]);
    let workers = server.workers();
    let cases = cases();
    assert!(cases.len() >= CASES_MIN);
    let failed: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let why = check(&server, case).err()?;
            Some(format!("{} ({}): {why}", case.name, case.why))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {}: {failed:#?}", failed.len(), cases.len());
    assert_eq!(server.connect().get("/").unwrap().status, 200);
    assert_eq!(server.workers(), workers, "a worker was replaced");
    assert_eq!(server.status()["silent_workers"], serde_json::json!([]));
    server.stop();
}

/// One exchange on a connection of its own.
fn check(server: &Server, case: &Case) -> Result<(), String> {
    let mut peer = server.connect();
    peer.send(&case.bytes).map_err(|error| error.to_string())?;
    match case.answer {
        Answer::Refused(status) | Answer::BadContent(status) => refused(&mut peer, status),
        Answer::RefusedAfter(before, status) => {
            served(&mut peer, case, before)?;
            refused(&mut peer, status)
        }
        Answer::Served(statuses) => {
            served(&mut peer, case, statuses)?;
            // What comes next is understood as what it is.
            let next = peer.get("/missing").map_err(|error| format!("next: {error}"))?;
            expect(&next, 404)
        }
        Answer::ServedThenClosed(statuses) => {
            served(&mut peer, case, statuses)?;
            closed(&mut peer)
        }
        Answer::Waits => waits(&mut peer),
    }
}

fn served(peer: &mut Peer, case: &Case, statuses: &[u16]) -> Result<(), String> {
    let head_only = case.bytes.trim_ascii_start().starts_with(b"HEAD ");
    for (at, status) in statuses.iter().enumerate() {
        let response = match head_only && at == 0 {
            true => peer.read_head_response(),
            false => peer.read_response(),
        };
        let response = response.map_err(|error| format!("answer {}: {error}", at + 1))?;
        expect(&response, *status)?;
    }
    Ok(())
}

/// Nothing is said and nothing is closed.
fn waits(peer: &mut Peer) -> Result<(), String> {
    peer.set_wait(SILENCE);
    match peer.read_bytes(1) {
        Err(error) if error.kind() == ErrorKind::TimedOut => Ok(()),
        other => Err(format!("{other:?} where the server should wait")),
    }
}

/// The refusal announces the close, and reaches a client that has sent more than was read.
fn refused(peer: &mut Peer, status: u16) -> Result<(), String> {
    let response = peer.read_response().map_err(|error| error.to_string())?;
    expect(&response, status)?;
    if !response.close {
        return Err("the close was not announced".into());
    }
    closed(peer)
}

fn closed(peer: &mut Peer) -> Result<(), String> {
    match peer.expect_end() {
        Ok(End::Closed) => Ok(()),
        Ok(End::Reset) => Err("the connection was reset".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Status 0 stands for any.
fn expect(response: &Response, status: u16) -> Result<(), String> {
    match status {
        0 => Ok(()),
        _ if response.status == status => Ok(()),
        _ => Err(format!("{} instead of {status}", response.status)),
    }
}
