//! The parser of request heads: one pass, strict, and linear also when bytes arrive one by one.
//!
//! It is our own since the common parsers accept what lets requests be smuggled (a bare LF as a
//! line end, for one). Strict here means: CRLF ends every line, one space parts the request line,
//! no space before a colon, no folded lines, one Host, one unambiguous length (RFC 9112).

use crate::bytes;
use crate::error::BadRequest;
use crate::known::Known;
use crate::limits::{
    CONTENT_LENGTH_DIGITS_MAX, HEAD_BYTES_CEILING, LEADING_EMPTY_LINES_MAX, Limits,
    METHOD_BYTES_MAX,
};
use crate::method::Method;
use crate::request::{Fields, Framing, Head, Version};
use crate::status::Status;
use crate::target;

/// How far an incomplete head has been looked through, so that a head in n pieces costs O(n).
///
/// The first piece is parsed outright, since it mostly is the whole head. When it is not, later
/// pieces are only searched for line ends: the head is parsed once more when its request line is
/// complete (an HTTP/0.9 client sends nothing else), and when the line that ends it has come. A
/// fault in a field line is thus reported when the head ends.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    searched: usize,
    line_start: usize,
}

/// Parses the request head at the start of `buf`; `None` when it needs more bytes.
///
/// Until it returns a head or an error, `buf` must begin with the same bytes at each call. Either
/// resets `scan` for the next head.
pub fn parse_head<'b>(
    buf: &'b [u8],
    scan: &mut Scan,
    limits: &Limits,
) -> Result<Option<Head<'b>>, BadRequest> {
    if scan.searched > 0 && !scan.is_worth_parsing(buf, limits) {
        return Ok(None);
    }
    match parse(buf, limits) {
        Err(Stop::More) => {
            scan.is_worth_parsing(buf, limits);
            Ok(None)
        }
        Err(Stop::Bad(refusal)) => {
            *scan = Scan::default();
            Err(refusal)
        }
        Ok(head) => {
            *scan = Scan::default();
            Ok(Some(head))
        }
    }
}

impl Scan {
    /// Looks through the new bytes. True when they complete the request line or the head, or when
    /// parsing must fail: a line end without CR, or a limit reached.
    fn is_worth_parsing(&mut self, buf: &[u8], limits: &Limits) -> bool {
        let request_line_max = limits.target_bytes.saturating_add(REQUEST_LINE_BYTES_BESIDE_TARGET);
        while let Some(offset) = memchr::memchr(b'\n', buf.get(self.searched..).unwrap_or(&[])) {
            let line_feed = self.searched + offset;
            let line = buf.get(self.line_start..line_feed).unwrap_or_default();
            let is_worth = self.in_request_line() || line == b"\r" || !line.ends_with(b"\r");
            self.searched = line_feed + 1;
            self.line_start = self.searched;
            if is_worth {
                return true;
            }
        }
        self.searched = buf.len();
        buf.len() >= head_bytes_max(limits)
            || (self.in_request_line() && buf.len() > request_line_max)
    }

    /// Ahead of the fields: a well-formed request line is longer than all skipped lines.
    fn in_request_line(&self) -> bool {
        self.line_start <= 2 * LEADING_EMPTY_LINES_MAX
    }
}

/// Why parsing stops short of a head.
enum Stop {
    /// All bytes so far are well formed.
    More,
    Bad(BadRequest),
}

impl From<BadRequest> for Stop {
    fn from(refusal: BadRequest) -> Stop {
        Stop::Bad(refusal)
    }
}

fn bad<T>(reason: &'static str) -> Result<T, Stop> {
    Err(Stop::Bad(BadRequest::malformed(reason)))
}

fn refuse<T>(status: Status, reason: &'static str) -> Result<T, Stop> {
    Err(Stop::Bad(BadRequest::with(status, reason)))
}

fn head_bytes_max(limits: &Limits) -> usize {
    limits.head_bytes.min(HEAD_BYTES_CEILING)
}

#[inline]
fn parse<'b>(buf: &'b [u8], limits: &Limits) -> Result<Head<'b>, Stop> {
    let window = &buf[..buf.len().min(head_bytes_max(limits))];
    let at_limit = window.len() == head_bytes_max(limits);
    let mut cursor = Cursor { bytes: window, at: 0 };
    let line = match cursor.request_line(limits) {
        Err(Stop::More) if at_limit => {
            return refuse(Status::URI_TOO_LONG, "request line exceeds the limit of the head");
        }
        line => line?,
    };
    let mut fields = Fields::none(window);
    match cursor.fields(&mut fields, limits) {
        Err(Stop::More) if at_limit => {
            return refuse(Status::HEADERS_TOO_LARGE, "head exceeds its limit in bytes");
        }
        done => done?,
    }
    Ok(settle(line, fields, cursor.at, limits)?)
}

