//! Byte ranges and the parts of a multipart answer (RFC 9110 section 14).
//!
//! A client can ask for many overlapping pieces of one file and so multiply the answer (RFC 9110
//! section 17.15). Here ranges that overlap or touch become one, and a request for more than
//! [`RANGES_MAX`] is answered with the whole.

use std::ops::Deref;

use crate::bytes;
use crate::response::append_decimal;

/// Ranges that one request may name.
pub const RANGES_MAX: usize = 16;

/// What a Range field asks of a representation.
#[expect(clippy::large_enum_variant, reason = "it lives on the stack, once, and asks no memory")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// Malformed, not in bytes, or too many: the whole is served with 200.
    Ignore,
    /// None of the ranges lies within the representation: 416.
    Unsatisfiable,
    /// 206 with these.
    Satisfiable(Ranges),
}

/// A range of bytes, not empty, within the representation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// One range or more, disjoint, in the order in which they were asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ranges {
    ranges: [ByteRange; RANGES_MAX],
    count: usize,
}

/// Reads a Range field for a representation of `length` bytes.
///
/// An empty representation is served whole: some clients ask for a range of everything, and an
/// error would tell them nothing.
pub fn parse(value: &[u8], length: u64) -> RangeRequest {
    let Some(specs) = specs(value).filter(|_| length > 0) else {
        return RangeRequest::Ignore;
    };
    let mut ranges = Ranges::default();
    let mut count = 0;
    for spec in bytes::list(specs) {
        count += 1;
        match parse_spec(spec, length) {
            _ if count > RANGES_MAX => return RangeRequest::Ignore,
            Spec::Malformed => return RangeRequest::Ignore,
            Spec::Outside => {}
            Spec::Within(range) => ranges.join(range),
        }
    }
    match (count, ranges.count) {
        (0, _) => RangeRequest::Ignore,
        (_, 0) => RangeRequest::Unsatisfiable,
        _ => RangeRequest::Satisfiable(ranges),
    }
}

impl ByteRange {
    pub fn length(self) -> u64 {
        self.end - self.start
    }

    /// The value of Content-Range: `bytes first-last/length`.
    pub fn append_content_range(self, out: &mut Vec<u8>, length: u64) {
        out.extend_from_slice(b"bytes ");
        append_decimal(out, self.start);
        out.push(b'-');
        append_decimal(out, self.end - 1);
        out.push(b'/');
        append_decimal(out, length);
    }

    fn touches(self, other: ByteRange) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// The value of Content-Range in a 416: `bytes */length`.
pub fn append_unsatisfied(out: &mut Vec<u8>, length: u64) {
    out.extend_from_slice(b"bytes */");
    append_decimal(out, length);
}

impl Ranges {
    /// Adds a range, joined with all that it overlaps or touches; the result stands where the first
    /// of them stood. The caller counts, so there is room.
    fn join(&mut self, mut range: ByteRange) {
        let mut place = None;
        let mut kept = 0;
        // Joining widens the range, which may then touch one that was passed over before.
        while let Some(index) = self.iter().position(|other| other.touches(range)) {
            let other = self.remove(index);
            range =
                ByteRange { start: range.start.min(other.start), end: range.end.max(other.end) };
            place = Some(place.unwrap_or(index).min(index));
            kept += 1;
            debug_assert!(kept <= RANGES_MAX, "joining removes one range a turn");
        }
        self.insert(place.unwrap_or(self.count), range);
    }

    fn remove(&mut self, index: usize) -> ByteRange {
        let range = self.ranges[index];
        self.ranges.copy_within(index + 1..self.count, index);
        self.count -= 1;
        range
    }

    fn insert(&mut self, index: usize, range: ByteRange) {
        self.ranges.copy_within(index..self.count, index + 1);
        self.ranges[index] = range;
        self.count += 1;
    }
}

impl Deref for Ranges {
    type Target = [ByteRange];

    fn deref(&self) -> &[ByteRange] {
        &self.ranges[..self.count]
    }
}

/// A `multipart/byteranges` answer (RFC 9110 section 14.6): the text between the ranges, and the
/// length of it all before anything is sent.
#[derive(Clone, Copy, Debug)]
pub struct Multipart<'a> {
    /// Does not occur in the content, as far as chance can tell; at most 70 characters of a token.
    pub boundary: &'a [u8],
    /// The type of the representation.
    pub content_type: &'a [u8],
    /// The length of the representation.
    pub length: u64,
}

impl Multipart<'_> {
    /// The value of the response's Content-Type.
    pub fn append_content_type(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"multipart/byteranges; boundary=");
        out.extend_from_slice(self.boundary);
    }

    /// What stands before the bytes of a range.
    pub fn append_part_head(&self, out: &mut Vec<u8>, range: ByteRange) {
        out.extend_from_slice(b"\r\n--");
        out.extend_from_slice(self.boundary);
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(self.content_type);
        out.extend_from_slice(b"\r\nContent-Range: ");
        range.append_content_range(out, self.length);
        out.extend_from_slice(b"\r\n\r\n");
    }

    /// What stands after the last range.
    pub fn append_end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\r\n--");
        out.extend_from_slice(self.boundary);
        out.extend_from_slice(b"--\r\n");
    }

    /// The exact length of the content: every part head, every range and the end.
    pub fn content_length(&self, ranges: &[ByteRange]) -> u64 {
        let mut text = Vec::new();
        self.append_end(&mut text);
        let mut payload = 0;
        for &range in ranges {
            self.append_part_head(&mut text, range);
            payload += range.length();
        }
        payload + text.len() as u64
    }
}

enum Spec {
    Malformed,
    Outside,
    Within(ByteRange),
}

/// What follows `bytes=`; the unit is compared without regard to case (RFC 9110 section 14.1).
fn specs(value: &[u8]) -> Option<&[u8]> {
    let (unit, specs) = value.split_at_checked(UNIT.len())?;
    unit.eq_ignore_ascii_case(UNIT).then_some(specs)
}

/// `first-last`, `first-` or `-suffix`.
fn parse_spec(spec: &[u8], length: u64) -> Spec {
    let Some(dash) = spec.iter().position(|&byte| byte == b'-') else {
        return Spec::Malformed;
    };
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    match (first, last, position(first), position(last)) {
        ([], _, _, Some(0)) => Spec::Outside,
        ([], _, _, Some(suffix)) => {
            Spec::Within(ByteRange { start: length.saturating_sub(suffix), end: length })
        }
        (_, [], Some(first), _) => within(first, length, length),
        (_, _, Some(first), Some(last)) if first <= last => {
            within(first, last.saturating_add(1), length)
        }
        _ => Spec::Malformed,
    }
}

fn within(start: u64, end: u64, length: u64) -> Spec {
    if start < length {
        Spec::Within(ByteRange { start, end: end.min(length) })
    } else {
        Spec::Outside
    }
}

/// Digits; a number too large for a `u64` lies past the end of anything all the same.
fn position(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(bytes::decimal(digits, digits.len()).unwrap_or(u64::MAX))
}

const UNIT: &[u8] = b"bytes=";
