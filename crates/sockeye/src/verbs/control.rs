//! `reload`, `reopen-logs` and `stop`: one command each, and its outcome in a line.

use std::path::Path;
use std::time::Duration;

use control::{Command, Reply};

use super::client::{Client, expect_done, unexpected};
use crate::cli::output::{Failure, Output};
use crate::config::DURATION_MAX;

/// New workers build their engines before the answer comes.
const RELOAD_WAIT: Duration = Duration::from_secs(60);
/// The new program checks the configuration first.
const UPGRADE_WAIT: Duration = Duration::from_secs(120);
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// The master itself bounds the drain by `drain_timeout`, which is a day at most.
const STOP_WAIT: Duration = DURATION_MAX;

pub fn reload(out: &mut Output<'_>, control: Option<&Path>) -> Result<(), Failure> {
    match Client::connect(control)?.ask(&Command::Reload, RELOAD_WAIT)? {
        Reply::Reloaded { generation } => {
            Ok(out.line(format_args!("reloaded: generation {generation} is serving"))?)
        }
        Reply::Refused { message } => {
            Err(Failure::Failed(format!("nothing was changed:\n{message}")))
        }
        other => Err(unexpected(other)),
    }
}

pub fn upgrade(out: &mut Output<'_>, control: Option<&Path>) -> Result<(), Failure> {
    match Client::connect(control)?.ask(&Command::Upgrade, UPGRADE_WAIT)? {
        Reply::Reloaded { generation } => {
            Ok(out.line(format_args!("upgraded: generation {generation} is serving"))?)
        }
        Reply::Refused { message } => {
            Err(Failure::Failed(format!("nothing was changed: {message}")))
        }
        other => Err(unexpected(other)),
    }
}

pub fn reopen_logs(out: &mut Output<'_>, control: Option<&Path>) -> Result<(), Failure> {
    expect_done(Client::connect(control)?.ask(&Command::ReopenLogs, ANSWER_WAIT)?)?;
    Ok(out.line("the logs are opened again")?)
}

pub fn stop(out: &mut Output<'_>, control: Option<&Path>, fast: bool) -> Result<(), Failure> {
    let mut client = Client::connect(control)?;
    expect_done(client.ask(&Command::Stop { fast }, ANSWER_WAIT)?)?;
    if !fast {
        out.line("stopping: requests may finish; `sockeye stop --fast` does not wait for them")?;
        out.flush()?;
    }
    client.wait_for_end(STOP_WAIT)?;
    Ok(out.line("stopped")?)
}
