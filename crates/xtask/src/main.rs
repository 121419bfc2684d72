//! The project's own tasks: `cargo xtask ci | tidy | bench | syscalls`. Plain Rust in place of
//! scripts, so that they are checked like everything else.
//!
//! Exit codes: 0 all is well, 1 something failed, 2 the command line was not understood.

#![forbid(unsafe_code)]

use std::process::ExitCode;

mod bench;
mod ci;
mod clock;
mod failure;
mod packages;
mod say;
mod syscalls;
mod tidy;
mod workspace;

use failure::{Failure, Result};
use say::say;

const USAGE: &str = "\
usage: cargo xtask TASK

  ci [--skip-packages]          everything that must pass before a change goes in
  tidy                          the invariants that the compiler does not check
  bench [serve] [OPTIONS]       Sockeye beside its rivals; see cargo xtask bench --help
  bench inspect [OPTIONS]       our lsof, netstat and ss beside the real ones
  syscalls PID ADDRESS:PORT [TARGET] [REQUESTS]
                                system calls a keep-alive request of a running server";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => {
            say(format_args!("xtask: {text}\n\n{USAGE}"));
            ExitCode::from(2)
        }
        Err(Failure::Failed(text)) => {
            say(format_args!("xtask: {text}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let Some((task, rest)) = arguments.split_first() else {
        return Err(Failure::Usage("which task?".to_owned()));
    };
    match task.as_str() {
        "ci" => ci::run(rest),
        "tidy" => tidy::run(rest),
        "bench" => bench::run(rest),
        "syscalls" => syscalls::run(rest),
        "help" | "--help" | "-h" => {
            say(format_args!("{USAGE}"));
            Ok(())
        }
        _ => Err(Failure::Usage(format!("no task is called {task:?}"))),
    }
}
