//! The columns of netstat. `%-4s  %6ld %6ld %-23s %-23s %-11s` and what the flags append.

use std::net::SocketAddr;

use super::{Facts, Options};
use crate::addr;
use crate::bytes::{push_blanks, push_dec, push_dec_right, push_left};
use crate::collect;
use crate::model::{Inet, Protocol, TcpState, Unix};
use crate::names::Transport;
use crate::parse::unix::ACCEPTCON;
use crate::tool::socket_json::Table;

/// Width of an address column, and what fits in it without `-W` (less the colon).
const ADDRESS_WIDTH: usize = 23;
const ADDRESS_CHARS_MAX: usize = 22;
const PROGRAM_WIDTH: usize = 20;

/// Gives what goes on below `out`.
pub fn page(facts: &Facts, options: &Options, out: &mut Vec<u8>) -> Vec<u8> {
    let mut rest = Vec::new();
    if options.wants_inet() {
        inet_header(options, out);
        inet_rows(facts, options, out, &mut rest);
    }
    if options.wants_unix() {
        unix_header(options, &mut rest);
        for socket in facts.sockets.unix.iter().filter(|s| is_unix_shown(s, options)) {
            unix_row(socket, facts, options, &mut rest);
        }
    }
    rest
}

/// From so many rows on, two threads share the work.
const ROWS_SHARED_MIN: usize = 4096;
const ROW_BYTES_USUAL: usize = 112;

fn inet_rows(facts: &Facts, options: &Options, out: &mut Vec<u8>, rest: &mut Vec<u8>) {
    let rows = &facts.sockets.inet[..];
    let print = |rows: &[Inet], out: &mut Vec<u8>| {
        out.reserve(rows.len() * ROW_BYTES_USUAL);
        let shown = rows.iter().filter(|s| is_shown(s, options));
        shown.for_each(|socket| inet_row(socket, facts, options, out));
    };
    if rows.len() < ROWS_SHARED_MIN {
        return print(rows, out);
    }
    let (one, other) = rows.split_at(rows.len() / 2);
    collect::both(|| print(other, rest), || print(one, out));
}

/// The same rows as JSON.
pub fn document(facts: &Facts, options: &Options) -> Vec<u8> {
    let holders = options.programs.then_some(&facts.holders);
    Table { arena: &facts.arena, holders }.document(|j, table| {
        for socket in facts.sockets.inet.iter().filter(|s| is_shown(s, options)) {
            table.inet(j, socket);
        }
        for socket in facts.sockets.unix.iter().filter(|s| is_unix_shown(s, options)) {
            table.unix(j, socket);
        }
    })
}

fn which(options: &Options) -> &'static [u8] {
    match (options.all, options.listening) {
        (true, _) => b"(servers and established)\n",
        (false, true) => b"(only servers)\n",
        (false, false) => b"(w/o servers)\n",
    }
}

fn inet_header(options: &Options, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Active Internet connections ");
    out.extend_from_slice(which(options));
    out.extend_from_slice(
        b"Proto Recv-Q Send-Q Local Address           Foreign Address         State      ",
    );
    if options.extend > 0 {
        out.extend_from_slice(b" User       Inode     ");
    }
    program_header(options, out);
    if options.timers {
        out.extend_from_slice(b" Timer");
    }
    out.push(b'\n');
}

fn program_header(options: &Options, out: &mut Vec<u8>) {
    if options.programs {
        out.push(b' ');
        push_left(out, b"PID/Program name", PROGRAM_WIDTH);
    }
}

/// TCP goes by the remote port, the others by the remote address, as net-tools does.
fn is_shown(socket: &Inet, options: &Options) -> bool {
    if options.all {
        return true;
    }
    let connected = match socket.protocol {
        Protocol::Tcp => socket.remote.port() != 0,
        _ => !socket.remote.ip().is_unspecified(),
    };
    connected != options.listening
}

