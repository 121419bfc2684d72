//! Counts latencies in buckets that are at most 1.6 % wide, so that a percentile costs no sorting
//! and a million requests no memory: 64 linear steps within each power of two of nanoseconds.

use std::time::Duration;

const STEP_BITS: u32 = 7;
const STEPS: usize = 1 << STEP_BITS;
/// Above the linear start only the upper half of the steps of each power is new.
const HALF: usize = STEPS / 2;
/// Powers of two above the linear start: up to 2^42 ns, which is 73 minutes.
const POWERS: usize = 36;

#[derive(Clone, Debug)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: vec![0; POWERS * STEPS], count: 0, max: Duration::ZERO }
    }
}

impl Histogram {
    pub fn record(&mut self, latency: Duration) {
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(nanoseconds)] += 1;
        self.count += 1;
        self.max = self.max.max(latency);
    }

    /// The latency that the given share (0.0 to 1.0) of all requests stayed within.
    pub fn percentile(&self, share: f64) -> Duration {
        let rank = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank && seen > 0 {
                return Duration::from_nanos(top_of(bucket)).min(self.max);
            }
        }
        self.max
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn max(&self) -> Duration {
        self.max
    }
}

fn bucket_of(nanoseconds: u64) -> usize {
    if nanoseconds < STEPS as u64 {
        return nanoseconds as usize;
    }
    let power = (nanoseconds.ilog2() + 1 - STEP_BITS) as usize;
    let bucket = power * HALF + (nanoseconds >> power) as usize;
    bucket.min(POWERS * STEPS - 1)
}

/// The greatest value that falls into the bucket.
fn top_of(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let power = (bucket - HALF) / HALF;
    let step = bucket - power * HALF;
    (((step + 1) as u64) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::{Histogram, bucket_of, top_of};
    use std::time::Duration;

    #[test]
    fn every_value_is_within_two_hundredths_of_its_bucket() {
        let mut value = 0_u64;
        while value < 1 << 40 {
            let top = top_of(bucket_of(value));
            assert!(top >= value && top - value <= value / 60, "{value}: {top}");
            value += 1 + value / 97;
        }
    }

    #[test]
    fn percentiles_of_one_to_a_thousand() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.record(Duration::from_micros(us)));
        let check = |share: f64, expected_us: u128| {
            let found = histogram.percentile(share).as_micros();
            assert!(found.abs_diff(expected_us) <= expected_us / 60, "{share}: {found}");
        };
        check(0.5, 500);
        check(0.99, 990);
        check(1.0, 1000);
        assert_eq!(histogram.max(), Duration::from_micros(1000));
    }
}
