//! HTTP dates (RFC 9110 section 5.6.7), as seconds since the Unix epoch.
//!
//! Nothing here reads a clock: the second is an argument, and [`DateCell`] renders each only once.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// Bytes of the form that is sent: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const DATE_BYTES: usize = 29;

/// Reads any of the three forms: IMF-fixdate, RFC 850 and asctime. `None` also for a date before
/// 1970, which no file here can have.
pub fn parse(text: &[u8]) -> Option<u64> {
    let text = str::from_utf8(text).ok()?;
    let time = httpdate::parse_http_date(text).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

/// The IMF-fixdate of a second; the last one of the year 9999 for any later.
pub fn format(second: u64) -> [u8; DATE_BYTES] {
    let second = second.min(LAST_SECOND);
    let time: SystemTime = UNIX_EPOCH + Duration::from_secs(second);
    let mut text = [b' '; DATE_BYTES];
    // A date of a four-digit year fills the text exactly, so the write cannot fail.
    let _ = write!(&mut text[..], "{}", HttpDate::from(time));
    text
}

/// The date of the current second, rendered when the second changes.
#[derive(Clone, Debug)]
pub struct DateCell {
    second: u64,
    text: [u8; DATE_BYTES],
}

impl DateCell {
    pub fn new(second: u64) -> DateCell {
        DateCell { second, text: format(second) }
    }

    /// The text for this second.
    pub fn at(&mut self, second: u64) -> &[u8; DATE_BYTES] {
        if second != self.second {
            *self = DateCell::new(second);
        }
        &self.text
    }

    /// The text as of the last [`DateCell::at`].
    pub fn text(&self) -> &[u8; DATE_BYTES] {
        &self.text
    }
}

/// 9999-12-31 23:59:59.
const LAST_SECOND: u64 = 253_402_300_799;
