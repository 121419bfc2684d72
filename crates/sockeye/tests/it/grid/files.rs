//! Ranges, conditions and precompressed variants (RFC 9110 sections 12 to 14).

use testkit::{Peer, Response};

use super::{Case, Subject};

pub const CASES: &[Case] = &[
    ("one range", one_range),
    ("several ranges", several_ranges),
    ("unsatisfiable range", unsatisfiable_range),
    ("If-Range", if_range),
    ("If-None-Match", if_none_match),
    ("precompressed", precompressed),
];

fn ask(peer: &mut Peer, target: &str, fields: &str) -> Response {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    peer.send(request.as_bytes()).unwrap();
    peer.read_response().unwrap()
}

/// From memory and from a file, from the start, in the middle and at the end.
fn one_range(subject: &Subject) {
    let mut peer = subject.connect();
    for name in ["1k.bin", "10m.bin"] {
        let whole = subject.site.read(name);
        let size = whole.len();
        let check = |peer: &mut Peer, range: &str, start: usize, end: usize| {
            let response = ask(peer, &format!("/{name}"), &format!("Range: bytes={range}\r\n"));
            assert_eq!(response.status, 206, "{name} {range}");
            let expected = format!("bytes {start}-{}/{size}", end - 1);
            assert_eq!(response.header("content-range"), Some(expected.as_str()));
            assert!(response.body == whole[start..end], "{name} {range}: other bytes");
        };
        check(&mut peer, "0-0", 0, 1);
        check(&mut peer, "100-299", 100, 300);
        check(&mut peer, "1000-", 1000, size);
        check(&mut peer, "-24", size - 24, size);
        check(&mut peer, "512-99999999", 512, size);
    }
}

fn several_ranges(subject: &Subject) {
    let mut peer = subject.connect();
    for name in ["1k.bin", "100k.bin"] {
        let whole = subject.site.read(name);
        let response = ask(&mut peer, &format!("/{name}"), "Range: bytes=0-9,500-699,-5\r\n");
        assert_eq!(response.status, 206, "{response:?}");
        let parts = parts(&response);
        let size = whole.len();
        for (part, (start, end)) in parts.iter().zip([(0, 10), (500, 700), (size - 5, size)]) {
            let range = format!("Content-Range: bytes {start}-{}/{size}", end - 1);
            assert!(part.head.lines().any(|line| line == range), "{}", part.head);
            assert!(part.body == whole[start..end], "{name}: other bytes");
        }
        assert_eq!(parts.len(), 3);
    }
    assert_eq!(peer.get("/small.txt").unwrap().status, 200);
}

struct Part {
    head: String,
    body: Vec<u8>,
}

/// Takes a multipart/byteranges body apart (RFC 2046 section 5.1.1).
fn parts(response: &Response) -> Vec<Part> {
    let content_type = response.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let dashed = format!("--{}", boundary.trim_matches('"')).into_bytes();
    let mut rest = response.body.as_slice();
    let mut parts = Vec::new();
    // What stands before the first boundary is nothing.
    let (preamble, mut next) = split(rest, &dashed).unwrap();
    assert!(preamble.trim_ascii().is_empty(), "{}", preamble.escape_ascii());
    while !next.starts_with(b"--") {
        rest = next.strip_prefix(b"\r\n").unwrap();
        let (head, content) = split(rest, b"\r\n\r\n").unwrap();
        let (body, after) = split(content, &[b"\r\n", dashed.as_slice()].concat()).unwrap();
        parts.push(Part { head: String::from_utf8(head.to_vec()).unwrap(), body: body.to_vec() });
        next = after;
    }
    assert!(next[2..].trim_ascii().is_empty(), "{}", next.escape_ascii());
    parts
}

fn split<'a>(bytes: &'a [u8], by: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(by.len()).position(|window| window == by)?;
    Some((&bytes[..at], &bytes[at + by.len()..]))
}

fn unsatisfiable_range(subject: &Subject) {
    let mut peer = subject.connect();
    let response = ask(&mut peer, "/1k.bin", "Range: bytes=1024-\r\n");
    assert_eq!((response.status, response.header("content-range")), (416, Some("bytes */1024")));
    assert_eq!(peer.get("/small.txt").unwrap().status, 200);
}

fn if_range(subject: &Subject) {
    let mut peer = subject.connect();
    let tag = peer.get("/100k.bin").unwrap().header("etag").unwrap().to_owned();
    let mut check = |condition: &str, expected: (u16, usize)| {
        let fields = format!("Range: bytes=10-19\r\nIf-Range: {condition}\r\n");
        let response = ask(&mut peer, "/100k.bin", &fields);
        assert_eq!((response.status, response.body.len()), expected, "{condition}");
    };
    check(&tag, (206, 10));
    check("\"another\"", (200, 100 * 1024));
    check(&format!("W/{tag}"), (200, 100 * 1024));
    check("Mon, 01 Jan 1990 00:00:00 GMT", (200, 100 * 1024));
}

fn if_none_match(subject: &Subject) {
    let mut peer = subject.connect();
    let whole = peer.get("/1k.bin").unwrap();
    let tag = whole.header("etag").unwrap();
    let changed = whole.header("last-modified").unwrap();
    let mut check = |fields: &str, status: u16| {
        let response = ask(&mut peer, "/1k.bin", fields);
        assert_eq!(response.status, status, "{fields}");
        assert_eq!(response.header("etag"), Some(tag));
        assert_eq!(response.body.is_empty(), status == 304);
    };
    check(&format!("If-None-Match: {tag}\r\n"), 304);
    check(&format!("If-None-Match: \"x\", W/{tag}\r\n"), 304);
    check("If-None-Match: *\r\n", 304);
    check("If-None-Match: \"x\"\r\n", 200);
    check(&format!("If-Modified-Since: {changed}\r\n"), 304);
    check("If-Modified-Since: Mon, 01 Jan 1990 00:00:00 GMT\r\n", 200);
}

fn precompressed(subject: &Subject) {
    let mut peer = subject.connect();
    let mut tags = Vec::new();
    let mut check = |accepted: &str, file: &str, coding: Option<&str>| {
        let response = ask(&mut peer, "/app.js", accepted);
        assert_eq!(response.status, 200, "{accepted}");
        assert_eq!(response.body, subject.site.read(file), "{accepted}");
        assert_eq!(response.header("content-encoding"), coding, "{accepted}");
        assert_eq!(response.header("vary"), Some("Accept-Encoding"), "{accepted}");
        assert_eq!(response.header("content-type"), Some("text/javascript; charset=utf-8"));
        tags.push(response.header("etag").unwrap().to_owned());
    };
    check("", "app.js", None);
    check("Accept-Encoding: gzip\r\n", "app.js.gz", Some("gzip"));
    check("Accept-Encoding: gzip, br\r\n", "app.js.br", Some("br"));
    check("Accept-Encoding: br;q=0, gzip;q=0.5\r\n", "app.js.gz", Some("gzip"));
    check("Accept-Encoding: identity\r\n", "app.js", None);
    assert!(tags[0] == tags[4] && tags[0] != tags[1] && tags[1] != tags[2], "{tags:?}");
}
