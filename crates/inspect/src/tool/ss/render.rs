//! The rows of ss, table after table in its order: netlink, packet, UNIX, raw, UDP, TCP.

use std::net::{IpAddr, SocketAddr};

use crate::addr;
use crate::bytes::{ne_u32, ne_u64, push_dec, push_hex, push_left};
use crate::collect;
use crate::model::{Inet, OtherFamily, OtherSocket, Protocol, TcpState, Unix};
use crate::names::Transport;
use crate::parse::diag;
use crate::tool::socket_json::Table;
use crate::tool::ss::columns::{COUNT, NETID, Page, STATE};
use crate::tool::ss::filter::Subject;
use crate::tool::ss::{Facts, Options, info};

/// Gives what goes on below `out`.
pub fn page(facts: &Facts, options: &Options, screen: Option<usize>, out: &mut Vec<u8>) -> Vec<u8> {
    let mut off = [false; COUNT];
    off[NETID] = options.tables.count() == 1;
    off[STATE] = options.states.count_ones() == 1;
    let mut printer = Printer { facts, options, page: Page::new(off) };
    if options.header {
        printer.page.header();
    }
    printer.others();
    let inet: Vec<&Inet> = printer.inet_in_order();
    let parts = if inet.len() < ROWS_SHARED_MIN { 1 } else { 2 };
    let (one, other) = inet.split_at(inet.len() / parts);
    let mut next = Printer { facts, options, page: Page::new(off) };
    collect::both(|| next.inet_rows(other), || printer.inet_rows(one));
    printer.page.render(&next.page, screen, out)
}

/// From so many Internet sockets on, two threads share the work.
const ROWS_SHARED_MIN: usize = 4096;

/// The same rows as JSON.
pub fn document(facts: &Facts, options: &Options) -> Vec<u8> {
    let printer = Printer { facts, options, page: Page::new([false; COUNT]) };
    let holders = options.processes.then_some(&facts.holders);
    Table { arena: &facts.arena, holders }.document(|j, table| {
        for socket in facts.sockets.other.iter().filter(|s| printer.shows_other(s)) {
            table.other(j, socket);
        }
        for socket in facts.sockets.unix.iter().filter(|s| printer.shows_unix(s)) {
            table.unix(j, socket);
        }
        for socket in facts.sockets.inet.iter().filter(|s| printer.shows_inet(s)) {
            table.inet(j, socket);
        }
    })
}

/// The Internet sockets that a page would show.
pub fn chosen_inet(facts: &Facts, options: &Options) -> Vec<Inet> {
    let printer = Printer { facts, options, page: Page::new([false; COUNT]) };
    facts.sockets.inet.iter().filter(|s| printer.shows_inet(s)).copied().collect()
}

struct Printer<'a> {
    facts: &'a Facts,
    options: &'a Options,
    page: Page,
}

/// The first four cells of any row.
struct Head<'a> {
    netid: &'a str,
    state: TcpState,
    receive: u32,
    send: u32,
}

impl<'a> Printer<'a> {
    fn others(&mut self) {
        let facts = self.facts;
        for family in [OtherFamily::Netlink, OtherFamily::Packet] {
            let of_family = facts.sockets.other.iter().filter(|o| o.family == family);
            for socket in of_family {
                match family {
                    _ if !self.shows_other(socket) => {}
                    OtherFamily::Netlink => self.netlink(socket),
                    OtherFamily::Packet => self.packet(socket),
                }
            }
        }
        for socket in &facts.sockets.unix {
            self.unix(socket);
        }
    }

    fn inet_rows(&mut self, rows: &[&Inet]) {
        self.page.reserve(rows.len());
        rows.iter().for_each(|socket| self.inet(socket));
    }

