//! Clients that take their time: heads, bodies and reading that stall, and a thousand connections
//! with half a head each. Deadlines are lowered, so that they come within the test.

use std::thread;
use std::time::Duration;

use testkit::{Address, End, Peer, tree};

use crate::harness::{Server, Site, WAIT, eventually, has_io_uring};

const IO_MODELS: [&str; 7] =
    ["blocking", "nonblocking", "select", "poll", "epoll", "sigio", "io_uring"];
/// The deadline that a test waits out.
const SHORT: &str = "400ms";
/// The deadline that a slow but living client keeps within.
const LONG: &str = "1s";
/// Between two bytes of such a client; all its pauses together are more than `LONG`.
const PAUSE: Duration = Duration::from_millis(50);
const PIECES: usize = 24;

const HALF_OPEN: usize = 1000;
/// Private memory that a connection with half a head may cost its worker, in bytes.
const CONNECTION_BYTES_MAX: u64 = 40 * 1024;

/// Runs one server a model, all at once: what takes the time is waiting.
fn over_all_models(setting: &str, case: fn(&Server, &Site)) {
    let site = Site::new();
    thread::scope(|scope| {
        for io_model in IO_MODELS.iter().filter(|model| can_use(model)) {
            let site = &site;
            scope.spawn(move || {
                let root = site.path().to_str().unwrap();
                let server = Server::start(&[
                    root,
                    "--strict",
                    "--io-model",
                    io_model,
                    "--workers",
                    "2",
                    "--set",
                    setting,
                ]);
                case(&server, site);
                server.stop();
            });
        }
    });
}

fn can_use(io_model: &str) -> bool {
    let can = io_model != "io_uring" || has_io_uring();
    if !can {
        eprintln!("skipped: this kernel refuses io_uring");
    }
    can
}

#[test]
fn a_head_has_one_deadline() {
    over_all_models(&format!("head_timeout={SHORT}"), |server, _| {
        // Dribbling does not prolong it; what comes after the refusal is read and dropped.
        let mut peer = server.connect();
        peer.dribble(b"GET /small.txt HTTP/1.1\r\n", 1, PAUSE).unwrap();
        check_late(&mut peer);
        // Silence after the first byte is the same.
        let mut peer = server.connect();
        peer.send(b"G").unwrap();
        check_late(&mut peer);
    });
}

#[test]
fn a_body_must_go_on() {
    over_all_models(&format!("body_timeout={SHORT}"), |server, _| {
        let mut peer = server.connect();
        peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbegun").unwrap();
        check_late(&mut peer);
        let mut peer = server.connect();
        peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")
            .unwrap();
        check_late(&mut peer);
    });
}

fn check_late(peer: &mut Peer) {
    let response = peer.read_response().unwrap();
    assert_eq!((response.status, response.close), (408, true), "{response:?}");
    assert_eq!(peer.expect_end().unwrap(), End::Closed);
}

#[test]
fn a_slow_body_that_goes_on_is_served() {
    over_all_models(&format!("body_timeout={LONG}"), |server, site| {
        let mut peer = server.connect();
        let head = format!("GET /1k.bin HTTP/1.1\r\nHost: a\r\nContent-Length: {PIECES}\r\n\r\n");
        peer.send(head.as_bytes()).unwrap();
        peer.dribble(&[b'x'; PIECES], 1, PAUSE).unwrap();
        assert_eq!(peer.read_response().unwrap().body, site.read("1k.bin"));
    });
}

#[test]
fn who_does_not_read_is_cut_off() {
    over_all_models(&format!("write_timeout={SHORT}"), |server, _| {
        let mut peer = Peer::connect_small_window(server.address()).unwrap();
        peer.send(b"GET /10m.bin HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        eventually("the connection is accepted", || total(server, "connections_accepted") == 1);
        eventually("the connection is given up", || total(server, "connections_open") == 0);
        assert_eq!(server.connect().get("/small.txt").unwrap().status, 200);
        peer.set_wait(WAIT);
        let (bytes, _) = peer.read_to_end().unwrap();
        assert!(bytes.len() < 10 << 20, "all of it came");
    });
}

#[test]
fn who_reads_slowly_gets_everything() {
    over_all_models(&format!("write_timeout={LONG}"), |server, site| {
        let whole = site.read("10m.bin");
        let mut peer = server.connect();
        peer.send(b"GET /10m.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut found = Vec::new();
        for _ in 0..PIECES {
            found.extend(peer.read_bytes(whole.len() / PIECES).unwrap());
            thread::sleep(PAUSE);
        }
        let (rest, end) = peer.read_to_end().unwrap();
        found.extend(rest);
        assert_eq!(end, End::Closed);
        assert!(found.ends_with(&whole), "other bytes");
    });
}

fn total(server: &Server, counter: &str) -> u64 {
    let status = server.status();
    let workers = status["workers"].as_array().unwrap();
    workers.iter().map(|worker| worker["counters"][counter].as_u64().unwrap()).sum()
}

#[test]
fn half_open_with_epoll() {
    check_half_open("epoll");
}

#[test]
fn half_open_with_io_uring() {
    if can_use("io_uring") {
        check_half_open("io_uring");
    }
}

#[test]
fn half_open_with_poll() {
    check_half_open("poll");
}

fn check_half_open(io_model: &str) {
    raise_descriptor_limit();
    let site = Site::new();
    let root = site.path().to_str().unwrap();
    let server = Server::start(&[
        root,
        "--strict",
        "--io-model",
        io_model,
        "--workers",
        "2",
        "--set",
        "head_timeout=4s",
    ]);
    let mut normal = server.connect();
    assert_eq!(normal.get("/small.txt").unwrap().status, 200);
    let before = private_bytes(&server);
    let mut peers = half_open(server.address());
    eventually("every half head has arrived", || reading_heads(&server) == HALF_OPEN);
    assert_eq!(normal.get("/1k.bin").unwrap().body, site.read("1k.bin"));
    assert_eq!(server.connect().get("/1k.bin").unwrap().body, site.read("1k.bin"));
    let each = private_bytes(&server).saturating_sub(before) / HALF_OPEN as u64;
    eprintln!("{io_model}: {each} bytes of private memory for a connection with half a head");
    assert!(each <= CONNECTION_BYTES_MAX, "{each} bytes a connection");
    peers.iter_mut().for_each(check_late);
    drop(peers);
    eventually("every connection is closed", || total(&server, "connections_open") == 1);
    assert_eq!(normal.get("/1k.bin").unwrap().body, site.read("1k.bin"));
    server.stop();
}

fn half_open(address: &Address) -> Vec<Peer> {
    let half = |_| {
        let mut peer = Peer::connect(address).unwrap();
        peer.send(b"GET /small.txt HTTP/1.1\r\nHost: exam").unwrap();
        peer
    };
    (0..HALF_OPEN).map(half).collect()
}

fn reading_heads(server: &Server) -> usize {
    let status = server.status();
    let workers = status["workers"].as_array().unwrap();
    let connections = workers.iter().flat_map(|worker| worker["connections"].as_array().unwrap());
    connections.filter(|connection| connection["state"] == "reading-head").count()
}

fn private_bytes(server: &Server) -> u64 {
    server.workers().iter().map(|pid| tree::memory(*pid).unwrap().private).sum()
}

/// A thousand sockets may be more than this process is allowed at first.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}
