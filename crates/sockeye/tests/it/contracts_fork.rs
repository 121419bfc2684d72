//! The contract of fork-per-connection: as many children as connections, none of them ever a
//! zombie, no descriptor left in the acceptor, and nobody left behind whichever way it ends.

use std::time::Duration;

use testkit::load::Plan;
use testkit::{Peer, Reaping, Signal, load, tree};

use crate::contracts_kit::{
    assert_flawless, census, expect_census, expect_none_neglected, listening_sockets, plan, signal,
};
use crate::harness::{Server, Site, WAIT, eventually};

const CONNECTIONS: u64 = 20_000;
const FORK: [&str; 2] = ["--process-model", "fork-per-connection"];

fn start(site: &Site, arguments: &[&str]) -> Server {
    Server::start(&[&[site.path().to_str().unwrap()], &FORK[..], arguments].concat())
}

fn acceptor(server: &Server) -> u32 {
    let workers = server.workers();
    assert_eq!(workers.len(), 1, "{workers:?}");
    workers[0]
}

#[test]
fn twenty_thousand_children_come_and_go() {
    let site = Site::new();
    let server = start(&site, &[]);
    let before = census(&server);
    // The first connection comes and goes, and so does the channel to its child, of whose end the
    // acceptor learns a moment after the kernel has reaped it.
    drop(server.connect().get("/1k.bin").unwrap());
    expect_census(&server, &before);
    let reaping = Reaping::watch(server.pid());
    let report = load::run(&Plan {
        reconnecting: 1.0,
        requests: CONNECTIONS,
        ..plan(server.address(), &site)
    })
    .unwrap();
    eventually("every child is gone", || tree::descendants(server.pid()).len() == 1);
    let watched = expect_none_neglected(reaping, &format!("{CONNECTIONS} children"));
    // The kernel reaps them itself: no look meets one twice.
    assert_eq!(watched.oldest_raw, Duration::ZERO, "{watched:?}");
    assert_flawless("fork-per-connection", &report, &server);
    assert_eq!(report.ok, CONNECTIONS);
    expect_census(&server, &before);
    server.stop();
}

#[test]
fn max_children_is_a_limit_that_nobody_is_lost_to() {
    const LIMIT: usize = 4;
    let site = Site::new();
    let server = start(&site, &["--set", "max_children=4"]);
    let reaping = Reaping::watch(server.pid());
    let requests = 2000;
    let load = Plan { reconnecting: 1.0, requests, ..plan(server.address(), &site) };
    let report = load::run(&load).unwrap();
    let watched = expect_none_neglected(reaping, "max_children = 4");
    assert_flawless("max_children", &report, &server);
    // A look is no instant, and who has closed its descriptors may be there for a moment still.
    assert!(watched.family_max <= 1 + 2 * LIMIT, "{watched:?}");
    // One more waits until one of those that stay has gone.
    let mut held: Vec<Peer> = (0..LIMIT).map(|_| server.connect()).collect();
    for peer in &mut held {
        assert!(!peer.get("/1k.bin").unwrap().close);
    }
    let mut waiting = server.connect();
    waiting.send(b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    held.pop();
    assert_eq!(waiting.read_response().unwrap().body, site.read("small.txt"));
    assert_eq!(server.child.errors().matches("raise max_children").count(), 1);
}

/// Ends the family while children live: idle ones, and one whose download is under way.
fn check_end(words: &str, finishes: bool, end: impl FnOnce(&Server) + Send) {
    let site = Site::new();
    let mut server = start(&site, &[]);
    let mut idle: Vec<Peer> = (0..8).map(|_| server.connect()).collect();
    for peer in &mut idle {
        assert_eq!(peer.get("/1k.bin").unwrap().status, 200);
    }
    let mut slow = Peer::connect_small_window(server.address()).unwrap();
    slow.set_wait(WAIT);
    slow.send(b"GET /10m.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let begun = slow.read_bytes(1000).unwrap();
    let family = tree::descendants(server.pid());
    assert_eq!(family.len(), 10, "{words}: {family:?}");
    let rest = std::thread::scope(|scope| {
        let ending = scope.spawn(|| end(&server));
        if finishes {
            // The end has begun while the download is under way.
            let closed = || listening_sockets(server.pid()) == 0;
            eventually("the master has closed its sockets", closed);
        } else {
            // Nothing is read before the end, and the kernel takes only a part of it meanwhile.
            ending.join().unwrap();
            eventually("the child is gone", || !family.iter().any(tree::Member::is_alive));
        }
        slow.read_to_end().unwrap().0
    });
    let whole = begun.len() + rest.len() > 10 << 20;
    assert_eq!(whole, finishes, "{words}: {} bytes", begun.len() + rest.len());
    server.check_end(&family);
    eprintln!("{words}: 9 children, nothing left behind");
}

#[test]
fn the_end_leaves_no_child_behind() {
    check_end("QUIT", true, |server| server.child.signal(Signal::QUIT).unwrap());
    check_end("stop", true, |server| assert!(server.verb(&["stop"]).status.success()));
    check_end("TERM", false, |server| server.child.signal(Signal::TERM).unwrap());
    check_end("stop --fast", false, |server| {
        assert!(server.verb(&["stop", "--fast"]).status.success());
    });
}

#[test]
fn a_killed_acceptors_children_finish_and_are_reaped() {
    let site = Site::new();
    let server = start(&site, &[]);
    drop(server.connect().get("/1k.bin").unwrap());
    eventually("the child is gone", || tree::descendants(server.pid()).len() == 1);
    let expected = census(&server);
    let old = acceptor(&server);
    let mut slow = Peer::connect_small_window(server.address()).unwrap();
    slow.send(b"GET /10m.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let reaping = Reaping::watch(server.pid());
    signal_when_serving(&server, old, &mut slow);
    // The download goes on beside the new acceptor.
    eventually("a new acceptor lives", || server.workers().iter().any(|pid| *pid != old));
    assert_eq!(server.connect().get("/small.txt").unwrap().body, site.read("small.txt"));
    slow.set_wait(WAIT);
    assert_eq!(slow.read_response().unwrap().body, site.read("10m.bin"));
    drop(slow);
    eventually("the orphan is gone", || tree::descendants(server.pid()).len() == 1);
    expect_none_neglected(reaping, "an acceptor was killed, its child finished and was reaped");
    expect_census(&server, &expected);
    server.stop();
}

/// Kills the acceptor once its child is in the middle of the answer.
fn signal_when_serving(server: &Server, acceptor: u32, slow: &mut Peer) {
    eventually("the answer has begun", || {
        slow.is_open(Duration::ZERO).unwrap() && tree::children(acceptor).len() == 1
    });
    assert_eq!(tree::descendants(server.pid()).len(), 2);
    signal(acceptor, Signal::KILL);
}
