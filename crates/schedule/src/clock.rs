//! The daemon's clock: which wall-clock minutes cron looks at, and when, as the zone's offset
//! changes.
//!
//! cron wakes once a minute and compares the wall clock with its own "virtual" clock (`cron.c` of
//! both daemons). After a jump of the wall clock, forward by `g` minutes or back:
//!
//! | jump | what cron does |
//! |---|---|
//! | forward, g 2 to 5 | every skipped minute at once, for all jobs |
//! | forward, g 6 to 180 | fixed jobs once a skipped minute, all at once; wildcard jobs go on |
//! | back, up to 180 | wildcard jobs only, until the clock is where it was |
//! | more, either way | as if nothing had happened: skipped minutes are lost, others repeat |
//!
//! (A wildcard job is one whose minute or hour begins with `*`.) Instead of waking every minute,
//! this module cuts time into eras of one offset and says for each which wall minutes count, so
//! that searching costs the same whether the next run is in a minute or in a leap year.
//!
//! Debian's cron reads the offset every minute. cronie reads it only when the daylight-saving flag
//! flips, and so runs by a stale offset after a change without a flip (Caracas 2016, Apia 2011),
//! until it is restarted. [`Clock::daemon`] does the same; a clock from [`Clock::new`] is always
//! up to date.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneTransition};

use crate::dialect::Dialect;
use crate::expr::Calendar;

/// Beyond this many minutes, either way, cron takes a difference for a new clock, not a jump.
pub(crate) const JUMP_MINUTES_MAX: i64 = 180;
/// The same, back.
const BACK_MINUTES_MAX: i64 = -JUMP_MINUTES_MAX;
/// Up to this many minutes, cron takes a forward difference for a late wake-up.
pub(crate) const LATE_MINUTES_MAX: i64 = 5;
/// An era this long has left every effect of the change at its start behind.
const SETTLED_SECONDS: i64 = 4 * 3600;
/// How many transitions without a change of offset are passed over in search of one.
const TRANSITIONS_MAX: usize = 4096;

/// A zone as one of the daemons reads it.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    zone: TimeZone,
    /// The offset is only read when the daylight-saving flag flips.
    flips_only: bool,
}

/// A stretch of time with one offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Era {
    /// First second; `i64::MIN` where there is no change before.
    start: i64,
    offset: i64,
    saving: bool,
    /// The change that ends it.
    next: Option<Change>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    at: i64,
    offset: i64,
    saving: bool,
}

/// An era with the state of cron's virtual clock at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    era: Era,
    /// The first wall minute cron wakes at in this era, and the last.
    first: i64,
    last: i64,
    opening: Opening,
}

/// How an era begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// The wall clock runs on, or cron takes it as it is.
    Plain,
    /// Wall minutes up to `until` are seen again.
    Again { until: i64 },
    /// The wall minutes from `owed` to the first were skipped; a few, so all jobs catch up.
    Late { owed: i64 },
    /// The wall minutes from `owed` to the first were skipped; fixed jobs catch up.
    Gap { owed: i64 },
}

impl Clock {
    pub fn new(zone: TimeZone) -> Clock {
        Clock { zone, flips_only: false }
    }

    /// The clock of a daemon of `dialect` as it reads it, and its window at the second it starts.
    pub fn daemon(&self, dialect: Dialect, start: i64) -> (Clock, Window) {
        let clock = Clock { zone: self.zone.clone(), flips_only: dialect == Dialect::Cronie };
        let window = Window::plain(clock.era_at(start));
        (clock, window)
    }

    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The window that holds the second `at`, for a daemon that has been running all along.
    pub fn window_at(&self, at: i64) -> Window {
        let mut window = self.settled_before(at);
        while let Some(next) = self.window_after(&window) {
            if next.era.start > at {
                break;
            }
            window = next;
        }
        window
    }

    /// The window that follows.
    pub fn window_after(&self, window: &Window) -> Option<Window> {
        let change = window.era.next?;
        Some(Window::enter(window.virtual_end(), self.era_from(change)))
    }

    /// The window that comes before.
    pub fn window_before(&self, window: &Window) -> Option<Window> {
        (window.era.start > i64::MIN).then(|| self.window_at(window.era.start - 1))
    }

    /// A window at or before `at` at whose end the virtual clock is known: an era long enough to
    /// have settled, followed only by short ones; or the first of all.
    fn settled_before(&self, at: i64) -> Window {
        let mut era = self.era_at(at);
        while era.start > i64::MIN {
            let end = era.start;
            era = self.era_at(end - 1);
            if era.start < end - SETTLED_SECONDS {
                break;
            }
        }
        Window::plain(era)
    }

    fn era_at(&self, at: i64) -> Era {
        let info = self.zone.to_offset_info(timestamp(at));
        let (offset, saving) = (i64::from(info.offset().seconds()), info.dst().is_dst());
        let start = self.change_before(at, offset).unwrap_or(i64::MIN);
        Era { start, offset, saving, next: self.change_after(at, offset, saving) }
    }

    fn era_from(&self, change: Change) -> Era {
        let Change { at, offset, saving } = change;
        Era { start: at, offset, saving, next: self.change_after(at, offset, saving) }
    }

    fn change_after(&self, at: i64, offset: i64, saving: bool) -> Option<Change> {
        let mut flag = saving;
        for transition in self.zone.following(timestamp(at)).take(TRANSITIONS_MAX) {
            let change = Change::from(&transition);
            if self.flips_only && change.saving == flag {
                continue;
            }
            flag = change.saving;
            if change.offset != offset {
                return Some(change);
            }
        }
        None
    }

