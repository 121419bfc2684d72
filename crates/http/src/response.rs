//! Response heads, appended to the output buffer piece by piece (RFC 9112 section 4).
//!
//! Status lines and error pages come ready from their table, numbers are written by hand, and a
//! value can never end its line early: bytes that could are written as spaces.

use crate::bytes;
use crate::date::DATE_BYTES;
use crate::error::BadRequest;
use crate::method::Method;
use crate::request::Version;
use crate::status::Status;

/// What tells a waiting client to send its content (RFC 9110 section 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Begins a response: the status line and the Date field (RFC 9110 section 6.6.1).
pub fn head<'o>(out: &'o mut Vec<u8>, status: Status, date: &[u8; DATE_BYTES]) -> Writer<'o> {
    match status.line() {
        Some(line) => out.extend_from_slice(line.as_bytes()),
        None => {
            out.extend_from_slice(b"HTTP/1.1 ");
            append_decimal(out, u64::from(status.code()));
            out.extend_from_slice(b" \r\n");
        }
    }
    out.extend_from_slice(b"Date: ");
    out.extend_from_slice(date);
    out.extend_from_slice(b"\r\n");
    Writer { out, status }
}

/// A response head being written; [`Writer::finish`] ends it.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    status: Status,
}

impl Writer<'_> {
    /// One field. The name is the program's own; the value may hold outside bytes.
    pub fn field(&mut self, name: &str, value: impl AsRef<[u8]>) -> &mut Self {
        debug_assert!(name.bytes().all(bytes::is_token), "field name {name:?} is no token");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        append_value(self.out, value.as_ref());
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Fields rendered beforehand, each with its line end.
    pub fn rendered(&mut self, lines: &[u8]) -> &mut Self {
        debug_assert!(lines.is_empty() || lines.ends_with(b"\r\n"), "unfinished field line");
        self.out.extend_from_slice(lines);
        self
    }

    /// The length of the content, for HEAD of the one that GET would send. Written only where the
    /// status allows content: 1xx and 204 must not have it (RFC 9110 section 8.6), 304 need not.
    pub fn content_length(&mut self, length: u64) -> &mut Self {
        if self.status.allows_content() {
            self.out.extend_from_slice(b"Content-Length: ");
            append_decimal(self.out, length);
            self.out.extend_from_slice(b"\r\n");
        }
        self
    }

    /// Content in chunks, of a length not known yet; for HTTP/1.1 clients alone.
    pub fn chunked(&mut self) -> &mut Self {
        if self.status.allows_content() {
            self.out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        self
    }

    /// Says what becomes of the connection, where it is not what the version implies.
    pub fn connection(&mut self, version: Version, keep_alive: bool) -> &mut Self {
        match (version, keep_alive) {
            (_, false) => self.out.extend_from_slice(b"Connection: close\r\n"),
            (Version::Http10, true) => self.out.extend_from_slice(b"Connection: keep-alive\r\n"),
            (Version::Http11, true) => {}
        }
        self
    }

    /// The blank line.
    pub fn finish(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }
}

/// Whether content follows the head of this response (RFC 9112 section 6.3, rule 1).
pub fn has_content(method: Method<'_>, status: Status) -> bool {
    method != Method::Head && status.allows_content()
}

/// The small HTML page for an error.
pub fn error_page(status: Status) -> &'static [u8] {
    status.page().as_bytes()
}

/// A whole error response with its page; to a HEAD request without it.
pub fn error(
    out: &mut Vec<u8>,
    status: Status,
    date: &[u8; DATE_BYTES],
    request: (Method<'_>, Version),
    keep_alive: bool,
) {
    let (method, version) = request;
    let page = error_page(status);
    head(out, status, date)
        .field("Content-Type", "text/html; charset=utf-8")
        .content_length(page.len() as u64)
        .connection(version, keep_alive)
        .finish();
    if has_content(method, status) {
        out.extend_from_slice(page);
    }
}

/// The whole answer to a request that could not be parsed. The connection is to be closed after it.
pub fn refusal(out: &mut Vec<u8>, refused: &BadRequest, date: &[u8; DATE_BYTES]) {
    error(out, refused.status, date, (Method::Get, Version::Http11), false);
}

/// One chunk; none for empty data, since that would end the message (RFC 9112 section 7.1).
pub fn chunk(out: &mut Vec<u8>, data: &[u8]) {
    if data.is_empty() {
        return;
    }
    append_hexadecimal(out, data.len() as u64);
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
}

/// The chunk that ends a message, without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The digits of a number.
pub fn append_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; DECIMAL_DIGITS_MAX];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// The number in lower-case hexadecimal, without leading zeros.
pub fn append_hexadecimal(out: &mut Vec<u8>, number: u64) {
    let digit_count = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
    for index in (0..digit_count).rev() {
        out.push(b"0123456789abcdef"[(number >> (4 * index) & 0xf) as usize]);
    }
}

/// A value with the bytes that no field may hold turned into spaces (RFC 9110 section 5.5).
fn append_value(out: &mut Vec<u8>, value: &[u8]) {
    let start = out.len();
    out.extend_from_slice(value);
    if bytes::find_control(value, 0).is_some() {
        for byte in out[start..].iter_mut().filter(|byte| !bytes::is_field_value(**byte)) {
            *byte = b' ';
        }
    }
}

/// Digits of `u64::MAX`.
const DECIMAL_DIGITS_MAX: usize = 20;
