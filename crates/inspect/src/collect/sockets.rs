//! The socket tables of one network namespace: sock_diag(7) where the kernel answers it, else the
//! text of /proc/net, which every kernel and every recorded tree has.
//!
//! sock_diag costs a third of the text for the same rows (the kernel fills one page a read of the
//! text). The text has what sock_diag lacks: the kernel address and the references of a unix
//! socket.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::model::{
    Arena, Inet, OtherFamily, OtherSocket, Protocol, Snapshot, Sockets, TcpState, Unix,
};
use crate::parse;
use crate::parse::diag::{self, Progress};
use crate::source::{self, Source};

/// One datagram of a dump: the kernel fills at most 32 KiB.
const DATAGRAM_BYTES: usize = 64 << 10;
/// A dump of a million sockets is some 3,000 datagrams.
const DATAGRAMS_MAX: usize = 1 << 20;

/// Which tables are wanted, and how.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    pub tcp: bool,
    pub udp: bool,
    pub udplite: bool,
    pub raw: bool,
    pub icmp: bool,
    pub v4: bool,
    pub v6: bool,
    pub unix: UnixTable,
    pub other: bool,
    /// Take the text even where sock_diag answers: its uid and timer fields differ.
    pub text_only: bool,
    /// Keep the attributes of sock_diag, asked for by these bits (attribute - 1).
    pub attributes: Option<u8>,
    /// Bits of the TCP states wanted, as `1 << state`; sock_diag leaves the others out.
    pub states: u32,
    /// Whether rows are looked up by their inode.
    pub index: bool,
}

/// Which of the two unix tables: each has facts that the other lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnixTable {
    No,
    Text,
    Diag,
}

impl Want {
    pub const NOTHING: Want = Want {
        tcp: false,
        udp: false,
        udplite: false,
        raw: false,
        icmp: false,
        v4: true,
        v6: true,
        unix: UnixTable::No,
        other: false,
        text_only: false,
        attributes: None,
        states: diag::ALL_STATES,
        index: true,
    };
    pub const EVERYTHING: Want = Want {
        tcp: true,
        udp: true,
        udplite: true,
        raw: true,
        icmp: true,
        unix: UnixTable::Text,
        other: true,
        ..Want::NOTHING
    };
}

/// Reads the wanted tables of the namespace this process is in (or of the recorded tree).
pub fn collect(source: &Source, want: &Want, arena: &mut Arena) -> Sockets {
    collect_filtered(source, want, b"", arena)
}

/// The same, with a program by which sock_diag may leave out rows (INET_DIAG_REQ_BYTECODE).
pub fn collect_filtered(
    source: &Source,
    want: &Want,
    bytecode: &[u8],
    arena: &mut Arena,
) -> Sockets {
    let mut reader = Reader {
        directory: source.root(),
        namespace: 0,
        diag: Diag::open(source, want.text_only),
        bytecode,
        buffer: Vec::new(),
        sockets: Sockets::default(),
    };
    reader.inet_tables(want, arena);
    reader.unix_table(want.unix, arena);
    if want.other {
        reader.netlink_text();
        reader.packet_text();
    }
    if want.index {
        reader.sockets.index();
    }
    reader.sockets
}

/// Adds the tables of another namespace, read from the `net` of a process in it.
pub fn collect_text(process: BorrowedFd<'_>, want: &Want, namespace: u16, snapshot: &mut Snapshot) {
    let mut reader = Reader {
        directory: process,
        namespace,
        diag: None,
        bytecode: b"",
        buffer: Vec::new(),
        sockets: std::mem::take(&mut snapshot.sockets),
    };
    reader.inet_tables(want, &mut snapshot.arena);
    reader.unix_table(want.unix, &mut snapshot.arena);
    reader.netlink_text();
    reader.packet_text();
    reader.sockets.index();
    snapshot.sockets = reader.sockets;
}

struct Reader<'a> {
    /// What `net` lies in: /proc, or a process of another namespace.
    directory: BorrowedFd<'a>,
    namespace: u16,
    diag: Option<Diag>,
    bytecode: &'a [u8],
    buffer: Vec<u8>,
    sockets: Sockets,
}

/// Protocol, whether v6, the name below net/: in the order in which netstat lists them.
const TABLES: [(Protocol, bool, &CStr); 10] = [
    (Protocol::Tcp, false, c"tcp"),
    (Protocol::Tcp, true, c"tcp6"),
    (Protocol::Udp, false, c"udp"),
    (Protocol::Udp, true, c"udp6"),
    (Protocol::UdpLite, false, c"udplite"),
    (Protocol::UdpLite, true, c"udplite6"),
    (Protocol::Raw, false, c"raw"),
    (Protocol::Raw, true, c"raw6"),
    (Protocol::Icmp, false, c"icmp"),
    (Protocol::Icmp, true, c"icmp6"),
];

