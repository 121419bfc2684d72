//! `cargo xtask ci`: everything that must pass before a change goes in, one step after another,
//! with the time each took. The steps print to the terminal as they are; the first that fails
//! ends the run. Twenty minutes on two cores are the aim; an hour ends it in any case.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::child;

use crate::clock;
use crate::failure::{Failure, Result};
use crate::say::say;
use crate::{packages, tidy, workspace};

/// How long all steps together may take.
const TIME_MAX: Duration = Duration::from_secs(60 * 60);

enum Work {
    Cargo(&'static [&'static str]),
    /// This program again, for its own bench with small parameters.
    Bench,
    Packages,
    Tidy,
    Tests,
}

const TESTS: [&str; 3] = ["test", "--workspace", "--no-fail-fast"];
/// The tests one after another, each with the machine to itself.
const TESTS_ALONE: [&str; 5] = ["test", "--workspace", "--no-fail-fast", "--", "--test-threads=1"];

const STEPS: [(&str, Work); 7] = [
    ("packages", Work::Packages),
    ("format", Work::Cargo(&["fmt", "--all", "--check"])),
    ("tidy", Work::Tidy),
    (
        "clippy",
        Work::Cargo(&["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
    ),
    ("release build", Work::Cargo(&["build", "--release", "--package", "sockeye"])),
    ("bench smoke", Work::Bench),
    ("tests", Work::Tests),
];

pub fn run(arguments: &[String]) -> Result<()> {
    let skip_packages = match arguments {
        [] => false,
        [flag] if flag == "--skip-packages" => true,
        _ => return Err(Failure::Usage("ci takes --skip-packages and nothing else".to_owned())),
    };
    let begin = clock::now();
    let deadline = begin + TIME_MAX;
    let mut times = Vec::with_capacity(STEPS.len());
    for (name, work) in &STEPS {
        if skip_packages && matches!(work, Work::Packages) {
            continue;
        }
        say(format_args!("ci: {name}"));
        let started = clock::now();
        let result = step(work, deadline);
        let seconds = (clock::now() - started).as_secs_f64();
        times.push(format!("{name} {seconds:.1} s"));
        if let Err(failure) = result {
            let done = times.join(", ");
            return Err(Failure::Failed(format!("ci failed at {name}: {failure}\n({done})")));
        }
    }
    let seconds = (clock::now() - begin).as_secs_f64();
    let (crates, times) = (outside_crates()?, times.join(", "));
    say(format_args!("ci: {crates} outside crates in Cargo.lock; {times}"));
    say(format_args!("ci: all is well after {seconds:.0} s"));
    Ok(())
}

fn step(work: &Work, deadline: Instant) -> Result<()> {
    match work {
        Work::Packages => packages::provide(),
        Work::Tidy => tidy::run(&[]),
        Work::Tests => tests(deadline),
        Work::Cargo(arguments) => bounded(workspace::cargo().args(*arguments), deadline),
        Work::Bench => {
            let sockeye = workspace::target().join("release/sockeye");
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["bench", "serve", "--quick", "--sockeye"]).arg(sockeye);
            bounded(&mut command, deadline)
        }
    }
}

/// Contracts under load share two processors with each other here. When one fails, all run once
/// more, one at a time, and it is said: what fails then is no matter of a busy machine.
fn tests(deadline: Instant) -> Result<()> {
    let Err(failure) = bounded(workspace::cargo().args(TESTS), deadline) else { return Ok(()) };
    say(format_args!("ci: TESTS FAILED side by side ({failure}); once more, one at a time"));
    bounded(workspace::cargo().args(TESTS_ALONE), deadline)
}

/// Runs the command with this terminal and kills it, with all it started, at the deadline.
fn bounded(command: &mut Command, deadline: Instant) -> Result<()> {
    let left = deadline.saturating_duration_since(clock::now());
    let mut process = command.spawn()?;
    match child::wait_or_kill(&mut process, left)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(Failure::Failed(status.to_string())),
        None => Err(Failure::Failed(format!("ended after {TIME_MAX:?} in all"))),
    }
}

/// How many crates of others are built, which should not grow unseen.
fn outside_crates() -> Result<usize> {
    let lock = fs::read_to_string(workspace::root().join("Cargo.lock"))?;
    Ok(lock.lines().filter(|line| line.starts_with("source = ")).count())
}

#[cfg(test)]
mod tests {
    use super::{bounded, run};
    use crate::clock;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn a_step_ends_with_its_own_status_or_at_the_deadline() {
        let soon = clock::now() + Duration::from_secs(60);
        assert!(bounded(&mut Command::new("true"), soon).is_ok());
        assert!(bounded(&mut Command::new("false"), soon).is_err());
        let failure = bounded(Command::new("sleep").arg("1000"), clock::now()).unwrap_err();
        assert!(failure.to_string().contains("ended after"));
    }

    #[test]
    fn other_flags_are_refused() {
        assert!(run(&["--fast".to_owned()]).is_err());
    }
}