    fn inet_in_order(&self) -> Vec<&'a Inet> {
        let all = &self.facts.sockets.inet;
        let mut rows = Vec::with_capacity(all.len());
        for protocol in [Protocol::Raw, Protocol::Udp, Protocol::Tcp] {
            rows.extend(all.iter().filter(|s| s.protocol == protocol));
        }
        rows
    }

    fn shows(&self, state: TcpState) -> bool {
        let bit = match state {
            TcpState::NewSynReceived => TcpState::SynReceived,
            other => other,
        };
        self.options.states & 1 << bit as u32 != 0
    }

    fn passes(&self, subject: &Subject<'_>) -> bool {
        self.options.filter.as_ref().is_none_or(|filter| filter.matches(subject))
    }

    fn shows_inet(&self, socket: &Inet) -> bool {
        self.shows(socket.state) && self.passes(&Subject::Inet(socket))
    }

    fn shows_unix(&self, socket: &Unix) -> bool {
        let tables = self.options.tables;
        let wanted = match socket.kind {
            1 => tables.unix_stream,
            5 => tables.unix_seqpacket,
            _ => tables.unix_dgram,
        };
        let path = self.facts.arena.get(socket.path);
        let state = TcpState::from_number(socket.state);
        wanted && self.shows(state) && self.passes(&Subject::Unix(socket, path))
    }

    fn shows_other(&self, socket: &OtherSocket) -> bool {
        let tables = self.options.tables;
        let wanted = match socket.family {
            OtherFamily::Netlink => tables.netlink,
            OtherFamily::Packet if socket.id == SOCK_RAW => tables.packet_raw,
            OtherFamily::Packet => tables.packet_dgram,
        };
        wanted && self.shows(TcpState::Close) && self.passes(&Subject::Other)
    }

    fn inet(&mut self, socket: &Inet) {
        if !self.shows_inet(socket) {
            return;
        }
        let (netid, transport) = match socket.protocol {
            Protocol::Tcp => ("tcp", Transport::Tcp),
            Protocol::Udp => ("udp", Transport::Udp),
            _ => ("raw", Transport::Raw),
        };
        let head = Head {
            netid,
            state: socket.state,
            receive: socket.receive_queue,
            send: socket.send_queue,
        };
        let (facts, options) = (self.facts, self.options);
        self.page.row(|column, out| match column {
            0..4 => push_head(column, &head, out),
            4 => push_host(out, facts, socket.local, socket.v6only, socket.interface),
            5 => push_port(out, facts, socket.local.port(), transport),
            6 => push_host(out, facts, socket.remote, socket.v6only, 0),
            7 => push_port(out, facts, socket.remote.port(), transport),
            _ => push_inet_tail(out, facts, options, socket),
        });
    }

    fn unix(&mut self, socket: &Unix) {
        if !self.shows_unix(socket) {
            return;
        }
        let netid = match socket.kind {
            1 => "u_str",
            5 => "u_seq",
            _ => "u_dgr",
        };
        let state = TcpState::from_number(socket.state);
        let path = self.facts.arena.get(socket.path);
        let head = Head { netid, state, receive: socket.receive_queue, send: socket.send_queue };
        let (facts, options) = (self.facts, self.options);
        self.page.row(|column, out| match column {
            0..4 => push_head(column, &head, out),
            4 => push_unix_path(out, path),
            5 => push_dec(out, socket.inode),
            6 => out.extend_from_slice(b"* "),
            7 => push_dec(out, socket.peer),
            _ => push_users(out, facts, options, socket.inode),
        });
    }

    fn netlink(&mut self, socket: &OtherSocket) {
        let head = Head {
            netid: "nl",
            state: TcpState::Close,
            receive: socket.receive_queue,
            send: socket.send_queue,
        };
        let (facts, options) = (self.facts, self.options);
        self.page.row(|column, out| match column {
            0..4 => push_head(column, &head, out),
            4 => {
                push_netlink_name(out, socket.protocol, options.numeric);
                out.push(b':');
            }
            5 => push_netlink_owner(out, facts, options, socket.id),
            6 => out.push(b'*'),
            8 if options.details => {
                out.extend_from_slice(b" sk=0 cb=0 groups=0x");
                push_hex(out, u64::from(socket.groups), 8);
            }
            _ => {}
        });
    }

    fn packet(&mut self, socket: &OtherSocket) {
        let netid = if socket.id == SOCK_RAW { "p_raw" } else { "p_dgr" };
        let head = Head { netid, state: TcpState::Close, receive: socket.receive_queue, send: 0 };
        let (facts, options) = (self.facts, self.options);
        self.page.row(|column, out| match column {
            0..4 => push_head(column, &head, out),
            4 => {
                push_ether_type(out, socket.protocol, options.numeric);
                out.push(b':');
            }
            5 if socket.interface == 0 => out.push(b'*'),
            5 => push_interface(out, facts, socket.interface),
            6 => out.push(b'*'),
            8 => push_users(out, facts, options, socket.inode),
            _ => {}
        });
    }
}

