//! Heads that are right: what the parser makes of them.

use sockeye_http::{Framing, Head, Known, Limits, Method, Scan, Target, Version, parse_head};

fn head(bytes: &[u8]) -> Head<'_> {
    let parsed = parse_head(bytes, &mut Scan::default(), &Limits::default());
    parsed.expect("well formed").expect("complete")
}

fn with(fields: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn all_parts_are_found() {
    let bytes = b"\r\nPUT /a/b?c=d?e HTTP/1.1\r\nHost: a:80\r\nX-One:  1 \r\nACCEPT: */*\r\n\
        Content-Length: 7\r\nExpect: 100-continue\r\n\r\nbody";
    let head = head(bytes);
    assert_eq!(head.method, Method::Put);
    assert_eq!((head.path(), head.query()), (&b"/a/b"[..], Some(&b"c=d?e"[..])));
    assert_eq!(head.raw_target, b"/a/b?c=d?e");
    assert_eq!(head.version, Version::Http11);
    assert_eq!(head.framing, Framing::Length(7));
    assert_eq!(&bytes[head.len..], b"body");
    assert!(head.keep_alive && head.expect_continue && !head.has_conditions());
    assert_eq!(head.authority(), Some(&b"a:80"[..]));
    assert_eq!(head.header(Known::Accept), Some(&b"*/*"[..]));
    assert_eq!(head.find("x-one"), Some(&b"1"[..]));
    assert_eq!(head.find("accept"), Some(&b"*/*"[..]));
    assert_eq!(head.find("x-two"), None);
    let names: Vec<&[u8]> = head.headers().map(|field| field.0).collect();
    let wanted: [&[u8]; 5] = [b"Host", b"X-One", b"ACCEPT", b"Content-Length", b"Expect"];
    assert_eq!(names, wanted);
}

#[test]
fn every_known_field_is_found_in_any_case() {
    let singular = [Known::Host, Known::ContentLength, Known::TransferEncoding, Known::Expect];
    for known in Known::ALL.into_iter().filter(|known| !singular.contains(known)) {
        for name in [known.name().to_owned(), known.name().to_uppercase()] {
            let bytes = with(&format!("{name}: some value\r\n"));
            let head = head(bytes.as_bytes());
            assert_eq!(head.header(known), Some(&b"some value"[..]), "{name}");
            assert_eq!(Known::of(name.as_bytes()), Some(known));
            for other in Known::ALL.into_iter().filter(|o| *o != known && *o != Known::Host) {
                assert_eq!(head.header(other), None, "{name} is taken for {other:?}");
            }
        }
    }
}

#[test]
fn names_close_to_known_ones_are_others() {
    let names =
        ["hos", "hosts", "hist", "content-lengths", "content_length", "if-ranges", "range1"];
    for name in names {
        let bytes = with(&format!("{name}: 1\r\n"));
        let head = head(bytes.as_bytes());
        assert_eq!(head.headers().count(), 2);
        assert_eq!(Known::of(name.as_bytes()), None, "{name}");
        assert!(Known::ALL.into_iter().all(|k| k == Known::Host || head.header(k).is_none()));
    }
}

#[test]
fn repeated_fields_are_all_there() {
    let bytes = with("Via: one\r\nX: y\r\nVIA: two\r\nvia:\r\n");
    let head = head(bytes.as_bytes());
    assert_eq!(head.header(Known::Via), Some(&b"one"[..]));
    assert_eq!(head.single(Known::Via), None);
    let values: Vec<&[u8]> = head.values(Known::Via).collect();
    assert_eq!(values, [&b"one"[..], b"two", b""]);
    assert_eq!(head.values(Known::Host).count(), 1);
    assert_eq!(head.values(Known::Cookie).count(), 0);
}

#[test]
fn conditions_are_noticed() {
    let check = |fields: &str, wanted: bool| {
        assert_eq!(head(with(fields).as_bytes()).has_conditions(), wanted, "{fields:?}");
    };
    check("", false);
    check("User-Agent: x\r\nAccept: */*\r\n", false);
    check("Accept-Encoding: gzip\r\n", true);
    check("Range: bytes=0-\r\n", true);
    check("If-None-Match: *\r\n", true);
    check("if-modified-since:\r\n", true);
}

#[test]
fn targets_are_told_apart() {
    let check = |line: &str, wanted: Target<'_>| {
        let bytes = format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(head(bytes.as_bytes()).target, wanted, "{line}");
    };
    check("OPTIONS *", Target::Asterisk);
    check("GET /?", Target::Origin { path: b"/", query: Some(b"") });
    check(
        "GET http://b:1/c?d",
        Target::Absolute { secure: false, authority: b"b:1", path: b"/c", query: Some(b"d") },
    );
    check(
        "GET HTTPS://[::1]",
        Target::Absolute { secure: true, authority: b"[::1]", path: b"/", query: None },
    );
    check(
        "GET http://b?d/e",
        Target::Absolute { secure: false, authority: b"b", path: b"/", query: Some(b"d/e") },
    );
}

