//! Messages of sock_diag(7): requests to bytes, replies to sockets. No socket is opened here.
//!
//! A dump request is a 16-byte `nlmsghdr` and one structure of the family; the kernel answers with
//! datagrams of many messages, each a fixed structure and attributes, and ends with NLMSG_DONE.
//! Layouts: linux/netlink.h, linux/inet_diag.h, linux/unix_diag.h, netlink_diag.h, packet_diag.h.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::bytes::{self, ne_u16, ne_u32};
use crate::model::{Inet, OtherFamily, OtherSocket, Protocol, TcpState};

const HEADER_BYTES: usize = 16;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const TCPDIAG_GETSOCK: u16 = 18;
const SOCK_DESTROY: u16 = 21;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_ACK: u16 = 0x4;
const NLM_F_DUMP: u16 = 0x300;

pub const AF_UNIX: u8 = 1;
pub const AF_INET: u8 = 2;
pub const AF_INET6: u8 = 10;
pub const AF_NETLINK: u8 = 16;
pub const AF_PACKET: u8 = 17;

/// Bits of `idiag_states`: every state of `TcpState` but the one the kernel keeps for itself.
pub const ALL_STATES: u32 = 0xfff;

/// `INET_DIAG_*` attributes and the extension bits that ask for them (bit = attribute - 1).
pub const ATTRIBUTE_MEMINFO: u16 = 1;
pub const ATTRIBUTE_INFO: u16 = 2;
pub const ATTRIBUTE_VEGAS: u16 = 3;
pub const ATTRIBUTE_CONGESTION: u16 = 4;
pub const ATTRIBUTE_SKMEMINFO: u16 = 7;
pub const ATTRIBUTE_SHUTDOWN: u16 = 8;
pub const ATTRIBUTE_SKV6ONLY: u16 = 11;
/// Comes where Vegas is asked for, since its own bit would be the sixteenth of eight.
pub const ATTRIBUTE_BBR: u16 = 16;
pub const ATTRIBUTE_CGROUP: u16 = 21;
/// `INET_DIAG_REQ_BYTECODE`, the one request attribute.
const REQUEST_BYTECODE: u16 = 1;

/// The number of `protocol` in a request; `None` where sock_diag has no such table.
pub fn protocol_number(protocol: Protocol) -> Option<u8> {
    match protocol {
        Protocol::Tcp => Some(6),
        Protocol::Udp => Some(17),
        Protocol::UdpLite => Some(136),
        Protocol::Raw => Some(255),
        Protocol::Icmp => None,
    }
}

/// A dump request for one Internet family. `bytecode` is the kernel's filter program, or empty.
pub fn inet_request(
    family: u8,
    protocol: u8,
    states: u32,
    extensions: u8,
    bytecode: &[u8],
) -> Vec<u8> {
    let mut message = header(16 + 56);
    message.extend_from_slice(&[family, protocol, extensions, 0]);
    message.extend_from_slice(&states.to_ne_bytes());
    message.extend_from_slice(&[0; 48]);
    if !bytecode.is_empty() {
        message.extend_from_slice(&((bytecode.len() + 4) as u16).to_ne_bytes());
        message.extend_from_slice(&REQUEST_BYTECODE.to_ne_bytes());
        message.extend_from_slice(bytecode);
    }
    finish(message)
}

/// A dump request for TCP of both families at once, by the older `struct inet_diag_req`: the kernel
/// walks its table of connections, large even when it is empty, once instead of twice.
pub fn tcp_request(states: u32, extensions: u8) -> Vec<u8> {
    let mut message = header(16 + 60);
    message[4..6].copy_from_slice(&TCPDIAG_GETSOCK.to_ne_bytes());
    message.extend_from_slice(&[0, 0, 0, extensions]);
    message.extend_from_slice(&[0; 48]);
    message.extend_from_slice(&states.to_ne_bytes());
    message.extend_from_slice(&0u32.to_ne_bytes());
    finish(message)
}