const SOCK_RAW: u32 = 3;

fn push_head(column: usize, head: &Head<'_>, out: &mut Vec<u8>) {
    match column {
        0 => out.extend_from_slice(head.netid.as_bytes()),
        1 => out.extend_from_slice(state_name(head.state).as_bytes()),
        2 => push_padded(out, head.receive),
        _ => push_padded(out, head.send),
    }
}

/// `%-6d`.
fn push_padded(out: &mut Vec<u8>, n: u32) {
    push_left(out, crate::bytes::Digits::new(u64::from(n)).as_bytes(), 6);
}

fn state_name(state: TcpState) -> &'static str {
    match state {
        TcpState::Unknown => "UNKNOWN",
        TcpState::Established => "ESTAB",
        TcpState::SynSent => "SYN-SENT",
        TcpState::SynReceived | TcpState::NewSynReceived => "SYN-RECV",
        TcpState::FinWait1 => "FIN-WAIT-1",
        TcpState::FinWait2 => "FIN-WAIT-2",
        TcpState::TimeWait => "TIME-WAIT",
        TcpState::Close => "UNCONN",
        TcpState::CloseWait => "CLOSE-WAIT",
        TcpState::LastAck => "LAST-ACK",
        TcpState::Listen => "LISTEN",
        TcpState::Closing => "CLOSING",
    }
}

/// The address with its colon. The IPv6 wildcard is `*` where it takes IPv4 too.
fn push_host(out: &mut Vec<u8>, facts: &Facts, end: SocketAddr, v6only: bool, interface: u32) {
    match (facts.names.host(end.ip()), end.ip()) {
        (Some(name), _) => out.extend_from_slice(name),
        (None, IpAddr::V4(ip)) => addr::push_v4(out, ip),
        (None, IpAddr::V6(ip)) if ip.is_unspecified() && !v6only => out.push(b'*'),
        (None, IpAddr::V6(ip)) => {
            out.push(b'[');
            addr::push_v6(out, ip);
            out.push(b']');
        }
    }
    if interface != 0 {
        out.push(b'%');
        push_interface(out, facts, interface);
    }
    out.push(b':');
}

fn push_interface(out: &mut Vec<u8>, facts: &Facts, index: u32) {
    let name = facts.interfaces.get(&index).map_or("", String::as_str);
    out.extend_from_slice(name.as_bytes());
}

fn push_port(out: &mut Vec<u8>, facts: &Facts, port: u16, transport: Transport) {
    match facts.names.service(port, transport) {
        _ if port == 0 => out.push(b'*'),
        Some(name) => out.extend_from_slice(name),
        None => push_dec(out, u64::from(port)),
    }
}

/// An abstract name shows its NULs as `@`; a control byte is not let through to the terminal.
fn push_unix_path(out: &mut Vec<u8>, path: &[u8]) {
    let is_abstract = path.first() == Some(&0);
    let shown = path.split(|b| *b == 0 && !is_abstract).next().unwrap_or_default();
    if shown.is_empty() {
        out.push(b'*');
    }
    out.extend(shown.iter().map(|&b| match b {
        0 => b'@',
        b if b.is_ascii_control() => b'?',
        b => b,
    }));
    out.push(b' ');
}

