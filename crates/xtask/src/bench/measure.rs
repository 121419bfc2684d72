//! Measures one row. The servers run side by side and take turns (A B C A B C ...), so that what
//! changes on the machine meanwhile meets all alike; the median of the turns counts.
//!
//! The figure is the processor time of the whole server family for a request, as the operating
//! system accounts it: it says what a server costs, where requests a second say what is idle.

use std::time::Duration;

use testkit::load::{self, Expect, Plan, Report};
use testkit::{processor, tree};

use super::row::{Asked, CONNECTIONS, Row};
use super::server::{Contender, Place, Started};
use crate::failure::{Failure, Result};
use crate::say::say;

/// How the rows are measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub turn: Duration,
    pub turns: usize,
    pub idle_connections: usize,
    /// The processor of the load generator.
    pub processor: Option<usize>,
}

/// What a row gave for one server.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub server: String,
    pub figures: std::result::Result<Figures, String>,
}

/// Medians over the turns, with the turns themselves.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Microseconds of processor a request, or bytes of memory a connection.
    pub cost: f64,
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub failed: u64,
    pub turns: Vec<Turn>,
}

#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub cost: f64,
    pub requests: u64,
    pub requests_per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub failed: u64,
}

/// A server that takes its turns, or why it no longer does.
type Lane = (Contender, Result<(Started, Vec<Turn>)>);

/// How much of a turn goes before the first one, to fill caches.
const WARM_UP: f64 = 0.2;
/// Connections that are opened and closed before memory is looked at.
const IDLE_WARM_UP: usize = 64;
/// The most turns of a row that needs a fresh server for each.
const IDLE_TURNS_MAX: usize = 3;

/// Measures the row for all contenders that are there.
pub fn measure(row: &Row, place: &Place, effort: &Effort) -> Vec<Outcome> {
    let there = row.contenders.iter().filter(|contender| contender.is_installed(place));
    match row.asked {
        Asked::Idle => {
            there.map(|contender| outcome(contender, idle(contender, row, place, effort))).collect()
        }
        Asked::Requests { .. } | Asked::Connections => {
            busy(row, there.cloned().collect(), place, effort)
        }
    }
}

fn outcome(contender: &Contender, turns: Result<Vec<Turn>>) -> Outcome {
    let figures = turns.map_err(|failure| failure.to_string()).and_then(summarise);
    if let Err(reason) = &figures {
        say(format_args!("  {}: {reason}", contender.name));
    }
    Outcome { server: contender.name.clone(), figures }
}

fn busy(row: &Row, there: Vec<Contender>, place: &Place, effort: &Effort) -> Vec<Outcome> {
    let mut lanes: Vec<Lane> = there
        .into_iter()
        .map(|contender| {
            let started = contender.start(place).and_then(|started| {
                let short = Effort { turn: effort.turn.mul_f64(WARM_UP), ..*effort };
                turn(row, &contender, &started, &short)?;
                Ok((started, Vec::new()))
            });
            (contender, started)
        })
        .collect();
    for _ in 0..effort.turns {
        for (contender, lane) in &mut lanes {
            let Ok((started, turns)) = lane else { continue };
            match turn(row, contender, started, effort) {
                Ok(one) => turns.push(one),
                Err(failure) => *lane = Err(failure),
            }
        }
    }
    let outcomes = lanes.into_iter();
    outcomes.map(|(contender, lane)| outcome(&contender, lane.map(|(_, turns)| turns))).collect()
}

fn turn(row: &Row, contender: &Contender, started: &Started, effort: &Effort) -> Result<Turn> {
    let (pipelined, reconnect_every) = match row.asked {
        Asked::Requests { pipelined } => (pipelined, None),
        Asked::Connections | Asked::Idle => (1, Some(1)),
    };
    let plan = Plan {
        connections: contender.connections.unwrap_or(CONNECTIONS),
        pipelined,
        reconnect_every,
        duration: effort.turn,
        expect: Expect::Length(row.body_bytes),
        processor: effort.processor,
        ..Plan::new(started.address.clone(), row.target)
    };
    let before = started.cpu_time()?;
    let report = load::start(plan).wait()?;
    let after = started.cpu_time()?;
    if report.answered() == 0 {
        return Err(Failure::Failed(format!("no request was answered: {report}")));
    }
    if report.failed() > 0 {
        say(format_args!("  {}: {report}", contender.name));
    }
    Ok(summary_of(&report, after.saturating_sub(before)))
}

fn summary_of(report: &Report, cpu: Duration) -> Turn {
    let microseconds = |duration: Duration| duration.as_secs_f64() * 1e6;
    Turn {
        cost: microseconds(cpu) / report.answered() as f64,
        requests: report.answered(),
        requests_per_second: report.requests_per_second(),
        p50_us: microseconds(report.p50()),
        p99_us: microseconds(report.p99()),
        failed: report.failed(),
    }
}

/// Each turn has a fresh server: memory that an allocator kept would make the next turn cheap.
fn idle(contender: &Contender, row: &Row, place: &Place, effort: &Effort) -> Result<Vec<Turn>> {
    (0..effort.turns.clamp(1, IDLE_TURNS_MAX))
        .map(|_| {
            let started = contender.start(place)?;
            processor::on(effort.processor, || idle_turn(&started, row, effort))?
        })
        .collect()
}

fn idle_turn(started: &Started, row: &Row, effort: &Effort) -> Result<Turn> {
    let count = effort.idle_connections;
    drop(load::hold(&started.address, row.target, count.min(IDLE_WARM_UP))?);
    let before = tree::memory(started.child.pid())?;
    let mut held = load::hold(&started.address, row.target, count)?;
    let after = tree::memory(started.child.pid())?;
    let lost = count - held.still_open();
    let grown = after.private.saturating_sub(before.private);
    Ok(Turn {
        cost: grown as f64 / count as f64,
        requests: count as u64,
        requests_per_second: 0.0,
        p50_us: 0.0,
        p99_us: 0.0,
        failed: lost as u64,
    })
}

fn summarise(turns: Vec<Turn>) -> std::result::Result<Figures, String> {
    if turns.is_empty() {
        return Err("no turn was measured".to_owned());
    }
    let of = |value: fn(&Turn) -> f64| median(turns.iter().map(value).collect());
    Ok(Figures {
        cost: of(|turn| turn.cost),
        requests_per_second: of(|turn| turn.requests_per_second),
        p50_us: of(|turn| turn.p50_us),
        p99_us: of(|turn| turn.p99_us),
        failed: turns.iter().map(|turn| turn.failed).sum(),
        turns,
    })
}

/// The middle value, or the mean of the two in the middle; 0 for none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        let check = |values: &[f64], expected: f64| assert_eq!(median(values.to_vec()), expected);
        check(&[], 0.0);
        check(&[7.0], 7.0);
        check(&[3.0, 1.0, 2.0], 2.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5);
    }
}
