//! `cron simulate`: what a crontab would run when. Nothing is run.

use jiff::{Span, Timestamp};
use schedule::{Due, ParseError};
use serde_json::json;

use super::{instant, kind, parse, read};
use crate::cli::cron::SimulateArgs;
use crate::cli::output::{Failure, Output, escaped, warn};
use crate::zone;

/// How far a simulation goes that is not told.
const HOURS: i64 = 24;

pub fn run(out: &mut Output<'_>, args: &SimulateArgs) -> Result<(), Failure> {
    let zone = args.reading.zone();
    let from = instant(args.from.as_ref(), &zone)?;
    let to = match &args.to {
        Some(to) => to.within(&zone).map_err(Failure::Usage)?,
        None => from.saturating_add(Span::new().hours(HOURS)).unwrap_or(Timestamp::MAX),
    };
    if to < from {
        return Err(Failure::Usage("--to is before --from: exchange them".into()));
    }
    let text = read(&args.file)?;
    let crontab = parse(&text, &args.reading, kind(args.system, &args.file));
    for error in crontab.errors() {
        warn(&left_out(args, error));
    }
    for due in crontab.simulate(from, to) {
        if args.json {
            out.line(as_json(&due))?;
        } else {
            (0..due.copies).try_for_each(|_| out.line(as_text(&due)))?;
        }
    }
    Ok(())
}

fn left_out(args: &SimulateArgs, error: &ParseError) -> String {
    format!(
        "{}:{}:{}: left out: {}; {}",
        args.file.display(),
        error.line(),
        error.column(),
        error.what(),
        error.remedy()
    )
}

fn as_text(due: &Due<'_>) -> String {
    let entry = due.entry;
    let at = zone::rfc3339(due.at, entry.schedule().zone());
    let user = entry.user().map(|user| format!("{}  ", user.to_string_lossy()));
    let command = entry.command().to_string_lossy();
    let text = format!("{}{command}", user.unwrap_or_default());
    format!("{at}  line {}  {}", entry.line(), escaped(&text))
}

fn as_json(due: &Due<'_>) -> serde_json::Value {
    let entry = due.entry;
    json!({
        "at": zone::rfc3339(due.at, entry.schedule().zone()),
        "line": entry.line(),
        "user": entry.user().map(|user| user.to_string_lossy()),
        "command": entry.command().to_string_lossy(),
        "copies": due.copies,
    })
}
