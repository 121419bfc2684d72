//! One line of lsof as fields: what TYPE, DEVICE, SIZE/OFF, NODE and NAME of a file are. The table,
//! the field output and JSON print the same facts from here.

use std::net::{IpAddr, SocketAddr};

use crate::addr;
use crate::bytes::{push_dec, push_hex};
use crate::model::{
    Inet, Kind, OpenFile, OtherFamily, OtherSocket, Protocol, Slot, Snapshot, SocketRef, TcpState,
    Unix,
};
use crate::names::Transport;
use crate::parse::unix::ACCEPTCON;
use crate::tool::lsof::options::Options;
use crate::tool::lsof::{Facts, text};

/// A file of the snapshot that is listed.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub process: u32,
    pub file: u32,
}

/// The file's socket, if it is one that a table lists.
pub enum Socket<'a> {
    None,
    Inet(&'a Inet),
    Unix(&'a Unix),
    Other(&'a OtherSocket),
    /// A socket in no table.
    Unlisted,
}

pub fn socket<'a>(file: &OpenFile, snapshot: &'a Snapshot) -> Socket<'a> {
    if file.kind != Kind::Socket {
        return Socket::None;
    }
    let sockets = &snapshot.sockets;
    let found = match sockets.by_inode(file.inode.unwrap_or(0)) {
        Some(SocketRef::Inet(at)) => sockets.inet.get(at as usize).map(Socket::Inet),
        Some(SocketRef::Unix(at)) => sockets.unix.get(at as usize).map(Socket::Unix),
        Some(SocketRef::Other(at)) => sockets.other.get(at as usize).map(Socket::Other),
        None => None,
    };
    found.unwrap_or(Socket::Unlisted)
}

/// The path a unix socket is bound to.
pub fn unix_path<'a>(file: &OpenFile, snapshot: &'a Snapshot) -> Option<&'a [u8]> {
    match socket(file, snapshot) {
        Socket::Unix(unix) => Some(snapshot.arena.get(unix.path)),
        _ => None,
    }
}

/// `cwd`, `txt`, `   3`, and `*001` beyond 9999, as the four columns hold it.
pub fn push_slot(out: &mut Vec<u8>, slot: Slot, padded: bool) {
    let name: &[u8] = match slot {
        Slot::Cwd => b"cwd",
        Slot::Root => b"rtd",
        Slot::Text => b"txt",
        Slot::Memory => b"mem",
        Slot::Deleted => b"DEL",
        Slot::NoFd => b"NOFD",
        Slot::Fd(fd) if padded && fd > 9999 => {
            let digits = fd % 1000;
            out.push(b'*');
            out.extend([digits / 100, digits / 10 % 10, digits % 10].map(|d| b'0' + d as u8));
            return;
        }
        Slot::Fd(fd) if padded => return crate::bytes::push_dec_right(out, u64::from(fd), 4),
        Slot::Fd(fd) => return push_dec(out, u64::from(fd)),
    };
    out.extend_from_slice(name);
}

pub fn push_type(out: &mut Vec<u8>, file: &OpenFile, socket: &Socket<'_>) {
    let name: &[u8] = match (file.kind, socket) {
        (_, Socket::Inet(inet)) => match (inet.protocol, inet.is_v6()) {
            (Protocol::Raw, false) => b"raw",
            (Protocol::Raw, true) => b"raw6",
            (Protocol::Icmp, false) => b"icmp",
            (Protocol::Icmp, true) => b"icmp6",
            (_, false) => b"IPv4",
            (_, true) => b"IPv6",
        },
        (_, Socket::Unix(_)) => b"unix",
        (_, Socket::Other(other)) => match other.family {
            OtherFamily::Netlink => b"netlink",
            OtherFamily::Packet => b"pack",
        },
        (Kind::Socket, _) => b"sock",
        (Kind::Regular, _) => b"REG",
        (Kind::Directory, _) => b"DIR",
        (Kind::Character, _) => b"CHR",
        (Kind::Block, _) => b"BLK",
        (Kind::Fifo, _) => b"FIFO",
        (Kind::Link, _) => b"LINK",
        (Kind::AnonInode, _) => b"a_inode",
        (Kind::MessageQueue, _) => b"PSXMQ",
        (Kind::Other(bits), _) => {
            out.extend_from_slice(b"00");
            return crate::bytes::push_dec_right(out, u64::from(bits), 2);
        }
        (Kind::Unknown, _) if file.slot == Slot::NoFd => b"",
        (Kind::Unknown, _) => b"unknown",
    };
    out.extend_from_slice(name);
}

