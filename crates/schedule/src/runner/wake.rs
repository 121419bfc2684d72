//! How late a wake-up is, and what cron makes of that.
//!
//! cron looks once a minute how far the clock is ahead of its own virtual clock (the table at the
//! head of `clock`). The same classes hold here, for a clock that was set, a machine that slept and
//! a scheduler that was stopped: all look alike, a wall clock that is not where it should be. Where
//! it should be is known from the monotonic clock, and from the promise to look at least every
//! [`WAIT_MAX`]: whoever sleeps longer was not awake. Less than a minute back is no change.

use std::time::Duration;

use jiff::SignedDuration;

use crate::clock::{JUMP_MINUTES_MAX, LATE_MINUTES_MAX, seconds_floor};

use super::limits::WAIT_MAX;
use super::types::Now;

const MINUTE: i64 = 60;

/// One wake-up, classified. All instants in seconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wake {
    pub wall: i64,
    /// Where the virtual clock is once this wake-up is dealt with.
    pub virtual_clock: i64,
    pub class: Class,
    /// How far the wall clock came while we were awake. Times up to here run.
    reached: i64,
    /// Times up to here ran, in this pass of the clock or one before.
    seen: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// The clock was set back by up to three hours: wildcard jobs go by it at once, others wait
    /// until it is where it was.
    Back,
    /// The clock was set back further: all jobs go by it.
    FarBack,
    /// On time, or up to 5 minutes were missed.
    Late,
    /// Up to three hours were missed.
    Gap,
    /// More was missed.
    Ahead,
}

/// What becomes of one time of a job that is not in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Run,
    Lost,
    /// It ran when the clock was here before.
    Repeated,
}

impl Wake {
    /// Compares a reading with the last one and with the virtual clock.
    pub fn new(last: Now, virtual_clock: i64, now: Now) -> Wake {
        let elapsed = now.mono.saturating_sub(last.mono);
        let awake = if elapsed <= WAIT_MAX { elapsed } else { Duration::ZERO };
        let awake = SignedDuration::try_from(awake).unwrap_or(SignedDuration::ZERO);
        let reached = last.wall.saturating_add(awake).unwrap_or(last.wall);
        let (wall, reached) = (seconds_floor(now.wall), seconds_floor(reached));
        let seen = virtual_clock.max(reached);
        let ahead = minutes(seen, wall);
        let class = if ahead < -JUMP_MINUTES_MAX {
            Class::FarBack
        } else if wall <= reached - MINUTE {
            Class::Back
        } else if ahead <= LATE_MINUTES_MAX {
            Class::Late
        } else if ahead <= JUMP_MINUTES_MAX {
            Class::Gap
        } else {
            Class::Ahead
        };
        let virtual_clock = match class {
            Class::FarBack => wall,
            Class::Back => seen,
            Class::Late | Class::Gap | Class::Ahead => virtual_clock.max(wall),
        };
        Wake { wall, virtual_clock, class, reached, seen }
    }

    /// What cron does about a time of a job. `at` is not after the wake-up.
    pub fn verdict(&self, at: i64, wildcard: bool) -> Verdict {
        let run_or_lost = |run: bool| if run { Verdict::Run } else { Verdict::Lost };
        if at <= self.reached || (wildcard && self.same_minute(at)) {
            return Verdict::Run;
        }
        match self.class {
            Class::Back | Class::FarBack => Verdict::Run,
            Class::Late | Class::Gap | Class::Ahead if at <= self.seen => Verdict::Repeated,
            Class::Late => Verdict::Run,
            Class::Gap => run_or_lost(!wildcard),
            Class::Ahead => run_or_lost(self.same_minute(at)),
        }
    }

    /// Whether a time is so late that the policy on missed runs decides about it.
    pub fn too_late(&self, at: i64) -> bool {
        at > self.reached && minutes(at, self.wall) > LATE_MINUTES_MAX
    }

    /// The last second before the minute of the wake-up.
    pub fn before_this_minute(&self) -> i64 {
        self.wall.div_euclid(MINUTE) * MINUTE - 1
    }

    fn same_minute(&self, at: i64) -> bool {
        minutes(at, self.wall) == 0
    }
}

/// How many minutes of the clock lie between two seconds.
fn minutes(from: i64, to: i64) -> i64 {
    to.div_euclid(MINUTE) - from.div_euclid(MINUTE)
}
