//! The contract of a worker's death: its successor comes, nothing is left of it, and only what was
//! under way on its own connections is lost. Who waits in a queue never notices.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::net::getsockname;
use testkit::{Address, Peer, Reaping, Signal, tree};

use crate::contracts_kit::{
    client_ports, expect_none_neglected, freeze, listening_sockets, signal,
};
use crate::harness::{Server, Site, eventually, has_io_uring};

const WORKERS: usize = 3;
const KILLS: usize = 200;
const KILL_EVERY: Duration = Duration::from_millis(100);
const CLIENTS: u64 = 12;
/// However often workers are killed, those who wait in a queue need not wait long. (100 ms for one
/// that had become ready; twice that for each further one in a row that had not.)
const SUCCESSOR_WAIT_MS_MAX: u64 = 800;
/// A client's pause between two requests.
const PAUSE: Duration = Duration::from_millis(3);

/// What one client has seen.
#[derive(Default)]
struct Seen {
    answered: u64,
    /// The port of each connection on which a request was lost.
    lost: Vec<u16>,
}

/// Asks until told to stop, half the clients over a new connection each time. A connection that
/// cannot be made, or a wrong answer, fails the test.
fn ask(number: u64, address: &Address, body: &[u8], stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        let mut peer = kept.take().unwrap_or_else(|| Peer::connect(address).unwrap());
        match peer.get("/1k.bin") {
            Ok(response) => {
                assert!(response.status == 200 && response.body == body, "{:?}", response.head);
                seen.answered += 1;
                if number.is_multiple_of(2) && !response.close {
                    kept = Some(peer);
                }
            }
            Err(error) => {
                let lost =
                    [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe, ErrorKind::UnexpectedEof];
                assert!(lost.contains(&error.kind()), "{error}");
                let name = getsockname(peer.socket()).unwrap();
                seen.lost.push(std::net::SocketAddr::try_from(name).unwrap().port());
            }
        }
        std::thread::sleep(PAUSE);
    }
    seen
}

/// A living worker, whose death has not been ordered yet.
fn choose(server: &Server, killed: &[u32], random: &mut u64) -> u32 {
    let mut workers = Vec::new();
    eventually("a worker lives", || {
        workers = server.workers();
        workers.retain(|pid| !killed.contains(pid));
        !workers.is_empty()
    });
    *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    workers[(*random >> 33) as usize % workers.len()]
}

/// Kills one worker after another; gives the clients' ports that each held.
fn kill_in_turn(server: &Server) -> Vec<BTreeSet<u16>> {
    let mut random = 0x5eed;
    let (mut killed, mut ports) = (Vec::new(), Vec::new());
    for _ in 0..KILLS {
        let victim = choose(server, &killed, &mut random);
        // What it holds is counted while it can neither accept nor answer.
        freeze(victim);
        ports.push(client_ports(victim));
        signal(victim, Signal::KILL);
        killed.push(victim);
        std::thread::sleep(KILL_EVERY);
    }
    ports
}

/// Lets the clients end, also when the test fails in their midst.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What the master says it waits before it starts a successor.
fn waits_for_successors(errors: &str) -> Vec<u64> {
    let after = errors.split("its successor is started in ").skip(1);
    after.filter_map(|text| text.split_once(" ms")?.0.parse().ok()).collect()
}

