//! The command line of `sockeye app`: the programs that a running Sockeye keeps running.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::CONTROL_HELP;
use crate::settings::signal_number;

pub const EXAMPLES: &str = "\
Examples:
  sockeye app list                  every app, its processes, and how they do
  sockeye app restart api           one instance after the other, each when its successor is ready
  sockeye app logs api --follow     what it prints
  sockeye app signal nginx HUP      to the main process of each instance

Exit status: 0 done, 1 it could not be done, 2 the command line cannot be understood.";

#[derive(Debug, Args)]
pub struct AppArgs {
    #[command(subcommand)]
    pub verb: AppVerb,
    #[arg(long, global = true, value_name = "PATH", help = CONTROL_HELP)]
    #[arg(value_hint = ValueHint::FilePath)]
    pub control: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum AppVerb {
    /// Show every app, its processes, and how they do
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Start an app and wait until it is ready
    Start { name: String },
    /// Stop an app and wait until nothing of it is left
    Stop { name: String },
    /// Replace every instance of an app by a new one, and wait until they are ready
    Restart { name: String },
    /// Print what an app has printed lately
    Logs {
        name: String,
        /// Go on with what it prints from now on
        #[arg(long, short)]
        follow: bool,
        /// At most so many of the lines there are
        #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
        lines: usize,
    },
    /// Send a signal to the main process of each instance
    Signal {
        name: String,
        /// By name, as in HUP
        #[arg(value_parser = |text: &str| signal_number(text).map_err(|why| why.to_owned()))]
        signal: i32,
    },
}
