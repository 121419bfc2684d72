//! An expression in a time zone: the instants at which a daemon would start the job.
//!
//! The instants are those of a daemon that has been running all along, so that asking "what comes
//! after this run?" again and again gives the same list as asking once. Clock changes are treated
//! as `clock` describes.

use std::iter::FusedIterator;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::clock::{Clock, Window, seconds_ceil, seconds_floor};
use crate::dialect::Dialect;
use crate::expr::{Calendar, Expr, When};

/// How far a search goes: 29 February on a given day of the week can be forty years away.
const SEARCH_SECONDS: i64 = 41 * 366 * 86_400;

/// When a job runs, in which zone, by whose rules.
#[derive(Clone, Debug)]
pub struct Schedule {
    expr: Expr,
    dialect: Dialect,
    clock: Clock,
}

/// An instant at which the job is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fire {
    pub at: Timestamp,
    /// How many copies cron starts: more than one only for a job at fixed times, several of which
    /// fell into a gap of the clock.
    pub copies: u32,
}

impl Schedule {
    pub fn new(expr: Expr, dialect: Dialect, zone: TimeZone) -> Schedule {
        Schedule { expr, dialect, clock: Clock::new(zone) }
    }

    /// The same expression and rules in another zone.
    pub fn in_zone(&self, zone: TimeZone) -> Schedule {
        Schedule::new(self.expr.clone(), self.dialect, zone)
    }

    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    pub fn zone(&self) -> &TimeZone {
        self.clock.zone()
    }

    /// The first instant strictly after `after`; `None` if there is none within forty years.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.fires(after).next().map(|fire| fire.at)
    }

    /// The last instant strictly before `before`; `None` if there is none within forty years.
    pub fn previous(&self, before: Timestamp) -> Option<Timestamp> {
        let calendar = self.calendar()?;
        let before = seconds_ceil(before);
        let limit = before - SEARCH_SECONDS;
        let mut window = self.clock.window_at(before - 1);
        loop {
            if let Some(at) = window.previous(&calendar, before, limit) {
                return Timestamp::from_second(at).ok();
            }
            if window.start() < limit {
                return None;
            }
            window = self.clock.window_before(&window)?;
        }
    }

    /// All instants strictly after `after`, in order, of a daemon that has been running all along.
    pub fn fires(&self, after: Timestamp) -> Fires {
        let after = seconds_floor(after);
        let (clock, window) = (self.clock.clone(), self.clock.window_at(after));
        Fires { calendar: self.calendar(), clock, window, after }
    }

    /// All instants of a daemon of this dialect that is started at `start` and runs on.
    ///
    /// This differs from [`Schedule::fires`] in two ways. A daemon started within an hour that the
    /// clock repeats does not know that the hour is a repetition. And cronie goes on by the old
    /// offset when a zone changes it without a change to or from daylight saving.
    pub fn fires_since_start(&self, start: Timestamp) -> Fires {
        let after = seconds_floor(start);
        let (clock, window) = self.clock.daemon(self.dialect, after);
        Fires { calendar: self.calendar(), clock, window, after }
    }

    fn calendar(&self) -> Option<Calendar> {
        match self.expr.when() {
            When::Calendar(calendar) if !calendar.never() => Some(calendar),
            When::Calendar(_) | When::Start => None,
        }
    }
}

/// The instants of a schedule, ascending. Made by [`Schedule::fires`].
#[derive(Clone, Debug)]
pub struct Fires {
    /// `None` once there is nothing more to come.
    calendar: Option<Calendar>,
    clock: Clock,
    window: Window,
    after: i64,
}

impl Fires {
    /// Moves on to what comes strictly after `after`, if that is later than where this stands.
    pub(crate) fn skip_to(&mut self, after: Timestamp) {
        self.after = self.after.max(seconds_floor(after));
    }

    fn advance(&mut self) -> Option<Fire> {
        let calendar = self.calendar?;
        let limit = self.after.saturating_add(SEARCH_SECONDS);
        loop {
            if let Some((at, copies)) = self.window.next(&calendar, self.after, limit) {
                self.after = at;
                return Some(Fire { at: Timestamp::from_second(at).ok()?, copies });
            }
            self.window = self.clock.window_after(&self.window)?;
            if self.window.start() > limit {
                return None;
            }
        }
    }
}

impl Iterator for Fires {
    type Item = Fire;

    fn next(&mut self) -> Option<Fire> {
        let fire = self.advance();
        if fire.is_none() {
            self.calendar = None;
        }
        fire
    }
}

impl FusedIterator for Fires {}
