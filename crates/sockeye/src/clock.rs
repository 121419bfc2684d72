//! The one place of this crate that reads the clocks.

use std::time::Instant;

use jiff::Timestamp;

pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock.
pub fn wall() -> Timestamp {
    Timestamp::now()
}
