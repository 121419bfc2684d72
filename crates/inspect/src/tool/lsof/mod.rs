//! `lsof`: every open file of every process, in the words and columns of lsof 4.95, lsof(8).
//!
//! Where ours differs on purpose is listed in docs/inspect.md: sockets of other network namespaces
//! are named, mapped files are looked up in the process's own root, and nothing is asked of a mount
//! that can hang.

use std::ffi::OsString;
use std::io::Write;

use rustix::time::{ClockId, Timespec};

use crate::collect::{self, files, sockets};
use crate::model::Snapshot;
use crate::names::Names;
use crate::source::Source;
use crate::tool::Stop;
use crate::users::Users;

mod field_json;
mod fields;
mod inet_spec;
mod json;
mod options;
mod row;
mod select;
mod table;
mod text;

pub use options::Options;
use select::Selection;

/// Everything one listing is printed from.
#[derive(Debug)]
pub struct Facts {
    pub snapshot: Snapshot,
    pub names: Names,
    pub users: Users,
}

pub fn run(args: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
    let options = Options::parse(args)?;
    let mut selection = Selection::new(&options)?;
    for problem in &selection.problems {
        writeln!(err, "lsof: {problem}")?;
    }
    let source = match &options.proc_root {
        Some(root) => Source::recorded(root),
        None => Source::live(),
    };
    let source = source.map_err(|error| Stop::Failed(error.to_string(), 1))?;
    let mut rounds = 0;
    loop {
        let any = list(&source, &options, &mut selection, out, err)?;
        rounds += 1;
        let Some(repeat) = &options.repeat else { break };
        if repeat.until_none && !any || repeat.count.is_some_and(|count| rounds >= count) {
            break;
        }
        out.write_all(match (options.field_json, &options.fields) {
            (Some(_), _) => b"".as_slice(),
            (None, Some(_)) => b"m\n",
            (None, None) => b"=======\n",
        })?;
        out.flush()?;
        pause(repeat.seconds);
    }
    for line in selection.missing(options.verbose) {
        out.write_all(&line)?;
    }
    Ok(u8::from(selection.failed() && !options.quiet_exit))
}

fn pause(seconds: u32) {
    let pause = Timespec { tv_sec: i64::from(seconds), tv_nsec: 0 };
    let _ = rustix::thread::clock_nanosleep_relative(ClockId::Monotonic, &pause);
}

/// Prints one listing; true where it has a row.
fn list(
    source: &Source,
    options: &Options,
    selection: &mut Selection,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<bool, Stop> {
    let facts = collect_facts(source, options, selection);
    if options.collector_said {
        writeln!(err, "lsof: collector: {}", facts.snapshot.collector)?;
    }
    let rows = selection.rows(&facts);
    let (mut page, mut rest) = (Vec::new(), Vec::new());
    if options.terse {
        text::pids(&facts, &rows, &mut page);
    } else if let Some(style) = options.field_json {
        field_json::print(&facts, options, style, &rows, &mut page);
    } else if let Some(fields) = &options.fields {
        fields::print(&facts, options, fields, &rows, &mut page);
    } else if options.json {
        json::print(&facts, options, &rows, &mut page);
    } else {
        rest = table::print(&facts, options, &rows, &mut page);
    }
    out.write_all(&page)?;
    out.write_all(&rest)?;
    out.flush()?;
    if facts.snapshot.denied > 0 && !options.no_warnings && options.said_denied() {
        let denied = facts.snapshot.denied;
        writeln!(err, "lsof: {denied} processes not readable; run as root to see them")?;
    }
    Ok(!rows.is_empty())
}

fn collect_facts(source: &Source, options: &Options, selection: &mut Selection) -> Facts {
    let mut snapshot = Snapshot { collector: "proc", ..Snapshot::default() };
    let pids = selection.only_pids();
    let want = files::Want {
        pids: pids.as_deref(),
        tasks: selection.tasks,
        offsets: options.offset || options.file_flags(),
        foreign: selection.foreign,
    };
    let tables = selection.sockets();
    let beside = || {
        collect::both(
            || collect::file_records(source, options.collector, &want, selection.shows_files()),
            || if selection.shows_files() { files::read_locks(source) } else { Vec::new() },
        )
    };
    let (asked, sockets) =
        collect::both(beside, || sockets::collect(source, &tables, &mut snapshot.arena));
    let (records, locks) = asked.unwrap_or_default();
    snapshot.sockets = sockets;
    let users = if options.numeric_users { Users::default() } else { Users::read() };
    let names = Names::read(!options.numeric_ports, !options.numeric_hosts);
    if !selection.nothing_can_match(&snapshot) {
        let asked = files::Asked { records: records.flatten(), locks };
        collect::processes(source, &want, asked, &mut snapshot, &mut |head| selection.choose(head));
    }
    Facts { snapshot, names, users }
}
