//! Time zones by name, and instants as people write them: RFC 3339 (as RFC 9557 and Temporal widen
//! it), or a date with or without a time, in the zone that is spoken of.
//!
//! Zones come from the system's database (tzfile(5)); where there is none, as in an empty container
//! image, from the copy in the program.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// The zone of this system, `$TZ` before /etc/localtime; UTC where neither says any.
pub fn of_system() -> TimeZone {
    TimeZone::try_system().unwrap_or(TimeZone::UTC)
}

/// The zone of an IANA name, if there is one.
pub fn find(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// The zone of an IANA name; the error is a sentence with its remedy.
pub fn from_text(name: &str) -> Result<TimeZone, String> {
    find(name).ok_or_else(|| "there is no such time zone: write one as in Europe/Vienna".into())
}

/// The name to tell a zone by.
pub fn name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("the system's zone")
}

/// A point in time that may still lack its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instant {
    Fixed(Timestamp),
    Civil(DateTime),
}

impl Instant {
    /// Reads `2026-03-08T00:00:00-05:00`, `2026-03-08T00:00`, `2026-03-08 00:00` or `2026-03-08`.
    pub fn from_text(text: &str) -> Result<Instant, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Instant::Fixed(at));
        }
        if let Ok(zoned) = text.parse::<Zoned>() {
            return Ok(Instant::Fixed(zoned.timestamp()));
        }
        text.parse().map(Instant::Civil).map_err(|_| {
            "is no instant: write 2026-03-08T00:00:00-05:00, or 2026-03-08T00:00 in the zone, or \
             2026-03-08"
                .into()
        })
    }

    /// The instant, in the zone if it needs one. A time in a gap is moved forward out of it, and of
    /// one that comes twice the first counts.
    pub fn within(&self, zone: &TimeZone) -> Result<Timestamp, String> {
        match self {
            Instant::Fixed(at) => Ok(*at),
            Instant::Civil(civil) => zone
                .to_timestamp(*civil)
                .map_err(|_| format!("{civil} is beyond the years that can be told")),
        }
    }
}

/// RFC 3339 with the zone's offset at that instant, to the second.
pub fn rfc3339(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_with_and_without_their_zone() {
        fn check(text: &str, expected: Option<&str>) {
            let zone = from_text("America/New_York").unwrap();
            let found = Instant::from_text(text).and_then(|instant| instant.within(&zone));
            assert_eq!(found.ok().map(|at| rfc3339(at, &zone)).as_deref(), expected, "{text}");
        }
        check("2026-03-08T00:00:00-05:00", Some("2026-03-08T00:00:00-05:00"));
        check("2026-03-08T05:00:00Z", Some("2026-03-08T00:00:00-05:00"));
        check("2026-03-08T05:00Z", Some("2026-03-08T00:00:00-05:00"));
        check("2026-03-08", Some("2026-03-08T00:00:00-05:00"));
        check("2026-03-08 01:30", Some("2026-03-08T01:30:00-05:00"));
        check("2026-03-08T02:30", Some("2026-03-08T03:30:00-04:00"));
        check("2026-11-01T01:30", Some("2026-11-01T01:30:00-04:00"));
        check("2026-03-08T00:00[America/New_York]", Some("2026-03-08T00:00:00-05:00"));
        check("tomorrow", None);
        check("2026-02-30", None);
        check("", None);
    }
}