/// The text of DEVICE where it is not a device: an inode, a kernel address.
pub fn push_device_text(out: &mut Vec<u8>, snapshot: &Snapshot, socket: &Socket<'_>) -> bool {
    match socket {
        Socket::Inet(inet) if !matches!(inet.protocol, Protocol::Raw | Protocol::Icmp) => {
            push_dec(out, inet.inode);
        }
        Socket::Unix(unix) => {
            out.extend_from_slice(b"0x");
            out.extend_from_slice(snapshot.arena.get(unix.address));
        }
        Socket::Other(other) if other.family == OtherFamily::Packet => push_dec(out, other.inode),
        _ => return false,
    }
    true
}

pub fn device(file: &OpenFile, socket: &Socket<'_>) -> Option<u64> {
    match socket {
        Socket::None | Socket::Unlisted => file.raw_device.or(file.device),
        _ => None,
    }
}

pub fn push_device(out: &mut Vec<u8>, device: u64) {
    push_dec(out, u64::from(rustix::fs::major(device)));
    out.push(b',');
    push_dec(out, u64::from(rustix::fs::minor(device)));
}

/// SIZE/OFF, of which a file has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    None,
    Size(u64),
    Offset(u64),
}

pub fn extent(file: &OpenFile, options: &Options) -> Extent {
    let offset = file.position.map_or(Extent::None, Extent::Offset);
    let size = file.size.map_or(Extent::None, Extent::Size);
    let has_no_size =
        matches!(file.kind, Kind::Character | Kind::Block | Kind::Fifo | Kind::Socket);
    match (options.offset, options.size) {
        (true, _) => offset,
        (false, true) if has_no_size => Extent::None,
        (false, _) if has_no_size => offset,
        (false, _) => size,
    }
}

/// Digits of an offset before it is written in hex.
const OFFSET_DIGITS_DEFAULT: u32 = 8;

pub fn push_extent(out: &mut Vec<u8>, extent: Extent, options: &Options) {
    match extent {
        Extent::None => {}
        Extent::Size(size) => push_dec(out, size),
        Extent::Offset(offset) => {
            let at = out.len();
            out.extend_from_slice(b"0t");
            push_dec(out, offset);
            let digits = options.offset_digits.unwrap_or(OFFSET_DIGITS_DEFAULT) as usize;
            if digits > 0 && out.len() - at - 2 > digits {
                out.truncate(at);
                out.extend_from_slice(b"0x");
                push_hex(out, offset, 1);
            }
        }
    }
}

/// The protocol that stands in NODE instead of an inode.
pub fn push_protocol(out: &mut Vec<u8>, socket: &Socket<'_>) -> bool {
    match socket {
        Socket::Inet(inet) => match inet.protocol {
            Protocol::Tcp => out.extend_from_slice(b"TCP"),
            Protocol::Udp => out.extend_from_slice(b"UDP"),
            Protocol::UdpLite => out.extend_from_slice(b"UDPLITE"),
            Protocol::Raw | Protocol::Icmp => return false,
        },
        Socket::Other(other) if other.family == OtherFamily::Packet => {
            push_ether_type(out, other.protocol);
        }
        _ => return false,
    }
    true
}

