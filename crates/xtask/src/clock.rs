//! The one file of this crate that reads the clock: monotonic time for measuring, the wall clock
//! for the date that a report carries.

use std::time::{Instant, SystemTime};

pub fn now() -> Instant {
    Instant::now()
}

/// The date in words, in UTC.
pub fn date() -> String {
    httpdate::fmt_http_date(SystemTime::now())
}
