//! `sockeye cron list` and `cron trigger`: the jobs of a running server.

use std::io;
use std::path::Path;
use std::time::Duration;

use control::{Command, JobView};

use super::app::family;
use super::client::{Client, expect_done};
use super::status::age;
use crate::cli::output::{Failure, Output, escaped};
use crate::cli::table::{Align, Table};

const ANSWER_WAIT: Duration = Duration::from_secs(10);

pub fn list(out: &mut Output<'_>, control: Option<&Path>, json: bool) -> Result<(), Failure> {
    let view = family(&mut Client::connect(control)?)?;
    if json {
        let text = serde_json::to_string_pretty(&view.jobs)
            .expect("a view has string keys and no floats, which always serializes");
        return Ok(out.line(text)?);
    }
    if view.jobs.is_empty() {
        let text =
            "no jobs: a section [[job]] or a file of `crontab` in the configuration makes one";
        return Ok(out.line(text)?);
    }
    Ok(print_jobs(out, &view.jobs)?)
}

pub fn trigger(out: &mut Output<'_>, control: Option<&Path>, job: &str) -> Result<(), Failure> {
    let command = Command::Trigger { job: job.to_owned() };
    expect_done(Client::connect(control)?.ask(&command, ANSWER_WAIT)?)?;
    Ok(out.line(format_args!("{job}: triggered; `sockeye cron list` shows how it ends"))?)
}

pub fn print_jobs(out: &mut Output<'_>, jobs: &[JobView]) -> io::Result<()> {
    let mut table = Table::new(&[
        ("JOB", Align::Left),
        ("SCHEDULE", Align::Left),
        ("NEXT", Align::Left),
        ("RUNNING", Align::Left),
        ("LAST", Align::Left),
        ("TOOK", Align::Right),
        ("RESULT", Align::Left),
        ("SKIPPED", Align::Right),
        ("DOES", Align::Left),
    ]);
    for job in jobs {
        table.row(row(job));
    }
    table.print(out)
}

fn row(job: &JobView) -> Vec<String> {
    let dash = || "-".to_owned();
    let pids: Vec<String> = job.running.iter().map(u32::to_string).collect();
    let last = job.last.as_ref();
    vec![
        escaped(&job.name),
        escaped(&job.schedule),
        job.next.clone().unwrap_or_else(|| "never".into()),
        if pids.is_empty() { dash() } else { pids.join(" ") },
        last.map_or_else(dash, |run| run.started.clone()),
        last.map_or_else(dash, |run| age(run.took_ms)),
        last.map_or_else(dash, |run| run.how.clone()),
        job.skipped.to_string(),
        escaped(&job.what),
    ]
}
