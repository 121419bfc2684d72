//! `cargo xtask bench`: Sockeye beside nginx, h2o, haproxy, lighttpd and caddy on this machine, in
//! one run. A whole run writes docs/benchmarks/ (raw data, table, picture); a part of it writes to
//! target/bench/, so that what is published is always of one piece.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::processor;

use crate::failure::{Failure, Result};
use crate::say::say;
use crate::workspace;

mod chart;
mod inspect;
mod machine;
mod measure;
mod output;
mod row;
mod server;
mod table;
#[cfg(test)]
mod tests;

use measure::{Effort, Outcome};
use row::{Asked, Row};
use server::Place;

const USAGE: &str = "\
usage: cargo xtask bench [serve] [OPTIONS]

  --quick          a few hundred milliseconds a row: whether it works, not how fast it is
  --only ROW       only this row (may be repeated); --only help lists them
  --without NAME   leave this server out (may be repeated)
  --seconds S      how long one turn is (2)
  --turns N        how many turns each server has (5)
  --idle N         how many idle connections are held (10000)
  --sockeye FILE   the program to measure; without it target/release/sockeye is built first
  --out FOLDER     where to write; docs/benchmarks for a whole run, target/bench for a part";

/// The most that one turn may last and the most turns, so that a run ends.
const SECONDS_MAX: f64 = 600.0;
const TURNS_MAX: usize = 100;
/// Descriptors beside those of the idle connections.
const DESCRIPTORS_SPARE: u64 = 1000;

/// What the command line asked for.
#[derive(Clone, Debug)]
struct Options {
    only: Vec<String>,
    without: Vec<String>,
    effort: Effort,
    sockeye: Option<PathBuf>,
    out: Option<PathBuf>,
    quick: bool,
}

/// A row with what it gave.
#[derive(Clone, Debug)]
struct Measured {
    row: Row,
    outcomes: Vec<Outcome>,
}

/// A whole run.
#[derive(Clone, Debug)]
struct Run {
    /// Pairs of name and value: processor, kernel, date, versions.
    facts: Vec<(String, String)>,
    rows: Vec<Measured>,
}

pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(("inspect", rest)) = arguments.split_first().map(|(a, b)| (a.as_str(), b)) {
        return inspect::run(rest);
    }
    let Some(mut options) = parse(arguments)? else { return Ok(()) };
    if options.sockeye.is_none() && !options.without.iter().any(|name| name == "sockeye") {
        options.sockeye = Some(build()?);
    }
    let out = match &options.out {
        Some(out) => out.clone(),
        None if options.is_whole() => workspace::root().join("docs/benchmarks"),
        None => workspace::target().join("bench"),
    };
    let run = carry_out(&options)?;
    output::write(&run, &out)?;
    say(format_args!("\n{}\nwritten to {}", table::text(&run), out.display()));
    verdict(&run)
}

/// Slowness is for the reader to judge; a Sockeye that does not serve is a failure.
fn verdict(run: &Run) -> Result<()> {
    let lanes = run.rows.iter().flat_map(|measured| {
        let own = measured.row.contenders.iter().filter(|contender| contender.is_sockeye());
        let outcomes =
            own.filter_map(|own| measured.outcomes.iter().find(|o| o.server == own.name));
        outcomes.map(|outcome| (measured.row.name, outcome))
    });
    let bad = lanes.filter_map(|(row, outcome)| match &outcome.figures {
        Err(_) => Some(format!("{row}: {} could not be measured", outcome.server)),
        Ok(figures) if figures.failed > 0 => {
            Some(format!("{row}: {} failed {} requests", outcome.server, figures.failed))
        }
        Ok(_) => None,
    });
    match bad.collect::<Vec<String>>() {
        bad if bad.is_empty() => Ok(()),
        bad => Err(Failure::Failed(bad.join("\n"))),
    }
}

impl Options {
    fn is_whole(&self) -> bool {
        self.only.is_empty() && self.without.is_empty() && !self.quick
    }

    fn wants(&self, row: &Row) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == row.name)
    }
}

