//! How long to wait before a process that has ended is started again.
//!
//! One that did its work for a while before it ended (it was killed, or hit a rare fault) is
//! started at once: its listener's queue is waiting. One that ends again and again within moments
//! of its start is in a crash loop, and each start is put off twice as long as the last.

use std::time::Duration;

/// The limits of one kind of process.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// A life at least this long is no failure to start.
    pub healthy: Duration,
    /// Quick ends that are forgiven before the first delay.
    pub forgiven: u32,
    pub delay_min: Duration,
    pub delay_max: Duration,
}

impl Pace {
    /// For a worker that had become ready: its clients are waiting.
    pub const READY: Pace = Pace {
        healthy: Duration::from_secs(1),
        forgiven: 4,
        delay_min: Duration::from_millis(5),
        delay_max: Duration::from_millis(100),
    };
    /// For one that ended before it was ready, as it will again unless something changes.
    pub const UNREADY: Pace = Pace {
        healthy: Duration::MAX,
        forgiven: 0,
        delay_min: Duration::from_millis(100),
        delay_max: Duration::from_secs(10),
    };
}

/// Counts quick ends in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    quick_ends: u32,
}

impl Backoff {
    /// The wait after an end that came `lived` after its start.
    pub fn after(&mut self, lived: Duration, pace: Pace) -> Duration {
        if lived >= pace.healthy {
            self.quick_ends = 0;
            return Duration::ZERO;
        }
        self.quick_ends = self.quick_ends.saturating_add(1);
        let Some(doublings) = self.quick_ends.checked_sub(pace.forgiven + 1) else {
            return Duration::ZERO;
        };
        let factor = 1u32.checked_shl(doublings).unwrap_or(u32::MAX);
        pace.delay_min.saturating_mul(factor).min(pace.delay_max)
    }

    /// Quick ends in a row so far.
    pub fn quick_ends(&self) -> u32 {
        self.quick_ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pace: Pace, lives_ms: &[u64], delays_ms: &[u64]) {
        let mut backoff = Backoff::default();
        let after = |life: &u64| backoff.after(Duration::from_millis(*life), pace).as_millis();
        let delays: Vec<u128> = lives_ms.iter().map(after).collect();
        let expected: Vec<u128> = delays_ms.iter().map(|ms| u128::from(*ms)).collect();
        assert_eq!(delays, expected, "{lives_ms:?}");
    }

    #[test]
    fn delays_double_to_a_limit_and_health_forgets_them() {
        check(Pace::READY, &[5000, 5000, 1000], &[0, 0, 0]);
        check(Pace::READY, &[0; 11], &[0, 0, 0, 0, 5, 10, 20, 40, 80, 100, 100]);
        check(Pace::READY, &[0, 0, 0, 0, 0, 2000, 0], &[0, 0, 0, 0, 5, 0, 0]);
        check(Pace::UNREADY, &[0, 0, 0, 9_000_000], &[100, 200, 400, 800]);
        check(Pace::UNREADY, &[0; 40], &{
            let mut delays = [10_000; 40];
            delays[..7].copy_from_slice(&[100, 200, 400, 800, 1600, 3200, 6400]);
            delays
        });
    }
}
