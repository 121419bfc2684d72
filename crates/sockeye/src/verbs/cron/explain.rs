//! `cron explain`: an expression in words, its next runs, and what the next change of the clock
//! does to it, which is the part that surprises people.

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use schedule::{Dialect, Expr, Schedule};

use super::next::expression;
use super::{instant, shown};
use crate::cli::cron::ExplainArgs;
use crate::cli::output::{Failure, Output, POOR};
use crate::zone;

/// How many of the next runs are shown.
const RUNS: usize = 5;
/// How many runs around a change of the clock are shown.
const RUNS_AT_CHANGE: usize = 4;
/// How far ahead a change of the clock is looked for.
const CHANGE_WITHIN: SignedDuration = SignedDuration::from_hours(366 * 24);
/// cron makes up for changes up to so much, either way.
const JUMP_MAX: SignedDuration = SignedDuration::from_hours(3);

pub fn run(out: &mut Output<'_>, args: &ExplainArgs) -> Result<(), Failure> {
    let text = args.expression.join(" ");
    let expr = expression(&args.expression, args.reading.dialect)?;
    let zone = args.reading.zone();
    let from = instant(args.from.as_ref(), &zone)?;
    out.line(format_args!("{expr}"))?;
    out.line(format_args!("  runs   {}", expr.describe()))?;
    out.line(format_args!("  zone   {}", zone::name(&zone)))?;
    notes(out, &text, args.reading.dialect)?;
    if expr.never() {
        return Ok(());
    }
    let schedule = Schedule::new(expr, args.reading.dialect, zone);
    next_runs(out, &schedule, from)?;
    Ok(clock_change(out, &schedule, from)?)
}

fn notes(out: &mut Output<'_>, text: &str, dialect: Dialect) -> std::io::Result<()> {
    for note in Expr::notes(text, dialect) {
        let word = out.paint(POOR, "note").to_string();
        out.line(format_args!("  {word}   {}", shown::of_expression(text, &note)))?;
    }
    Ok(())
}

fn next_runs(out: &mut Output<'_>, schedule: &Schedule, from: Timestamp) -> std::io::Result<()> {
    let mut title = "next";
    for fire in schedule.fires(from).take(RUNS) {
        out.line(format_args!("  {title:<6} {}", day_and_time(fire.at, schedule.zone())))?;
        title = "";
    }
    Ok(())
}

fn day_and_time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M %:z").to_string()
}

/// A change of a zone's offset.
struct Change {
    at: Timestamp,
    before: Offset,
    after: Offset,
}

impl Change {
    fn next(zone: &TimeZone, from: Timestamp) -> Option<Change> {
        let until = from.saturating_add(CHANGE_WITHIN).ok()?;
        let mut before = zone.to_offset(from);
        for transition in zone.following(from).take_while(|change| change.timestamp() <= until) {
            let after = transition.offset();
            if after != before {
                return Some(Change { at: transition.timestamp(), before, after });
            }
            before = after;
        }
        None
    }

    /// By how much the wall clock is set: forward is positive.
    fn jump(&self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.after.seconds() - self.before.seconds()))
    }

    /// The wall clock before and after, as if it were UTC's: from the lesser to the greater lies
    /// what is left out, or comes twice.
    fn walls(&self) -> (Timestamp, Timestamp) {
        let wall = |offset: Offset| {
            let seconds = SignedDuration::from_secs(i64::from(offset.seconds()));
            self.at.saturating_add(seconds).unwrap_or(self.at)
        };
        let (before, after) = (wall(self.before), wall(self.after));
        (before.min(after), before.max(after))
    }
}

