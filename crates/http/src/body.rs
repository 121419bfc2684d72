//! Where the content of a request lies in the bytes after its head (RFC 9112 sections 6 and 7.1).
//!
//! The decoder copies nothing: it says which part of the input is payload and how much is used up.
//! Chunk extensions and trailers are checked for their characters and their size, then dropped.
//!
//! ```text
//! Size ──digits── Gap/Extension ── SizeLf ── Chunk ── ChunkCr ── ChunkLf ── Size
//!                                    └ size 0: TrailerLine ── TrailerName ── TrailerValue
//!                                                 │  └────────── TrailerLf ──────┘
//!                                                 └ CR: EndLf ── Done
//! ```

use std::ops::Range;

use crate::bytes;
use crate::error::BadRequest;
use crate::limits::{CHUNK_SIZE_DIGITS_MAX, Limits};
use crate::request::Framing;
use crate::status::Status;

/// The state of one body, fed with what arrives after the head.
#[derive(Clone, Debug)]
pub struct BodyDecoder {
    state: State,
    /// What the limits still allow.
    payload_left: u64,
    extension_left: usize,
    trailer_left: usize,
}

/// What one call of [`BodyDecoder::decode`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Bytes of the input that are dealt with and must not be given again.
    pub consumed: usize,
    /// Payload, within the consumed bytes; empty when there was framing only.
    pub data: Range<usize>,
    /// The message is complete: what follows is the next request.
    pub done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Plain content of a known length.
    Length {
        left: u64,
    },
    Size {
        value: u64,
        digits: u8,
    },
    /// Whitespace between the size and the semicolon of an extension.
    Gap {
        size: u64,
    },
    Extension {
        size: u64,
    },
    SizeLf {
        size: u64,
    },
    Chunk {
        left: u64,
    },
    ChunkCr,
    ChunkLf,
    /// At the start of a trailer line, or of the empty line that ends the message.
    TrailerLine,
    TrailerName,
    TrailerValue,
    TrailerLf,
    EndLf,
    Done,
}