/// linux/if_ether.h, by the names lsof gives them (at most seven letters).
fn push_ether_type(out: &mut Vec<u8>, protocol: u32) {
    let name: &[u8] = match protocol {
        0x0001 => b"802.3",
        0x0002 => b"AX25",
        0x0003 => b"ALL",
        0x0004 => b"802.2",
        0x0005 => b"SNAP",
        0x0060 => b"LOOP",
        0x0800 => b"IP",
        0x0806 => b"ARP",
        0x8035 => b"RARP",
        0x8100 => b"8021Q",
        0x86dd => b"IPV6",
        0x8863 => b"PPP_DIS",
        0x8864 => b"PPP_SES",
        0x8847 => b"MPLS_UC",
        0x8848 => b"MPLS_MC",
        other => return push_dec(out, u64::from(other)),
    };
    out.extend_from_slice(name);
}

/// NAME, with the state in brackets where `state` says so.
pub fn push_name(
    out: &mut Vec<u8>,
    facts: &Facts,
    options: &Options,
    file: &OpenFile,
    socket: &Socket<'_>,
    state: bool,
) {
    let arena = &facts.snapshot.arena;
    let utf8 = text::locale_is_utf8();
    let start = out.len();
    match socket {
        Socket::None => text::push_safe(out, arena.get(file.name), utf8, false),
        Socket::Inet(inet) => match inet.protocol {
            Protocol::Raw | Protocol::Icmp => push_raw(out, inet),
            _ => push_inet(out, facts, inet),
        },
        Socket::Unix(unix) => {
            let path = arena.get(unix.path);
            if !path.is_empty() {
                text::push_safe(out, path, utf8, false);
                out.push(b' ');
            }
            out.extend_from_slice(b"type=");
            out.extend_from_slice(socket_type(unix.kind));
        }
        Socket::Other(other) => push_other(out, other),
        Socket::Unlisted if options.skip_inet => {
            out.extend_from_slice(b"can't identify protocol (-X specified)");
        }
        Socket::Unlisted if file.name.is_empty() => {
            out.extend_from_slice(b"can't identify protocol");
        }
        Socket::Unlisted => {
            out.extend_from_slice(b"protocol: ");
            text::push_safe(out, arena.get(file.name), utf8, false);
        }
    }
    let note = arena.get(file.note);
    if !note.is_empty() {
        if out.len() > start {
            out.push(b' ');
        }
        text::push_safe(out, note, utf8, false);
    }
    if state {
        push_state(out, options, socket, start);
    }
}

fn push_state(out: &mut Vec<u8>, options: &Options, socket: &Socket<'_>, start: usize) {
    let blank = |out: &mut Vec<u8>| {
        if out.len() > start {
            out.push(b' ');
        }
    };
    match socket {
        Socket::Unix(unix) if options.tcp.state => {
            blank(out);
            out.push(b'(');
            out.extend_from_slice(unix_state(unix).as_bytes());
            out.push(b')');
        }
        Socket::Inet(inet) if !matches!(inet.protocol, Protocol::Raw | Protocol::Icmp) => {
            let tcp = inet.protocol == Protocol::Tcp;
            if !options.tcp.state && !options.tcp.queues {
                return;
            }
            // lsof leaves the blank behind a UDP socket, which has nothing to put after it.
            blank(out);
            let open = out.len();
            if options.tcp.state && tcp {
                out.push(b'(');
                out.extend_from_slice(text::state_name(inet.state).as_bytes());
            }
            if options.tcp.queues {
                out.push(if out.len() > open { b' ' } else { b'(' });
                out.extend_from_slice(b"QR=");
                push_dec(out, u64::from(inet.receive_queue));
                out.extend_from_slice(b" QS=");
                push_dec(out, u64::from(send_queue(inet)));
            }
            if out.len() > open {
                out.push(b')');
            }
        }
        _ => {}
    }
}

/// A listener's "send queue" of sock_diag is its backlog limit, which lsof does not know.
pub fn send_queue(inet: &Inet) -> u32 {
    if inet.state == TcpState::Listen { 0 } else { inet.send_queue }
}

pub fn unix_state(unix: &Unix) -> &'static str {
    match (unix.flags == ACCEPTCON, unix.state) {
        (true, _) => "LISTEN",
        (false, 1) => "UNCONNECTED",
        (false, 2) => "CONNECTING",
        (false, 3) => "CONNECTED",
        (false, 4) => "DISCONNECTING",
        _ => "UNKNOWN",
    }
}

