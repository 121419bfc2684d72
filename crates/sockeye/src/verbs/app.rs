//! `sockeye app`: asks the master about the programs it keeps running, or tells it what to do.

use std::io;
use std::time::Duration;

use control::{AppOrder, AppView, Command, FamilyView, InstanceView, Reply};

use super::client::{Client, expect_done, unexpected};
use super::status::{age, size};
use crate::cli::app::{AppArgs, AppVerb};
use crate::cli::output::{Failure, Output, escaped};
use crate::cli::table::{Align, Table};
use crate::config::DURATION_MAX;

const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// A start, stop or restart is bounded by the app's own timeouts, which are a day at most.
const ORDER_WAIT: Duration = DURATION_MAX;
/// What a table shows of how an instance ended.
const EXIT_CHARS_MAX: usize = 48;
/// Between two questions for further lines.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

pub fn run(out: &mut Output<'_>, args: AppArgs) -> Result<(), Failure> {
    let mut client = Client::connect(args.control.as_deref())?;
    match args.verb {
        AppVerb::List { json } => list(out, &mut client, json),
        AppVerb::Start { name } => order(out, &mut client, name, AppOrder::Start, "started"),
        AppVerb::Stop { name } => order(out, &mut client, name, AppOrder::Stop, "stopped"),
        AppVerb::Restart { name } => order(out, &mut client, name, AppOrder::Restart, "restarted"),
        AppVerb::Signal { name, signal: number } => {
            order(out, &mut client, name, AppOrder::Signal { number }, "signalled")
        }
        AppVerb::Logs { name, follow, lines } => logs(out, &mut client, &name, follow, lines),
    }
}

fn order(
    out: &mut Output<'_>,
    client: &mut Client,
    name: String,
    order: AppOrder,
    done: &str,
) -> Result<(), Failure> {
    let command = Command::App { name: name.clone(), order };
    expect_done(client.ask(&command, ORDER_WAIT)?)?;
    Ok(out.line(format_args!("{name}: {done}"))?)
}

/// The running family, asked for.
pub fn family(client: &mut Client) -> Result<Box<FamilyView>, Failure> {
    match client.ask(&Command::Status, ANSWER_WAIT)? {
        Reply::Status(view) => Ok(view),
        other => Err(unexpected(other)),
    }
}

fn list(out: &mut Output<'_>, client: &mut Client, json: bool) -> Result<(), Failure> {
    let view = family(client)?;
    if json {
        let text = serde_json::to_string_pretty(&view.apps)
            .expect("a view has string keys and no floats, which always serializes");
        return Ok(out.line(text)?);
    }
    if view.apps.is_empty() {
        return Ok(out.line("no apps: a section [[app]] of the configuration makes one")?);
    }
    Ok(print_apps(out, &view.apps)?)
}

/// A table with a row for each instance.
pub fn print_apps(out: &mut Output<'_>, apps: &[AppView]) -> io::Result<()> {
    let mut table = Table::new(&[
        ("APP", Align::Left),
        ("#", Align::Right),
        ("PID", Align::Right),
        ("STATE", Align::Left),
        ("FOR", Align::Right),
        ("RESTARTS", Align::Right),
        ("MEMORY", Align::Right),
        ("LISTENS", Align::Left),
        ("LAST EXIT", Align::Left),
        ("SAYS", Align::Left),
    ]);
    for app in apps {
        app.instances.iter().for_each(|instance| table.row(row(app, instance)));
        if app.instances.is_empty() {
            table.row(row(app, &InstanceView { state: "stopped".into(), ..Default::default() }));
        }
    }
    table.print(out)
}

fn row(app: &AppView, instance: &InstanceView) -> Vec<String> {
    let dash = || "-".to_owned();
    let number = if instance.number == 0 { dash() } else { instance.number.to_string() };
    let state = match instance.next_start_ms {
        Some(wait) => format!("{}, starts in {}", instance.state, age(wait)),
        None => instance.state.clone(),
    };
    vec![
        escaped(&app.name),
        number,
        instance.pid.map_or_else(dash, |pid| pid.to_string()),
        state,
        if instance.pid.is_none() { dash() } else { age(instance.age_ms) },
        instance.restarts.to_string(),
        instance.memory_bytes.map_or_else(dash, size),
        if app.listen.is_empty() { dash() } else { escaped(&app.listen.join(" ")) },
        instance.last_exit.as_deref().map_or_else(dash, |how| cut(&escaped(how))),
        instance.status.as_deref().map_or_else(dash, escaped),
    ]
}

/// A row stays a row; the log and `--json` have the whole.
fn cut(text: &str) -> String {
    match text.char_indices().nth(EXIT_CHARS_MAX) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

fn logs(
    out: &mut Output<'_>,
    client: &mut Client,
    name: &str,
    follow: bool,
    count: usize,
) -> Result<(), Failure> {
    let (mut from, lines) = lines(client, name, 0)?;
    from += lines.len() as u64;
    for line in &lines[lines.len().saturating_sub(count)..] {
        out.line(escaped(line))?;
    }
    if follow { go_on(out, client, name, from) } else { Ok(()) }
}

/// Prints lines as they come, until the reader or the master goes away.
fn go_on(out: &mut Output<'_>, client: &mut Client, name: &str, from: u64) -> Result<(), Failure> {
    let mut from = from;
    loop {
        out.flush()?;
        std::thread::sleep(FOLLOW_EVERY);
        let (first, lines) = lines(client, name, from)?;
        from = first + lines.len() as u64;
        lines.iter().try_for_each(|line| out.line(escaped(line)))?;
    }
}

/// Lines from this number on, and the number of the first that there still is.
fn lines(client: &mut Client, name: &str, from: u64) -> Result<(u64, Vec<String>), Failure> {
    let command = Command::AppLines { name: name.to_owned(), from };
    match client.ask(&command, ANSWER_WAIT)? {
        Reply::Lines { first, lines } => Ok((first, lines)),
        other => Err(unexpected(other)),
    }
}