/// `users:(("name",pid=1,fd=2),...)`, the process found last first, as ss prints them.
fn push_users(out: &mut Vec<u8>, facts: &Facts, options: &Options, inode: u64) {
    if !options.processes || inode == 0 {
        return;
    }
    let holders = facts.holders.of(inode);
    if holders.is_empty() {
        return;
    }
    out.extend_from_slice(b" users:(");
    for (index, holder) in holders.iter().rev().enumerate() {
        out.extend_from_slice(if index == 0 { b"(\"" } else { b",(\"" });
        let name = facts.command(holder.pid);
        out.extend(name.iter().map(|&b| if b.is_ascii_control() { b'?' } else { b }));
        out.extend_from_slice(b"\",pid=");
        push_dec(out, u64::from(holder.pid));
        out.extend_from_slice(b",fd=");
        push_dec(out, u64::from(holder.fd));
        out.push(b')');
    }
    out.push(b')');
}

fn push_inet_tail(out: &mut Vec<u8>, facts: &Facts, options: &Options, socket: &Inet) {
    push_users(out, facts, options, socket.inode);
    if options.timers {
        push_timer(out, socket);
    }
    let attributes = facts.arena.get(socket.attributes);
    if options.details {
        push_details(out, facts, socket, attributes);
    }
    if options.memory || options.info && socket.protocol != Protocol::Udp {
        if !options.one_line {
            out.extend_from_slice(b"\n\t");
        }
        diag::each_attribute(attributes, |kind, value| {
            if kind == diag::ATTRIBUTE_SKMEMINFO {
                push_memory(out, value);
            }
        });
        info::push(out, attributes, options.timers, options.numeric);
    }
}

fn push_timer(out: &mut Vec<u8>, socket: &Inet) {
    let name = match socket.timer {
        0 => return,
        1 => "on",
        2 => "keepalive",
        3 => "timewait",
        4 => "persist",
        _ => "unknown",
    };
    out.extend_from_slice(b" timer:(");
    out.extend_from_slice(name.as_bytes());
    out.push(b',');
    push_milliseconds(out, socket.timer_ticks);
    out.push(b',');
    push_dec(out, u64::from(socket.retransmits));
    out.push(b')');
}

/// `9min59sec`, `58sec`, `2.516ms`: the larger the unit, the less is shown of the smaller.
fn push_milliseconds(out: &mut Vec<u8>, milliseconds: u32) {
    let (minutes, mut rest) = (milliseconds / 60_000, milliseconds % 1000);
    let mut seconds = milliseconds / 1000 % 60;
    if minutes > 0 {
        rest = 0;
        push_dec(out, u64::from(minutes));
        out.extend_from_slice(b"min");
        if minutes > 9 {
            seconds = 0;
        }
    }
    if seconds > 0 {
        if seconds > 9 {
            rest = 0;
        }
        push_dec(out, u64::from(seconds));
        out.extend_from_slice(if rest > 0 { b"." } else { b"sec" });
    }
    if rest > 0 {
        out.extend([rest / 100, rest / 10 % 10, rest % 10].map(|d| b'0' + d as u8));
        out.extend_from_slice(b"ms");
    }
}

/// INET_DIAG_MARK.
const ATTRIBUTE_MARK: u16 = 15;

fn push_details(out: &mut Vec<u8>, facts: &Facts, socket: &Inet, attributes: &[u8]) {
    if socket.uid != 0 {
        out.extend_from_slice(b" uid:");
        push_dec(out, u64::from(socket.uid));
    }
    out.extend_from_slice(b" ino:");
    push_dec(out, socket.inode);
    out.extend_from_slice(b" sk:");
    push_hex(out, socket.cookie, 1);
    let (mut mark, mut cgroup, mut shutdown, mut v6only) = (0, None, None, None);
    diag::each_attribute(attributes, |kind, value| match kind {
        ATTRIBUTE_MARK => mark = ne_u32(value, 0).unwrap_or(0),
        diag::ATTRIBUTE_CGROUP => cgroup = ne_u64(value, 0),
        diag::ATTRIBUTE_SHUTDOWN => shutdown = value.first().copied(),
        diag::ATTRIBUTE_SKV6ONLY => v6only = value.first().copied(),
        _ => {}
    });
    if mark != 0 {
        out.extend_from_slice(b" fwmark:0x");
        push_hex(out, u64::from(mark), 1);
    }
    if let Some(id) = cgroup.filter(|id| *id != 0) {
        out.extend_from_slice(b" cgroup:");
        push_cgroup(out, facts, id);
    }
    if let Some(only) = v6only.filter(|_| socket.is_v6()) {
        out.extend_from_slice(b" v6only:");
        push_dec(out, u64::from(only));
    }
    if let Some(mask) = shutdown {
        out.push(b' ');
        out.push(if mask & 1 != 0 { b'-' } else { b'<' });
        out.push(b'-');
        out.push(if mask & 2 != 0 { b'-' } else { b'>' });
    }
}

