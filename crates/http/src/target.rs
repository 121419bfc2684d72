//! The four forms of a request target and the host in it (RFC 9112 section 3.2, RFC 3986).
//!
//! Reserved characters that clients do send raw (`"<>[]^{|}` and UTF-8) are let through
//! as data; `#`, spaces and controls never get this far. The host is held to its grammar, since it
//! chooses the site.

use crate::bytes;
use crate::error::BadRequest;
use crate::method::Method;
use crate::status::Status;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'b> {
    /// `/path?query`, the usual form.
    Origin { path: &'b [u8], query: Option<&'b [u8]> },
    /// `http://host/path?query`, as sent to proxies.
    Absolute { secure: bool, authority: &'b [u8], path: &'b [u8], query: Option<&'b [u8]> },
    /// `*`, the server as a whole; with OPTIONS alone.
    Asterisk,
}

/// Reads a target that holds no space, control or `#`.
pub fn parse<'b>(raw: &'b [u8], method: Method<'b>) -> Result<Target<'b>, BadRequest> {
    match (raw, method) {
        (_, Method::Other(b"CONNECT")) => Err(connect(raw)),
        ([b'/', ..], _) => {
            let (path, query) = split_query(raw);
            Ok(Target::Origin { path, query })
        }
        (b"*", Method::Options) => Ok(Target::Asterisk),
        (b"*", _) => Err(BadRequest::malformed("target * with a method other than OPTIONS")),
        _ => absolute(raw),
    }
}

/// Whether this is `host` or `host:port`, the host a name, an IPv4 address or `[IPv6]`.
///
/// Narrower than RFC 3986 in two points: an empty host is refused (RFC 9110 section 4.2.1), and so
/// is a comma, which is what two Host fields become when something on the way has joined them.
pub fn is_authority(text: &[u8]) -> bool {
    match text {
        [b'[', rest @ ..] => is_bracketed(rest),
        _ => {
            let (host_bytes, port) = split_host(text);
            host_bytes > 0 && host_bytes <= HOST_BYTES_MAX && is_port(port)
        }
    }
}

fn split_query(raw: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes::find_question_mark(raw) {
        Some(mark) => (&raw[..mark], Some(&raw[mark + 1..])),
        None => (raw, None),
    }
}

fn absolute(raw: &[u8]) -> Result<Target<'_>, BadRequest> {
    let (secure, rest) = if let Some(rest) = strip_scheme(raw, b"http://") {
        (false, rest)
    } else if let Some(rest) = strip_scheme(raw, b"https://") {
        (true, rest)
    } else {
        return Err(BadRequest::malformed("target is neither a path nor an http URI"));
    };
    let authority_end = rest.iter().position(|byte| matches!(byte, b'/' | b'?'));
    let (authority, rest) = rest.split_at(authority_end.unwrap_or(rest.len()));
    if !is_authority(authority) {
        return Err(BadRequest::malformed("invalid host in the request target"));
    }
    let (path, query) = split_query(rest);
    let path = if path.is_empty() { b"/" } else { path };
    Ok(Target::Absolute { secure, authority, path, query })
}

fn strip_scheme<'b>(raw: &'b [u8], scheme: &[u8]) -> Option<&'b [u8]> {
    let (start, rest) = raw.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// This is no tunnel, so the well-formed one is 501 and any other form 400.
fn connect(raw: &[u8]) -> BadRequest {
    let has_port = raw.iter().rposition(|&byte| byte == b':').is_some_and(|at| at + 1 < raw.len());
    if is_authority(raw) && has_port {
        BadRequest::with(Status::NOT_IMPLEMENTED, "CONNECT is not served")
    } else {
        BadRequest::malformed("CONNECT without host:port as its target")
    }
}

/// The rest of `[IPv6]` or `[IPv6]:port`, after the opening bracket.
fn is_bracketed(rest: &[u8]) -> bool {
    let Some(close) = rest.iter().position(|&byte| byte == b']') else {
        return false;
    };
    let (address, port) = rest.split_at(close);
    let address = str::from_utf8(address).unwrap_or_default();
    address.parse::<std::net::Ipv6Addr>().is_ok() && is_port(&port[1..])
}

/// The length of the name or IPv4 address that this starts with, and what follows it. Both have
/// these characters, and `%` with two digits.
fn split_host(text: &[u8]) -> (usize, &[u8]) {
    let mut rest = text;
    loop {
        rest = match rest {
            [byte, tail @ ..] if NAME_BYTE[usize::from(*byte)] => tail,
            [b'%', high, low, tail @ ..] if is_hex(*high) && is_hex(*low) => tail,
            _ => return (text.len() - rest.len(), rest),
        };
    }
}

fn is_hex(byte: u8) -> bool {
    bytes::hex_value(byte).is_some()
}

/// Nothing, or `:` and a port, which RFC 3986 allows to be empty.
fn is_port(text: &[u8]) -> bool {
    match text {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            bytes::decimal(digits, PORT_DIGITS_MAX).is_some_and(|port| port <= u64::from(u16::MAX))
        }
        _ => false,
    }
}

/// The longest name that DNS can hold (RFC 1035 section 2.3.4).
const HOST_BYTES_MAX: usize = 255;

const PORT_DIGITS_MAX: usize = 5;

/// Unreserved characters and sub-delimiters but the comma (RFC 3986 section 3.2.2).
const NAME_BYTE: [bool; 256] = bytes::table(b"-._~!$&'()*+;=");
