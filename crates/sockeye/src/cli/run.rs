//! The command line of `sockeye run` and `sockeye cron run`: an init, with a program, a crontab, or
//! both.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::cron::Reading;
use crate::config::duration_from_text;

pub const RUN_EXAMPLES: &str = "\
Examples:
  sockeye run -- nginx -g 'daemon off;'
  sockeye run --stop-timeout 30s --crontab /etc/site.cron -- python3 app.py

As PID 1 of a container, or anywhere: every signal goes on to the command, orphans are adopted
and reaped, and when the command has ended all that it left is stopped: TERM, and after the
timeout KILL. Exit status: the command's, 128 + N if signal N ended it, 127 if it is not found,
126 if it cannot be executed.";

pub const CRON_RUN_EXAMPLES: &str = "\
Examples:
  sockeye cron run crontab
  sockeye cron run --system /etc/crontab --history /var/lib/sockeye/history

Signals: TERM, INT and QUIT stop: jobs get TERM, and after the timeout KILL; HUP reads the files
again, which is done at each minute too if they have changed. Lines of jobs, with the job's name in
front, and ends of runs go to standard output, what is wrong with the files to standard error.";

#[derive(Debug, Args)]
pub struct RunArgs {
    /// Run the jobs of this crontab beside the command; may be given several times
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub crontab: Vec<PathBuf>,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub reading: Reading,
    /// The command and its arguments
    #[arg(value_name = "COMMAND", required = true, last = true)]
    pub command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub struct CronRunArgs {
    /// Crontab files
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub reading: Reading,
}

/// How jobs are kept.
#[derive(Debug, Args)]
pub struct Keeping {
    /// How long what is stopped has from TERM to KILL
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration_from_text)]
    pub stop_timeout: Duration,
    /// The lines of crontabs name a user before the command, as in /etc/crontab
    #[arg(long)]
    pub system: bool,
    /// Give jobs exactly cron's environment, and nothing of this one
    #[arg(long)]
    pub clean_environment: bool,
    /// Remember in this file what ran, over a restart
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub history: Option<PathBuf>,
}
