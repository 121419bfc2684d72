//! `sockeye cron`: what crontab lines mean, when they run, and what is wrong with them. But for
//! `list` and `trigger`, these verbs ask no master and start no process.

mod check;
mod explain;
mod next;
mod shown;
mod simulate;

use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use schedule::{Crontab, Kind, Options};

use super::jobs;
use crate::cli::cron::{CronVerb, Reading};
use crate::cli::output::{Failure, Output};
use crate::clock;
use crate::zone::{self, Instant};

/// A crontab larger than this is not one.
const FILE_BYTES_MAX: u64 = 64 << 20;

pub fn run(out: &mut Output<'_>, verb: CronVerb) -> Result<(), Failure> {
    match verb {
        CronVerb::Next(args) => next::run(out, &args),
        CronVerb::Explain(args) => explain::run(out, &args),
        CronVerb::Check(args) => check::run(out, &args),
        CronVerb::Simulate(args) => simulate::run(out, &args),
        CronVerb::List { control, json } => jobs::list(out, control.control.as_deref(), json),
        CronVerb::Trigger { job, control } => jobs::trigger(out, control.control.as_deref(), &job),
        // It outlives the lock on standard output, and is called before that is taken.
        CronVerb::Run(_) => Ok(()),
    }
}

/// The instant that was typed, or now.
fn instant(typed: Option<&Instant>, zone: &TimeZone) -> Result<Timestamp, Failure> {
    typed.map_or_else(|| Ok(clock::wall()), |at| at.within(zone).map_err(Failure::Usage))
}

/// The bytes of a file, or of standard input for `-`.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |cause: std::io::Error| {
        let path = path.display();
        Failure::Failed(format!("cannot read {path}: {cause}: check the path and its permissions"))
    };
    let mut text = Vec::new();
    let limit = FILE_BYTES_MAX + 1;
    if path == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut text).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(limit).read_to_end(&mut text).map_err(failed)?;
    }
    if text.len() as u64 > FILE_BYTES_MAX {
        let path = path.display();
        let text = format!("{path} has more than {FILE_BYTES_MAX} bytes: is it a crontab?");
        return Err(Failure::Failed(text));
    }
    Ok(text)
}

fn parse(text: &[u8], reading: &Reading, kind: Kind) -> Crontab {
    let options = Options {
        dialect: reading.dialect,
        kind,
        zone: reading.zone(),
        zones: zone::find,
        seed: 0,
    };
    Crontab::parse(text, &options)
}

/// Whether the lines of a file have a user column: as told, or by the place where cron looks for
/// such files.
fn kind(system: bool, path: &Path) -> Kind {
    let known = path == Path::new("/etc/crontab") || path.starts_with("/etc/cron.d");
    if system || known { Kind::System } else { Kind::User }
}