#[test]
fn the_absolute_target_wins_over_the_host() {
    let head = head(b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(head.authority(), Some(&b"b"[..]));
    assert_eq!(head.header(Known::Host), Some(&b"a"[..]));
}

#[test]
fn connections_are_kept_or_closed() {
    let check = |version: &str, fields: &str, wanted: bool| {
        let bytes = format!("GET / {version}\r\nHost: a\r\n{fields}\r\n");
        assert_eq!(head(bytes.as_bytes()).keep_alive, wanted, "{version} {fields:?}");
    };
    check("HTTP/1.1", "", true);
    check("HTTP/1.1", "Connection: keep-alive\r\n", true);
    check("HTTP/1.1", "Connection: upgrade\r\n", true);
    check("HTTP/1.1", "Connection: Close\r\n", false);
    check("HTTP/1.1", "Connection: x, close\r\n", false);
    check("HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", false);
    check("HTTP/1.0", "", false);
    check("HTTP/1.0", "Connection: Keep-Alive\r\n", true);
    check("HTTP/1.0", "Connection: x,keep-alive\r\n", true);
    check("HTTP/1.0", "Connection: keep-alive, close\r\n", false);
}

#[test]
fn refusals_say_why() {
    let check = |bytes: &[u8], wanted: &str| {
        let refused = parse_head(bytes, &mut Scan::default(), &Limits::default());
        assert_eq!(refused.map(|_| ()).unwrap_err().to_string(), wanted);
    };
    check(
        b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "request refused with 400 Bad Request: bare LF in a header line",
    );
    check(
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "request refused with 400 Bad Request: whitespace before the colon of a header field",
    );
    check(
        b"GET / HTTP/2.0\r\n\r\n",
        "request refused with 505 HTTP Version Not Supported: version is neither HTTP/1.0 nor \
         HTTP/1.1",
    );
}

#[test]
fn limits_are_exact() {
    let limits = Limits { head_bytes: 64, header_count: 2, target_bytes: 8, ..Limits::default() };
    let check = |bytes: &str, wanted: u16| {
        let parsed = parse_head(bytes.as_bytes(), &mut Scan::default(), &limits);
        let status = parsed.err().map_or(0, |refused| refused.status.code());
        assert_eq!(status, wanted, "{bytes:?}");
        // Byte by byte the verdict is the same, and it comes no later than the limit.
        let mut scan = Scan::default();
        let verdict = (1..=bytes.len().min(limits.head_bytes + 64))
            .find_map(|end| parse_head(&bytes.as_bytes()[..end], &mut scan, &limits).err());
        assert_eq!(verdict.map_or(0, |refused| refused.status.code()), wanted, "{bytes:?}");
    };
    check("GET /2345678 HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    check("GET /23456789 HTTP/1.1\r\nHost: a\r\n\r\n", 414);
    check("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n", 0);
    check("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nX: y\r\n\r\n", 431);
    let padded = |count: usize| with(&format!("X: {}\r\n", "a".repeat(count)));
    let room = 64 - padded(0).len();
    check(&padded(room), 0);
    check(&padded(room + 1), 431);
    check(&padded(1000), 431);
    check(&format!("GET /{}", "a".repeat(200)), 414);
}

#[test]
fn a_request_line_in_single_bytes_is_refused_at_its_end() {
    let check = |line: &str, status: u16| {
        let mut scan = Scan::default();
        let verdicts = (1..=line.len())
            .map(|end| parse_head(&line.as_bytes()[..end], &mut scan, &Limits::default()).err());
        let refused = verdicts.flatten().next().expect("refused");
        assert_eq!(refused.status.code(), status, "{line:?}");
    };
    check("GET /\r\n", 400);
    check("\r\nGET / HTTP/2.0\r\n", 505);
    check("GET / HTTP/1.1\n", 400);
}

#[test]
fn a_head_in_single_bytes_is_looked_at_once() {
    // Parsing anew at every byte would take seconds here; searching on takes microseconds.
    let limits = Limits { head_bytes: usize::MAX, ..Limits::default() };
    let bytes = with(&format!("X: {}\r\n", "a".repeat(60_000)));
    let mut scan = Scan::default();
    for end in 1..bytes.len() {
        assert_eq!(parse_head(&bytes.as_bytes()[..end], &mut scan, &limits), Ok(None));
    }
    let head = parse_head(bytes.as_bytes(), &mut scan, &limits);
    assert_eq!(head.expect("well formed").expect("complete").len, bytes.len());
}
