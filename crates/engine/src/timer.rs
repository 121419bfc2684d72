//! One lazy hashed wheel for all deadlines. Activity only stores a new deadline; when a bucket's
//! time has come, each entry's owner is asked for its true deadline, and a later one is filed
//! again. So a request costs no timer operation (nginx: two tree operations).

use crate::clock::Tick;
use crate::slab::Key;

/// Milliseconds a bucket covers: no deadline is met earlier, and none more than this later.
const BUCKET_MS: u64 = 64;
/// Buckets of the wheel: it reaches 65 seconds ahead, and further deadlines are filed again.
const BUCKETS: usize = 1024;

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Timed {
    Slot(Key),
    Sleep(Key),
}

pub struct Wheel {
    buckets: Vec<Vec<Timed>>,
    /// One bit a bucket that has entries.
    occupied: [u64; BUCKETS / 64],
    /// The last bucket, counted from the epoch, that has been emptied.
    cursor: u64,
}

impl Default for Wheel {
    fn default() -> Self {
        let buckets = (0..BUCKETS).map(|_| Vec::new()).collect();
        Wheel { buckets, occupied: [0; BUCKETS / 64], cursor: 0 }
    }
}

impl Wheel {
    /// Files a deadline. Returns by when the owner will be asked for the first time: at the
    /// deadline, or before it when it lies beyond the wheel's reach.
    pub fn insert(&mut self, deadline: Tick, whose: Timed) -> Tick {
        let bucket = deadline.0.div_ceil(BUCKET_MS);
        let bucket = bucket.clamp(self.cursor + 1, self.cursor + BUCKETS as u64 - 1);
        let index = bucket as usize % BUCKETS;
        self.buckets[index].push(whose);
        self.occupied[index / 64] |= 1 << (index % 64);
        deadline.min(Tick(bucket * BUCKET_MS))
    }

    /// When the next bucket with entries is due.
    pub fn next_due(&self) -> Option<Tick> {
        let start = (self.cursor as usize + 1) % BUCKETS;
        let words = BUCKETS / 64;
        for step in 0..=words {
            let word = (start / 64 + step) % words;
            let mut bits = self.occupied[word];
            if step == 0 {
                bits &= !0 << (start % 64);
            } else if step == words {
                bits &= !(!0 << (start % 64));
            }
            if bits != 0 {
                let index = word * 64 + bits.trailing_zeros() as usize;
                let ahead = (index + BUCKETS - start) % BUCKETS;
                return Some(Tick((self.cursor + 1 + ahead as u64) * BUCKET_MS));
            }
        }
        None
    }

    /// Empties every bucket that is due at `now` into `out`.
    pub fn advance(&mut self, now: Tick, out: &mut Vec<Timed>) {
        let target = now.0 / BUCKET_MS;
        let steps = target.saturating_sub(self.cursor).min(BUCKETS as u64);
        for step in 1..=steps {
            let index = (self.cursor + step) as usize % BUCKETS;
            if self.occupied[index / 64] & (1 << (index % 64)) != 0 {
                out.append(&mut self.buckets[index]);
                self.buckets[index].shrink_to(16);
                self.occupied[index / 64] &= !(1 << (index % 64));
            }
        }
        self.cursor = self.cursor.max(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(deadlines: &[u64], now: u64, due: usize, next: Option<u64>) {
        let mut slab = crate::slab::Slab::default();
        let mut wheel = Wheel::default();
        for deadline in deadlines {
            wheel.insert(Tick(*deadline), Timed::Sleep(slab.insert(())));
        }
        let mut out = Vec::new();
        wheel.advance(Tick(now), &mut out);
        assert_eq!((out.len(), wheel.next_due()), (due, next.map(Tick)), "{deadlines:?} at {now}");
    }

    #[test]
    fn nothing_is_due_early_and_all_in_the_end() {
        check(&[], 1000, 0, None);
        check(&[100], 99, 0, Some(128));
        check(&[100], 127, 0, Some(128));
        check(&[100], 128, 1, None);
        check(&[0, 1, 64, 65], 64, 3, Some(128));
        check(&[1_000_000], 60_000, 0, Some(65_472));
        check(&[70, 4000, 60_000], 4032, 2, Some(60_032));
        check(&[70, 4000, 60_000], u64::MAX / 2, 3, None);
    }

    #[test]
    fn the_wheel_turns_over() {
        let mut slab = crate::slab::Slab::default();
        let mut wheel = Wheel::default();
        let mut now = 0;
        for round in 0..5000u64 {
            let wait = round * 37 % 50_000 + 1;
            wheel.insert(Tick(now + wait), Timed::Slot(slab.insert(())));
            let due = wheel.next_due().unwrap();
            assert!(due.0 >= now + wait && due.0 < now + wait + 2 * BUCKET_MS, "{due:?}");
            let mut out = Vec::new();
            wheel.advance(due, &mut out);
            assert_eq!(out.len(), 1);
            now = due.0;
        }
    }
}