#[test]
fn a_killed_worker_takes_only_its_own_connections_along() {
    let site = Site::new();
    let workers = WORKERS.to_string();
    let server = Server::start(&[site.path().to_str().unwrap(), "--workers", &workers]);
    let (address, body) = (server.address(), site.read("1k.bin"));
    let reaping = Reaping::watch(server.pid());
    let stop = AtomicBool::new(false);
    let (killed, seen) = std::thread::scope(|scope| {
        let client = |number| {
            let (body, stop) = (&body, &stop);
            scope.spawn(move || ask(number, address, body, stop))
        };
        let clients: Vec<_> = (0..CLIENTS).map(client).collect();
        let ending = Stop(&stop);
        let killed = kill_in_turn(&server);
        drop(ending);
        let seen: Vec<Seen> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (killed, seen)
    });
    eventually("every worker has a successor", || server.workers().len() == WORKERS);
    let watched = expect_none_neglected(reaping, "killed workers");
    let answered: u64 = seen.iter().map(|seen| seen.answered).sum();
    let lost: Vec<u16> = seen.iter().flat_map(|seen| seen.lost.iter().copied()).collect();
    let held: usize = killed.iter().map(BTreeSet::len).sum();
    let ports: BTreeSet<u16> = killed.iter().flatten().copied().collect();
    let count = lost.len();
    eprintln!("{KILLS} kills: {answered} answered, {count} lost, {held} held by the killed");
    assert!(lost.len() <= held, "{} requests lost, {held} held", lost.len());
    let waits = waits_for_successors(&server.child.errors());
    eprintln!("a successor was started at once or within {:?} ms", waits.iter().max());
    assert!(waits.iter().all(|wait| *wait <= SUCCESSOR_WAIT_MS_MAX), "{waits:?}");
    let strange: Vec<_> = lost.iter().filter(|port| !ports.contains(port)).collect();
    assert!(strange.is_empty(), "lost on connections that no killed worker had: {strange:?}");
    // A look is no instant: one that is killed in its midst may be counted with its successor.
    assert!(watched.family_max <= WORKERS + 1, "{watched:?}");
    assert!(tree::zombies(server.pid()).is_empty());
    server.stop();
}

/// Nobody has accepted them, so the death of every worker is nothing to them.
fn check_queued(arguments: &[&str]) {
    const QUEUED: usize = 60;
    let site = Site::new();
    let server = Server::start(&[&[site.path().to_str().unwrap()], arguments].concat());
    let workers = server.workers();
    workers.iter().for_each(|pid| freeze(*pid));
    let mut peers: Vec<Peer> = (0..QUEUED).map(|_| server.connect()).collect();
    for peer in &mut peers {
        peer.send(b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    workers.iter().for_each(|pid| signal(*pid, Signal::KILL));
    let body = site.read("small.txt");
    for peer in peers {
        // Each is closed before the next is read, where a worker serves one at a time.
        let mut peer = peer;
        assert_eq!(peer.read_response().unwrap().body, body, "{arguments:?}");
    }
    eprintln!("{QUEUED} queued clients were served by the successors: {arguments:?}");
    server.stop();
}

/// Nobody has accepted them when the server is told to finish, and it does so with them.
fn check_queued_at_quit(arguments: &[&str]) {
    const QUEUED: usize = 40;
    let site = Site::new();
    let mut server = Server::start(&[&[site.path().to_str().unwrap()], arguments].concat());
    let family = tree::descendants(server.pid());
    let workers = server.workers();
    workers.iter().for_each(|pid| freeze(*pid));
    let mut peers: Vec<Peer> = (0..QUEUED).map(|_| server.connect()).collect();
    for peer in &mut peers {
        peer.send(b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    server.child.signal(Signal::QUIT).unwrap();
    eventually("the master has closed its sockets", || listening_sockets(server.pid()) == 0);
    workers.iter().for_each(|pid| signal(*pid, Signal::CONT));
    let body = site.read("small.txt");
    for peer in &mut peers {
        assert_eq!(peer.read_response().unwrap().body, body, "{arguments:?}");
    }
    drop(peers);
    server.check_end(&family);
}

#[test]
fn who_waits_in_a_queue_is_served_before_the_end() {
    check_queued_at_quit(&["--workers", "2"]);
    check_queued_at_quit(&["--workers", "2", "--set", "listeners=shared"]);
    check_queued_at_quit(&["--workers", "2", "--io-model", "blocking"]);
    if has_io_uring() {
        check_queued_at_quit(&["--workers", "2", "--io-model", "io_uring"]);
    }
    check_queued_at_quit(&["--process-model", "thread-per-core", "--workers", "2"]);
    check_queued_at_quit(&["--process-model", "fork-per-connection"]);
    check_queued_at_quit(&["--process-model", "thread-per-connection"]);
}

#[test]
fn who_waits_in_a_queue_is_served_by_the_successor() {
    check_queued(&["--workers", "3"]);
    check_queued(&["--workers", "3", "--set", "listeners=shared"]);
    check_queued(&["--process-model", "thread-per-core", "--workers", "3"]);
    check_queued(&["--process-model", "fork-per-connection"]);
    check_queued(&["--process-model", "thread-per-connection"]);
}
