//! Requests that come in pieces, in heaps, or with bodies (RFC 9112 sections 6 and 7).

use std::time::Duration;

use testkit::{End, Peer};

use super::{Case, Subject};

pub const CASES: &[Case] = &[
    ("dribbled head", dribbled_head),
    ("dribbled chunked body", dribbled_chunks),
    ("pipelined chunked bodies", pipelined_chunks),
    ("half-close", half_closed),
    ("half-close with a large file", half_closed_large),
    ("Expect: 100-continue", continued),
    ("Expect: 100-continue refused", continue_refused),
];

/// Between two bytes: long enough that they come as segments of their own.
const PAUSE: Duration = Duration::from_micros(500);

/// A good request with a chunked body whose bytes look like a request.
const CHUNKED: &str = "GET /1k.bin HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                       1d;x=y\r\nGET /small.txt HTTP/1.1\r\nHost\r\n1\r\n:\r\n\
                       0\r\nTrailer: z\r\n\r\n";
const CHUNKED_REFUSED: &str = "POST /small.txt HTTP/1.1\r\nHost: a\r\n\
                               Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
const PLAIN: &str = "GET /small.txt HTTP/1.1\r\nHost: a\r\n\r\n";

fn dribbled_head(subject: &Subject) {
    let mut peer = subject.connect();
    for _ in 0..2 {
        peer.dribble(PLAIN.as_bytes(), 1, PAUSE).unwrap();
        assert_eq!(peer.read_response().unwrap().body, subject.site.read("small.txt"));
    }
}

fn dribbled_chunks(subject: &Subject) {
    let mut peer = subject.connect();
    peer.dribble([CHUNKED, CHUNKED_REFUSED, PLAIN].concat().as_bytes(), 1, PAUSE).unwrap();
    check_three(subject, &mut peer);
    peer.dribble([CHUNKED, CHUNKED_REFUSED, PLAIN].concat().as_bytes(), 7, PAUSE).unwrap();
    check_three(subject, &mut peer);
}

fn pipelined_chunks(subject: &Subject) {
    let mut peer = subject.connect();
    peer.send([CHUNKED, CHUNKED_REFUSED, PLAIN].concat().repeat(5).as_bytes()).unwrap();
    (0..5).for_each(|_| check_three(subject, &mut peer));
}

fn check_three(subject: &Subject, peer: &mut Peer) {
    assert_eq!(peer.read_response().unwrap().body, subject.site.read("1k.bin"));
    assert_eq!(peer.read_response().unwrap().status, 405);
    assert_eq!(peer.read_response().unwrap().body, subject.site.read("small.txt"));
}

/// The end of the client's sending is not the end of its interest.
fn half_closed(subject: &Subject) {
    let mut peer = subject.connect();
    peer.send(PLAIN.repeat(3).as_bytes()).unwrap();
    peer.half_close().unwrap();
    for _ in 0..3 {
        assert_eq!(peer.read_response().unwrap().body, subject.site.read("small.txt"));
    }
    assert_eq!(peer.expect_end().unwrap(), End::Closed);
}

fn half_closed_large(subject: &Subject) {
    let mut peer = subject.connect();
    peer.send(b"GET /10m.bin HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    peer.half_close().unwrap();
    assert!(peer.read_response().unwrap().body == subject.site.read("10m.bin"));
    assert_eq!(peer.expect_end().unwrap(), End::Closed);
}

/// RFC 9110 section 10.1.1: the body is asked for before it comes.
fn continued(subject: &Subject) {
    let mut peer = subject.connect();
    peer.send(
        b"GET /1k.bin HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
    )
    .unwrap();
    peer.expect_bytes(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
    peer.send(b"body").unwrap();
    assert_eq!(peer.read_response().unwrap().body, subject.site.read("1k.bin"));
    assert_eq!(peer.get("/small.txt").unwrap().body, subject.site.read("small.txt"));
}

/// What will be refused anyway is refused before the body comes.
fn continue_refused(subject: &Subject) {
    let mut peer = subject.connect();
    peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        .unwrap();
    let response = peer.read_response().unwrap();
    assert_eq!((response.status, response.close), (405, true));
    assert_eq!(peer.expect_end().unwrap(), End::Closed);
}
