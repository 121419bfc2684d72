//! From the path of a request to a clean one below the site's root (RFC 3986 sections 2.1 and
//! 5.2.4).
//!
//! It is decoded once and then taken apart, so that `%2e%2e` is what `..` is; a path that would
//! climb above the root is refused rather than clamped, since no browser sends one. This is the
//! first of two fences: the file is opened below the root by the kernel's own rules (openat2).

use std::borrow::Cow;

use crate::bytes;
use crate::status::Status;

/// A path that names something below the root: no leading slash, no dot segment, no empty segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanPath<'b> {
    /// Decoded; empty for the root itself. Has no trailing slash.
    pub path: Cow<'b, [u8]>,
    /// Whether it ended in a slash or a dot segment, as the root always does.
    pub is_directory: bool,
    /// Whether a segment begins with a dot; `.well-known` at the root does not count (RFC 8615).
    pub is_hidden: bool,
}

/// Why a path names nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// A `%` without two hexadecimal digits.
    BadEncoding,
    /// A NUL, which no file name can hold.
    Nul,
    /// A `..` too many.
    AboveRoot,
    /// It does not begin with a slash.
    NotAbsolute,
    /// An encoded slash, which would be data of a segment and can be in no file name.
    EncodedSlash,
    /// Longer than any path or file name can be.
    TooLong,
}

impl PathError {
    /// 400 for what is malformed, 404 for what cannot exist.
    pub const fn status(self) -> Status {
        match self {
            PathError::BadEncoding
            | PathError::Nul
            | PathError::AboveRoot
            | PathError::NotAbsolute => Status::BAD_REQUEST,
            PathError::EncodedSlash | PathError::TooLong => Status::NOT_FOUND,
        }
    }
}

/// Cleans the raw path of a request target; borrows it when there is nothing to do.
pub fn clean(raw: &[u8]) -> Result<CleanPath<'_>, PathError> {
    let relative = raw.strip_prefix(b"/").ok_or(PathError::NotAbsolute)?;
    if is_clean(relative) {
        return plain(relative);
    }
    let decoded = decode(relative)?;
    normalize(&decoded)
}

/// Nothing to decode, no empty segment, and none that begins with a dot.
fn is_clean(relative: &[u8]) -> bool {
    let mut previous = b'/';
    for &byte in relative {
        let starts_segment = previous == b'/';
        if matches!(byte, b'%' | 0) || (starts_segment && matches!(byte, b'/' | b'.')) {
            return false;
        }
        previous = byte;
    }
    true
}

fn plain(relative: &[u8]) -> Result<CleanPath<'_>, PathError> {
    let path = relative.strip_suffix(b"/").unwrap_or(relative);
    check_lengths(path)?;
    let is_directory = path.len() < relative.len() || relative.is_empty();
    Ok(CleanPath { path: Cow::Borrowed(path), is_directory, is_hidden: false })
}

fn decode(encoded: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let byte = match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => {
                rest = tail;
                unescape(*high, *low)?
            }
            (b'%', _) => return Err(PathError::BadEncoding),
            (byte, _) => *byte,
        };
        if byte == 0 {
            return Err(PathError::Nul);
        }
        decoded.push(byte);
    }
    Ok(decoded)
}

fn unescape(high: u8, low: u8) -> Result<u8, PathError> {
    match (bytes::hex_value(high), bytes::hex_value(low)) {
        (Some(2), Some(15)) => Err(PathError::EncodedSlash),
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(PathError::BadEncoding),
    }
}

fn normalize(decoded: &[u8]) -> Result<CleanPath<'static>, PathError> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut is_directory = true;
    for segment in decoded.split(|&byte| byte == b'/') {
        is_directory = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop().ok_or(PathError::AboveRoot)?;
            }
            segment => segments.push(segment),
        }
    }
    let is_hidden = segments.iter().enumerate().any(is_hidden_segment);
    let path = segments.join(&b'/');
    check_lengths(&path)?;
    Ok(CleanPath { path: Cow::Owned(path), is_directory, is_hidden })
}

fn is_hidden_segment((index, segment): (usize, &&[u8])) -> bool {
    segment.starts_with(b".") && !(index == 0 && *segment == b".well-known")
}

fn check_lengths(path: &[u8]) -> Result<(), PathError> {
    let has_long_segment = path.split(|&byte| byte == b'/').any(|part| part.len() > NAME_BYTES_MAX);
    if path.len() > PATH_BYTES_MAX || has_long_segment {
        return Err(PathError::TooLong);
    }
    Ok(())
}

/// PATH_MAX without its NUL, see path_resolution(7).
pub const PATH_BYTES_MAX: usize = 4095;

/// NAME_MAX, see path_resolution(7).
pub const NAME_BYTES_MAX: usize = 255;
