//! `cron next`: the instants at which a daemon that has been running all along starts the job.

use schedule::{Dialect, Expr, Fire, Schedule};
use serde_json::json;

use super::{instant, shown};
use crate::cli::cron::NextArgs;
use crate::cli::output::{Failure, Output};
use crate::zone;

pub fn run(out: &mut Output<'_>, args: &NextArgs) -> Result<(), Failure> {
    let expr = expression(&args.expression, args.reading.dialect)?;
    let zone = args.reading.zone();
    let from = instant(args.from.as_ref(), &zone)?;
    if expr.never() {
        return Err(Failure::Failed(why_never(&expr)));
    }
    let schedule = Schedule::new(expr, args.reading.dialect, zone.clone());
    let fires = schedule.fires(from).take(args.count as usize);
    if args.json {
        let list: Vec<_> = fires
            .map(|fire| json!({ "at": zone::rfc3339(fire.at, &zone), "copies": fire.copies }))
            .collect();
        return Ok(out.line(serde_json::Value::from(list))?);
    }
    for at in fires.flat_map(copies).take(args.count as usize) {
        out.line(zone::rfc3339(at, &zone))?;
    }
    Ok(())
}

/// The instant, as often as the job is started at it.
fn copies(fire: Fire) -> impl Iterator<Item = jiff::Timestamp> {
    std::iter::repeat_n(fire.at, fire.copies as usize)
}

/// What was typed as an expression; a mistake is shown with a caret.
pub fn expression(words: &[String], dialect: Dialect) -> Result<Expr, Failure> {
    let text = words.join(" ");
    Expr::parse(&text, dialect).map_err(|error| Failure::Usage(shown::of_expression(&text, &error)))
}

fn why_never(expr: &Expr) -> String {
    if expr.at_start() {
        return "@reboot runs when the scheduler starts, at no instant that can be told".into();
    }
    format!("`{expr}` never runs: `sockeye cron explain` says why")
}
