//! The one error of this crate: a request that is answered with a status and a closed connection.
//!
//! Where one recipient reads a message differently from another, requests can be smuggled past the
//! stricter one (RFC 9112 section 11.2). So nothing is repaired: what is malformed is refused, and
//! the connection with it, since nobody can tell where the next request would begin.

use std::fmt;

use crate::status::Status;

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRequest {
    /// 400, 413, 414, 417, 431, 501 or 505.
    pub status: Status,
    /// What was wrong, in words, for the log and for the one who debugs a client.
    pub reason: &'static str,
}

impl BadRequest {
    /// A malformed message: 400.
    pub const fn malformed(reason: &'static str) -> BadRequest {
        BadRequest { status: Status::BAD_REQUEST, reason }
    }

    pub const fn with(status: Status, reason: &'static str) -> BadRequest {
        BadRequest { status, reason }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "request refused with {}: {}", self.status, self.reason)
    }
}

impl std::error::Error for BadRequest {}
