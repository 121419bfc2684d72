//! `ss`: sockets by sock_diag(7), in the columns of iproute2 6.1, ss(8), with its filter language.
//!
//! Where ours differs on purpose: a command whose name holds `)` is shown whole, names come from
//! /etc only, and a filter on ports never matches a UNIX socket by its inode.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

use crate::cgroup;
use crate::collect;
use crate::collect::holders::Holders;
use crate::collect::sockets::{self, UnixTable, Want};
use crate::model::{Arena, Protocol, Sockets};
use crate::names::Names;
use crate::parse;
use crate::source::{self, Source};
use crate::tool::Stop;

mod bytecode;
mod columns;
pub mod filter;
mod info;
mod options;
mod render;
mod summary;

pub use options::Options;

/// Everything one listing is printed from.
#[derive(Debug)]
pub struct Facts {
    pub sockets: Sockets,
    pub arena: Arena,
    pub holders: Holders,
    /// Names of the processes that hold sockets, ascending by pid.
    pub commands: Vec<(u32, Vec<u8>)>,
    pub names: Names,
    /// Interface names by index, of the sockets that are bound to one.
    pub interfaces: BTreeMap<u32, String>,
    /// cgroup paths by id, where details are shown.
    pub cgroups: HashMap<u64, Vec<u8>>,
}

pub fn run(args: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
    let options = Options::parse(args)?;
    let source = match &options.proc_root {
        Some(root) => Source::recorded(root),
        None => Source::live(),
    };
    let source = source.map_err(|error| Stop::Failed(error.to_string(), 1))?;
    let (mut page, mut rest) = (Vec::with_capacity(64 << 10), Vec::new());
    if options.summary {
        summary::print(&source, &mut page);
    }
    if !options.summary || options.tables_named {
        let mut facts = Facts::collect(&source, &options)?;
        if options.kill {
            kill(&source, &options, &mut facts)?;
        }
        if facts.holders.denied > 0 && rustix::process::geteuid().as_raw() != 0 {
            writeln!(err, "ss: {} processes not readable; run as root", facts.holders.denied)?;
        }
        if options.json {
            page = render::document(&facts, &options);
        } else {
            rest = render::page(&facts, &options, terminal_width(), &mut page);
        }
    }
    out.write_all(&page)?;
    out.write_all(&rest)?;
    out.flush()?;
    Ok(0)
}

/// Closes the sockets that would be listed; those stay that were closed.
fn kill(source: &Source, options: &Options, facts: &mut Facts) -> Result<(), Stop> {
    if !source.is_live() || recorded_dump().is_some() {
        return Err(Stop::Failed("-K closes sockets of this machine, not recorded ones".into(), 1));
    }
    let failed = |errno: rustix::io::Errno| {
        let needs = "it needs CAP_NET_ADMIN: run as root";
        Stop::Failed(format!("SOCK_DESTROY: {}; {needs}", std::io::Error::from(errno)), 1)
    };
    let mut socket = sockets::Diag::connect().map_err(failed)?;
    let chosen = render::chosen_inet(facts, options);
    let mut closed = Vec::new();
    for row in chosen {
        let Some(request) = parse::diag::destroy_request(&row) else { continue };
        if socket.destroy(&request).map_err(failed)? {
            closed.push(row);
        }
    }
    facts.sockets = Sockets::default();
    facts.sockets.inet = closed;
    Ok(())
}

/// Columns stretch to a terminal, and to nothing else.
fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stdout.as_fd()).ok()?;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}

