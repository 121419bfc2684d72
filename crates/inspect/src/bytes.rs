//! Numbers and fields out of kernel text, and numbers and padding into output.
//!
//! /proc text is bytes, not UTF-8, and a listing of ten thousand sockets formats a hundred thousand
//! numbers: both directions work on plain bytes, without `format!` and without an allocation a
//! field.

/// Splits at runs of blanks, as `sscanf` does.
pub fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|b| matches!(b, b' ' | b'\t' | b'\n')).filter(|f| !f.is_empty())
}

/// The lines of a file, without their ends.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&b| b == b'\n').filter(|l| !l.is_empty())
}

/// A whole decimal number; `None` for anything else, an overflow too.
pub fn dec(text: &[u8]) -> Option<u64> {
    number(text, 10)
}

pub fn dec32(text: &[u8]) -> Option<u32> {
    dec(text).and_then(|n| u32::try_from(n).ok())
}

pub fn hex(text: &[u8]) -> Option<u64> {
    number(text, 16)
}

pub fn oct(text: &[u8]) -> Option<u64> {
    number(text, 8)
}

/// Like `dec`, with a sign.
pub fn signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(rest) => dec(rest).and_then(|n| i64::try_from(n).ok()).map(|n| -n),
        None => dec(text).and_then(|n| i64::try_from(n).ok()),
    }
}

fn number(text: &[u8], base: u64) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut n: u64 = 0;
    for &byte in text {
        let digit = u64::from(char::from(byte).to_digit(base as u32)?);
        n = n.checked_mul(base)?.checked_add(digit)?;
    }
    Some(n)
}

/// `text[at..at + N]` as an array, where it is long enough.
pub fn array<const N: usize>(text: &[u8], at: usize) -> Option<[u8; N]> {
    text.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub fn ne_u32(bytes: &[u8], at: usize) -> Option<u32> {
    array(bytes, at).map(u32::from_ne_bytes)
}

pub fn ne_u64(bytes: &[u8], at: usize) -> Option<u64> {
    array(bytes, at).map(u64::from_ne_bytes)
}

pub fn ne_u16(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_ne_bytes)
}

/// Decimal digits of a number in a buffer on the stack.
#[derive(Clone, Copy)]
pub struct Digits {
    bytes: [u8; 20],
    start: u8,
}

impl Digits {
    pub fn new(mut n: u64) -> Digits {
        let mut bytes = [0; 20];
        let mut start = bytes.len();
        loop {
            start -= 1;
            bytes[start] = b'0' + (n % 10) as u8;
            n /= 10;
            if n == 0 {
                return Digits { bytes, start: start as u8 };
            }
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[usize::from(self.start)..]
    }
}

pub fn push_dec(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(Digits::new(n).as_bytes());
}

pub fn push_signed(out: &mut Vec<u8>, n: i64) {
    if n < 0 {
        out.push(b'-');
    }
    push_dec(out, n.unsigned_abs());
}

pub fn push_hex(out: &mut Vec<u8>, n: u64, width: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut shift = (width.max(1) * 4).max(64 - (n.leading_zeros() as usize & !3));
    while shift > 0 {
        shift -= 4;
        out.push(DIGITS[(n >> shift) as usize & 15]);
    }
}

/// Right-aligned, as `%6d`.
pub fn push_dec_right(out: &mut Vec<u8>, n: u64, width: usize) {
    push_right(out, Digits::new(n).as_bytes(), width);
}

/// Right-aligned, as `%*s`.
pub fn push_right(out: &mut Vec<u8>, text: &[u8], width: usize) {
    push_blanks(out, width.saturating_sub(text.len()));
    out.extend_from_slice(text);
}

/// Left-aligned, as `%-*s`.
pub fn push_left(out: &mut Vec<u8>, text: &[u8], width: usize) {
    out.extend_from_slice(text);
    push_blanks(out, width.saturating_sub(text.len()));
}

pub fn push_blanks(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_out_as_they_came_in() {
        for n in [0, 1, 9, 10, 255, 4096, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            push_dec(&mut out, n);
            assert_eq!(out, n.to_string().as_bytes());
            assert_eq!(dec(&out), Some(n));
            for width in [1, 4, 16] {
                out.clear();
                push_hex(&mut out, n, width);
                assert_eq!(out, format!("{n:0width$x}").as_bytes());
                assert_eq!(hex(&out), Some(n));
            }
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in [&b""[..], b"x", b"-1", b"18446744073709551616", b"1 ", b"\xff"] {
            assert_eq!(dec(text), None, "{text:?}");
        }
        assert_eq!(signed(b"-12"), Some(-12));
        assert_eq!(oct(b"02000000"), Some(0o2_000_000));
    }
}