fn clock_change(out: &mut Output<'_>, schedule: &Schedule, from: Timestamp) -> std::io::Result<()> {
    let zone = schedule.zone();
    let Some(change) = Change::next(zone, from) else {
        return out.line("  clock  does not change within a year");
    };
    let (least, most) = change.walls();
    let utc = |at: Timestamp| at.to_zoned(TimeZone::UTC);
    let hour = |at: Timestamp| utc(at).strftime("%H:%M").to_string();
    let date = change.at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d").to_string();
    let forward = !change.jump().is_negative();
    let (old, new) = if forward { (least, most) } else { (most, least) };
    let way = if forward { "forward" } else { "back" };
    out.line(format_args!("  clock  {date} goes {way} from {} to {}", hour(old), hour(new)))?;
    let named = schedule.in_zone(TimeZone::UTC);
    let just_before = least - SignedDuration::from_secs(1);
    let count = named.fires(just_before).take_while(|fire| fire.at < most).count();
    out.line(format_args!("         {}", consequence(schedule.expr(), change.jump(), count)))?;
    if count == 0 {
        return Ok(());
    }
    let since = change.at - change.jump().abs() - SignedDuration::from_secs(1);
    for fire in schedule.fires(since).take(RUNS_AT_CHANGE) {
        let times =
            if fire.copies > 1 { format!(", {} times", fire.copies) } else { String::new() };
        out.line(format_args!("         {}{times}", day_and_time(fire.at, zone)))?;
    }
    Ok(())
}

/// What cron makes of a change that `count` of the job's times fall into.
fn consequence(expr: &Expr, jump: SignedDuration, count: usize) -> &'static str {
    let far = jump.abs() > JUMP_MAX;
    match (count, jump.is_negative(), expr.wildcard() || far) {
        (0, ..) => "which leaves this job's times as they are",
        (_, false, false) => "its times in the gap run at the first minute after it",
        (_, false, true) => "its times in the gap do not run: it goes by the clock",
        (_, true, false) => "its times that come twice run the first time only",
        (_, true, true) => "its times that come twice run twice: it goes by the clock",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explain(text: &str, zone: &str, from: &str) -> String {
        let zone = zone::from_text(zone).unwrap();
        let expr = Expr::parse(text, Dialect::Debian).unwrap();
        let schedule = Schedule::new(expr, Dialect::Debian, zone);
        let mut bytes = Vec::new();
        clock_change(&mut Output::plain(&mut bytes), &schedule, from.parse().unwrap()).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn changes_of_the_clock_are_told() {
        fn check(text: &str, zone: &str, from: &str, expected: &[&str]) {
            let found = explain(text, zone, from);
            let lines: Vec<&str> = found.lines().map(str::trim).collect();
            assert_eq!(lines, expected, "{text} {zone}");
        }
        let spring = "2026-03-01T00:00:00Z";
        let autumn = "2026-10-01T00:00:00Z";
        let vienna = "Europe/Vienna";
        let forward = "clock  Sun 2026-03-29 goes forward from 02:00 to 03:00";
        let back = "clock  Sun 2026-10-25 goes back from 03:00 to 02:00";
        let unmoved = "which leaves this job's times as they are";
        check("0 4 * * *", vienna, spring, &[forward, unmoved]);
        check("0 4 * * *", vienna, autumn, &[back, unmoved]);
        let after_gap = "its times in the gap run at the first minute after it";
        check(
            "0,30 2 * * *",
            vienna,
            spring,
            &[
                forward,
                after_gap,
                "Sun 2026-03-29 03:00 +02:00, 2 times",
                "Mon 2026-03-30 02:00 +02:00",
                "Mon 2026-03-30 02:30 +02:00",
                "Tue 2026-03-31 02:00 +02:00",
            ],
        );
        let twice = "its times that come twice run twice: it goes by the clock";
        check(
            "*/30 2 * * *",
            vienna,
            autumn,
            &[
                back,
                twice,
                "Sun 2026-10-25 02:00 +02:00",
                "Sun 2026-10-25 02:30 +02:00",
                "Sun 2026-10-25 02:00 +01:00",
                "Sun 2026-10-25 02:30 +01:00",
            ],
        );
        check("0 4 * * *", "UTC", spring, &["clock  does not change within a year"]);
    }
}
