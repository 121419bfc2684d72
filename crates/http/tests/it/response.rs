//! Response heads as bytes.

use sockeye_http::response::{self, LAST_CHUNK, has_content};
use sockeye_http::{BadRequest, Method, Status, Version};

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn text(out: &[u8]) -> String {
    String::from_utf8_lossy(out).into_owned()
}

#[test]
fn a_head_is_written_field_by_field() {
    let mut out = b"before".to_vec();
    response::head(&mut out, Status::OK, DATE)
        .field("Content-Type", "text/plain")
        .rendered(b"Vary: Accept-Encoding\r\n")
        .content_length(1234)
        .connection(Version::Http11, true)
        .finish();
    let wanted = "beforeHTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
        Content-Type: text/plain\r\nVary: Accept-Encoding\r\nContent-Length: 1234\r\n\r\n";
    assert_eq!(text(&out), wanted);
}

#[test]
fn lengths_appear_only_where_they_may() {
    let check = |status: Status, wanted: bool| {
        let mut out = Vec::new();
        response::head(&mut out, status, DATE).content_length(5).finish();
        assert_eq!(text(&out).contains("Content-Length: 5\r\n"), wanted, "{status}");
        assert_eq!(has_content(Method::Get, status), wanted, "{status}");
        assert!(!has_content(Method::Head, status));
    };
    check(Status::OK, true);
    check(Status::PARTIAL_CONTENT, true);
    check(Status::NOT_FOUND, true);
    check(Status::CONTINUE, false);
    check(Status::SWITCHING_PROTOCOLS, false);
    check(Status::NO_CONTENT, false);
    check(Status::NOT_MODIFIED, false);
}

#[test]
fn connections_are_named_where_the_version_does_not_say() {
    let check = |version: Version, keep_alive: bool, wanted: &str| {
        let mut out = Vec::new();
        response::head(&mut out, Status::OK, DATE).connection(version, keep_alive).finish();
        assert!(text(&out).ends_with(wanted), "{version:?} {keep_alive}");
    };
    check(Version::Http11, true, "GMT\r\n\r\n");
    check(Version::Http11, false, "GMT\r\nConnection: close\r\n\r\n");
    check(Version::Http10, true, "GMT\r\nConnection: keep-alive\r\n\r\n");
    check(Version::Http10, false, "GMT\r\nConnection: close\r\n\r\n");
}

#[test]
fn a_value_cannot_end_its_line() {
    let mut out = Vec::new();
    response::head(&mut out, Status::FOUND, DATE)
        .field("Location", b"/a\r\nSet-Cookie: b\0c\td\x7f\xe9")
        .finish();
    assert!(out.ends_with(b"Location: /a  Set-Cookie: b c\td \xe9\r\n\r\n"), "{}", text(&out));
}

#[test]
fn a_foreign_status_has_a_line_without_a_phrase() {
    let mut out = Vec::new();
    let status = Status::from_code(299).expect("three digits");
    response::head(&mut out, status, DATE).finish();
    assert!(out.starts_with(b"HTTP/1.1 299 \r\nDate: "));
    assert_eq!(response::error_page(status), b"");
    assert_eq!((Status::from_code(99), Status::from_code(1000)), (None, None));
}

#[test]
fn errors_are_whole_answers() {
    let mut out = Vec::new();
    let page = response::error_page(Status::NOT_FOUND);
    response::error(&mut out, Status::NOT_FOUND, DATE, (Method::Get, Version::Http11), true);
    let wanted = format!("Content-Length: {}\r\n\r\n{}", page.len(), text(page));
    assert!(text(&out).ends_with(&wanted), "{}", text(&out));
    assert!(text(page).contains("<h1>404 Not Found</h1>"));

    let mut out = Vec::new();
    response::error(&mut out, Status::NOT_FOUND, DATE, (Method::Head, Version::Http11), true);
    assert!(text(&out).ends_with(&format!("Content-Length: {}\r\n\r\n", page.len())));

    let mut out = Vec::new();
    let refused = BadRequest::with(Status::URI_TOO_LONG, "why");
    response::refusal(&mut out, &refused, DATE);
    assert!(text(&out).starts_with("HTTP/1.1 414 URI Too Long\r\n"));
    assert!(text(&out).contains("\r\nConnection: close\r\n\r\n<!doctype html>"));
}

#[test]
fn chunks_and_numbers_are_written() {
    let mut out = Vec::new();
    response::chunk(&mut out, b"hello");
    response::chunk(&mut out, b"");
    response::chunk(&mut out, &[b'a'; 26]);
    out.extend_from_slice(LAST_CHUNK);
    assert_eq!(text(&out), format!("5\r\nhello\r\n1a\r\n{}\r\n0\r\n\r\n", "a".repeat(26)));
    for number in [0, 1, 9, 10, 99, 100, 12_345, u64::MAX - 1, u64::MAX] {
        let (mut decimal, mut hexadecimal) = (Vec::new(), Vec::new());
        response::append_decimal(&mut decimal, number);
        response::append_hexadecimal(&mut hexadecimal, number);
        assert_eq!(
            (text(&decimal), text(&hexadecimal)),
            (number.to_string(), format!("{number:x}"))
        );
    }
}
