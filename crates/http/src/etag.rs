//! Entity tags: made from what identifies a version of a file, and compared (RFC 9110 section
//! 8.8.3).

use std::ops::Deref;

/// A strong entity tag, quotes included.
///
/// Modification time in nanoseconds, size and inode change together with the content as far as a
/// file system can tell; the inode also tells apart files renamed into place within one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag {
    text: [u8; ETAG_BYTES_MAX],
    length: u8,
}

impl ETag {
    pub fn new(modified_ns: u64, size: u64, inode: u64) -> ETag {
        let mut tag = ETag { text: [0; ETAG_BYTES_MAX], length: 0 };
        tag.push(b'"');
        tag.push_hexadecimal(modified_ns);
        tag.push(b'-');
        tag.push_hexadecimal(size);
        tag.push(b'-');
        tag.push_hexadecimal(inode);
        tag.push(b'"');
        tag
    }

    fn push_hexadecimal(&mut self, number: u64) {
        let digit_count = (u64::BITS - number.leading_zeros()).div_ceil(4).max(1);
        for index in (0..digit_count).rev() {
            self.push(b"0123456789abcdef"[(number >> (4 * index) & 0xf) as usize]);
        }
    }

    /// Three numbers of at most 16 digits and four marks fill the text exactly.
    fn push(&mut self, byte: u8) {
        self.text[usize::from(self.length)] = byte;
        self.length += 1;
    }
}

impl Deref for ETag {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }
}

impl AsRef<[u8]> for ETag {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The same and both strong: fit for byte ranges and for If-Match.
pub fn matches_strongly(one: &[u8], other: &[u8]) -> bool {
    one == other && !is_weak(one)
}

/// The same apart from weakness: fit for If-None-Match.
pub fn matches_weakly(one: &[u8], other: &[u8]) -> bool {
    one.strip_prefix(b"W/").unwrap_or(one) == other.strip_prefix(b"W/").unwrap_or(other)
}

pub fn is_weak(tag: &[u8]) -> bool {
    tag.starts_with(b"W/")
}

/// The tags of a list, weakness marks and quotes included; it ends at the first malformed member.
pub fn tags(value: &[u8]) -> Tags<'_> {
    Tags { rest: value }
}

/// Made by [`tags`].
#[derive(Clone, Debug)]
pub struct Tags<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Tags<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        while let [b' ' | b'\t' | b',', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let quoted = self.rest.strip_prefix(b"W/").unwrap_or(self.rest);
        let opaque = quoted.strip_prefix(b"\"")?;
        let length = opaque.iter().position(|&byte| !is_tag_byte(byte))?;
        let end = self.rest.len() - opaque.len() + length + 1;
        let (tag, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        let is_followed_well = matches!(rest, [] | [b' ' | b'\t' | b',', ..]);
        (tag.ends_with(b"\"") && is_followed_well).then_some(tag)
    }
}

fn is_tag_byte(byte: u8) -> bool {
    byte > b' ' && byte != b'"' && byte != 0x7f
}

/// Three 64-bit numbers in hexadecimal, two hyphens, two quotes.
pub const ETAG_BYTES_MAX: usize = 3 * 16 + 4;
