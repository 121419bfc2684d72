//! The command-line tools: each reads its own flag language, takes a snapshot and prints it.
//!
//! The flags are those of the tools people know, so they are not clap's: bundled letters, `+c 0`,
//! `-i4TCP@host:80`. A flag that is not done is refused by name, never ignored.

use std::ffi::OsString;
use std::io::{self, Write};

use crate::family;

pub mod doctor;
pub mod getopt;
pub mod lsof;
pub mod netstat;
pub mod ps;
mod socket_json;
pub mod ss;

/// The tools, by the names under which they are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Lsof,
    Netstat,
    Ss,
    Ps,
    Doctor,
}

impl Tool {
    pub const ALL: [(Tool, &'static str); 5] = [
        (Tool::Lsof, "lsof"),
        (Tool::Netstat, "netstat"),
        (Tool::Ss, "ss"),
        (Tool::Ps, "ps"),
        (Tool::Doctor, "doctor"),
    ];

    /// The tool of that name, for a verb or for the last part of argv[0].
    pub fn from_name(name: &str) -> Option<Tool> {
        Tool::ALL.iter().find(|(_, n)| *n == name).map(|(tool, _)| *tool)
    }

    pub fn name(self) -> &'static str {
        Tool::ALL.iter().find(|(tool, _)| *tool == self).map_or("", |(_, name)| name)
    }
}

/// Why a tool stops without its listing.
#[derive(Debug)]
pub enum Stop {
    /// Wrong use: the text, and the exit code of the tool it stands for.
    Usage(String, u8),
    /// `--help` and `--version`.
    Text(String),
    /// The facts could not be had.
    Failed(String, u8),
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Io(error)
    }
}

/// Runs one tool; the result is its exit code.
pub fn main(tool: Tool, args: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    main_of_family(tool, args, &family::none, out, err)
}

/// The same for a program that can ask a running family what its processes do.
pub fn main_of_family(
    tool: Tool,
    args: &[OsString],
    family: &family::Ask<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let done = match tool {
        Tool::Lsof => lsof::run(args, out, err),
        Tool::Netstat => netstat::run(args, out, err),
        Tool::Ss => ss::run(args, out, err),
        Tool::Ps => ps::run(args, family, out, err),
        Tool::Doctor => doctor::run(args, out, err),
    };
    match done {
        Ok(code) => code,
        Err(stop) => report(tool, &stop, out, err),
    }
}

fn report(tool: Tool, stop: &Stop, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let (written, code) = match stop {
        Stop::Text(text) => (out.write_all(text.as_bytes()), 0),
        Stop::Usage(text, code) => (writeln!(err, "{}: {text}", tool.name()), *code),
        Stop::Failed(text, code) => (writeln!(err, "{}: {text}", tool.name()), *code),
        // The reader closed the pipe, as `| head` does: it has what it wanted.
        Stop::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => (Ok(()), 0),
        Stop::Io(error) => (writeln!(err, "{}: write the listing: {error}", tool.name()), 1),
    };
    if written.is_err() { code.max(1) } else { code }
}