/// A request line, its target still raw.
struct RequestLine<'b> {
    method: Method<'b>,
    raw_target: &'b [u8],
    version: Version,
}

/// A position in the bytes of the head; each method takes one element and moves past it.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    fn request_line(&mut self, limits: &Limits) -> Result<RequestLine<'b>, Stop> {
        self.empty_lines()?;
        let method = self.method()?;
        let raw_target = self.target(limits)?;
        let version = self.version()?;
        Ok(RequestLine { method, raw_target, version })
    }

    fn empty_lines(&mut self) -> Result<(), Stop> {
        for _ in 0..=LEADING_EMPTY_LINES_MAX {
            if self.peek()? != b'\r' {
                return Ok(());
            }
            self.line_end()?;
        }
        bad("too many empty lines ahead of the request line")
    }

    /// The method and the space after it.
    #[inline]
    fn method(&mut self) -> Result<Method<'b>, Stop> {
        let rest = &self.bytes[self.at..];
        if rest.starts_with(b"GET ") {
            self.at += 4;
            return Ok(Method::Get);
        }
        let length = bytes::token_end(rest, 0).unwrap_or(rest.len());
        if length > METHOD_BYTES_MAX {
            return refuse(Status::NOT_IMPLEMENTED, "method is longer than any that is served");
        }
        match (length, rest.get(length)) {
            (_, None) => Err(Stop::More),
            (0, Some(_)) => bad("request line does not begin with a method"),
            (_, Some(b' ')) => {
                self.at += length + 1;
                Ok(Method::of(&rest[..length]))
            }
            (_, Some(b'\n')) => bad("bare LF in the request line"),
            (_, Some(_)) => bad("method is not followed by one space"),
        }
    }

    /// The target and the space after it.
    #[inline]
    fn target(&mut self, limits: &Limits) -> Result<&'b [u8], Stop> {
        let start = self.at;
        let end = bytes::find_target_end(self.bytes, start);
        if end.unwrap_or(self.bytes.len()) - start > limits.target_bytes {
            return refuse(Status::URI_TOO_LONG, "request target exceeds its limit in bytes");
        }
        let Some(end) = end else {
            return Err(Stop::More);
        };
        let raw = &self.bytes[start..end];
        match self.bytes[end] {
            b' ' if raw.is_empty() => bad("more than one space after the method"),
            b' ' if !raw.is_ascii() && str::from_utf8(raw).is_err() => {
                bad("request target is not UTF-8")
            }
            b' ' => {
                self.at = end + 1;
                Ok(raw)
            }
            b'\r' => bad("request line without a version (HTTP/0.9 is not served)"),
            b'\n' => bad("bare LF in the request line"),
            b'#' => bad("fragment in the request target"),
            _ => bad("control character in the request target"),
        }
    }

    /// The version and the line end after it.
    #[inline]
    fn version(&mut self) -> Result<Version, Stop> {
        let rest = &self.bytes[self.at..];
        let version = match rest.first_chunk::<10>() {
            Some(b"HTTP/1.1\r\n") => Version::Http11,
            Some(b"HTTP/1.0\r\n") => Version::Http10,
            _ => return Err(odd_version(rest)),
        };
        self.at += 10;
        Ok(version)
    }

    #[inline]
    fn fields(&mut self, fields: &mut Fields<'b>, limits: &Limits) -> Result<(), Stop> {
        let start = self.at;
        let mut count = 0;
        while self.peek()? != b'\r' {
            if count == limits.header_count {
                return refuse(Status::HEADERS_TOO_LARGE, "more header fields than the limit");
            }
            count += 1;
            self.field(fields)?;
        }
        let end = self.at;
        self.line_end()?;
        fields.finish(start, end, self.at);
        Ok(())
    }

    #[inline]
    fn field(&mut self, fields: &mut Fields<'b>) -> Result<(), Stop> {
        let known = self.field_name()?;
        let (start, end) = self.field_value()?;
        if let Some(known) = known {
            fields.note(known, start, end);
        }
        Ok(())
    }

    /// The name and the colon after it; `None` for a name that is not known.
    #[inline]
    fn field_name(&mut self) -> Result<Option<Known>, Stop> {
        let start = self.at;
        let Some(end) = bytes::find_name_end(self.bytes, start) else {
            return self.odd_name(start, self.bytes.len());
        };
        if self.bytes[end] != b':' || end == start {
            return self.odd_name(start, end);
        }
        let known = Known::at(self.bytes, start, end);
        if known.is_none() && !self.bytes[start..end].iter().all(|&byte| bytes::is_token(byte)) {
            return self.odd_name(start, end);
        }
        self.at = end + 1;
        Ok(known)
    }

    /// What to say of a name that is not a token and a colon after it, or not yet.
    #[cold]
    fn odd_name(&self, start: usize, end: usize) -> Result<Option<Known>, Stop> {
        if !self.bytes[start..end].iter().all(|&byte| bytes::is_token(byte)) {
            return bad("invalid character in the name of a header field");
        }
        match self.bytes.get(end) {
            None => Err(Stop::More),
            Some(b':') => bad("empty name of a header field"),
            Some(b' ' | b'\t') if end == start => bad("folded or indented header line"),
            Some(b' ' | b'\t') => bad("whitespace before the colon of a header field"),
            Some(b'\n') => bad("bare LF in a header line"),
            Some(b'\r') => bad("header line without a colon"),
            Some(_) => bad("control character in the name of a header field"),
        }
    }

    /// The value between its optional whitespace, and the line end after it.
    #[inline]
    fn field_value(&mut self) -> Result<(usize, usize), Stop> {
        let mut start = self.at;
        while matches!(self.bytes.get(start), Some(b' ' | b'\t')) {
            start += 1;
        }
        self.at = start;
        let mut end = self.value_end()?;
        self.at = end;
        self.line_end()?;
        while end > start && matches!(self.bytes[end - 1], b' ' | b'\t') {
            end -= 1;
        }
        Ok((start, end))
    }

    /// The CR that ends the value from here.
    #[inline]
    fn value_end(&self) -> Result<usize, Stop> {
        let mut at = self.at;
        loop {
            let Some(control) = bytes::find_control(self.bytes, at) else {
                return Err(Stop::More);
            };
            match self.bytes[control] {
                b'\r' => return Ok(control),
                b'\t' => at = control + 1,
                b'\n' => return bad("bare LF in a header line"),
                0 => return bad("NUL in the value of a header field"),
                _ => return bad("control character in the value of a header field"),
            }
        }
    }

    /// CRLF, standing at its CR.
    #[inline]
    fn line_end(&mut self) -> Result<(), Stop> {
        match self.bytes.get(self.at + 1) {
            None => Err(Stop::More),
            Some(b'\n') => {
                self.at += 2;
                Ok(())
            }
            Some(_) => bad("bare CR in the head"),
        }
    }

    #[inline]
    fn peek(&self) -> Result<u8, Stop> {
        self.bytes.get(self.at).copied().ok_or(Stop::More)
    }
}

