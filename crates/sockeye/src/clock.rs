//! The one place of this crate that reads the clocks.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use schedule::Now;

pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock.
pub fn wall() -> Timestamp {
    Timestamp::now()
}

/// Both clocks of the scheduler, read together.
pub fn both() -> Now {
    let mono = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(mono.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(mono.tv_nsec).unwrap_or(0);
    Now { wall: wall(), mono: Duration::new(seconds, nanoseconds) }
}
