//! What a page with file names needs so that a name can never become markup or another address.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// The text as HTML content or as an attribute's value in double or single quotes.
pub fn append_html(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in String::from_utf8_lossy(text).as_bytes() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            byte => out.push(byte),
        }
    }
}

/// The name as one segment of a URI path: all but the unreserved characters is encoded, so that
/// `/`, `?`, `#` and `:` are data (RFC 3986 section 2.3).
pub fn append_segment(out: &mut Vec<u8>, name: &[u8]) {
    append_encoded(out, name, SEGMENT);
}

/// The path as in a URI, its slashes kept; for redirects. It is to be a clean one with one slash
/// put before it: two at the start would name another host (RFC 3986 section 4.2).
pub fn append_path(out: &mut Vec<u8>, path: &[u8]) {
    append_encoded(out, path, PATH);
}

fn append_encoded(out: &mut Vec<u8>, bytes: &[u8], encoded: &'static AsciiSet) {
    for piece in percent_encode(bytes, encoded) {
        out.extend_from_slice(piece.as_bytes());
    }
}

const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

const PATH: &AsciiSet = &SEGMENT.remove(b'/');
