//! The load generator against a server made of a script: every way to fail must be counted as
//! what it is, and a good server must have no failure.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt;

use super::{Expect, Plan, Report, hold, run, start};
use crate::address::Address;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A server on its own threads that answers each request with `reply`, and closes the connection
/// after `per_connection` replies. It lives as long as the test's process.
fn serve(reply: &'static str, per_connection: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream, reply, per_connection));
        }
    });
    address
}

fn answer(mut stream: TcpStream, reply: &str, per_connection: usize) -> Option<()> {
    let (mut pending, mut buffer) = (Vec::new(), [0; 4096]);
    let mut answered = 0;
    while answered < per_connection {
        while !pending.windows(4).any(|window| window == b"\r\n\r\n") {
            let bytes = stream.read(&mut buffer).ok().filter(|bytes| *bytes > 0)?;
            pending.extend_from_slice(&buffer[..bytes]);
        }
        let end = pending.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let closes = String::from_utf8_lossy(&pending[..end]).contains("Connection: close");
        pending.drain(..end);
        stream.write_all(reply.as_bytes()).ok()?;
        answered = if closes { per_connection } else { answered + 1 };
    }
    Some(())
}

/// A server that resets each connection when a request has come.
fn serve_resets() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            assert!(stream.read(&mut [0; 4096]).is_ok());
        }
    });
    address
}

fn plan(address: SocketAddr) -> Plan {
    Plan {
        connections: 4,
        requests: 200,
        duration: Duration::from_secs(20),
        timeout: Duration::from_secs(5),
        expect: Expect::Length(5),
        failures_max: 8,
        ..Plan::new(Address::Tcp(address), "/")
    }
}

#[test]
fn a_good_server_has_no_failure() {
    let address = serve(OK, usize::MAX);
    let check = |plan: Plan, connections: std::ops::RangeInclusive<u64>| {
        let report = run(&plan).unwrap();
        assert_eq!((report.ok, report.failed()), (200, 0), "{report}");
        assert!(connections.contains(&report.connections), "{report}");
        assert_eq!(report.latency.count(), 200);
    };
    check(plan(address), 4..=4);
    check(Plan { pipelined: 5, ..plan(address) }, 4..=4);
    check(Plan { reconnect_every: Some(1), ..plan(address) }, 200..=204);
    check(Plan { reconnect_every: Some(5), ..plan(address) }, 40..=48);
    check(Plan { reconnect_every: Some(1), reconnecting: 0.5, ..plan(address) }, 5..=204);
    check(Plan { rate: Some(2000), ..plan(address) }, 4..=4);
    check(Plan { expect: Expect::Bytes(Arc::from(*b"hello")), ..plan(address) }, 4..=4);
    check(Plan { targets: vec!["/a".into(), "/b".into()], ..plan(address) }, 4..=4);
    let head = serve("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", usize::MAX);
    check(Plan { method: "HEAD", ..plan(head) }, 4..=4);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    check(plan(serve(chunked, usize::MAX)), 4..=4);
    check(plan(serve("HTTP/1.1 200 OK\r\n\r\nhello", 1)), 200..=204);
    check(Plan { expect: Expect::Anything, ..plan(address) }, 4..=4);
}

#[test]
fn each_failure_is_counted_as_what_it_is() {
    let check = |name: &str, plan: Plan, count: fn(&Report) -> u64| {
        let report = run(&plan).unwrap();
        let counted = count(&report);
        assert!(counted > 0 && counted == report.failed(), "{name}: {report}");
        assert!(!report.examples.is_empty(), "{name}");
    };
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello";
    check("status", plan(serve(missing, usize::MAX)), |r| r.not_success);
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhell";
    check("length", plan(serve(short, usize::MAX)), |r| r.wrong_body);
    let other = Plan { expect: Expect::Bytes(Arc::from(*b"jello")), ..plan(serve(OK, usize::MAX)) };
    check("bytes", other, |r| r.wrong_body);
    check("malformed", plan(serve("SSH-2.0-none\r\n\r\n", usize::MAX)), |r| r.malformed);
    check("unanswered", plan(serve("", 1)), |r| r.unanswered);
    let cut = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
    check("cut short", plan(serve(cut, 1)), |r| r.cut_short);
    let silent = Plan { timeout: Duration::from_millis(50), ..plan(serve("", usize::MAX)) };
    check("timeout", silent, |r| r.timeouts);
    check("reset", plan(serve_resets()), |r| r.resets);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    check("refused", plan(nobody), |r| r.connect_errors);
}

#[test]
fn a_running_load_is_watched_and_stopped() {
    let endless = Plan {
        requests: u64::MAX,
        duration: Duration::from_secs(60),
        ..plan(serve(OK, usize::MAX))
    };
    let running = start(endless);
    while running.answered() < 100 {
        assert!(!running.is_finished());
        std::thread::yield_now();
    }
    let report = running.stop().unwrap();
    assert!(report.ok >= 100 && report.failed() == 0, "{report}");
    assert!(report.elapsed < Duration::from_secs(60));
}

#[test]
fn a_plan_without_connections_is_refused() {
    let none = Plan { connections: 0, ..Plan::new(Address::Tcp(([127, 0, 0, 1], 1).into()), "/") };
    assert!(run(&none).is_err());
}

#[test]
fn held_connections_stay_as_long_as_the_server_wants() {
    let mut held = hold(&Address::Tcp(serve(OK, usize::MAX)), "/", 20).unwrap();
    assert_eq!((held.len(), held.still_open()), (20, 20));
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    assert!(hold(&Address::Tcp(serve(closing, 1)), "/", 1).is_err());
}