/// `None` means that help was asked for and given.
fn parse(arguments: &[String]) -> Result<Option<Options>> {
    let effort = Effort {
        turn: Duration::from_secs(2),
        turns: 5,
        idle_connections: 10_000,
        processor: None,
    };
    let mut options = Options {
        only: Vec::new(),
        without: Vec::new(),
        effort,
        sockeye: None,
        out: None,
        quick: false,
    };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        if matches!(flag.as_str(), "--help" | "-h") {
            say(format_args!("{USAGE}"));
            return Ok(None);
        }
        match flag.as_str() {
            "serve" => {}
            "--quick" => quicken(&mut options),
            _ => {
                let value = rest.next().ok_or_else(|| misused(flag))?;
                set(&mut options, flag, value)?;
            }
        }
    }
    let rows = row::all();
    let known = |name: &String| rows.iter().any(|row| row.name == name);
    if let Some(unknown) = options.only.iter().find(|name| !known(name)) {
        let names: Vec<&str> = rows.iter().map(|row| row.name).collect();
        let text = format!("no row is called {unknown:?}; there are {}", names.join(", "));
        return Err(Failure::Usage(text));
    }
    Ok(Some(options))
}

fn quicken(options: &mut Options) {
    options.quick = true;
    options.effort.turn = Duration::from_millis(200);
    options.effort.turns = 1;
    options.effort.idle_connections = 200;
}

fn set(options: &mut Options, flag: &str, value: &str) -> Result<()> {
    let number = || value.parse::<usize>().map_err(|_| misused(flag));
    match flag {
        "--only" => options.only.push(value.to_owned()),
        "--without" => options.without.push(value.to_owned()),
        "--sockeye" => options.sockeye = Some(PathBuf::from(value)),
        "--out" => options.out = Some(PathBuf::from(value)),
        "--turns" => options.effort.turns = number()?.clamp(1, TURNS_MAX),
        "--idle" => {
            options.effort.idle_connections = number()?.clamp(1, testkit::load::CONNECTIONS_MAX);
        }
        "--seconds" => {
            let seconds: f64 = value.parse().map_err(|_| misused(flag))?;
            if !(seconds > 0.0 && seconds <= SECONDS_MAX) {
                return Err(misused(flag));
            }
            options.effort.turn = Duration::from_secs_f64(seconds);
        }
        _ => return Err(misused(flag)),
    }
    Ok(())
}

fn misused(flag: &str) -> Failure {
    Failure::Usage(format!("bench does not understand {flag:?}\n\n{USAGE}"))
}

fn build() -> Result<PathBuf> {
    say(format_args!("building target/release/sockeye"));
    let status = workspace::cargo().args(["build", "--release", "-p", "sockeye"]).status()?;
    if !status.success() {
        return Err(Failure::new("sockeye does not build; --without sockeye leaves it out"));
    }
    Ok(workspace::target().join("release/sockeye"))
}

fn carry_out(options: &Options) -> Result<Run> {
    let files = processor::raise_open_files()?;
    let mut options = options.clone();
    let spare = usize::try_from(files.saturating_sub(DESCRIPTORS_SPARE)).unwrap_or(usize::MAX);
    options.effort.idle_connections = options.effort.idle_connections.min(spare);
    let site = tempfile::tempdir()?;
    make_site(site.path())?;
    let (load, server) = processors()?;
    options.effort.processor = load;
    let place = Place {
        site: site.path().to_path_buf(),
        sockeye: options.sockeye.clone(),
        processor: server,
    };
    let mut rows: Vec<Row> = row::all().into_iter().filter(|row| options.wants(row)).collect();
    for row in &mut rows {
        row.contenders.retain(|contender| !options.without.contains(&contender.name));
    }
    let mut measured = Vec::with_capacity(rows.len());
    for row in rows {
        say(format_args!("{}", row.title));
        let outcomes = measure::measure(&row, &place, &options.effort);
        table::lines(&row, &outcomes).iter().for_each(|line| say(format_args!("  {line}")));
        measured.push(Measured { row, outcomes });
    }
    let facts = machine::facts(&place, &options.effort, &measured);
    Ok(Run { facts, rows: measured })
}

/// The load generator on one processor, the servers on another; both anywhere if there is one.
fn processors() -> Result<(Option<usize>, Option<usize>)> {
    Ok(match processor::allowed()?[..] {
        [first, second, ..] => (Some(first), Some(second)),
        _ => (None, None),
    })
}

/// The files to serve; those that root starts drop to other users, who must be able to read them.
fn make_site(site: &Path) -> Result<()> {
    fs::set_permissions(site, fs::Permissions::from_mode(0o755))?;
    for (target, bytes) in row::FILES {
        let file = site.join(target.trim_start_matches('/'));
        let text = b"Hello world!".iter().cycle().take(bytes as usize).copied();
        fs::write(&file, text.collect::<Vec<u8>>())?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
    }
    Ok(())
}
