//! The wait before a new start: it doubles with each quick end in a row, up to a limit, and is
//! shortened by a random share, so that what failed together does not start together.

use std::time::Duration;

use super::spec::Delays;

/// No wait is longer, whatever the configuration says.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// The wait after so many quick ends in a row.
pub fn delay(delays: &Delays, quick_ends: u32, random: &mut Random) -> Duration {
    let Some(doublings) = quick_ends.checked_sub(1) else { return Duration::ZERO };
    let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
    let whole = delays.min.saturating_mul(factor).min(delays.max).min(LONGEST);
    let jitter = f64::from(delays.jitter_percent.min(100)) / 100.0;
    whole.mul_f64(1.0 - jitter * random.share())
}

/// SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, but not, 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(jitter_percent: u8, quick_ends: u32, expected_ms: std::ops::RangeInclusive<u64>) {
        let min = Duration::from_millis(100);
        let max = Duration::from_secs(30);
        let delays = Delays { min, max, jitter_percent, ..Delays::default() };
        for seed in 0..100 {
            let found = delay(&delays, quick_ends, &mut Random(seed)).as_millis() as u64;
            assert!(expected_ms.contains(&found), "{jitter_percent} {quick_ends}: {found} ms");
        }
    }

    #[test]
    fn waits_double_to_a_limit_and_jitter_shortens_them() {
        check(0, 0, 0..=0);
        check(0, 1, 100..=100);
        check(0, 2, 200..=200);
        check(0, 9, 25_600..=25_600);
        check(0, 10, 30_000..=30_000);
        check(0, u32::MAX, 30_000..=30_000);
        check(20, 2, 160..=200);
        check(20, 40, 24_000..=30_000);
        check(100, 40, 0..=30_000);
        check(255, 40, 0..=30_000);
    }

    #[test]
    fn jitter_differs_from_wait_to_wait() {
        let mut random = Random(1);
        let delays = Delays::default();
        let first = delay(&delays, 5, &mut random);
        assert_ne!(first, delay(&delays, 5, &mut random));
    }
}
