//! Cron without a clock: crontab text and an instant in, instants and decisions out.
//!
//! The crate is pure so that every rule of cron can be tested by writing down what should happen:
//! it reads no clock, opens no file and starts no process. Time zones come from the caller.
//!
//! Three layers, each usable alone:
//! - [`Expr`] and [`Crontab`]: the language (crontab(5)), in the [`Dialect`] of Debian or cronie;
//! - [`Schedule`]: an expression in a time zone, giving the instants a real daemon would start the
//!   job at, through clock changes and leap days;
//! - [`Runner`]: what to do at those instants: start, skip, queue, kill, catch up.

#![forbid(unsafe_code)]

mod clock;
mod crontab;
mod describe;
mod dialect;
mod env;
mod error;
mod expr;
mod field;
mod mix;
mod runner;
mod schedule;

pub use crontab::{Crontab, Due, Entry, Kind, Options};
pub use dialect::Dialect;
pub use error::ParseError;
pub use expr::Expr;
pub use runner::{
    Action, Cause, Event, Exit, Job, JobId, KillReason, Missed, Now, Overlap, Policy, Record,
    RunId, Runner, SkipReason, limits,
};
pub use schedule::{Fire, Fires, Schedule};

/// Entry points for fuzzing: they may do anything but panic, hang or disagree with themselves.
pub mod fuzz {
    use crate::{Crontab, Dialect, Kind, Options};
    use jiff::{Timestamp, tz::TimeZone};

    /// How many instants of each entry are computed: enough to cross a day, little enough to be
    /// fast on a file of thousands of lines.
    const FIRES_PER_ENTRY: usize = 3;
    /// How many entries of a file are followed through time.
    const ENTRIES: usize = 64;

    /// Parses `bytes` in both dialects and both kinds, then asks each entry for instants and words.
    pub fn crontab(bytes: &[u8]) {
        for dialect in [Dialect::Debian, Dialect::Cronie] {
            for kind in [Kind::User, Kind::System] {
                let options = Options { dialect, kind, ..Options::utc() };
                follow(&Crontab::parse(bytes, &options));
            }
        }
    }

    fn follow(crontab: &Crontab) {
        for finding in crontab.errors().iter().chain(crontab.notes()) {
            assert!(!finding.to_string().is_empty());
        }
        let from = Timestamp::from_second(1_767_225_600).unwrap_or(Timestamp::UNIX_EPOCH);
        for entry in crontab.entries().iter().take(ENTRIES) {
            assert!(!entry.expr().describe().is_empty());
            let mut last = from;
            let schedule = entry.schedule().in_zone(TimeZone::UTC);
            for fire in schedule.fires(from).take(FIRES_PER_ENTRY) {
                assert!(fire.at > last, "instants ascend");
                let before = schedule.previous(fire.at).filter(|p| *p > from);
                assert_eq!(before.unwrap_or(last), last, "previous undoes next");
                last = fire.at;
            }
        }
    }
}
