//! Sockets as JSON, alike for netstat and ss: the schema is in docs/inspect.md.

use std::net::SocketAddr;

use crate::collect::holders::Holders;
use crate::json::Json;
use crate::model::{Arena, Inet, OtherFamily, OtherSocket, Protocol, TcpState, Unix};
use crate::parse::unix::ACCEPTCON;

/// A member may be added to the documents without a new version, none is changed or taken away.
pub const VERSION: u32 = 1;

/// The table a listing is made of, less what a filter hides.
pub struct Table<'a> {
    pub arena: &'a Arena,
    pub holders: Option<&'a Holders>,
}

impl Table<'_> {
    pub fn document(&self, rows: impl FnOnce(&mut Json, &Self)) -> Vec<u8> {
        let mut json = Json::new();
        json.object(|j| {
            j.key("version").number(VERSION);
            match self.holders {
                Some(holders) => j.key("unreadable").number(holders.denied),
                None => j.key("unreadable").null(),
            }
            j.key("sockets").array(|j| rows(j, self));
        });
        json.finish()
    }

    pub fn inet(&self, j: &mut Json, socket: &Inet) {
        j.object(|j| {
            let family = if socket.is_v6() { "inet6" } else { "inet" };
            j.key("family").string(family.as_bytes());
            j.key("protocol").string(protocol_name(socket.protocol).as_bytes());
            j.key("state").string(state_name(socket.state).as_bytes());
            end(j, "local", socket.local);
            end(j, "remote", socket.remote);
            j.key("receive_queue").number(socket.receive_queue);
            j.key("send_queue").number(socket.send_queue);
            j.key("uid").number(socket.uid);
            self.owners(j, socket.inode);
        });
    }

    pub fn unix(&self, j: &mut Json, socket: &Unix) {
        j.object(|j| {
            j.key("family").string(b"unix");
            j.key("protocol").string(unix_type(socket.kind));
            j.key("listening").boolean(socket.flags & ACCEPTCON != 0);
            let path = self.arena.get(socket.path);
            let shown: Vec<u8> = path.iter().map(|&b| if b == 0 { b'@' } else { b }).collect();
            j.key("path").string(&shown);
            match socket.peer {
                0 => j.key("peer_inode").null(),
                peer => j.key("peer_inode").number(peer),
            }
            j.key("receive_queue").number(socket.receive_queue);
            j.key("send_queue").number(socket.send_queue);
            self.owners(j, socket.inode);
        });
    }

    pub fn other(&self, j: &mut Json, socket: &OtherSocket) {
        j.object(|j| {
            let family = match socket.family {
                OtherFamily::Netlink => "netlink",
                OtherFamily::Packet => "packet",
            };
            j.key("family").string(family.as_bytes());
            j.key("protocol_number").number(socket.protocol);
            j.key("receive_queue").number(socket.receive_queue);
            self.owners(j, socket.inode);
        });
    }

    /// Every process that has it; `null` where they were not asked for.
    fn owners(&self, j: &mut Json, inode: u64) {
        j.key("inode").number(inode);
        let Some(holders) = self.holders else { return j.key("owners").null() };
        let of = if inode == 0 { &[][..] } else { holders.of(inode) };
        j.key("owners").array(|j| {
            for holder in of {
                j.object(|j| {
                    j.key("pid").number(holder.pid);
                    j.key("fd").number(holder.fd);
                });
            }
        });
    }
}

fn end(j: &mut Json, name: &str, end: SocketAddr) {
    j.key(name).object(|j| {
        j.key("address").string(end.ip().to_string().as_bytes());
        j.key("port").number(end.port());
    });
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::UdpLite => "udplite",
        Protocol::Raw => "raw",
        Protocol::Icmp => "icmp",
    }
}

fn unix_type(kind: u8) -> &'static [u8] {
    match kind {
        1 => b"stream",
        2 => b"dgram",
        5 => b"seqpacket",
        _ => b"unknown",
    }
}

/// The words of RFC 9293, in small letters.
pub fn state_name(state: TcpState) -> &'static str {
    match state {
        TcpState::Unknown => "unknown",
        TcpState::Established => "established",
        TcpState::SynSent => "syn-sent",
        TcpState::SynReceived | TcpState::NewSynReceived => "syn-received",
        TcpState::FinWait1 => "fin-wait-1",
        TcpState::FinWait2 => "fin-wait-2",
        TcpState::TimeWait => "time-wait",
        TcpState::Close => "closed",
        TcpState::CloseWait => "close-wait",
        TcpState::LastAck => "last-ack",
        TcpState::Listen => "listen",
        TcpState::Closing => "closing",
    }
}