/// A request to close this very socket, as `ss -K` asks. Needs CAP_NET_ADMIN.
pub fn destroy_request(socket: &Inet) -> Option<Vec<u8>> {
    let number = protocol_number(socket.protocol)?;
    let family = if socket.is_v6() { AF_INET6 } else { AF_INET };
    let mut message = header(16 + 56);
    message[4..6].copy_from_slice(&SOCK_DESTROY.to_ne_bytes());
    message[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    message.extend_from_slice(&[family, number, 0, 0]);
    message.extend_from_slice(&ALL_STATES.to_ne_bytes());
    for end in [socket.local, socket.remote] {
        message.extend_from_slice(&end.port().to_be_bytes());
    }
    for end in [socket.local, socket.remote] {
        let mut address = [0; 16];
        match end.ip() {
            IpAddr::V4(ip) => address[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => address = ip.octets(),
        }
        message.extend_from_slice(&address);
    }
    message.extend_from_slice(&socket.interface.to_ne_bytes());
    for half in [socket.cookie as u32, (socket.cookie >> 32) as u32] {
        message.extend_from_slice(&half.to_ne_bytes());
    }
    Some(finish(message))
}

/// Shows asked of unix_diag: name, peer, queues, the listener's waiting ones.
const UNIX_SHOW: u32 = 0x1 | 0x4 | 0x10;

pub fn unix_request(states: u32) -> Vec<u8> {
    let mut message = header(16 + 24);
    message.extend_from_slice(&[AF_UNIX, 0, 0, 0]);
    message.extend_from_slice(&states.to_ne_bytes());
    message.extend_from_slice(&0u32.to_ne_bytes());
    message.extend_from_slice(&UNIX_SHOW.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    finish(message)
}

/// A dump request for all netlink sockets (their groups and queues) or all packet sockets.
pub fn other_request(family: OtherFamily) -> Vec<u8> {
    let (number, protocol, show): (u8, u8, u32) = match family {
        // NDIAG_PROTO_ALL; NDIAG_SHOW_MEMINFO, NDIAG_SHOW_GROUPS.
        OtherFamily::Netlink => (AF_NETLINK, 255, 0x1 | 0x2),
        // PACKET_SHOW_INFO, PACKET_SHOW_MEMINFO.
        OtherFamily::Packet => (AF_PACKET, 0, 0x1 | 0x10),
    };
    let mut message = header(16 + 20);
    message.extend_from_slice(&[number, protocol, 0, 0]);
    message.extend_from_slice(&0u32.to_ne_bytes());
    message.extend_from_slice(&show.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    finish(message)
}

fn header(room: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(room);
    message.extend_from_slice(&0u32.to_ne_bytes());
    message.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message.extend_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message
}

/// A dump request of any netlink family: its type and its fixed structure.
pub fn dump_request(kind: u16, fixed: &[u8]) -> Vec<u8> {
    let mut message = header(HEADER_BYTES + fixed.len());
    message[4..6].copy_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(fixed);
    finish(message)
}

fn finish(mut message: Vec<u8>) -> Vec<u8> {
    let length = message.len() as u32;
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

/// How far a dump is after one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    More,
    Done,
    /// The kernel refused: a positive errno.
    Refused(i32),
}

/// Calls `each` with the payload of every message of one datagram.
pub fn each_message<'a>(mut datagram: &'a [u8], mut each: impl FnMut(&'a [u8])) -> Progress {
    while let (Some(length), Some(kind)) = (ne_u32(datagram, 0), ne_u16(datagram, 4)) {
        let length = length as usize;
        let Some(payload) = datagram.get(HEADER_BYTES..length) else { break };
        match kind {
            NLMSG_DONE => return done(payload),
            NLMSG_ERROR => return done(payload),
            _ => each(payload),
        }
        datagram = datagram.get(aligned(length)..).unwrap_or_default();
    }
    Progress::More
}

fn done(payload: &[u8]) -> Progress {
    match ne_u32(payload, 0).map(|n| n as i32) {
        Some(errno) if errno < 0 => Progress::Refused(errno.saturating_neg()),
        _ => Progress::Done,
    }
}

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// Calls `each` with the kind and the value of every attribute.
pub fn each_attribute<'a>(mut text: &'a [u8], mut each: impl FnMut(u16, &'a [u8])) {
    while let (Some(length), Some(kind)) = (ne_u16(text, 0), ne_u16(text, 2)) {
        let Some(value) = text.get(4..usize::from(length)) else { return };
        each(kind, value);
        text = text.get(aligned(usize::from(length))..).unwrap_or_default();
    }
}

const INET_MESSAGE_BYTES: usize = 72;

/// One `inet_diag_msg`; its attributes are what follows it.
pub fn inet(payload: &[u8], protocol: Protocol) -> Option<(Inet, &[u8])> {
    let fixed = payload.get(..INET_MESSAGE_BYTES)?;
    let port = |at: usize| bytes::array(fixed, at).map(u16::from_be_bytes);
    let v6 = match fixed[0] {
        AF_INET => false,
        AF_INET6 => true,
        _ => return None,
    };
    let socket = Inet {
        protocol,
        local: SocketAddr::new(ip(fixed, 8, v6)?, port(4)?),
        remote: SocketAddr::new(ip(fixed, 24, v6)?, port(6)?),
        state: TcpState::from_number(fixed[1]),
        timer: fixed[2],
        retransmits: u32::from(fixed[3]),
        interface: ne_u32(fixed, 40)?,
        cookie: u64::from(ne_u32(fixed, 44)?) | u64::from(ne_u32(fixed, 48)?) << 32,
        timer_ticks: ne_u32(fixed, 52)?,
        receive_queue: ne_u32(fixed, 56)?,
        send_queue: ne_u32(fixed, 60)?,
        uid: ne_u32(fixed, 64)?,
        inode: u64::from(ne_u32(fixed, 68)?),
        ..Inet::EMPTY
    };
    Some((socket, &payload[INET_MESSAGE_BYTES..]))
}

/// Whether an IPv6 socket takes no IPv4: attribute INET_DIAG_SKV6ONLY.
pub fn is_v6only(attributes: &[u8]) -> bool {
    let mut only = false;
    each_attribute(attributes, |kind, value| {
        only |= kind == ATTRIBUTE_SKV6ONLY && value.first().is_some_and(|v| *v != 0);
    });
    only
}

fn ip(fixed: &[u8], at: usize, v6: bool) -> Option<IpAddr> {
    Some(if v6 {
        IpAddr::V6(Ipv6Addr::from(bytes::array::<16>(fixed, at)?))
    } else {
        IpAddr::V4(Ipv4Addr::from(bytes::array::<4>(fixed, at)?))
    })
}

/// One `unix_diag_msg` with the attributes asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnixReply<'a> {
    pub kind: u8,
    pub state: u8,
    pub inode: u64,
    pub name: &'a [u8],
    pub peer: u64,
    pub receive_queue: u32,
    pub send_queue: u32,
}

pub fn unix(payload: &[u8]) -> Option<UnixReply<'_>> {
    let mut reply = UnixReply {
        kind: *payload.get(1)?,
        state: *payload.get(2)?,
        inode: u64::from(ne_u32(payload, 4)?),
        name: b"",
        peer: 0,
        receive_queue: 0,
        send_queue: 0,
    };
    each_attribute(payload.get(16..)?, |kind, value| match kind {
        0 => reply.name = value,
        2 => reply.peer = ne_u32(value, 0).map_or(0, u64::from),
        4 => {
            reply.receive_queue = ne_u32(value, 0).unwrap_or(0);
            reply.send_queue = ne_u32(value, 4).unwrap_or(0);
        }
        _ => {}
    });
    Some(reply)
}

/// One `netlink_diag_msg`.
pub fn netlink(payload: &[u8]) -> Option<OtherSocket> {
    let mut socket = OtherSocket {
        family: OtherFamily::Netlink,
        protocol: u32::from(*payload.get(2)?),
        id: ne_u32(payload, 4)?,
        groups: 0,
        inode: u64::from(ne_u32(payload, 16)?),
        receive_queue: 0,
        send_queue: 0,
        references: 0,
        interface: 0,
        namespace: 0,
    };
    each_attribute(payload.get(28..)?, |kind, value| match kind {
        0 => {
            socket.receive_queue = ne_u32(value, 0).unwrap_or(0);
            socket.send_queue = ne_u32(value, 8).unwrap_or(0);
        }
        1 => socket.groups = ne_u32(value, 0).unwrap_or(0),
        _ => {}
    });
    Some(socket)
}

/// One `packet_diag_msg`.
pub fn packet(payload: &[u8]) -> Option<OtherSocket> {
    let mut socket = OtherSocket {
        family: OtherFamily::Packet,
        id: u32::from(*payload.get(1)?),
        protocol: u32::from(ne_u16(payload, 2)?),
        groups: 0,
        inode: u64::from(ne_u32(payload, 4)?),
        receive_queue: 0,
        send_queue: 0,
        references: 0,
        interface: 0,
        namespace: 0,
    };
    each_attribute(payload.get(16..)?, |kind, value| match kind {
        0 => socket.interface = ne_u32(value, 0).unwrap_or(0),
        6 => socket.receive_queue = ne_u32(value, 0).unwrap_or(0),
        _ => {}
    });
    Some(socket)
}

/// For the fuzzers: every parser over the same bytes.
pub fn fuzz(datagram: &[u8]) {
    each_message(datagram, |payload| {
        let _ = inet(payload, Protocol::Tcp).map(|(_, rest)| each_attribute(rest, |_, _| ()));
        let _ = unix(payload);
        let _ = netlink(payload);
        let _ = packet(payload);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_bytes() {
        let request = inet_request(AF_INET, 6, ALL_STATES, 0, b"");
        let mut golden = vec![72, 0, 0, 0, 20, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0];
        golden.extend([2, 6, 0, 0, 0xff, 0x0f, 0, 0]);
        golden.extend([0; 48]);
        assert_eq!(request, golden);
        assert_eq!(unix_request(u32::MAX).len(), 40);
        assert_eq!(inet_request(AF_INET, 6, 1, 0, &[0; 12]).len(), 72 + 16);
    }

    fn golden_listener() -> Vec<u8> {
        let mut message = vec![88, 0, 0, 0, 20, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        message.extend([2, 10, 0, 0, 0x46, 0xa0, 0, 0, 127, 0, 0, 1]);
        message.extend([0; 12 + 16 + 4]);
        message.extend([7, 0, 0, 0, 0, 0, 0, 0]);
        message.extend([0; 4]);
        message.extend([1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        message.extend(428_609u32.to_ne_bytes());
        message
    }

    #[test]
    fn reply_bytes() {
        let mut seen = Vec::new();
        let mut datagram = golden_listener();
        let progress = each_message(&datagram, |p| seen.extend(inet(p, Protocol::Tcp)));
        assert_eq!(progress, Progress::More);
        let (socket, rest) = seen[0];
        assert!(rest.is_empty());
        assert_eq!(socket.local.to_string(), "127.0.0.1:18080");
        assert_eq!((socket.state, socket.inode), (TcpState::Listen, 428_609));
        assert_eq!((socket.receive_queue, socket.send_queue, socket.cookie), (1, 9, 7));
        datagram.extend([20, 0, 0, 0, 3, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(each_message(&datagram, |_| ()), Progress::Done);
        let refused = [20, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff];
        assert_eq!(each_message(&refused, |_| ()), Progress::Refused(2));
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_panics() {
        let whole = golden_listener();
        for end in 0..whole.len() {
            fuzz(&whole[..end]);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bent = whole.clone();
                bent[at] = value;
                fuzz(&bent);
            }
        }
    }
}
