//! Methods, statuses, and how long a connection is kept (RFC 9112 section 9).

use std::fs;

use testkit::{Address, End, Peer};

use super::{CONNECTIONS, Case, Subject};
use crate::harness::{INDEX, SIZES, eventually};

pub const CASES: &[Case] = &[
    ("files of every size", files_of_every_size),
    ("HEAD", head),
    ("OPTIONS", options),
    ("404", missing),
    ("405 with a body", method_not_allowed),
    ("50 requests on a connection", kept_alive),
    ("16 pipelined", pipelined),
    ("Connection: close", closed_when_asked),
    ("HTTP/1.0", old_closed),
    ("HTTP/1.0 keep-alive", old_kept),
    ("descriptor reuse", reopened),
    ("Unix socket", unix_socket),
    ("IPv6", ipv6),
    ("titles", titles),
];

const KEPT: usize = 50;
const PIPELINED: usize = 16;
const REOPENED: usize = 3;

fn files_of_every_size(subject: &Subject) {
    // Each over a connection of its own: where there is one seat, who pauses to compare megabytes
    // loses it.
    for (name, size) in SIZES {
        let response = subject.connect().get(&format!("/{name}")).unwrap();
        assert_eq!((response.status, response.body.len()), (200, size), "{name}");
        assert!(response.body == subject.site.read(name), "{name}: other bytes");
    }
    let index = subject.connect().get("/").unwrap();
    assert_eq!((index.status, index.text().as_str()), (200, INDEX));
    assert_eq!(index.header("content-type"), Some("text/html; charset=utf-8"));
}

fn head(subject: &Subject) {
    let mut peer = subject.connect();
    peer.send(b"HEAD /100k.bin HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let response = peer.read_head_response().unwrap();
    assert_eq!((response.status, response.header("content-length")), (200, Some("102400")));
    assert_eq!(peer.get("/small.txt").unwrap().body, subject.site.read("small.txt"));
}

fn options(subject: &Subject) {
    let mut peer = subject.connect();
    for target in ["/small.txt", "*"] {
        peer.send(format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).unwrap();
        let response = peer.read_response().unwrap();
        assert_eq!(response.status / 100, 2, "{response:?}");
        assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"), "{target}");
    }
}

fn missing(subject: &Subject) {
    let mut peer = subject.connect();
    for target in ["/nothing", "/../small.txt/..", "/small.txt/below"] {
        let response = peer.get(target).unwrap();
        assert!([400, 404].contains(&response.status), "{target}: {response:?}");
        if response.close {
            peer = subject.connect();
        }
    }
    assert_eq!(peer.get("/small.txt").unwrap().status, 200);
}

fn method_not_allowed(subject: &Subject) {
    let mut peer = subject.connect();
    let post = b"POST /small.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /";
    peer.send(post).unwrap();
    let response = peer.read_response().unwrap();
    assert_eq!((response.status, response.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert_eq!(peer.get("/1k.bin").unwrap().body, subject.site.read("1k.bin"));
}

fn kept_alive(subject: &Subject) {
    let mut peer = subject.connect();
    for turn in 0..KEPT {
        let (name, size) = SIZES[turn % 3];
        let response = peer.get(&format!("/{name}")).unwrap();
        assert_eq!((response.status, response.body.len(), response.close), (200, size, false));
    }
}

/// Bodies tell which answer came: two small files, the index, and one that is not there.
fn pipelined(subject: &Subject) {
    let names = ["small.txt", "1k.bin", "nothing", "100k.bin"];
    let requests: String = (0..PIPELINED)
        .map(|at| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", names[at % names.len()]))
        .collect();
    let mut peer = subject.connect();
    peer.send(requests.as_bytes()).unwrap();
    for at in 0..PIPELINED {
        let (name, response) = (names[at % names.len()], peer.read_response().unwrap());
        match name {
            "nothing" => assert_eq!(response.status, 404, "{at}"),
            _ => assert!(response.body == subject.site.read(name), "{at}: not {name}"),
        }
    }
}

fn closed_when_asked(subject: &Subject) {
    let mut peer = subject.connect();
    peer.send(b"GET /1k.bin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let response = peer.read_response().unwrap();
    assert!(response.close && response.body == subject.site.read("1k.bin"), "{response:?}");
    assert_eq!(peer.expect_end().unwrap(), End::Closed);
}

fn old_closed(subject: &Subject) {
    let mut peer = subject.connect();
    peer.send(b"GET /1k.bin HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(peer.read_response().unwrap().body, subject.site.read("1k.bin"));
    assert_eq!(peer.expect_end().unwrap(), End::Closed);
}

fn old_kept(subject: &Subject) {
    let mut peer = subject.connect();
    for _ in 0..3 {
        peer.send(b"GET /1k.bin HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").unwrap();
        let response = peer.read_response().unwrap();
        assert_eq!(response.body, subject.site.read("1k.bin"));
        assert_eq!(response.header("connection"), Some("keep-alive"));
    }
}

/// The descriptors of closed connections are given to new ones, and no event of an old one may
/// reach a new one.
fn reopened(subject: &Subject) {
    let expected = subject.site.read("1k.bin");
    for _ in 0..REOPENED {
        for _ in 0..CONNECTIONS.div_ceil(subject.capacity) {
            let mut peers: Vec<Peer> = (0..subject.capacity).map(|_| subject.connect()).collect();
            for peer in &mut peers {
                assert_eq!(peer.get("/1k.bin").unwrap().body, expected);
            }
            // The even ones end in mid-request.
            for peer in peers.iter_mut().step_by(2) {
                peer.send(b"GET /1k.bin HT").unwrap();
            }
        }
    }
}

fn unix_socket(subject: &Subject) {
    let address = subject.address(|address| matches!(address, Address::Unix(_)));
    check_listener(subject, address.unwrap());
}

fn ipv6(subject: &Subject) {
    let address = subject.address(|a| matches!(a, Address::Tcp(tcp) if tcp.is_ipv6()));
    match address {
        Some(address) => check_listener(subject, address),
        None => eprintln!("skipped: this machine has no [::1]"),
    }
}

fn check_listener(subject: &Subject, address: &Address) {
    let mut peer = Peer::connect(address).unwrap();
    for name in ["small.txt", "100k.bin", "10m.bin"] {
        let response = peer.get(&format!("/{name}")).unwrap();
        assert!(response.body == subject.site.read(name), "{name}");
    }
}

/// ps(1) and top(1) show who is who.
fn titles(subject: &Subject) {
    let title = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        text.trim_end_matches('\0').to_owned()
    };
    assert_eq!(title(subject.server.pid()), "sockeye: master");
    let name = match subject.process.as_str() {
        "fork-per-connection" | "thread-per-connection" => "acceptor",
        _ => "worker",
    };
    let workers = subject.server.workers();
    let found: Vec<String> = workers.iter().map(|pid| title(*pid)).collect();
    let expected: Vec<String> =
        (1..=workers.len()).map(|index| format!("sockeye: {name} {index}")).collect();
    assert_eq!(found, expected);
    if subject.process == "fork-per-connection" {
        let mut peer = subject.connect();
        assert_eq!(peer.get("/small.txt").unwrap().status, 200);
        eventually("a connection's child has its title", || {
            let children = testkit::tree::children(workers[0]);
            children.iter().any(|child| title(child.pid) == "sockeye: connection")
        });
    }
}
