//! What is printed once the family serves: where, how, who, and what to try next.

use super::family::Family;
use super::listeners::Listeners;
use crate::cli::output::Output;
use crate::settings::{ListenAddress, Named, Settings};

pub fn print(settings: &Settings, listeners: &Listeners, family: &Family) {
    let mut out = Output::stdout();
    // A closed standard output is no reason not to serve.
    let _ = write(&mut out, settings, listeners, family).and_then(|()| out.flush());
}

fn write(
    out: &mut Output<'_>,
    settings: &Settings,
    listeners: &Listeners,
    family: &Family,
) -> std::io::Result<()> {
    if settings.web {
        write_web(out, settings, listeners, family)?;
    } else {
        let version = env!("CARGO_PKG_VERSION");
        out.heading(format!("Sockeye {version} looks after {}", programs(settings)))?;
        out.line(format!("  master {}", std::process::id()))?;
    }
    if settings.web && !(settings.apps.is_empty() && settings.jobs.is_empty()) {
        out.line(format!("  and looks after {}", programs(settings)))?;
    }
    let control = &settings.control;
    let default = crate::config::Surroundings::of_this_process().control();
    let at = if *control == default {
        String::new()
    } else {
        format!(" --control {}", control.display())
    };
    let more = match settings.web {
        true => "sockeye models".to_owned(),
        false if settings.apps.is_empty() => format!("sockeye cron list{at}"),
        false => format!("sockeye app list{at}"),
    };
    out.line(format!("Try: sockeye status{at} · sockeye reload{at} · {more} · Ctrl-C stops"))
}

fn write_web(
    out: &mut Output<'_>,
    settings: &Settings,
    listeners: &Listeners,
    family: &Family,
) -> std::io::Result<()> {
    let what = match &settings.root {
        Some(root) => root.display().to_string(),
        None => "its built-in site".to_owned(),
    };
    out.heading(format!("Sockeye {} serves {what}", env!("CARGO_PKG_VERSION")))?;
    for listener in &listeners.all {
        let sockets = match listener.sockets.len() {
            1 => "one socket".to_owned(),
            n => format!("{n} sockets, one a worker"),
        };
        out.line(format!("  {}   ({sockets})", link(&listener.address)))?;
    }
    let (process, io) = (settings.process_model.name(), settings.io_model.name());
    out.line(format!("  process model {process}, I/O model {io}"))?;
    let pids: Vec<String> = family.pids().iter().map(u32::to_string).collect();
    let workers = if pids.len() == 1 { "worker" } else { "workers" };
    let master = std::process::id();
    out.line(format!("  master {master}, {workers} {}", pids.join(" ")))
}

/// How many programs, in words.
fn programs(settings: &Settings) -> String {
    let count = |many: usize, what: &str| match many {
        0 => None,
        1 => Some(format!("1 {what}")),
        many => Some(format!("{many} {what}s")),
    };
    let parts = [
        count(settings.apps.len(), "app"),
        count(settings.jobs.len(), "job"),
        count(settings.crontab.len(), "crontab"),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(", ")
}

fn link(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("http://{address}/"),
        ListenAddress::Unix(_) => address.to_string(),
    }
}
