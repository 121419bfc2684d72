//! Seeded choice: jitter and cronie's `~` need numbers that look random and stay the same.
//!
//! A number drawn afresh at every reload lets a job run twice or starve (systemd's
//! `RandomizedDelaySec` has both stories); one mixed from a seed and a name does neither.

/// A well-stirred number from a seed and a value: multiply, fold, repeat.
pub(crate) fn mix(seed: u64, value: u64) -> u64 {
    const ODD: u64 = 0xd6e8_feb8_6659_fd93;
    let mut x = seed ^ value.wrapping_mul(ODD).rotate_left(29);
    for _ in 0..3 {
        x ^= x >> 32;
        x = x.wrapping_mul(ODD);
    }
    x ^ (x >> 32)
}

/// A number below `bound` (0 for a bound of 0).
pub(crate) fn below(seed: u64, value: u64, bound: u64) -> u64 {
    mix(seed, value).checked_rem(bound).unwrap_or(0)
}