/// What to say of a version that is neither 1.0 nor 1.1, or not yet complete.
fn odd_version(rest: &[u8]) -> Stop {
    for (index, &wanted) in b"HTTP/d.d\r\n".iter().enumerate() {
        match rest.get(index) {
            None => return Stop::More,
            Some(digit) if wanted == b'd' && digit.is_ascii_digit() => {}
            Some(&byte) if wanted != b'd' && byte == wanted => {}
            Some(b'\n') => return BadRequest::malformed("bare LF in the request line").into(),
            Some(b' ') if index == 0 => {
                return BadRequest::malformed("more than one space after the target").into();
            }
            Some(_) => {
                return BadRequest::malformed("malformed version in the request line").into();
            }
        }
    }
    BadRequest::with(Status::VERSION_NOT_SUPPORTED, "version is neither HTTP/1.0 nor HTTP/1.1")
        .into()
}

/// Checks what the fields mean together, and makes the head.
#[inline]
fn settle<'b>(
    line: RequestLine<'b>,
    fields: Fields<'b>,
    len: usize,
    limits: &Limits,
) -> Result<Head<'b>, BadRequest> {
    let RequestLine { method, raw_target, version } = line;
    let target = target::parse(raw_target, method)?;
    check_host(&fields, version)?;
    let framing = framing(&fields, version, limits)?;
    let expect_continue = expects_continue(&fields, version)? && framing != Framing::None;
    let keep_alive = keeps_alive(&fields, version);
    Ok(Head {
        method,
        target,
        raw_target,
        version,
        len,
        framing,
        keep_alive,
        expect_continue,
        fields,
    })
}

/// RFC 9112 section 3.2: exactly one, and valid; in HTTP/1.0 it may be missing.
#[inline]
fn check_host(fields: &Fields<'_>, version: Version) -> Result<(), BadRequest> {
    if fields.is_repeated(Known::Host) {
        return Err(BadRequest::malformed("more than one Host field"));
    }
    match (fields.first(Known::Host), version) {
        (Some(host), _) if target::is_authority(host) => Ok(()),
        (Some(_), _) => Err(BadRequest::malformed("invalid host in the Host field")),
        (None, Version::Http10) => Ok(()),
        (None, Version::Http11) => {
            Err(BadRequest::malformed("HTTP/1.1 request without a Host field"))
        }
    }
}

