//! `run` and `cron run`: what was typed, lowered into what the init needs.

use std::path::PathBuf;
use std::process::ExitCode;

use schedule::Policy;

use crate::cli::cron;
use crate::cli::run::{CronRunArgs, Keeping, RunArgs};
use crate::init::{self, Options};
use crate::jobs::crontab::Reading;

pub fn program(args: RunArgs) -> ExitCode {
    let reading = reading(&args.keeping, &args.reading);
    init::run(Options {
        command: args.command,
        crontabs: absolute(args.crontab),
        reading,
        history: args.keeping.history,
        stop_timeout: args.keeping.stop_timeout,
    })
}

pub fn crontabs(args: CronRunArgs) -> ExitCode {
    let reading = reading(&args.keeping, &args.reading);
    init::run(Options {
        command: Vec::new(),
        crontabs: absolute(args.files),
        reading,
        history: args.keeping.history,
        stop_timeout: args.keeping.stop_timeout,
    })
}

fn reading(keeping: &Keeping, typed: &cron::Reading) -> Reading {
    let inherited =
        if keeping.clean_environment { Vec::new() } else { process::current_environment() };
    Reading {
        dialect: typed.dialect,
        zone: typed.zone(),
        system: keeping.system,
        policy: Policy::default(),
        inherited,
        seed: u64::from(std::process::id()),
    }
}

/// A crontab keeps its name, which is in its jobs' histories, wherever this is started from. Where
/// the current folder cannot be told, the path stays as it was typed.
fn absolute(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().map(|path| std::path::absolute(&path).unwrap_or(path)).collect()
}
