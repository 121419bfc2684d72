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
    out.line(format!("  master {master}, {workers} {}", pids.join(" ")))?;
    let control = &settings.control;
    let default = crate::config::Surroundings::of_this_process().control();
    let at = if *control == default {
        String::new()
    } else {
        format!(" --control {}", control.display())
    };
    out.line(format!(
        "Try: sockeye status{at} · sockeye reload{at} · sockeye models · Ctrl-C stops"
    ))
}

fn link(address: &ListenAddress) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("http://{address}/"),
        ListenAddress::Unix(_) => address.to_string(),
    }
}