/// RFC 9112 section 6.3, with every choice it leaves taken on the side of refusal.
#[inline]
fn framing(fields: &Fields<'_>, version: Version, limits: &Limits) -> Result<Framing, BadRequest> {
    match (fields.first(Known::TransferEncoding), fields.first(Known::ContentLength)) {
        (None, None) => Ok(Framing::None),
        (None, Some(length)) => content_length(length, fields, limits),
        (Some(_), Some(_)) => {
            Err(BadRequest::malformed("both Transfer-Encoding and Content-Length"))
        }
        (Some(_), None) if version == Version::Http10 => {
            Err(BadRequest::malformed("Transfer-Encoding in an HTTP/1.0 request"))
        }
        (Some(_), None) if fields.is_repeated(Known::TransferEncoding) => {
            Err(BadRequest::malformed("more than one Transfer-Encoding field"))
        }
        (Some(codings), None) => transfer_coding(codings),
    }
}

/// One number of digits alone. A repeated length is refused even when both agree, although RFC 9112
/// section 6.3 would allow to take either: a sender that repeats it has been joined or attacked.
fn content_length(
    length: &[u8],
    fields: &Fields<'_>,
    limits: &Limits,
) -> Result<Framing, BadRequest> {
    if fields.is_repeated(Known::ContentLength) {
        return Err(BadRequest::malformed("more than one Content-Length field"));
    }
    match bytes::decimal(length, CONTENT_LENGTH_DIGITS_MAX) {
        None => Err(BadRequest::malformed("Content-Length is not one decimal number")),
        Some(length) if length > limits.body_bytes => Err(BadRequest::with(
            Status::CONTENT_TOO_LARGE,
            "Content-Length exceeds the limit of the body",
        )),
        Some(length) => Ok(Framing::Length(length)),
    }
}

/// `chunked` alone. A coding before it is legal but none is implemented: 501 (RFC 9112 section
/// 6.1).
fn transfer_coding(codings: &[u8]) -> Result<Framing, BadRequest> {
    if codings.eq_ignore_ascii_case(b"chunked") {
        return Ok(Framing::Chunked);
    }
    let is_chunked = |coding: &&[u8]| coding.eq_ignore_ascii_case(b"chunked");
    let chunked_count = bytes::list(codings).filter(is_chunked).count();
    let has_others = bytes::list(codings).count() > 1;
    let last = codings.rsplit(|&byte| byte == b',').map(bytes::trim).next();
    if has_others && chunked_count == 1 && last.as_ref().is_some_and(is_chunked) {
        let reason = "a transfer coding other than chunked";
        return Err(BadRequest::with(Status::NOT_IMPLEMENTED, reason));
    }
    Err(BadRequest::malformed("chunked is not the one final transfer coding"))
}

/// RFC 9110 section 10.1.1: HTTP/1.0 clients cannot mean it, and anything but 100-continue is 417.
fn expects_continue(fields: &Fields<'_>, version: Version) -> Result<bool, BadRequest> {
    match fields.first(Known::Expect) {
        None => Ok(false),
        Some(_) if version == Version::Http10 => Ok(false),
        Some(expectation) => {
            if expectation.eq_ignore_ascii_case(b"100-continue")
                && !fields.is_repeated(Known::Expect)
            {
                Ok(true)
            } else {
                let reason = "an expectation other than 100-continue";
                Err(BadRequest::with(Status::EXPECTATION_FAILED, reason))
            }
        }
    }
}

/// RFC 9112 section 9.3: `close` wins, then the version decides, then `keep-alive`.
fn keeps_alive(fields: &Fields<'_>, version: Version) -> bool {
    let is_http11 = version == Version::Http11;
    let Some(connection) = fields.first(Known::Connection) else {
        return is_http11;
    };
    if !fields.is_repeated(Known::Connection) && connection.eq_ignore_ascii_case(b"keep-alive") {
        return true;
    }
    let has = |option: &[u8]| {
        let mut options = fields.values(Known::Connection).flat_map(bytes::list);
        options.any(|member| member.eq_ignore_ascii_case(option))
    };
    !has(b"close") && (is_http11 || has(b"keep-alive"))
}

/// Room for empty lines, the longest method, the spaces and the version.
const REQUEST_LINE_BYTES_BESIDE_TARGET: usize = 64;
