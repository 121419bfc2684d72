//! Durations (`500ms`, `30s`, `2m`, `1h`) and sizes (`4096`, `16KiB`, `1MiB`) as people write them.

use std::time::Duration;

/// Longer waits than a day mean "never" and are slips.
pub const DURATION_MAX: Duration = Duration::from_secs(24 * 3600);

/// Reads a whole number with its unit; the error completes "the value ...".
pub fn duration_from_text(text: &str) -> Result<Duration, String> {
    let (count, unit) = split(text);
    let milliseconds_each: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(DURATION_HELP.into()),
    };
    let count: u64 = count.parse().map_err(|_| DURATION_HELP.to_owned())?;
    count
        .checked_mul(milliseconds_each)
        .map(Duration::from_millis)
        .filter(|duration| *duration <= DURATION_MAX)
        .ok_or_else(|| "is more than a day".into())
}

const DURATION_HELP: &str = "is not a duration: write a whole number with its unit, as in 500ms, \
                             30s, 2m or 1h";

/// Reads a number of bytes with or without a binary unit; the error completes "the value ...".
pub fn size_from_text(text: &str) -> Result<u64, String> {
    let (count, unit) = split(text);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        _ => return Err(SIZE_HELP.into()),
    };
    let count: u64 = count.parse().map_err(|_| SIZE_HELP.to_owned())?;
    count.checked_mul(1 << shift).ok_or_else(|| "is larger than any memory".into())
}

const SIZE_HELP: &str = "is not a size: write bytes, or a whole number with KiB, MiB or GiB, as in \
                         \"16KiB\"";

/// The digits in front and what follows them.
fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        fn check(text: &str, milliseconds: Option<u64>) {
            let expected = milliseconds.map(Duration::from_millis);
            assert_eq!(duration_from_text(text).ok(), expected, "{text}");
        }
        check("0s", Some(0));
        check("250ms", Some(250));
        check("30s", Some(30_000));
        check("30 s", Some(30_000));
        check("2m", Some(120_000));
        check("2min", Some(120_000));
        check("24h", Some(86_400_000));
        check("25h", None);
        check("30", None);
        check("", None);
        check("s", None);
        check("-1s", None);
        check("1.5s", None);
        check("99999999999999999999s", None);
        check("18446744073709551615h", None);
        check("３s", None);
    }

    #[test]
    fn sizes() {
        fn check(text: &str, bytes: Option<u64>) {
            assert_eq!(size_from_text(text).ok(), bytes, "{text}");
        }
        check("0", Some(0));
        check("4096", Some(4096));
        check("16KiB", Some(16 << 10));
        check("1 MiB", Some(1 << 20));
        check("2G", Some(2 << 30));
        check("1kb", None);
        check("KiB", None);
        check("18446744073709551615K", None);
    }
}
