//! Requests at the limits and past them; made, since they are long.

use super::Answer::{BadContent, Refused, Served, Waits};
use super::{Answer, Case};

pub(super) fn cases() -> Vec<Case> {
    [request_lines(), fields(), contents()].concat()
}

fn request_lines() -> Vec<Case> {
    let path = |bytes: usize| format!("/?{}", "a".repeat(bytes - 2));
    vec![
        made("target at the limit", get(&path(8192), ""), Served(&[200]), TARGET),
        made("target past the limit", get(&path(8193), ""), Refused(414), TARGET),
        made(
            "target that never ends",
            [&b"GET /"[..], &[b'a'; 9000]].concat(),
            Refused(414),
            TARGET,
        ),
        made("target of 60 KiB", get(&path(60 * 1024), ""), Refused(414), TARGET),
        made("method that never ends", vec![b'A'; 9000], Refused(501), METHOD),
        made("64 KiB of spaces", vec![b' '; 64 * 1024], Refused(400), "RFC 9112 section 3"),
        made("64 KiB of line ends", b"\r\n".repeat(32 * 1024), Refused(400), EMPTY_LINES),
        made("64 KiB of NULs", vec![0; 64 * 1024], Refused(400), "RFC 9112 section 3"),
    ]
}

fn fields() -> Vec<Case> {
    let many_ranges = format!("Range: bytes={}\r\n", "0-0,2-2,".repeat(500));
    vec![
        made("100 fields", get("/", &"X: y\r\n".repeat(99)), Served(&[200]), FIELDS),
        made("101 fields", get("/", &"X: y\r\n".repeat(100)), Refused(431), FIELDS),
        made("2000 fields", get("/", &"X: y\r\n".repeat(2000)), Refused(431), FIELDS),
        made("value of 15 KiB", get("/", &field(15 * 1024)), Served(&[200]), HEAD),
        made("value of 17 KiB", get("/", &field(17 * 1024)), Refused(431), HEAD),
        made("value of 100 KiB", get("/", &field(100 * 1024)), Refused(431), HEAD),
        made(
            "value that never ends",
            [&b"GET / HTTP/1.1\r\nHost: a\r\nX: "[..], &[b'a'; 20_000]].concat(),
            Refused(431),
            HEAD,
        ),
        made(
            "name that never ends",
            [&b"GET / HTTP/1.1\r\nHost: a\r\n"[..], &[b'a'; 20_000]].concat(),
            Refused(431),
            HEAD,
        ),
        made(
            "value that does not end yet",
            [&b"GET / HTTP/1.1\r\nHost: a\r\nX: "[..], &[b'a'; 10_000]].concat(),
            Waits,
            HEAD,
        ),
        made("host of 256 bytes", get_from(&"a".repeat(256)), Refused(400), HOST),
        made("host of 255 bytes", get_from(&"a".repeat(255)), Served(&[200]), HOST),
        made("1000 ranges", get("/", &many_ranges), Served(&[200]), RANGES),
    ]
}

fn contents() -> Vec<Case> {
    vec![
        made(
            "100 chunks",
            chunked(format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(100))),
            Served(&[200]),
            "RFC 9112 section 7.1",
        ),
        made(
            "chunk extension of 64 KiB",
            chunked(format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(64 * 1024))),
            BadContent(400),
            "RFC 9112 section 7.1.1: a server ought to limit it",
        ),
        made(
            "chunk extensions that add up",
            chunked(format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "e".repeat(500)).repeat(100))),
            BadContent(400),
            "RFC 9112 section 7.1.1",
        ),
        made(
            "trailers of 64 KiB",
            chunked(format!("0\r\n{}\r\n", "X: yyyyyyyyyyyy\r\n".repeat(4096))),
            BadContent(431),
            "RFC 6585 section 5; no section says how long trailers may be",
        ),
        made(
            "trailer that never ends",
            chunked(format!("0\r\nX: {}", "y".repeat(64 * 1024))),
            BadContent(431),
            "RFC 6585 section 5",
        ),
    ]
}

fn made(name: &'static str, bytes: Vec<u8>, answer: Answer, why: &'static str) -> Case {
    Case { name, bytes: bytes.into(), answer, why }
}

fn get(target: &str, fields: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn chunked(body: String) -> Vec<u8> {
    let head = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    format!("{head}{body}").into_bytes()
}

fn field(bytes: usize) -> String {
    format!("X: {}\r\n", "a".repeat(bytes))
}

fn get_from(host: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
}

const TARGET: &str = "RFC 9112 section 3: 414 for a target longer than any that is wished for";
const METHOD: &str = "RFC 9112 section 3: 501 for a method longer than any that is implemented";
const FIELDS: &str = "RFC 6585 section 5: 431 for fields too many";
const HEAD: &str = "RFC 6585 section 5: 431 for fields too large";
const HOST: &str = "RFC 1035 section 2.3.4: no name is longer";
const RANGES: &str = "RFC 9110 section 14.2: a server may ignore the field";
const EMPTY_LINES: &str = "RFC 9112 section 2.2; the number of skipped lines is bounded";
