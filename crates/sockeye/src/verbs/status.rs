//! `status`: the running family as a page to read, or as JSON.

use std::io;
use std::path::Path;
use std::time::Duration;

use control::{
    Command, ConnectionState, ConnectionView, FamilyView, ListenerView, Reply, Sharing, WorkerRole,
    WorkerState, WorkerView,
};

use super::client::{Client, unexpected};
use crate::cli::output::{Failure, Output, POOR, escaped};
use crate::cli::table::{Align, Table};

pub(super) const STATUS_WAIT: Duration = Duration::from_secs(10);

/// More of a request line than this is cut, so that a row stays a row.
pub(super) const REQUEST_CHARS_MAX: usize = 60;

pub fn run(out: &mut Output<'_>, control: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    match Client::connect(control)?.ask(&Command::Status, STATUS_WAIT)? {
        Reply::Status(view) if as_json => {
            let text = serde_json::to_string_pretty(&view)
                .expect("a view has string keys and no floats, which always serializes");
            Ok(out.line(text)?)
        }
        Reply::Status(view) => Ok(print(out, &view)?),
        other => Err(unexpected(other)),
    }
}

fn print(out: &mut Output<'_>, view: &FamilyView) -> io::Result<()> {
    print_family(out, view)?;
    if !view.listeners.is_empty() {
        print_listeners(out, &view.listeners)?;
    }
    if !view.workers.is_empty() {
        print_workers(out, &view.workers)?;
    }
    print_programs(out, view)?;
    if !view.silent_workers.is_empty() {
        let pids: Vec<String> = view.silent_workers.iter().map(u32::to_string).collect();
        let text = format!("no answer in time from: {}", pids.join(", "));
        let text = out.paint(POOR, text).to_string();
        out.line(format_args!("  {text}"))?;
    }
    print_connections(out, &view.workers)?;
    print_exits(out, view)
}

fn print_family(out: &mut Output<'_>, view: &FamilyView) -> io::Result<()> {
    out.heading(format_args!(
        "Sockeye {}, master {}, up {}",
        escaped(&view.version),
        view.master_pid,
        age(view.uptime_ms)
    ))?;
    let generations: Vec<String> = view.generations.iter().map(u64::to_string).collect();
    let mut rows = vec![("config", view.config_file.as_deref().unwrap_or("none").to_owned())];
    // Programs alone have neither.
    if !view.listeners.is_empty() {
        rows.push(("root", view.root.as_deref().unwrap_or("the built-in site").to_owned()));
        rows.push(("models", format!("{} + {}", view.process_model, view.io_model)));
    }
    rows.push(("control", view.control.clone()));
    rows.push(("generation", format!("{} (alive: {})", view.generation, generations.join(", "))));
    rows.iter()
        .try_for_each(|(name, value)| out.line(format_args!("  {name:10}  {}", escaped(value))))
}

fn print_listeners(out: &mut Output<'_>, listeners: &[ListenerView]) -> io::Result<()> {
    let mut table = Table::new(&[
        ("LISTENER", Align::Left),
        ("FD", Align::Right),
        ("SHARING", Align::Left),
        ("QUEUE", Align::Right),
    ]);
    for listener in listeners {
        let sharing = match listener.sharing {
            Sharing::Shared => "shared",
            Sharing::PerWorker => "per worker",
        };
        let queue = listener.queue.map_or("-".into(), |queue| queue.to_string());
        table.row(vec![escaped(&listener.address), listener.fd.to_string(), sharing.into(), queue]);
    }
    section(out, &table)
}

fn print_programs(out: &mut Output<'_>, view: &FamilyView) -> io::Result<()> {
    if !view.apps.is_empty() {
        out.line("")?;
        super::app::print_apps(out, &view.apps)?;
    }
    if !view.jobs.is_empty() {
        out.line("")?;
        super::jobs::print_jobs(out, &view.jobs)?;
    }
    Ok(())
}

