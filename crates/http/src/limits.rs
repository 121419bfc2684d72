//! Every bound of the parser in one place.
//!
//! What a deployment may want to change is a field of [`Limits`]; what follows from the encoding or
//! has no use as a setting is a constant beside it. RFC 9110 section 2.3 leaves the values to us.

/// The bounds that a configuration may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a head, from its first byte to the end of the blank line; at most
    /// [`HEAD_BYTES_CEILING`]. Beyond it: 431.
    pub head_bytes: usize,
    /// Header fields in a head. Beyond it: 431.
    pub header_count: usize,
    /// Bytes of the request target. Beyond it: 414.
    pub target_bytes: usize,
    /// Bytes of content, announced or counted chunk by chunk. Beyond it: 413.
    pub body_bytes: u64,
    /// Bytes of chunk extensions summed over one body, since nobody reads them. Beyond it: 400.
    pub extension_bytes: usize,
    /// Bytes of the trailer section of one body. Beyond it: 431.
    pub trailer_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            head_bytes: 16 * 1024,
            header_count: 100,
            target_bytes: 8 * 1024,
            body_bytes: 1024 * 1024,
            extension_bytes: 4 * 1024,
            trailer_bytes: 4 * 1024,
        }
    }
}

/// Offsets within a head are kept as `u16`, so no setting can take a head past this.
pub const HEAD_BYTES_CEILING: usize = u16::MAX as usize;

/// Empty lines ignored ahead of a request line (RFC 9112 section 2.2 asks for at least one).
pub const LEADING_EMPTY_LINES_MAX: usize = 4;

/// Bytes of a method; the longest registered one, `UPDATEREDIRECTREF`, has 17.
pub const METHOD_BYTES_MAX: usize = 32;

/// Digits of a Content-Length: as many as always fit a `u64`.
pub const CONTENT_LENGTH_DIGITS_MAX: usize = 19;

/// Hexadecimal digits of a chunk size: as many as always fit a `u64`, leading zeros included.
pub const CHUNK_SIZE_DIGITS_MAX: u8 = 16;