impl BodyDecoder {
    /// The length of [`Framing::Length`] was held to the limit by the parser of the head.
    pub fn new(framing: Framing, limits: &Limits) -> BodyDecoder {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => State::SIZE_START,
        };
        BodyDecoder {
            state,
            payload_left: limits.body_bytes,
            extension_left: limits.extension_bytes,
            trailer_left: limits.trailer_bytes,
        }
    }

    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Deals with the input up to the end of its first stretch of payload, so the caller goes on
    /// with the rest of the input until it is used up or the message is done.
    pub fn decode(&mut self, input: &[u8]) -> Result<Decoded, BadRequest> {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Done => break,
                State::Length { left } | State::Chunk { left } => {
                    let end = at + left.min((input.len() - at) as u64) as usize;
                    self.take_payload(left - (end - at) as u64);
                    return Ok(Decoded { consumed: end, data: at..end, done: self.is_done() });
                }
                _ => self.state = self.framing_byte(byte)?,
            }
            at += 1;
        }
        Ok(Decoded { consumed: at, data: at..at, done: self.is_done() })
    }

    fn take_payload(&mut self, left: u64) {
        self.state = match (self.state, left) {
            (State::Length { .. }, 0) => State::Done,
            (State::Length { .. }, left) => State::Length { left },
            (_, 0) => State::ChunkCr,
            (_, left) => State::Chunk { left },
        };
    }

    fn framing_byte(&mut self, byte: u8) -> Result<State, BadRequest> {
        match (self.state, byte) {
            (State::Size { value, digits }, byte) => self.size_byte(value, digits, byte),
            (State::Gap { size }, b' ' | b'\t') => self.extension_byte(State::Gap { size }),
            (State::Gap { size }, b';') => self.extension_byte(State::Extension { size }),
            (State::Gap { .. }, _) => malformed("whitespace after a chunk size"),
            (State::Extension { size }, b'\r') => Ok(State::SizeLf { size }),
            (State::Extension { size }, byte) if bytes::is_field_value(byte) => {
                self.extension_byte(State::Extension { size })
            }
            (State::Extension { .. }, b'\n') => malformed("bare LF in a chunk extension"),
            (State::Extension { .. }, _) => malformed("control character in a chunk extension"),
            (State::SizeLf { size }, b'\n') => self.size_end(size),
            (State::SizeLf { .. }, _) => malformed("bare CR after a chunk size"),
            (State::ChunkCr, b'\r') => Ok(State::ChunkLf),
            (State::ChunkCr, _) => malformed("chunk is longer than its size says"),
            (State::ChunkLf, b'\n') => Ok(State::SIZE_START),
            (State::ChunkLf, _) => malformed("bare CR after a chunk"),
            (state, byte) => self.trailer_byte(state, byte),
        }
    }

    fn size_byte(&mut self, value: u64, digits: u8, byte: u8) -> Result<State, BadRequest> {
        match (bytes::hex_value(byte), byte) {
            (Some(_), _) if digits == CHUNK_SIZE_DIGITS_MAX => {
                malformed("chunk size has more digits than 16")
            }
            (Some(digit), _) => {
                let value = value << 4 | u64::from(digit);
                Ok(State::Size { value, digits: digits + 1 })
            }
            (None, _) if digits == 0 => malformed("chunk without a hexadecimal size"),
            (None, b'\r') => Ok(State::SizeLf { size: value }),
            (None, b' ' | b'\t') => self.extension_byte(State::Gap { size: value }),
            (None, b';') => self.extension_byte(State::Extension { size: value }),
            (None, b'\n') => malformed("bare LF after a chunk size"),
            (None, _) => malformed("invalid character in a chunk size"),
        }
    }

    fn size_end(&mut self, size: u64) -> Result<State, BadRequest> {
        if size == 0 {
            return Ok(State::TrailerLine);
        }
        let Some(left) = self.payload_left.checked_sub(size) else {
            let reason = "chunks exceed the limit of the body";
            return Err(BadRequest::with(Status::CONTENT_TOO_LARGE, reason));
        };
        self.payload_left = left;
        Ok(State::Chunk { left: size })
    }

    fn extension_byte(&mut self, next: State) -> Result<State, BadRequest> {
        let Some(left) = self.extension_left.checked_sub(1) else {
            return malformed("chunk extensions exceed their limit in bytes");
        };
        self.extension_left = left;
        Ok(next)
    }

    fn trailer_byte(&mut self, state: State, byte: u8) -> Result<State, BadRequest> {
        let Some(left) = self.trailer_left.checked_sub(1) else {
            let reason = "trailer section exceeds its limit in bytes";
            return Err(BadRequest::with(Status::HEADERS_TOO_LARGE, reason));
        };
        self.trailer_left = left;
        match (state, byte) {
            (State::TrailerLine, b'\r') => Ok(State::EndLf),
            (State::TrailerLine | State::TrailerName, byte) if bytes::is_token(byte) => {
                Ok(State::TrailerName)
            }
            (State::TrailerLine, _) => malformed("invalid start of a trailer line"),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerName, _) => malformed("invalid character in the name of a trailer"),
            (State::TrailerValue, b'\r') => Ok(State::TrailerLf),
            (State::TrailerValue, byte) if bytes::is_field_value(byte) => Ok(State::TrailerValue),
            (State::TrailerValue, _) => malformed("control character in the value of a trailer"),
            (State::TrailerLf, b'\n') => Ok(State::TrailerLine),
            (State::EndLf, b'\n') => Ok(State::Done),
            (_, _) => malformed("bare CR in the trailer section"),
        }
    }
}

impl State {
    const SIZE_START: State = State::Size { value: 0, digits: 0 };
}

fn malformed(reason: &'static str) -> Result<State, BadRequest> {
    Err(BadRequest::malformed(reason))
}