/// A cgroup's id is the inode number of its directory.
fn push_cgroup(out: &mut Vec<u8>, facts: &Facts, id: u64) {
    match facts.cgroups.get(&id) {
        Some(path) => out.extend_from_slice(path),
        None => {
            out.extend_from_slice(b"unreachable:");
            push_hex(out, id, 1);
        }
    }
}

/// `struct sk_meminfo`: rmem, rcvbuf, wmem, sndbuf, fwd, queued, optmem, backlog, drops.
fn push_memory(out: &mut Vec<u8>, value: &[u8]) {
    const NAMES: [(&str, usize); 9] = [
        (" skmem:(r", 0),
        (",rb", 1),
        (",t", 2),
        (",tb", 3),
        (",f", 4),
        (",w", 5),
        (",o", 6),
        (",bl", 7),
        (",d", 8),
    ];
    for (name, index) in NAMES {
        if let Some(number) = ne_u32(value, index * 4) {
            out.extend_from_slice(name.as_bytes());
            push_dec(out, u64::from(number));
        }
    }
    out.push(b')');
}

/// The names of /etc/iproute2/nl_protos as it is shipped.
fn push_netlink_name(out: &mut Vec<u8>, protocol: u32, numeric: bool) {
    const NAMES: [&str; 22] = [
        "rtnl",
        "unused",
        "usersock",
        "fw",
        "tcpdiag",
        "nflog",
        "xfrm",
        "selinux",
        "iscsi",
        "audit",
        "fiblookup",
        "connector",
        "nft",
        "ip6fw",
        "dec-rt",
        "uevent",
        "genl",
        "",
        "scsi-trans",
        "ecryptfs",
        "rdma",
        "crypto",
    ];
    match NAMES.get(protocol as usize).filter(|name| !name.is_empty() && !numeric) {
        Some(name) => out.extend_from_slice(name.as_bytes()),
        None => push_dec(out, u64::from(protocol)),
    }
}

fn push_netlink_owner(out: &mut Vec<u8>, facts: &Facts, options: &Options, id: u32) {
    if id == u32::MAX {
        return out.push(b'*');
    }
    let command = facts.command(id);
    match (options.numeric, id) {
        (false, 0) => out.extend_from_slice(b"kernel"),
        (false, _) if !command.is_empty() => {
            out.extend_from_slice(command);
            out.push(b'/');
            push_dec(out, u64::from(id));
        }
        // The port id is unsigned, and printed as an int.
        _ => crate::bytes::push_signed(out, i64::from(id as i32)),
    }
}

fn push_ether_type(out: &mut Vec<u8>, protocol: u32, numeric: bool) {
    let name: &[u8] = match protocol {
        3 => b"*",
        _ if numeric => return push_bracketed(out, protocol),
        0x0800 => b"ip",
        0x0806 => b"arp",
        0x8035 => b"rarp",
        0x86dd => b"ipv6",
        0x8100 => b"802.1Q",
        0x88cc => b"LLDP",
        other => return push_bracketed(out, other),
    };
    out.extend_from_slice(name);
}

fn push_bracketed(out: &mut Vec<u8>, number: u32) {
    out.push(b'[');
    push_dec(out, u64::from(number));
    out.push(b']');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (milliseconds, expected) in [
            (0, ""),
            (7, "007ms"),
            (2516, "2.516ms"),
            (58_300, "58sec"),
            (61_000, "1min1sec"),
            (7_199_000, "119min"),
        ] {
            let mut out = Vec::new();
            push_milliseconds(&mut out, milliseconds);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
