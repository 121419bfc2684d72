//! Classes of bytes, and the searches for the first byte outside one.
//!
//! A head is some hundred bytes in pieces of ten to fifty, too short for the start-up of a vector
//! search to pay. So eight bytes are looked at as one word, with the arithmetic of "Bit Twiddling
//! Hacks" (Anderson): a marker bit may be wrong only above a right one, hence the lowest is exact.

/// A character of a token (RFC 9110 section 5.6.2): names, methods, codings.
pub fn is_token(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// A byte of a field value (RFC 9110 section 5.5): visible, space, tab, or above ASCII.
pub fn is_field_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != DELETE)
}

/// The value of a hexadecimal digit.
pub fn hex_value(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// An unsigned decimal of digits alone; `None` when it is empty, too long or holds anything else.
pub fn decimal(digits: &[u8], digits_max: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > digits_max {
        return None;
    }
    let mut value = 0u64;
    for &byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    Some(value)
}

/// Without the optional whitespace (space, tab) at both ends.
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The members of a comma-separated list, trimmed, empty ones left out (RFC 9110 section 5.6.1.2).
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Where the token that starts at `at` ends; `None` when the bytes end first.
pub fn token_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = bytes.get(at..)?;
    rest.iter().position(|&byte| !is_token(byte)).map(|length| at + length)
}

/// The first byte from `at` on that no field value may hold, a tab being reported too.
#[inline]
pub fn find_control(bytes: &[u8], at: usize) -> Option<usize> {
    let word_hits = |word| below(word, b' ') | equal(word, DELETE);
    find(bytes, at, word_hits, |byte| byte < b' ' || byte == DELETE)
}

/// The first byte from `at` on that cannot stand in a request target: space, control or `#`.
#[inline]
pub fn find_target_end(bytes: &[u8], at: usize) -> Option<usize> {
    let word_hits = |word| below(word, b'!') | equal(word, DELETE) | equal(word, b'#');
    find(bytes, at, word_hits, |byte| byte <= b' ' || byte == DELETE || byte == b'#')
}

/// The first byte from `at` on that is a colon or, like a space or a control, in no name.
#[inline]
pub fn find_name_end(bytes: &[u8], at: usize) -> Option<usize> {
    let word_hits = |word| below(word, b'!') | equal(word, b':');
    find(bytes, at, word_hits, |byte| byte <= b' ' || byte == b':')
}

/// The first `?`; targets are too short for a vector search.
#[inline]
pub fn find_question_mark(bytes: &[u8]) -> Option<usize> {
    find(bytes, 0, |word| equal(word, b'?'), |byte| byte == b'?')
}

#[inline(always)]
fn find(
    bytes: &[u8],
    mut at: usize,
    word_hits: impl Fn(u64) -> u64,
    is_hit: impl Fn(u8) -> bool,
) -> Option<usize> {
    while let Some(chunk) = bytes.get(at..)?.first_chunk::<8>() {
        let hits = word_hits(u64::from_le_bytes(*chunk));
        if hits != 0 {
            return Some(at + (hits.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|&byte| is_hit(byte)).map(|offset| at + offset)
}

/// A marker in the top bit of each byte below `limit` (at most 128).
fn below(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(EACH * u64::from(limit)) & !word & (EACH * 0x80)
}

/// A marker in the top bit of each byte that is `byte`.
fn equal(word: u64, byte: u8) -> u64 {
    below(word ^ (EACH * u64::from(byte)), 1)
}

const EACH: u64 = u64::MAX / 255;

const DELETE: u8 = 0x7f;

const TOKEN: [bool; 256] = table(b"!#$%&'*+-.^_`|~");

/// The class of letters, digits and these marks.
pub const fn table(marks: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut index = 0;
    while index < marks.len() {
        table[marks[index] as usize] = true;
        index += 1;
    }
    table
}
