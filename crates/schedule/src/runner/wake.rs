//! How late a wake-up is, and what cron makes of that.
//!
//! cron looks once a minute how far the clock is ahead of its own virtual clock (the table at the
//! head of `clock`). The same classes hold here, for a clock that was set, a machine that slept and
//! a scheduler that was stopped. Both clocks together tell a jump from a long sleep of our own:
//! what the wall clock did beyond the monotonic one is a jump. Less than a minute is no jump.

use jiff::SignedDuration;

use crate::clock::{JUMP_MINUTES_MAX, LATE_MINUTES_MAX, seconds_floor};

use super::types::Now;

const MINUTE: i64 = 60;

/// One wake-up, classified. All instants in seconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wake {
    pub wall: i64,
    /// Where the virtual clock is once this wake-up is dealt with.
    pub virtual_clock: i64,
    pub class: Class,
    /// What the wall clock would say without the jump.
    expected: i64,
    /// Up to here minutes have been looked at, or would have been without the jump.
    seen: i64,
    /// Times up to here passed while all was well; they run, whatever the jump after them.
    well_until: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    OnTime,
    /// The clock was set back by up to three hours: wildcard jobs go by it at once, others wait
    /// until it is where it was.
    Back,
    /// The clock was set back further: all jobs go by it.
    FarBack,
    /// Up to 5 minutes were missed.
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
    /// Compares a reading with the last one. `earliest` is the time of the job that is due first.
    pub fn new(last: Now, virtual_clock: i64, now: Now, earliest: Option<i64>) -> Wake {
        let wall = seconds_floor(now.wall);
        let elapsed = now.mono.saturating_sub(last.mono);
        let elapsed = SignedDuration::try_from(elapsed).unwrap_or(SignedDuration::MAX);
        let jump = now.wall.duration_since(last.wall).saturating_sub(elapsed).as_secs();
        let expected = wall.saturating_sub(jump);
        let seen = virtual_clock.max(expected);
        let punctual = elapsed.as_secs() <= LATE_MINUTES_MAX * MINUTE;
        let jumped = jump >= MINUTE;
        // A sleep longer than asked for begins where the first job was due.
        let overslept = earliest.filter(|at| !(jumped && punctual) && *at < wall);
        let missed_from = match overslept {
            Some(at) => seen.min(at - 1),
            None => seen,
        };
        let class = if minutes(seen, wall) < -JUMP_MINUTES_MAX {
            Class::FarBack
        } else if jump <= -MINUTE {
            Class::Back
        } else {
            forward(minutes(missed_from, wall), jumped)
        };
        Wake {
            wall,
            virtual_clock: if class == Class::FarBack { wall } else { seen.max(wall) },
            class,
            expected,
            seen,
            well_until: if jumped && punctual { expected } else { i64::MIN },
        }
    }

    /// What cron does about a time of a job. `at` is not after the wake-up.
    pub fn verdict(&self, at: i64, wildcard: bool) -> Verdict {
        let run_or_lost = |run: bool| if run { Verdict::Run } else { Verdict::Lost };
        if at <= self.well_until || (wildcard && self.same_minute(at)) {
            return Verdict::Run;
        }
        match self.class {
            Class::OnTime | Class::Back | Class::FarBack => Verdict::Run,
            _ if at > self.expected && at <= self.seen => Verdict::Repeated,
            Class::Late => Verdict::Run,
            Class::Gap => run_or_lost(!wildcard),
            Class::Ahead => run_or_lost(self.same_minute(at)),
        }
    }

    /// Whether a time is so late that the policy on missed runs decides about it.
    pub fn too_late(&self, at: i64) -> bool {
        let unusual = matches!(self.class, Class::Gap | Class::Ahead);
        unusual && at > self.well_until && minutes(at, self.wall) > LATE_MINUTES_MAX
    }

    /// The last second before the minute of the wake-up.
    pub fn before_this_minute(&self) -> i64 {
        self.wall.div_euclid(MINUTE) * MINUTE - 1
    }

    fn same_minute(&self, at: i64) -> bool {
        minutes(at, self.wall) == 0
    }
}

fn forward(missed: i64, jumped: bool) -> Class {
    if missed <= LATE_MINUTES_MAX {
        if jumped { Class::Late } else { Class::OnTime }
    } else if missed <= JUMP_MINUTES_MAX {
        Class::Gap
    } else {
        Class::Ahead
    }
}

/// How many minutes of the clock lie between two seconds.
fn minutes(from: i64, to: i64) -> i64 {
    to.div_euclid(MINUTE) - from.div_euclid(MINUTE)
}
