//! The one file of this crate that reads the clock, so that every wait elsewhere is a deadline
//! handed in. Monotonic time only: clock_gettime(2) with CLOCK_MONOTONIC.

use std::time::{Duration, Instant};

/// The present moment.
pub fn now() -> Instant {
    Instant::now()
}

/// What is left until `deadline`, or `None` once it has passed.
pub fn remaining(deadline: Instant) -> Option<Duration> {
    deadline.checked_duration_since(now()).filter(|left| !left.is_zero())
}
