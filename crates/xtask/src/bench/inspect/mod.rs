//! `cargo xtask bench inspect`: Sockeye's lsof, netstat and ss beside the real ones, with each
//! collector, over many sockets, many processes, and the machine as it is.
//!
//! A whole run writes docs/benchmarks/inspect.md and .json; a part of it goes to target/bench/.

use std::path::PathBuf;

use super::{build, machine};
use crate::clock;
use crate::failure::{Failure, Result};
use crate::say::say;
use crate::workspace;

mod measure;
mod output;
mod scene;
#[cfg(test)]
mod tests;

use measure::{Lane, Orders};
use scene::{Make, Own};

const USAGE: &str = "\
usage: cargo xtask bench inspect [OPTIONS]

  --quick          small scenes and one turn: whether it works, not how fast it is
  --only SCENE     only this scene (may be repeated): idle, sockets, processes, many
  --turns N        how many turns each command has (11)
  --sockeye FILE   the program to measure; without it target/release/sockeye is built first
  --out FOLDER     where to write; docs/benchmarks for a whole run, target/bench for a part";

const TURNS: usize = 11;
const TURNS_MAX: usize = 200;

/// A scene with its name and what each of our commands should be, beside the real one.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    pub make: Make,
    /// By how much lsof, netstat and ss are to be faster with BPF, and with /proc alone.
    pub goal: Goal,
}

/// How many times faster than the real tool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    pub lsof: f64,
    pub others: f64,
    pub by_proc: Option<f64>,
}

const MANY: Goal = Goal { lsof: 8.0, others: 6.0, by_proc: Some(3.0) };
const MORE: Goal = Goal { lsof: 15.0, others: 15.0, by_proc: None };
/// Never slower than 1.1 times the real tool.
const FEW: Goal = Goal { lsof: 1.0 / 1.1, others: 1.0 / 1.1, by_proc: None };

const ROWS: [Row; 4] = [
    Row { name: "idle", title: "The machine as it is", make: Make::Nothing, goal: FEW },
    Row {
        name: "sockets",
        title: "10,000 sockets in 2 processes",
        make: Make::Sockets { count: 10_000, processes: 2 },
        goal: MANY,
    },
    Row {
        name: "processes",
        title: "3,000 processes, 200 sockets",
        make: Make::Processes { count: 3000 },
        goal: MANY,
    },
    Row {
        name: "many",
        title: "60,000 sockets in 4 processes",
        make: Make::Sockets { count: 60_000, processes: 4 },
        goal: MORE,
    },
];

#[derive(Clone, Debug, Default)]
struct Options {
    only: Vec<String>,
    turns: Option<usize>,
    sockeye: Option<PathBuf>,
    out: Option<PathBuf>,
    quick: bool,
}

/// What a whole run gave.
#[derive(Clone, Debug)]
pub struct Run {
    /// Pairs of name and value: processor, kernel, date.
    pub facts: Vec<(String, String)>,
    pub rows: Vec<(Row, Vec<Lane>)>,
}

pub fn run(arguments: &[String]) -> Result<()> {
    let own = own()?;
    if measure::inside(&own)? {
        return Ok(());
    }
    let Some(options) = parse(arguments)? else { return Ok(()) };
    let out = match &options.out {
        Some(out) => out.clone(),
        None if options.is_whole() => workspace::root().join("docs/benchmarks"),
        None => workspace::target().join("bench"),
    };
    let run = carry_out(&options, &own)?;
    output::write(&run, &out)?;
    say(format_args!("written to {}", out.display()));
    Ok(())
}

/// This program, led back to `run` by its arguments.
fn own() -> Result<Own> {
    let program = std::env::current_exe()?.into_os_string();
    Ok(Own { program, arguments: vec!["bench", "inspect"] })
}

impl Options {
    fn is_whole(&self) -> bool {
        self.only.is_empty() && !self.quick
    }

    fn wants(&self, row: &Row) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == row.name)
    }

    fn turns(&self) -> usize {
        let usual = if self.quick { 1 } else { TURNS };
        self.turns.unwrap_or(usual).clamp(1, TURNS_MAX)
    }
}

/// `None` means that help was asked for and given.
fn parse(arguments: &[String]) -> Result<Option<Options>> {
    let mut options = Options::default();
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let misused = || Failure::Usage(format!("bench inspect: {flag:?}?\n\n{USAGE}"));
        let mut value = || rest.next().cloned().ok_or_else(misused);
        match flag.as_str() {
            "--help" | "-h" => {
                say(format_args!("{USAGE}"));
                return Ok(None);
            }
            "--quick" => options.quick = true,
            "--only" => options.only.push(value()?),
            "--sockeye" => options.sockeye = Some(PathBuf::from(value()?)),
            "--out" => options.out = Some(PathBuf::from(value()?)),
            "--turns" => options.turns = Some(value()?.parse().map_err(|_| misused())?),
            _ => return Err(misused()),
        }
    }
    let known = |name: &String| ROWS.iter().any(|row| row.name == name);
    match options.only.iter().find(|name| !known(name)) {
        Some(unknown) => Err(Failure::Usage(format!("no scene is called {unknown:?}\n\n{USAGE}"))),
        None => Ok(Some(options)),
    }
}

fn carry_out(options: &Options, own: &Own) -> Result<Run> {
    let sockeye = match &options.sockeye {
        Some(file) => std::path::absolute(file)?,
        None => build()?,
    };
    let mut rows = Vec::new();
    for row in ROWS.into_iter().filter(|row| options.wants(row)) {
        let make = if options.quick { row.make.small() } else { row.make };
        let orders = Orders { make, turns: options.turns(), sockeye: sockeye.clone() };
        let lanes = measure::measure(&orders, own)?;
        say(format_args!("{}", output::section(&row, &lanes)));
        rows.push((row, lanes));
    }
    Ok(Run { facts: facts(options.turns()), rows })
}

fn facts(turns: usize) -> Vec<(String, String)> {
    let mut facts = vec![
        ("date".to_owned(), clock::date()),
        ("processor".to_owned(), machine::processor()),
        ("kernel".to_owned(), machine::kernel()),
        ("load average after the run".to_owned(), machine::load_average()),
        ("turns".to_owned(), format!("{turns}, interleaved")),
        ("scheduling".to_owned(), scheduling().to_owned()),
    ];
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    facts.insert(2, ("processors".to_owned(), processors.to_string()));
    facts
}

/// The scheduling policy of this process, which the commands inherit: sched(7), proc_pid_stat(5).
fn scheduling() -> &'static str {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    match fields.split_whitespace().nth(POLICY_FIELD) {
        Some("0") => "as usual",
        Some("1") => "SCHED_FIFO (chrt -f 1), before the other work on the machine",
        _ => "another than usual",
    }
}

/// Counted from the state, which follows the name.
const POLICY_FIELD: usize = 38;
