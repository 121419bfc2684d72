//! What was measured, as a page with tables and as raw data.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::measure::{Column, Lane, THEIRS};
use super::{Row, Run};
use crate::failure::{Failure, Result};

const WALL: Column = |turn| turn.wall_ms;
const PROCESSOR: Column = |turn| turn.processor_ms;

pub fn write(run: &Run, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let raw = serde_json::to_string(&json(run))? + "\n";
    for (name, text) in [("inspect.json", raw), ("inspect.md", page(run))] {
        let path = folder.join(name);
        fs::write(&path, text)
            .map_err(|error| Failure::Failed(format!("write {}: {error}", path.display())))?;
    }
    Ok(())
}

pub fn page(run: &Run) -> String {
    let mut page = String::from(HEAD);
    page.push_str("\n## The machine\n\n| | |\n|---|---|\n");
    for (name, value) in &run.facts {
        writeln!(page, "| {name} | {value} |").ok();
    }
    for (row, lanes) in &run.rows {
        page.push('\n');
        page.push_str(&section(row, lanes));
    }
    page
}

/// One scene: a line for each way to make each listing.
pub fn section(row: &Row, lanes: &[Lane]) -> String {
    let mut text = format!("## {}\n\n{TABLE}", row.title);
    for lane in lanes {
        let theirs = lanes.iter().find(|other| other.tool == lane.tool && other.by == THEIRS);
        let faster = |column: Column| match theirs {
            Some(theirs) if lane.by != THEIRS => {
                format!("{:.1}x", theirs.median(column) / lane.median(column))
            }
            _ => String::new(),
        };
        let lines = lane.turns.last().map_or(0, |turn| turn.lines);
        writeln!(
            text,
            "| {} | {} | {lines} | {:.1} | {:.1} | {:.1} | {:.1} | {} | {} | {} |",
            lane.tool,
            lane.by,
            lane.best(WALL),
            lane.median(WALL),
            lane.best(PROCESSOR),
            lane.median(PROCESSOR),
            faster(WALL),
            faster(PROCESSOR),
            goal(row, lane).map_or_else(String::new, |goal| format!("{goal:.1}x")),
        )
        .ok();
    }
    text
}

fn goal(row: &Row, lane: &Lane) -> Option<f64> {
    match lane.by.as_str() {
        THEIRS => None,
        "proc" => row.goal.by_proc,
        // On the machine as it is, what counts is what a user gets, who asks for no collector.
        "bpf" if row.goal.by_proc.is_none() && row.goal.lsof < 1.0 => None,
        _ if lane.tool == "lsof" => Some(row.goal.lsof),
        _ => Some(row.goal.others),
    }
}

pub fn json(run: &Run) -> Value {
    let facts = run.facts.iter().map(|(name, value)| (name.clone(), json!(value)));
    let scene = |(row, lanes): &(Row, Vec<Lane>)| {
        let lanes = lanes.iter().map(lane).collect::<Vec<Value>>();
        json!({ "name": row.name, "title": row.title, "commands": lanes })
    };
    json!({
        "facts": facts.collect::<serde_json::Map<_, _>>(),
        "scenes": run.rows.iter().map(scene).collect::<Vec<Value>>(),
    })
}

fn lane(lane: &Lane) -> Value {
    let turns = lane.turns.iter().map(|turn| {
        json!({
            "wall_ms": round(turn.wall_ms),
            "processor_ms": round(turn.processor_ms),
            "lines": turn.lines,
        })
    });
    json!({ "tool": lane.tool, "by": lane.by, "turns": turns.collect::<Vec<Value>>() })
}

/// Microseconds; more is noise.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

const TABLE: &str = "\
| tool | by | lines | wall best | wall median | CPU best | CPU median | wall | CPU | goal |
|---|---|--:|--:|--:|--:|--:|--:|--:|--:|
";

const HEAD: &str = "\
# Sockeye's lsof, netstat and ss beside the real ones

Written by `cargo xtask bench inspect`; every turn is in [inspect.json](inspect.json).

**What is measured.** The whole command, `lsof -nP`, `netstat -anp` and `ss -anp`, from its start to
its end with the output written to a file: wall time, and processor time (user and system, of its
children too, getrusage(2)), in milliseconds. `theirs` is the real tool; ours follow with
`--collector proc`, `bpf` and `auto`. The last three columns are how many times faster than the real
tool, by the medians, and the goal, which is about wall time. Ours may use two processors at once.
`lines` are those printed: all list the same things, and each lsof itself too, the real one with the
child that it forks.

**How.** The commands take turns in one run, so that what changes on the machine meets all alike.
But for the first scene each is made in network, pid and mount namespaces of its own. The sockets
are both ends of TCP connections over loopback; each of the many processes is a sleep(1) with five
descriptors.
";
