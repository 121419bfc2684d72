//! `netstat`: the sockets of this network namespace as net-tools 2.10 prints them, netstat(8).
//!
//! Where ours differs on purpose: `--all-owners` lists every process of a socket (net-tools shows
//! the first it finds and drops the rest), and names are resolved from /etc only, so nothing waits.

use std::ffi::{CStr, OsString};
use std::io::Write;

use rustix::time::{ClockId, Timespec};

use crate::collect;
use crate::collect::holders::Holders;
use crate::collect::sockets::{self, UnixTable, Want};
use crate::model::{Arena, Protocol, Sockets};
use crate::names::Names;
use crate::source::{self, Source};
use crate::tool::Stop;
use crate::users::Users;

mod options;
mod phrases;
mod programs;
mod render;
mod statistics;
mod tables;

pub use options::Options;

/// Everything one listing is printed from.
#[derive(Debug)]
pub struct Facts {
    pub sockets: Sockets,
    pub arena: Arena,
    pub holders: Holders,
    pub programs: programs::Programs,
    pub names: Names,
    pub users: Users,
}

pub fn run(args: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
    let options = Options::parse(args)?;
    let source = options.source()?;
    loop {
        if options.routes || options.interfaces || options.statistics {
            let of = match (options.routes, options.interfaces) {
                (true, _) => tables::routes,
                (_, true) => tables::interfaces,
                _ => statistics::page,
            };
            out.write_all(&of(&source, &options)?)?;
            out.flush()?;
            if options.continuous {
                pause_one_second();
                continue;
            }
            return Ok(0);
        }
        let facts = Facts::collect(&source, &options);
        let (mut page, mut rest) = (Vec::with_capacity(64 << 10), Vec::new());
        if options.json {
            page = render::document(&facts, &options);
        } else {
            rest = render::page(&facts, &options, &mut page);
        }
        out.write_all(&page)?;
        out.write_all(&rest)?;
        out.flush()?;
        if options.programs && facts.holders.denied > 0 && rustix::process::geteuid().as_raw() != 0
        {
            err.write_all(NOT_ALL)?;
        }
        if options.verbose && options.wants_other_families() {
            say_families(&source, err)?;
        }
        if !options.continuous {
            return Ok(0);
        }
        pause_one_second();
    }
}

/// What net-tools says; the words are matched by scripts.
const NOT_ALL: &[u8] = b"(Not all processes could be identified, non-owned process info\n \
will not be shown, you would have to be root to see it all.)\n";

/// Families that net-tools lists too where the kernel has them, and the table of each.
const OTHER_FAMILIES: [(&str, &CStr); 6] = [
    ("AF INET (sctp)", c"net/sctp/assocs"),
    ("AF IPX", c"net/ipx"),
    ("AF AX25", c"net/ax25"),
    ("AF X25", c"net/x25"),
    ("AF NETROM", c"net/nr"),
    ("AF ROSE", c"net/rose"),
];

/// `-v`: what is not in the listing, and whose doing that is.
fn say_families(source: &Source, err: &mut dyn Write) -> std::io::Result<()> {
    let mut text = Vec::new();
    for (name, table) in OTHER_FAMILIES {
        match source::read(source.root(), table, &mut text) {
            Ok(()) => writeln!(err, "netstat: sockets of `{name}' are not listed here.")?,
            Err(_) => writeln!(err, "netstat: no support for `{name}' on this system.")?,
        }
    }
    Ok(())
}

fn pause_one_second() {
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    let _ = rustix::thread::clock_nanosleep_relative(ClockId::Monotonic, &second);
}

impl Facts {
    pub fn collect(source: &Source, options: &Options) -> Facts {
        let mut arena = Arena::default();
        let scan = || options.programs.then(|| collect::socket_holders(source, options.collector));
        let tables = || sockets::collect(source, &options.want(), &mut arena);
        let (holders, sockets) = collect::both(scan, tables);
        let holders = holders.flatten().unwrap_or_default();
        let programs = programs::Programs::read(source, &holders);
        Facts {
            sockets,
            arena,
            holders,
            programs,
            names: Names::read(!options.numeric_ports, !options.numeric_hosts),
            users: if options.extend > 0 && !options.numeric_users {
                Users::read()
            } else {
                Users::default()
            },
        }
    }
}

impl Options {
    fn want(&self) -> Want {
        Want {
            tcp: self.wants(Protocol::Tcp),
            udp: self.wants(Protocol::Udp),
            udplite: self.wants(Protocol::UdpLite),
            raw: self.wants(Protocol::Raw),
            icmp: false,
            v4: self.v4,
            v6: self.v6,
            unix: if self.wants_unix() { UnixTable::Text } else { UnixTable::No },
            // The uid of a request and the timers' counts are only in the text.
            text_only: self.extend > 0 || self.timers,
            index: false,
            ..Want::NOTHING
        }
    }

    fn source(&self) -> Result<Source, Stop> {
        let source = match &self.proc_root {
            Some(root) => Source::recorded(root),
            None => Source::live(),
        };
        source.map_err(|error| Stop::Failed(error.to_string(), 1))
    }
}