fn print_workers(out: &mut Output<'_>, workers: &[WorkerView]) -> io::Result<()> {
    let mut table = Table::new(&[
        ("PID", Align::Right),
        ("ROLE", Align::Left),
        ("STATE", Align::Left),
        ("GEN", Align::Right),
        ("UP", Align::Right),
        ("OPEN", Align::Right),
        ("ACCEPTED", Align::Right),
        ("REQUESTS", Align::Right),
        ("4XX", Align::Right),
        ("5XX", Align::Right),
        ("IN", Align::Right),
        ("OUT", Align::Right),
    ]);
    for worker in workers {
        let counters = &worker.counters;
        table.row(vec![
            process(worker),
            role(worker.role).into(),
            state(worker.state).into(),
            worker.generation.to_string(),
            age(worker.uptime_ms),
            counters.connections_open.to_string(),
            counters.connections_accepted.to_string(),
            counters.requests.to_string(),
            counters.responses_4xx.to_string(),
            counters.responses_5xx.to_string(),
            size(counters.bytes_in),
            size(counters.bytes_out),
        ]);
    }
    section(out, &table)
}

fn print_connections(out: &mut Output<'_>, workers: &[WorkerView]) -> io::Result<()> {
    if workers.iter().all(|worker| worker.connections.is_empty()) {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("PID", Align::Right),
        ("FD", Align::Right),
        ("PEER", Align::Left),
        ("LOCAL", Align::Left),
        ("STATE", Align::Left),
        ("REQUESTS", Align::Right),
        ("IN", Align::Right),
        ("OUT", Align::Right),
        ("AGE", Align::Right),
        ("IDLE", Align::Right),
        ("REQUEST", Align::Left),
    ]);
    for worker in workers {
        worker.connections.iter().for_each(|it| table.row(connection_row(worker, it)));
    }
    section(out, &table)?;
    let left_out: u64 = workers.iter().map(|worker| worker.connections_left_out).sum();
    if left_out > 0 {
        out.line(format_args!("  and {left_out} more"))?;
    }
    Ok(())
}

fn connection_row(worker: &WorkerView, connection: &ConnectionView) -> Vec<String> {
    let request = escaped(connection.request.as_deref().unwrap_or(""));
    vec![
        connection.served_by.map_or_else(|| process(worker), |pid| pid.to_string()),
        connection.fd.to_string(),
        escaped(&connection.peer),
        escaped(&connection.local),
        connection_state(connection.state).into(),
        connection.requests.to_string(),
        size(connection.bytes_in),
        size(connection.bytes_out),
        age(connection.age_ms),
        age(connection.idle_ms),
        request.chars().take(REQUEST_CHARS_MAX).collect(),
    ]
}

fn print_exits(out: &mut Output<'_>, view: &FamilyView) -> io::Result<()> {
    if view.last_exits.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("EXITED", Align::Right),
        ("ROLE", Align::Left),
        ("GEN", Align::Right),
        ("AGO", Align::Right),
        ("HOW", Align::Left),
    ]);
    for exit in &view.last_exits {
        table.row(vec![
            exit.pid.to_string(),
            role(exit.role).into(),
            exit.generation.to_string(),
            age(exit.age_ms),
            escaped(&exit.how),
        ]);
    }
    section(out, &table)
}

fn section(out: &mut Output<'_>, table: &Table) -> io::Result<()> {
    out.line("")?;
    table.print(out)
}

/// The process, and the thread where that is what a worker is.
pub(super) fn process(worker: &WorkerView) -> String {
    match worker.tid {
        Some(tid) => format!("{}/{tid}", worker.pid),
        None => worker.pid.to_string(),
    }
}

fn role(role: WorkerRole) -> &'static str {
    match role {
        WorkerRole::Worker => "worker",
        WorkerRole::Acceptor => "acceptor",
        WorkerRole::Child => "child",
    }
}

fn state(state: WorkerState) -> &'static str {
    match state {
        WorkerState::Starting => "starting",
        WorkerState::Serving => "serving",
        WorkerState::Draining => "draining",
    }
}

pub(super) fn connection_state(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Idle => "idle",
        ConnectionState::ReadingHead => "reading head",
        ConnectionState::ReadingBody => "reading body",
        ConnectionState::Responding => "responding",
        ConnectionState::Lingering => "lingering",
    }
}

/// `1 worker`, `2 workers`.
pub(super) fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// A length of time in its one or two largest units.
pub(super) fn age(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds}ms"),
        1..60 => format!("{seconds}.{}s", milliseconds % 1000 / 100),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// A number of bytes with three digits or so.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["K", "M", "G", "T", "P"];
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths {
        0..1000 => format!("{}.{}{}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{}{}", tenths / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests;