impl Reader<'_> {
    fn inet_tables(&mut self, want: &Want, arena: &mut Arena) {
        // A filter program goes with the newer request only.
        let both = want.tcp
            && want.v4
            && want.v6
            && self.bytecode.is_empty()
            && self.tcp_diag(want, arena);
        for (protocol, v6, name) in TABLES {
            if both && protocol == Protocol::Tcp {
                continue;
            }
            let wanted = match protocol {
                Protocol::Tcp => want.tcp,
                Protocol::Udp => want.udp,
                Protocol::UdpLite => want.udplite,
                Protocol::Raw => want.raw,
                Protocol::Icmp => want.icmp,
            };
            if !wanted || !(if v6 { want.v6 } else { want.v4 }) {
                continue;
            }
            let states = if protocol == Protocol::Tcp { want.states } else { diag::ALL_STATES };
            if !self.inet_diag(protocol, v6, states, want.attributes, arena) {
                self.inet_text(protocol, name);
            }
        }
    }

    /// TCP of both families in one dump, IPv4 first; false where sock_diag does not answer.
    fn tcp_diag(&mut self, want: &Want, arena: &mut Arena) -> bool {
        let Some(socket) = &mut self.diag else { return false };
        let rows = &mut self.sockets.inet;
        let mut rows6 = Vec::new();
        let request = diag::tcp_request(want.states, want.attributes.unwrap_or(0));
        let done = socket.dump(&request, |payload| {
            let Some((mut row, rest)) = diag::inet(payload, Protocol::Tcp) else { return };
            if want.attributes.is_some() {
                row.attributes = arena.push(rest);
            }
            if row.is_v6() {
                row.v6only = diag::is_v6only(rest);
                rows6.push(row);
            } else {
                rows.push(row);
            }
        });
        if done {
            rows.append(&mut rows6);
        } else {
            rows.clear();
        }
        done
    }

    /// False where sock_diag does not answer for this table.
    fn inet_diag(
        &mut self,
        protocol: Protocol,
        v6: bool,
        states: u32,
        attributes: Option<u8>,
        arena: &mut Arena,
    ) -> bool {
        // A raw socket's table is short, and its module is often not loaded: the text does.
        let by_diag = matches!(protocol, Protocol::Tcp | Protocol::Udp);
        let Some(number) = diag::protocol_number(protocol).filter(|_| by_diag) else {
            return false;
        };
        let Some(socket) = &mut self.diag else { return false };
        let family = if v6 { diag::AF_INET6 } else { diag::AF_INET };
        let rows = &mut self.sockets.inet;
        let before = rows.len();
        let asked = attributes.unwrap_or(0);
        let mut take = |payload: &[u8]| {
            let Some((mut row, rest)) = diag::inet(payload, protocol) else { return };
            if v6 {
                row.v6only = diag::is_v6only(rest);
            }
            if attributes.is_some() {
                row.attributes = arena.push(rest);
            }
            rows.push(row);
        };
        let request = diag::inet_request(family, number, states, asked, self.bytecode);
        let mut done = socket.dump(&request, &mut take);
        if !done && !self.bytecode.is_empty() {
            // A kernel that does not take the program still takes the question.
            let request = diag::inet_request(family, number, states, asked, b"");
            done = socket.dump(&request, &mut take);
        }
        if !done {
            rows.truncate(before);
        }
        done
    }

    fn inet_text(&mut self, protocol: Protocol, name: &CStr) {
        if !self.read_net(name) {
            return;
        }
        let namespace = self.namespace;
        let rows = &mut self.sockets.inet;
        parse::inet::parse(&self.buffer, |row| rows.push(Inet { protocol, namespace, ..row }));
    }

    fn unix_table(&mut self, table: UnixTable, arena: &mut Arena) {
        match table {
            UnixTable::No => {}
            UnixTable::Diag if self.unix_diag(arena) => {}
            UnixTable::Text | UnixTable::Diag => self.unix_text(arena),
        }
    }

    fn unix_text(&mut self, arena: &mut Arena) {
        if !self.read_net(c"unix") {
            return;
        }
        let namespace = self.namespace;
        let rows = &mut self.sockets.unix;
        parse::unix::parse(&self.buffer, |line| {
            rows.push(Unix {
                inode: line.inode,
                address: arena.push(line.address),
                references: line.references,
                flags: line.flags,
                kind: line.kind,
                state: line.state,
                path: arena.push(line.path),
                peer: 0,
                receive_queue: 0,
                send_queue: 0,
                namespace,
            });
        });
    }

    fn unix_diag(&mut self, arena: &mut Arena) -> bool {
        let Some(socket) = &mut self.diag else { return false };
        let rows = &mut self.sockets.unix;
        let done = socket.dump(&diag::unix_request(u32::MAX), |payload| {
            rows.extend(diag::unix(payload).map(|reply| unix_row(&reply, arena)));
        });
        if !done {
            rows.clear();
        }
        done
    }

    fn other_diag(&mut self, family: OtherFamily) -> bool {
        let Some(socket) = &mut self.diag else { return false };
        let rows = &mut self.sockets.other;
        let before = rows.len();
        let done = socket.dump(&diag::other_request(family), |payload| {
            rows.extend(match family {
                OtherFamily::Netlink => diag::netlink(payload),
                OtherFamily::Packet => diag::packet(payload),
            });
        });
        if !done {
            rows.truncate(before);
        }
        done
    }

    fn netlink_text(&mut self) {
        if self.read_net(c"netlink") {
            let (rows, namespace) = (&mut self.sockets.other, self.namespace);
            parse::other::netlink(&self.buffer, |row| rows.push(OtherSocket { namespace, ..row }));
        }
    }

    fn packet_text(&mut self) {
        if self.read_net(c"packet") {
            let (rows, namespace) = (&mut self.sockets.other, self.namespace);
            parse::other::packet(&self.buffer, |row| rows.push(OtherSocket { namespace, ..row }));
        }
    }

    /// Whether `net/NAME` was read into the buffer.
    fn read_net(&mut self, name: &CStr) -> bool {
        let Ok(net) = source::open_dir(self.directory, c"net") else { return false };
        source::read(net.as_fd(), name, &mut self.buffer).is_ok()
    }
}

