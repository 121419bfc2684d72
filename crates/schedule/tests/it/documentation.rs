//! docs/schedule.md, run: what its tables of examples say is what the crate does.
//!
//! A table is known by its heading; a row that is wrong is shown as it should be.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sockeye_schedule::{Crontab, Dialect, Expr, Options, Schedule};

const PAGE: &str = include_str!("../../../../docs/schedule.md");

/// Holds each row of the table with this heading against the row made from its first cells.
#[track_caller]
fn check(heading: &str, least: usize, row: impl Fn(&[&str]) -> String) {
    let (_, table) = PAGE.split_once(heading).expect("the table is on the page");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    let wrong: Vec<String> = rows
        .iter()
        .map(|line| (line, row(&cells(line))))
        .filter(|(line, right)| *line != right)
        .map(|(_, right)| right)
        .collect();
    assert!(wrong.is_empty(), "these rows should read:\n{}", wrong.join("\n"));
    assert!(rows.len() >= least, "only {} rows", rows.len());
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
}

fn schedule(expr: &str, zone: &TimeZone) -> Schedule {
    let expr = Expr::parse(expr, Dialect::Debian).expect("a good expression");
    Schedule::new(expr, Dialect::Debian, zone.clone())
}

/// The next instants in local time, with copies.
fn next(schedule: &Schedule, from: Timestamp, count: usize, format: &str) -> String {
    let fires = schedule.fires(from).take(count).map(|fire| {
        let local = fire.at.to_zoned(schedule.zone().clone()).strftime(format).to_string();
        if fire.copies > 1 { format!("{local} (x{})", fire.copies) } else { local }
    });
    let fires: Vec<String> = fires.collect();
    if fires.is_empty() { "no instant".to_string() } else { fires.join(", ") }
}

#[test]
fn examples_in_words_and_times() {
    let from = "2026-01-01T00:00Z".parse().expect("an instant");
    check("| expression | in words | next |", 15, |cells| {
        let schedule = schedule(cells[0], &TimeZone::UTC);
        let next = next(&schedule, from, 3, "%Y-%m-%d %H:%M");
        format!("| `{}` | {} | {next} |", cells[0], schedule.expr().describe())
    });
}

#[test]
fn nights_of_clock_changes() {
    check("| expression | zone | after | runs |", 9, |cells| {
        let zone = TimeZone::get(cells[1]).expect("the zone is installed");
        let from: Timestamp = cells[2].parse().expect("an instant");
        let next = next(&schedule(cells[0], &zone), from, 3, "%m-%d %H:%M%:z");
        format!("| `{}` | {} | {} | {next} |", cells[0], cells[1], cells[2])
    });
}

#[test]
fn errors_and_notes() {
    check("| line | error or note |", 13, |cells| {
        let crontab = Crontab::parse(format!("{}\n", cells[0]).as_bytes(), &Options::utc());
        let findings = crontab.errors().iter().chain(crontab.notes());
        let said: Vec<String> = findings
            .map(|finding| {
                let (column, what, remedy) = (finding.column(), finding.what(), finding.remedy());
                format!("column {column}: {what}; {remedy}")
            })
            .collect();
        format!("| `{}` | {} |", cells[0], said.join("; "))
    });
}