    /// The latest second, not after `at`, at which the offset became `offset`.
    fn change_before(&self, at: i64, offset: i64) -> Option<i64> {
        let transitions = self.zone.preceding(timestamp(at.saturating_add(1)));
        let starts =
            transitions.take(TRANSITIONS_MAX).map(|transition| Change::from(&transition).at);
        starts.into_iter().find(|start| {
            let before = self.zone.to_offset(timestamp(start - 1));
            i64::from(before.seconds()) != offset
        })
    }
}

impl From<&TimeZoneTransition<'_>> for Change {
    fn from(transition: &TimeZoneTransition<'_>) -> Change {
        Change {
            at: seconds_floor(transition.timestamp()),
            offset: i64::from(transition.offset().seconds()),
            saving: transition.dst().is_dst(),
        }
    }
}

impl Window {
    /// An era that begins with the virtual clock in step.
    fn plain(era: Era) -> Window {
        let first = wall_from(era.start, era.offset);
        let end = era.next.map_or(i64::MAX, |change| change.at);
        Window { era, first, last: wall_from(end, era.offset) - 1, opening: Opening::Plain }
    }

    /// An era entered with the virtual clock at `before`: the table at the head of the file.
    fn enter(before: i64, era: Era) -> Window {
        let plain = Window::plain(era);
        let opening = match plain.first - before {
            1 => Opening::Plain,
            2..=LATE_MINUTES_MAX => Opening::Late { owed: before + 1 },
            6..=JUMP_MINUTES_MAX => Opening::Gap { owed: before + 1 },
            BACK_MINUTES_MAX..=0 => Opening::Again { until: before },
            _ => Opening::Plain,
        };
        Window { opening, ..plain }
    }

    /// Where the virtual clock stands when the era ends.
    fn virtual_end(&self) -> i64 {
        match self.opening {
            Opening::Again { until } => until.max(self.last),
            Opening::Late { owed } | Opening::Gap { owed } if self.last < self.first => owed - 1,
            Opening::Plain | Opening::Late { .. } | Opening::Gap { .. } => self.last,
        }
    }

    /// The instant (seconds) of a wall minute.
    fn instant(&self, wall: i64) -> i64 {
        wall.saturating_mul(60).saturating_sub(self.era.offset)
    }

    /// The wall minutes `calendar` is owed at the first wake-up, if any: first and last.
    fn owed(&self, calendar: &Calendar) -> Option<(i64, i64)> {
        let owed = match self.opening {
            Opening::Late { owed } => owed,
            Opening::Gap { owed } if !calendar.wildcard => owed,
            Opening::Plain | Opening::Again { .. } | Opening::Gap { .. } => return None,
        };
        (self.first <= self.last).then_some((owed, self.first))
    }

    /// The wall minutes at which `calendar` is looked at in the ordinary way: first and last.
    fn ordinary(&self, calendar: &Calendar) -> (i64, i64) {
        let first = match self.opening {
            Opening::Again { until } if !calendar.wildcard => until + 1,
            Opening::Plain | Opening::Again { .. } => self.first,
            Opening::Late { .. } | Opening::Gap { .. } => match self.owed(calendar) {
                Some((_, paid)) => paid + 1,
                None => self.first,
            },
        };
        (first, self.last)
    }

    /// The first second after `after` at which `calendar` runs in this window, not after `limit`,
    /// and how many times.
    pub fn next(&self, calendar: &Calendar, after: i64, limit: i64) -> Option<(i64, u32)> {
        if let Some((from, to)) = self.owed(calendar)
            && self.instant(to) > after
        {
            let copies = calendar.count(from, to);
            if copies > 0 {
                return Some((self.instant(to), copies));
            }
        }
        let (first, last) = self.ordinary(calendar);
        let from = first.max((after + self.era.offset).div_euclid(60) + 1);
        let to = last.min((limit + self.era.offset).div_euclid(60));
        calendar.first(from, to).map(|wall| (self.instant(wall), 1))
    }

    /// The last second before `before` at which `calendar` runs in this window, not before `limit`.
    pub fn previous(&self, calendar: &Calendar, before: i64, limit: i64) -> Option<i64> {
        let (first, last) = self.ordinary(calendar);
        let from = first.max((limit + self.era.offset).div_euclid(60));
        let to = last.min((before - 1 + self.era.offset).div_euclid(60));
        if let Some(wall) = calendar.last(from, to) {
            return Some(self.instant(wall));
        }
        let (from, to) = self.owed(calendar)?;
        let at = self.instant(to);
        (at < before && calendar.count(from, to) > 0).then_some(at)
    }

    /// The era's first second.
    pub fn start(&self) -> i64 {
        self.era.start
    }
}

/// The first wall minute that begins at or after the second `at`.
fn wall_from(at: i64, offset: i64) -> i64 {
    at.saturating_add(offset).saturating_add(59).div_euclid(60)
}

/// The instant, held at the ends of what a timestamp can be.
pub(crate) fn timestamp(at: i64) -> Timestamp {
    let end = if at < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(at).unwrap_or(end)
}

/// The whole second at or before an instant.
pub(crate) fn seconds_floor(at: Timestamp) -> i64 {
    at.as_second() - i64::from(at.subsec_nanosecond() < 0)
}

/// The whole second at or after an instant.
pub(crate) fn seconds_ceil(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}
