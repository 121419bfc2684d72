//! Clients that break off, or do not read. They concern nobody but themselves.

use testkit::Peer;

use super::{Case, Subject};

pub const CASES: &[Case] = &[
    ("reset in mid-reply", reset_in_reply),
    ("reset in mid-request", reset_in_request),
    ("zero window", zero_window),
    ("silent leave", silent_leave),
];

const LARGE: &[u8] = b"GET /10m.bin HTTP/1.1\r\nHost: a\r\n\r\n";
/// Enough of a reply to know that the server is in the middle of it.
const BEGUN_BYTES: usize = 100_000;
const RESETS: usize = 5;

fn reset_in_reply(subject: &Subject) {
    let mut other = (subject.capacity > 1).then(|| subject.connect());
    for _ in 0..RESETS {
        let mut peer = subject.connect();
        peer.send(LARGE).unwrap();
        peer.read_bytes(BEGUN_BYTES).unwrap();
        peer.reset().unwrap();
        let other = other.get_or_insert_with(|| subject.connect());
        assert_eq!(other.get("/1k.bin").unwrap().body, subject.site.read("1k.bin"));
        if subject.capacity == 1 {
            return;
        }
    }
}

fn reset_in_request(subject: &Subject) {
    for part in ["", "G", "GET /1k.bin HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: a\r\n"] {
        let mut peer = subject.connect();
        peer.send(part.as_bytes()).unwrap();
        peer.reset().unwrap();
    }
    assert_eq!(subject.connect().get("/1k.bin").unwrap().status, 200);
}

/// The server meets a full buffer, waits, and goes on where it was. Others are served meanwhile.
fn zero_window(subject: &Subject) {
    let mut peer = Peer::connect_small_window(subject.server.address()).unwrap();
    peer.send(LARGE).unwrap();
    peer.send(b"GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    peer.read_bytes(0).unwrap();
    if subject.capacity > 1 {
        let mut other = subject.connect();
        for _ in 0..3 {
            assert_eq!(other.get("/100k.bin").unwrap().body.len(), 100 * 1024);
        }
    }
    assert!(peer.read_response().unwrap().body == subject.site.read("10m.bin"));
    assert_eq!(peer.read_response().unwrap().body, subject.site.read("small.txt"));
}

/// Nothing asked, nothing said.
fn silent_leave(subject: &Subject) {
    for _ in 0..CONNECTIONS {
        drop(subject.connect());
    }
    assert_eq!(subject.connect().get("/1k.bin").unwrap().status, 200);
}

const CONNECTIONS: usize = 10;
