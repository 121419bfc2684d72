//! Runs the tools beside each other: theirs, ours with each collector, theirs again ..., so that
//! what changes on the machine meets all alike. Each turn is the whole command, from its start to
//! its end, with its output written to a file.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::scene::{self, Make, Own, Scene};
use crate::clock;
use crate::failure::{Failure, Result};
use crate::workspace;

/// The three listings that people make.
pub const TOOLS: [(&str, &str); 3] = [("lsof", "-nP"), ("netstat", "-anp"), ("ss", "-anp")];
/// Ours, by the collector asked for; the real tool goes first.
pub const COLLECTORS: [&str; 3] = ["proc", "bpf", "auto"];
pub const THEIRS: &str = "theirs";

/// What is to be measured inside a scene.
#[derive(Clone, Debug)]
pub struct Orders {
    pub make: Make,
    pub turns: usize,
    pub sockeye: PathBuf,
}

/// One way to make one listing, with all its turns.
#[derive(Clone, Debug)]
pub struct Lane {
    pub tool: String,
    /// `THEIRS`, or one of `COLLECTORS`.
    pub by: String,
    pub turns: Vec<Turn>,
}

#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub wall_ms: f64,
    /// User and system time, of its own children too.
    pub processor_ms: f64,
    pub lines: u64,
}

/// The column of a turn that a figure is made of.
pub type Column = fn(&Turn) -> f64;

impl Lane {
    pub fn median(&self, column: Column) -> f64 {
        let mut values: Vec<f64> = self.turns.iter().map(column).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub fn best(&self, column: Column) -> f64 {
        self.turns.iter().map(column).fold(f64::INFINITY, f64::min)
    }
}

const ORDERS: &str = "SOCKEYE_BENCH_INSPECT";

/// Makes the scene, in namespaces if it is more than the machine itself, and measures there.
pub fn measure(orders: &Orders, own: &Own) -> Result<Vec<Lane>> {
    let mut command = match orders.make {
        Make::Nothing => own.command(),
        Make::Sockets { .. } | Make::Processes { .. } => scene::in_namespaces(own),
    };
    let output = command.env(ORDERS, encode(orders)).stderr(Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let answer = text.lines().find(|line| line.starts_with('['));
    match answer {
        Some(answer) if output.status.success() => decode_lanes(&serde_json::from_str(answer)?),
        _ => Err(Failure::Failed(format!("the scene failed: {}: {text}", output.status))),
    }
}

/// Where this process was started inside a scene: does its part of it and gives true.
pub fn inside(own: &Own) -> Result<bool> {
    if scene::hold_if_asked()? {
        return Ok(true);
    }
    let Ok(text) = std::env::var(ORDERS) else { return Ok(false) };
    let orders = decode(&serde_json::from_str(&text)?)?;
    let standing = Scene::make(orders.make, own)?;
    let lanes = run_lanes(&orders)?;
    drop(standing);
    let answer = json!(lanes.iter().map(encode_lane).collect::<Vec<Value>>());
    // On a line of its own, whatever else is on this output.
    scene::println(&format!("\n{answer}"))?;
    Ok(true)
}

fn run_lanes(orders: &Orders) -> Result<Vec<Lane>> {
    let installed = TOOLS.into_iter().filter(|(tool, _)| workspace::program(tool).is_some());
    let mut lanes: Vec<(Lane, &str)> = Vec::new();
    for (tool, flags) in installed {
        for by in [THEIRS].into_iter().chain(COLLECTORS) {
            let lane = Lane { tool: tool.to_owned(), by: by.to_owned(), turns: Vec::new() };
            lanes.push((lane, flags));
        }
    }
    // The first turn fills caches and is forgotten.
    for turn in 0..=orders.turns {
        for (lane, flags) in &mut lanes {
            let measured = run_once(&lane.tool, &lane.by, flags, &orders.sockeye)?;
            lane.turns.extend((turn > 0).then_some(measured));
        }
    }
    Ok(lanes.into_iter().map(|(lane, _)| lane).collect())
}

fn run_once(tool: &str, by: &str, flags: &str, sockeye: &Path) -> Result<Turn> {
    let mut command = match by {
        THEIRS => Command::new(tool),
        collector => {
            let mut command = Command::new(sockeye);
            command.args([tool, "--collector", collector]);
            command
        }
    };
    let mut output: File = tempfile::tempfile()?;
    command.arg(flags).env_remove(ORDERS).stdin(Stdio::null()).stderr(Stdio::null());
    command.stdout(output.try_clone()?);
    let (cost, start) = (sys::usage::children()?, clock::now());
    let status = command.status()?;
    let wall = start.elapsed();
    let cost = sys::usage::children()?.saturating_sub(cost);
    if !status.success() {
        return Err(Failure::Failed(format!("{tool} {flags} ({by}): {status}")));
    }
    output.rewind()?;
    Ok(Turn {
        wall_ms: wall.as_secs_f64() * 1e3,
        processor_ms: cost.as_secs_f64() * 1e3,
        lines: BufReader::new(output).split(b'\n').count() as u64,
    })
}

fn encode(orders: &Orders) -> String {
    let (kind, count, processes) = match orders.make {
        Make::Nothing => ("nothing", 0, 0),
        Make::Sockets { count, processes } => ("sockets", count, processes),
        Make::Processes { count } => ("processes", count, 0),
    };
    let sockeye = orders.sockeye.to_string_lossy();
    json!({ "kind": kind, "count": count, "processes": processes, "turns": orders.turns,
            "sockeye": sockeye })
    .to_string()
}

fn decode(value: &Value) -> Result<Orders> {
    let number = |key: &str| value[key].as_u64().unwrap_or(0) as usize;
    let (count, processes) = (number("count"), number("processes"));
    let make = match value["kind"].as_str() {
        Some("nothing") => Make::Nothing,
        Some("sockets") => Make::Sockets { count, processes },
        Some("processes") => Make::Processes { count },
        _ => return Err(Failure::new("a scene of an unknown kind")),
    };
    let sockeye = PathBuf::from(value["sockeye"].as_str().unwrap_or_default());
    Ok(Orders { make, turns: number("turns"), sockeye })
}

fn encode_lane(lane: &Lane) -> Value {
    let turns = lane.turns.iter().map(|t| json!([t.wall_ms, t.processor_ms, t.lines]));
    json!({ "tool": lane.tool, "by": lane.by, "turns": turns.collect::<Vec<Value>>() })
}

fn decode_lanes(value: &Value) -> Result<Vec<Lane>> {
    let lanes = value.as_array().ok_or_else(|| Failure::new("the scene gave no lanes"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let turn = |value: &Value| Turn {
        wall_ms: value[0].as_f64().unwrap_or(f64::NAN),
        processor_ms: value[1].as_f64().unwrap_or(f64::NAN),
        lines: value[2].as_u64().unwrap_or(0),
    };
    let lane = |value: &Value| Lane {
        tool: text(&value["tool"]),
        by: text(&value["by"]),
        turns: value["turns"].as_array().into_iter().flatten().map(turn).collect(),
    };
    Ok(lanes.iter().map(lane).collect())
}
