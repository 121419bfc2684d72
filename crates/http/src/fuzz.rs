//! Fuzz entries beside the parsers: each takes arbitrary bytes and asserts what must always hold.
//!
//! `cargo test` runs them from fixed seeds; the targets in `fuzz/` hand them to libFuzzer.

use crate::body::BodyDecoder;
use crate::bytes;
use crate::limits::Limits;
use crate::parse::{Scan, parse_head};
use crate::path;
use crate::range::{self, RangeRequest};
use crate::request::{Framing, Head};

/// A head parses alike whole and byte by byte, though a fault may show later in pieces; it needs
/// all of its bytes, and its fields are well formed.
pub fn request_head(data: &[u8]) {
    let limits = Limits::default();
    let whole = parse_head(data, &mut Scan::default(), &limits);
    let pieces = in_pieces(data, &limits);
    let is_late = whole.is_err() && pieces == Ok(None);
    assert!(pieces == whole || is_late, "pieces give {pieces:?}, the whole {whole:?}");
    let Ok(Some(head)) = whole else {
        return;
    };
    let short = parse_head(&data[..head.len - 1], &mut Scan::default(), &limits);
    assert_eq!(short, Ok(None), "a head is complete before its last byte");
    check_head(&head);
}

fn in_pieces<'b>(
    data: &'b [u8],
    limits: &Limits,
) -> Result<Option<Head<'b>>, crate::error::BadRequest> {
    let mut scan = Scan::default();
    for end in 0..data.len() {
        let found = parse_head(&data[..end], &mut scan, limits)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    parse_head(data, &mut scan, limits)
}

fn check_head(head: &Head<'_>) {
    assert!(!head.raw_target.is_empty() && !head.path().is_empty());
    for (name, value) in head.headers() {
        assert!(!name.is_empty() && name.iter().all(|&byte| bytes::is_token(byte)));
        assert!(value.iter().all(|&byte| bytes::is_field_value(byte)));
        assert_eq!(bytes::trim(value), value);
        let name = String::from_utf8_lossy(name);
        assert!(head.find(&name).is_some(), "field {name} is listed but not found");
    }
}

/// A clean path stays below the root and is clean already when it is cleaned again.
pub fn uri(data: &[u8]) {
    let Ok(clean) = path::clean(data) else {
        return;
    };
    assert!(!clean.path.starts_with(b"/") && !clean.path.ends_with(b"/"));
    assert!(!clean.path.contains(&0) && clean.path.len() <= path::PATH_BYTES_MAX);
    for segment in clean.path.split(|&byte| byte == b'/') {
        assert!(!matches!(segment, b"." | b".."));
        assert!(!segment.is_empty() || clean.path.is_empty());
    }
    let mut again = vec![b'/'];
    crate::listing::append_path(&mut again, &clean.path);
    let again = path::clean(&again);
    assert_eq!(again.map(|again| again.path), Ok(clean.path), "cleaning twice differs");
}

/// A chunked body decodes alike whole and byte by byte; the payload lies within what is consumed.
pub fn body(data: &[u8]) {
    let whole = decode_in_pieces(data, data.len().max(1));
    let bytewise = decode_in_pieces(data, 1);
    assert_eq!(whole, bytewise, "pieces change the body");
}

/// The payload, the bytes used and whether the message ended; `None` when it is refused.
fn decode_in_pieces(data: &[u8], piece_bytes: usize) -> Option<(Vec<u8>, usize, bool)> {
    let mut decoder = BodyDecoder::new(Framing::Chunked, &Limits::default());
    let mut payload = Vec::new();
    let mut used = 0;
    for piece in data.chunks(piece_bytes) {
        let mut rest = piece;
        while !rest.is_empty() && !decoder.is_done() {
            let decoded = decoder.decode(rest).ok()?;
            assert!(decoded.consumed > 0 && decoded.data.end <= decoded.consumed);
            payload.extend_from_slice(&rest[decoded.data]);
            rest = &rest[decoded.consumed..];
            used += decoded.consumed;
        }
    }
    Some((payload, used, decoder.is_done()))
}

/// Ranges lie within the representation and neither overlap nor touch.
pub fn range(data: &[u8]) {
    for length in [0, 1, 10, 1000, u64::MAX] {
        let RangeRequest::Satisfiable(ranges) = range::parse(data, length) else {
            continue;
        };
        assert!(!ranges.is_empty() && ranges.len() <= range::RANGES_MAX);
        for (index, range) in ranges.iter().enumerate() {
            assert!(range.start < range.end && range.end <= length);
            for other in &ranges[..index] {
                assert!(range.end < other.start || other.end < range.start);
            }
        }
    }
}