impl Facts {
    pub fn collect(source: &Source, options: &Options) -> Result<Facts, Stop> {
        let mut arena = Arena::default();
        let scan = || options.processes.then(|| collect::socket_holders(source, options.collector));
        let tables = || -> Result<Sockets, Stop> {
            let mut sockets = match recorded_dump() {
                Some(path) => recorded(&path)?,
                None => {
                    let program = options.filter.as_ref().and_then(bytecode::compile);
                    let program = program.unwrap_or_default();
                    sockets::collect_filtered(source, &options.want(), &program, &mut arena)
                }
            };
            let tables = options.tables;
            if tables.netlink || tables.packet_raw || tables.packet_dgram {
                sockets::add_others_by_diag(source, &mut sockets);
            }
            Ok(sockets)
        };
        let (holders, sockets) = collect::both(scan, tables);
        let (holders, sockets) = (holders.flatten().unwrap_or_default(), sockets?);
        let mut pids: Vec<u32> = holders.list.iter().map(|h| h.pid).collect();
        if !options.numeric {
            // A netlink port id is by custom the pid of its owner.
            pids.extend(sockets.other.iter().map(|s| s.id).filter(|id| *id > 0 && *id < PID_MAX));
        }
        let commands = read_commands(source, pids);
        let names = Names::read(!options.numeric, options.resolve);
        let interfaces = interface_names(&sockets);
        let cgroups = if options.details { cgroup::paths() } else { HashMap::new() };
        Ok(Facts { sockets, arena, holders, commands, names, interfaces, cgroups })
    }

    pub fn command(&self, pid: u32) -> &[u8] {
        match self.commands.binary_search_by_key(&pid, |(pid, _)| *pid) {
            Ok(at) => &self.commands[at].1,
            Err(_) => b"",
        }
    }
}

fn interface_names(sockets: &Sockets) -> BTreeMap<u32, String> {
    let bound = sockets.inet.iter().map(|s| s.interface);
    let all = bound.chain(sockets.other.iter().map(|s| s.interface));
    let mut names: BTreeMap<u32, String> =
        all.filter(|index| *index != 0).map(|index| (index, String::new())).collect();
    let (family, kind) = (rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM);
    if names.is_empty() {
        return names;
    }
    let Ok(socket) = rustix::net::socket(family, kind, None) else { return BTreeMap::new() };
    for (index, name) in &mut names {
        let found = rustix::net::netdevice::index_to_name(&socket, *index);
        *name = found.unwrap_or_else(|_| format!("if{index}"));
    }
    names
}

/// TCPDIAG_FILE: the answers of a machine recorded by `ss -D`, instead of this one's.
fn recorded_dump() -> Option<OsString> {
    std::env::var_os("TCPDIAG_FILE").filter(|path| !path.is_empty())
}

fn recorded(path: &OsString) -> Result<Sockets, Stop> {
    let bytes = std::fs::read(path)
        .map_err(|e| Stop::Failed(format!("read {}: {e}", path.to_string_lossy()), 1))?;
    let mut sockets = Sockets::default();
    // A dump is many answers one after another, each with its own end; ss reads the first.
    parse::diag::each_message(&bytes, |payload| {
        if let Some((mut row, attributes)) = parse::diag::inet(payload, Protocol::Tcp) {
            row.v6only = parse::diag::is_v6only(attributes);
            sockets.inet.push(row);
        }
    });
    Ok(sockets)
}

/// PID_MAX_LIMIT of linux/threads.h.
const PID_MAX: u32 = 4 << 20;

fn read_commands(source: &Source, mut pids: Vec<u32>) -> Vec<(u32, Vec<u8>)> {
    pids.sort_unstable();
    pids.dedup();
    let mut text = Vec::new();
    let mut name = |pid: u32| {
        let directory = source.process(pid).ok()?;
        source::read(directory.as_fd(), c"stat", &mut text).ok()?;
        parse::stat::parse(&text).map(|stat| stat.comm.to_vec())
    };
    pids.into_iter().map(|pid| (pid, name(pid).unwrap_or_default())).collect()
}

impl Options {
    fn want(&self) -> Want {
        let tables = &self.tables;
        let unix = tables.unix_stream || tables.unix_dgram || tables.unix_seqpacket;
        Want {
            tcp: tables.tcp,
            udp: tables.udp,
            raw: tables.raw,
            v4: self.v4,
            v6: self.v6,
            unix: if unix { UnixTable::Diag } else { UnixTable::No },
            attributes: self.attributes(),
            states: self.states,
            index: false,
            ..Want::NOTHING
        }
    }
}