fn unix_row(reply: &diag::UnixReply<'_>, arena: &mut Arena) -> Unix {
    let listening = reply.state == TcpState::Listen as u8;
    Unix {
        inode: reply.inode,
        address: crate::model::Text::EMPTY,
        references: 0,
        flags: if listening { parse::unix::ACCEPTCON } else { 0 },
        kind: reply.kind,
        state: reply.state,
        path: arena.push(reply.name),
        peer: reply.peer,
        receive_queue: reply.receive_queue,
        send_queue: reply.send_queue,
        namespace: 0,
    }
}

/// Adds netlink and packet sockets; by the text where sock_diag has no module for them.
pub fn add_others_by_diag(source: &Source, sockets: &mut Sockets) {
    let mut reader = Reader {
        directory: source.root(),
        namespace: 0,
        diag: Diag::open(source, false),
        bytecode: b"",
        buffer: Vec::new(),
        sockets: std::mem::take(sockets),
    };
    for family in [OtherFamily::Netlink, OtherFamily::Packet] {
        if !reader.other_diag(family) {
            match family {
                OtherFamily::Netlink => reader.netlink_text(),
                OtherFamily::Packet => reader.packet_text(),
            }
        }
    }
    *sockets = reader.sockets;
}

/// An open NETLINK_SOCK_DIAG socket.
#[derive(Debug)]
pub struct Diag {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

impl Diag {
    fn open(source: &Source, text_only: bool) -> Option<Diag> {
        if text_only || !source.is_live() {
            return None;
        }
        Diag::connect().ok()
    }

    pub fn connect() -> Result<Diag, Errno> {
        Diag::connect_to(Some(netlink::SOCK_DIAG))
    }

    /// The same to another netlink family; `None` is NETLINK_ROUTE.
    pub fn connect_to(protocol: Option<rustix::net::Protocol>) -> Result<Diag, Errno> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?;
        Ok(Diag { socket, buffer: vec![0; DATAGRAM_BYTES] })
    }

    /// Sends one dump request and calls `each` with every reply; false when the kernel refused.
    pub fn dump(&mut self, request: &[u8], mut each: impl FnMut(&[u8])) -> bool {
        if rustix::net::send(&self.socket, request, SendFlags::empty()).is_err() {
            return false;
        }
        for _ in 0..DATAGRAMS_MAX {
            let room = &mut self.buffer[..];
            let length = match rustix::net::recv(&self.socket, room, RecvFlags::empty()) {
                Ok((_, length)) => length,
                Err(Errno::INTR) => continue,
                Err(_) => return false,
            };
            let datagram = self.buffer.get(..length).unwrap_or_default();
            match diag::each_message(datagram, &mut each) {
                Progress::More if length == 0 => return false,
                Progress::More => {}
                Progress::Done => return true,
                Progress::Refused(_) => return false,
            }
        }
        false
    }
}

impl Diag {
    /// Closes a socket of anybody (SOCK_DESTROY); false where it cannot be closed or is gone.
    pub fn destroy(&mut self, request: &[u8]) -> Result<bool, Errno> {
        rustix::net::send(&self.socket, request, SendFlags::empty())?;
        let (_, length) =
            rustix::net::recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
        let datagram = self.buffer.get(..length).unwrap_or_default();
        match diag::each_message(datagram, |_| ()) {
            Progress::Done | Progress::More => Ok(true),
            Progress::Refused(errno) => match Errno::from_raw_os_error(errno) {
                Errno::NOTSUP | Errno::NOENT => Ok(false),
                other => Err(other),
            },
        }
    }
}

/// Reads a recorded dump, as `ss -D FILE` writes it and TCPDIAG_FILE names it: the datagrams
/// one after another.
pub fn recorded_dump(path: &CStr) -> Result<Vec<Inet>, source::Missing> {
    let mut bytes = Vec::new();
    let here =
        rustix::fs::openat(rustix::fs::CWD, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    source::read(here.as_fd(), path, &mut bytes)?;
    let mut rows = Vec::new();
    diag::each_message(&bytes, |payload| {
        rows.extend(diag::inet(payload, Protocol::Tcp).map(|(row, _)| row));
    });
    Ok(rows)
}