fn inet_row(socket: &Inet, facts: &Facts, options: &Options, out: &mut Vec<u8>) {
    let (name, transport) = match socket.protocol {
        Protocol::Tcp => ("tcp", Transport::Tcp),
        Protocol::Udp => ("udp", Transport::Udp),
        Protocol::UdpLite => ("udpl", Transport::Udp),
        Protocol::Raw | Protocol::Icmp => ("raw", Transport::Raw),
    };
    let at = out.len();
    out.extend_from_slice(name.as_bytes());
    if socket.is_v6() {
        out.push(b'6');
    }
    pad_to(out, at + 6);
    push_dec_right(out, u64::from(socket.receive_queue), 6);
    out.push(b' ');
    // The text table has no backlog limit, so net-tools prints 0 here: so must we.
    let send = if socket.state == TcpState::Listen { 0 } else { socket.send_queue };
    push_dec_right(out, u64::from(send), 6);
    out.push(b' ');
    push_address(socket.local, transport, facts, options, out);
    out.push(b' ');
    push_address(socket.remote, transport, facts, options, out);
    out.push(b' ');
    let at = out.len();
    push_state(socket, out);
    pad_to(out, at + 11);
    finish_row(socket, facts, options, out);
}

fn pad_to(out: &mut Vec<u8>, end: usize) {
    push_blanks(out, end.saturating_sub(out.len()));
}

fn push_state(socket: &Inet, out: &mut Vec<u8>) {
    match socket.protocol {
        Protocol::Tcp => out.extend_from_slice(state_name(socket.state).as_bytes()),
        Protocol::Udp | Protocol::UdpLite => match socket.state {
            TcpState::Established => out.extend_from_slice(b"ESTABLISHED"),
            TcpState::Close => {}
            _ => out.extend_from_slice(b"UNKNOWN"),
        },
        Protocol::Raw | Protocol::Icmp => push_dec(out, socket.state as u64),
    }
}

fn state_name(state: TcpState) -> &'static str {
    match state {
        TcpState::Unknown => "",
        TcpState::Established => "ESTABLISHED",
        TcpState::SynSent => "SYN_SENT",
        TcpState::SynReceived | TcpState::NewSynReceived => "SYN_RECV",
        TcpState::FinWait1 => "FIN_WAIT1",
        TcpState::FinWait2 => "FIN_WAIT2",
        TcpState::TimeWait => "TIME_WAIT",
        TcpState::Close => "CLOSE",
        TcpState::CloseWait => "CLOSE_WAIT",
        TcpState::LastAck => "LAST_ACK",
        TcpState::Listen => "LISTEN",
        TcpState::Closing => "CLOSING",
    }
}

fn push_address(
    address: SocketAddr,
    transport: Transport,
    facts: &Facts,
    options: &Options,
    out: &mut Vec<u8>,
) {
    let start = out.len();
    push_host(address, facts, options, out);
    let host_length = out.len() - start;
    out.push(b':');
    let port_start = out.len();
    push_port(address.port(), transport, facts, out);
    let port_length = out.len() - port_start;
    if !options.wide && host_length + port_length > ADDRESS_CHARS_MAX {
        let port_kept = port_length.min(ADDRESS_CHARS_MAX - 4);
        let host_kept = ADDRESS_CHARS_MAX - port_kept;
        out.truncate(port_start + port_kept);
        out.drain(start + host_kept..start + host_length);
    }
    pad_to(out, start + ADDRESS_WIDTH);
}

fn push_host(address: SocketAddr, facts: &Facts, options: &Options, out: &mut Vec<u8>) {
    let ip = address.ip();
    if !options.numeric_hosts {
        if ip.is_ipv6() && ip.is_unspecified() {
            return out.extend_from_slice(b"[::]");
        }
        if let Some(name) = facts.names.host(ip.to_canonical()) {
            return out.extend_from_slice(name);
        }
    }
    addr::push_ip(out, ip.to_canonical());
}

fn push_port(port: u16, transport: Transport, facts: &Facts, out: &mut Vec<u8>) {
    if port == 0 {
        return out.push(b'*');
    }
    match facts.names.service(port, transport) {
        Some(name) => out.extend_from_slice(name),
        None => push_dec(out, u64::from(port)),
    }
}

fn finish_row(socket: &Inet, facts: &Facts, options: &Options, out: &mut Vec<u8>) {
    if options.extend > 0 {
        push_user(socket.uid, facts, out);
        let at = out.len();
        push_dec(out, socket.inode);
        pad_to(out, at + 10);
    }
    if options.programs {
        push_program(socket.inode, facts, options, out);
    }
    if options.timers {
        push_timer(socket, out);
    }
    out.push(b'\n');
}

fn push_user(uid: u32, facts: &Facts, out: &mut Vec<u8>) {
    out.push(b' ');
    let at = out.len();
    match facts.users.name(uid) {
        Some(name) => out.extend_from_slice(name),
        None => push_dec(out, u64::from(uid)),
    }
    pad_to(out, at + 10);
    out.push(b' ');
}

