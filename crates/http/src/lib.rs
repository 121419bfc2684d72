//! HTTP/1.1 without input or output: bytes to request heads, responses to bytes.
//!
//! Nothing here holds a descriptor, reads a clock or starts a thread, so every rule can be tested
//! as bytes in, bytes out, and one implementation runs over every I/O model. Requests are parsed
//! strictly, since two recipients who read one message differently are a hole (RFC 9110, RFC 9112).

#![forbid(unsafe_code)]

mod body;
mod bytes;
mod error;
mod known;
mod limits;
mod method;
mod parse;
mod request;
mod status;
mod target;

pub mod conditional;
pub mod date;
pub mod etag;
pub mod fuzz;
pub mod listing;
pub mod mime;
pub mod negotiate;
pub mod path;
pub mod range;
pub mod response;

pub use body::{BodyDecoder, Decoded};
pub use error::BadRequest;
pub use known::Known;
pub use limits::{
    CHUNK_SIZE_DIGITS_MAX, CONTENT_LENGTH_DIGITS_MAX, HEAD_BYTES_CEILING, LEADING_EMPTY_LINES_MAX,
    Limits, METHOD_BYTES_MAX,
};
pub use method::Method;
pub use parse::{Scan, parse_head};
pub use request::{Framing, Head, Headers, Version};
pub use status::Status;
pub use target::Target;
