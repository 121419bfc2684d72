//! The command line of `sockeye cron`: what may be typed behind it.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};
use jiff::tz::TimeZone;
use schedule::Dialect;

use super::ControlArgs;
use super::run::{CRON_RUN_EXAMPLES, CronRunArgs};
use crate::zone::{self, Instant};

pub const NEXT_EXAMPLES: &str = "\
Examples:
  sockeye cron next '0 4 * * 6,0'
  sockeye cron next '30 2 * * *' -n 3 --tz America/New_York --from 2026-03-08
  sockeye cron next @daily --json

An instant stands twice where cron starts the job twice at once. Exit status: 0, or 1 if the job
never runs, or 2 if the expression is wrong.";

pub const EXPLAIN_EXAMPLES: &str = "\
Examples:
  sockeye cron explain '0 4 * * 6,0'
  sockeye cron explain '30 2 * * *' --tz Europe/Vienna --from 2027-03-01";

pub const CHECK_EXAMPLES: &str = "\
Examples:
  sockeye cron check crontab
  sockeye cron check --system site.cron
  crontab -l | sockeye cron check -

/etc/crontab and what is in /etc/cron.d have a user column without --system too. Exit status: 0 when
every line is right (there may be notes), 1 when not.";

pub const SIMULATE_EXAMPLES: &str = "\
Examples:
  sockeye cron simulate crontab --from 2026-03-01 --to 2026-04-01 --tz Europe/Vienna
  sockeye cron simulate --system /etc/crontab --json

Nothing is run. The list is what a daemon started at --from would start up to and at --to; @reboot
lines are not in it, as they belong to no instant.";

#[derive(Debug, Args)]
pub struct CronArgs {
    #[command(subcommand)]
    pub verb: CronVerb,
}

#[derive(Debug, Subcommand)]
pub enum CronVerb {
    /// Print the next instants of an expression, one a line
    #[command(after_help = NEXT_EXAMPLES)]
    Next(NextArgs),
    /// Say what an expression means, when it runs, and what the next change of the clock does to it
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Find what is wrong with crontab files, with line, column and what would be right
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// List what a crontab would run when, without running it
    #[command(after_help = SIMULATE_EXAMPLES)]
    Simulate(SimulateArgs),
    /// Show the jobs of the running server: when each runs next, and how it ran last
    List {
        #[command(flatten)]
        control: ControlArgs,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Run a job of the running server now
    Trigger {
        /// As `sockeye cron list` names it
        job: String,
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Run the jobs of crontab files in the foreground, as in a container
    #[command(after_help = CRON_RUN_EXAMPLES)]
    Run(CronRunArgs),
}

/// How an expression or a file is read.
#[derive(Debug, Args)]
pub struct Reading {
    /// Whose cron is followed where Debian's and cronie differ
    #[arg(long, value_name = "DIALECT", default_value = "debian", value_parser = dialect())]
    pub dialect: Dialect,
    /// The time zone [default: the system's]
    #[arg(long, value_name = "ZONE", value_parser = zone::from_text)]
    pub tz: Option<TimeZone>,
}

impl Reading {
    pub fn zone(&self) -> TimeZone {
        self.tz.clone().unwrap_or_else(zone::of_system)
    }
}

#[derive(Debug, Args)]
pub struct NextArgs {
    /// Five fields or a nickname, in quotes
    #[arg(value_name = "EXPR", required = true)]
    pub expression: Vec<String>,
    /// How many
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// The instants strictly after this one [default: now]
    #[arg(long, value_name = "INSTANT", value_parser = Instant::from_text)]
    pub from: Option<Instant>,
    #[command(flatten)]
    pub reading: Reading,
    /// Print one JSON array
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Five fields or a nickname, in quotes
    #[arg(value_name = "EXPR", required = true)]
    pub expression: Vec<String>,
    /// Seen from this instant [default: now]
    #[arg(long, value_name = "INSTANT", value_parser = Instant::from_text)]
    pub from: Option<Instant>,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Crontab files; - is standard input
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// The lines name a user before the command, as in /etc/crontab
    #[arg(long)]
    pub system: bool,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// A crontab file; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// The daemon starts at this instant [default: now]
    #[arg(long, value_name = "INSTANT", value_parser = Instant::from_text)]
    pub from: Option<Instant>,
    /// The last instant [default: a day later]
    #[arg(long, value_name = "INSTANT", value_parser = Instant::from_text)]
    pub to: Option<Instant>,
    /// The lines name a user before the command, as in /etc/crontab
    #[arg(long)]
    pub system: bool,
    #[command(flatten)]
    pub reading: Reading,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// A parser that offers the names of the dialects.
fn dialect() -> impl TypedValueParser<Value = Dialect> {
    let names = [Dialect::Debian, Dialect::Cronie].map(Dialect::name);
    PossibleValuesParser::new(names)
        .map(|name| Dialect::named(&name).expect("clap gives back one of the names it was given"))
}
