//! Time for the engine: the one file of this crate that reads a clock. The loop reads it once a
//! turn; everyone else is handed the [`Tick`] of that reading.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the engine was made, on the monotonic clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct Tick(pub u64);

impl Tick {
    /// Later than any other.
    pub const NEVER: Tick = Tick(u64::MAX);

    /// The tick `wait` later; a part of a millisecond counts as a whole one.
    pub fn after(self, wait: Duration) -> Tick {
        let rest = u64::from(wait.subsec_nanos().div_ceil(1_000_000));
        let wait = wait.as_secs().saturating_mul(1000).saturating_add(rest);
        Tick(self.0.saturating_add(wait))
    }

    /// How long after `earlier` this is; zero when it is not later.
    pub fn since(self, earlier: Tick) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// How long a reading of the wall clock is good for, in milliseconds.
const WALL_VALID_MS: u64 = 50;

/// The real clock, or one that only [`Clock::advance`] moves.
pub struct Clock {
    origin: Option<Instant>,
    now: Cell<Tick>,
    /// The wall clock at a tick: read again only when the reading has become old.
    wall: Cell<(Tick, Duration)>,
}

impl Clock {
    pub fn real() -> Clock {
        let clock = Clock {
            origin: Some(Instant::now()),
            now: Cell::new(Tick(0)),
            wall: Cell::new((Tick(0), Duration::ZERO)),
        };
        clock.wall.set((Tick(0), wall_now()));
        clock
    }

    /// Starts at a fixed wall time (2026-01-01), so that simulated runs repeat exactly.
    pub fn simulated() -> Clock {
        let wall = Duration::from_secs(1_767_225_600);
        Clock { origin: None, now: Cell::new(Tick(0)), wall: Cell::new((Tick(0), wall)) }
    }

    pub fn now(&self) -> Tick {
        self.now.get()
    }

    /// Reads the clock again (once a turn of the loop).
    pub fn read(&self) -> Tick {
        if let Some(origin) = self.origin {
            self.now.set(Tick(origin.elapsed().as_millis() as u64));
        }
        self.now.get()
    }

    /// Moves the simulated clock.
    pub fn advance(&self, to: Tick) {
        debug_assert!(self.origin.is_none(), "only a simulated clock is moved by hand");
        self.now.set(to.max(self.now.get()));
    }

    /// Time since 1970 in UTC.
    pub fn wall(&self) -> Duration {
        let (at, reading) = self.wall.get();
        let age = self.now().since(at);
        if self.origin.is_some() && age.as_millis() as u64 >= WALL_VALID_MS {
            self.wall.set((self.now(), wall_now()));
            return self.wall.get().1;
        }
        reading + age
    }
}

fn wall_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_moves_only_by_hand_and_forward() {
        let clock = Clock::simulated();
        let start = clock.wall();
        clock.advance(Tick(1500));
        clock.advance(Tick(1000));
        assert_eq!(clock.read(), Tick(1500));
        assert_eq!(clock.wall() - start, Duration::from_millis(1500));
    }

    #[test]
    fn a_wait_is_rounded_up() {
        assert_eq!(Tick(1).after(Duration::from_nanos(1)), Tick(2));
        assert_eq!(Tick::NEVER.after(Duration::from_secs(1)), Tick::NEVER);
    }
}