fn push_inet(out: &mut Vec<u8>, facts: &Facts, inet: &Inet) {
    let is_set = |end: SocketAddr| !end.ip().is_unspecified() || end.port() != 0;
    let transport = match inet.protocol {
        Protocol::Tcp => Transport::Tcp,
        _ => Transport::Udp,
    };
    if is_set(inet.local) {
        push_end(out, facts, inet.local, transport);
    }
    if is_set(inet.remote) {
        out.extend_from_slice(b"->");
        push_end(out, facts, inet.remote, transport);
    }
}

fn push_end(out: &mut Vec<u8>, facts: &Facts, end: SocketAddr, transport: Transport) {
    let ip = end.ip().to_canonical();
    match (facts.names.host(ip), ip) {
        _ if ip.is_unspecified() => out.push(b'*'),
        (Some(name), _) => out.extend_from_slice(name),
        (None, IpAddr::V4(v4)) => addr::push_v4(out, v4),
        (None, IpAddr::V6(v6)) => {
            out.push(b'[');
            addr::push_v6(out, v6);
            out.push(b']');
        }
    }
    out.push(b':');
    match facts.names.service(end.port(), transport) {
        _ if end.port() == 0 => out.push(b'*'),
        Some(name) => out.extend_from_slice(name),
        None => push_dec(out, u64::from(end.port())),
    }
}

/// Raw sockets are printed as the kernel's table has them, in hex words.
fn push_raw(out: &mut Vec<u8>, inet: &Inet) {
    push_raw_end(out, inet.local);
    out.extend_from_slice(b"->");
    push_raw_end(out, inet.remote);
    if inet.protocol == Protocol::Raw {
        out.extend_from_slice(b" st=");
        push_upper_hex(out, inet.state as u64, 2);
    }
}

fn push_raw_end(out: &mut Vec<u8>, end: SocketAddr) {
    let octets = match end.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    for word in octets.chunks_exact(4) {
        let word = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]);
        push_upper_hex(out, u64::from(word), 8);
    }
    out.push(b':');
    push_upper_hex(out, u64::from(end.port()), 4);
}

fn push_upper_hex(out: &mut Vec<u8>, n: u64, width: usize) {
    let at = out.len();
    push_hex(out, n, width);
    out[at..].make_ascii_uppercase();
}

pub fn socket_type(kind: u8) -> &'static [u8] {
    match kind {
        1 => b"STREAM",
        2 => b"DGRAM",
        3 => b"RAW",
        4 => b"RDM",
        5 => b"SEQPACKET",
        6 => b"DCCP",
        10 => b"PACKET",
        _ => b"unknown",
    }
}

fn push_other(out: &mut Vec<u8>, other: &OtherSocket) {
    match other.family {
        OtherFamily::Packet => {
            let name = socket_type(other.id as u8);
            out.extend_from_slice(if name == b"unknown" { b"type=" } else { b"type=SOCK_" });
            out.extend_from_slice(name);
        }
        OtherFamily::Netlink => match netlink_name(other.protocol) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => {
                out.extend_from_slice(b"unknown protocol: ");
                push_dec(out, u64::from(other.protocol));
            }
        },
    }
}

/// linux/netlink.h.
pub fn netlink_name(protocol: u32) -> Option<&'static str> {
    const NAMES: [&str; 23] = [
        "ROUTE",
        "UNUSED",
        "USERSOCK",
        "FIREWALL",
        "INET_DIAG",
        "NFLOG",
        "XFRM",
        "SELINUX",
        "ISCSI",
        "AUDIT",
        "FIB_LOOKUP",
        "CONNECTOR",
        "NETFILTER",
        "IP6_FW",
        "DNRTMSG",
        "KOBJECT_UEVENT",
        "GENERIC",
        "",
        "SCSITRANSPORT",
        "ECRYPTFS",
        "RDMA",
        "CRYPTO",
        "SMC",
    ];
    NAMES.get(protocol as usize).copied().filter(|name| !name.is_empty())
}