fn push_program(inode: u64, facts: &Facts, options: &Options, out: &mut Vec<u8>) {
    out.push(b' ');
    let at = out.len();
    let holders = if inode == 0 { &[][..] } else { facts.holders.of(inode) };
    let shown = if options.all_owners { holders.len() } else { holders.len().min(1) };
    let mut last = 0;
    for holder in &holders[..shown] {
        if last == holder.pid {
            continue;
        }
        if last != 0 {
            out.push(b',');
        }
        last = holder.pid;
        out.extend_from_slice(facts.programs.of(holder.pid));
    }
    if holders.is_empty() {
        out.push(b'-');
    }
    pad_to(out, at + PROGRAM_WIDTH);
}

/// USER_HZ: the unit of the text table's `when`, fixed by the kernel's interface.
const TICKS_PER_SECOND: u32 = 100;

fn push_timer(socket: &Inet, out: &mut Vec<u8>) {
    let tcp = socket.protocol == Protocol::Tcp;
    out.push(b' ');
    match (socket.timer, tcp) {
        (0, _) => out.extend_from_slice(b"off"),
        (1, true) => out.extend_from_slice(b"on"),
        (2, true) => out.extend_from_slice(b"keepalive"),
        (3, true) => out.extend_from_slice(b"timewait"),
        (4, true) => out.extend_from_slice(b"probe"),
        (1 | 2, false) => {
            out.extend_from_slice(b"on");
            push_dec(out, u64::from(socket.timer));
        }
        (other, _) => {
            out.extend_from_slice(b"unkn-");
            push_dec(out, u64::from(other));
        }
    }
    out.extend_from_slice(b" (");
    let ticks = if socket.timer == 0 { 0 } else { socket.timer_ticks };
    push_dec(out, u64::from(ticks / TICKS_PER_SECOND));
    out.push(b'.');
    let hundredths = ticks % TICKS_PER_SECOND;
    out.extend_from_slice(&[b'0' + (hundredths / 10) as u8, b'0' + (hundredths % 10) as u8, b'/']);
    push_dec(out, if tcp { u64::from(socket.retransmits) } else { 0 });
    out.push(b'/');
    push_dec(out, u64::from(socket.timeouts));
    out.push(b')');
}

fn unix_header(options: &Options, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Active UNIX domain sockets ");
    out.extend_from_slice(which(options));
    out.extend_from_slice(b"Proto RefCnt Flags       Type       State         I-Node  ");
    program_header(options, out);
    out.extend_from_slice(b" Path\n");
}

/// `socket_state` of include/linux/net.h.
const SS_UNCONNECTED: u8 = 1;

fn is_unix_shown(socket: &Unix, options: &Options) -> bool {
    let listening = socket.state == SS_UNCONNECTED && socket.flags & ACCEPTCON != 0;
    options.all || listening == options.listening
}

fn unix_row(socket: &Unix, facts: &Facts, options: &Options, out: &mut Vec<u8>) {
    let flags: &[u8] = match (socket.flags & ACCEPTCON != 0, socket.flags >> 17 & 3) {
        (true, _) => b"[ ACC ]",
        (false, _) => b"[ ]",
    };
    out.extend_from_slice(b"unix  ");
    let at = out.len();
    push_dec(out, u64::from(socket.references));
    pad_to(out, at + 7);
    push_left(out, flags, 12);
    push_left(out, unix_type(socket.kind), 11);
    push_left(out, unix_state(socket), 14);
    let at = out.len();
    push_dec(out, socket.inode);
    pad_to(out, at + 8);
    if options.programs {
        push_program(socket.inode, facts, options, out);
    }
    out.push(b' ');
    let path = facts.arena.get(socket.path);
    out.extend(path.iter().map(|&b| if b.is_ascii_control() { b'?' } else { b }));
    out.push(b'\n');
}

fn unix_type(kind: u8) -> &'static [u8] {
    match kind {
        1 => b"STREAM",
        2 => b"DGRAM",
        3 => b"RAW",
        4 => b"RDM",
        5 => b"SEQPACKET",
        _ => b"UNKNOWN",
    }
}

fn unix_state(socket: &Unix) -> &'static [u8] {
    match socket.state {
        0 => b"FREE",
        SS_UNCONNECTED if socket.flags & ACCEPTCON != 0 => b"LISTENING",
        SS_UNCONNECTED => b"",
        2 => b"CONNECTING",
        3 => b"CONNECTED",
        4 => b"DISCONNECTING",
        _ => b"UNKNOWN",
    }
}
