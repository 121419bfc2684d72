//! What a moment of the machine is, as plain data: processes, their descriptors, sockets.
//!
//! Flat tables and one text arena rather than a tree of strings: ten thousand descriptors are ten
//! thousand rows of one vector, and a renderer walks them in order. Nothing here reads or formats.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use crate::spread::Spread;

/// A piece of the snapshot's text arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text {
    start: u32,
    len: u32,
}

impl Text {
    pub const EMPTY: Text = Text { start: 0, len: 0 };

    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// All the bytes of a snapshot that are not numbers.
#[derive(Debug, Default)]
pub struct Arena {
    bytes: Vec<u8>,
}

/// The arena's room: the names of some ten million descriptors.
const ARENA_BYTES_MAX: usize = u32::MAX as usize;

impl Arena {
    /// Text beyond the arena's room becomes empty rather than wrong.
    pub fn push(&mut self, text: &[u8]) -> Text {
        if text.is_empty() || self.bytes.len() + text.len() > ARENA_BYTES_MAX {
            return Text::EMPTY;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(text);
        Text { start, len: text.len() as u32 }
    }

    pub fn get(&self, text: Text) -> &[u8] {
        let start = text.start as usize;
        self.bytes.get(start..start + text.len as usize).unwrap_or_default()
    }
}

/// The states of `enum tcp_state`, include/net/tcp_states.h; UDP and raw use two of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TcpState {
    Unknown = 0,
    Established = 1,
    SynSent = 2,
    SynReceived = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    TimeWait = 6,
    Close = 7,
    CloseWait = 8,
    LastAck = 9,
    Listen = 10,
    Closing = 11,
    NewSynReceived = 12,
}

impl TcpState {
    pub const ALL: [TcpState; 13] = [
        TcpState::Unknown,
        TcpState::Established,
        TcpState::SynSent,
        TcpState::SynReceived,
        TcpState::FinWait1,
        TcpState::FinWait2,
        TcpState::TimeWait,
        TcpState::Close,
        TcpState::CloseWait,
        TcpState::LastAck,
        TcpState::Listen,
        TcpState::Closing,
        TcpState::NewSynReceived,
    ];

    pub fn from_number(number: u8) -> TcpState {
        TcpState::ALL.get(usize::from(number)).copied().unwrap_or(TcpState::Unknown)
    }
}

/// The transport of an Internet socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    Tcp,
    Udp,
    UdpLite,
    Raw,
    Icmp,
}

/// A TCP, UDP, UDP-Lite, raw or ping socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inet {
    pub protocol: Protocol,
    pub local: SocketAddr,
    pub remote: SocketAddr,
    pub state: TcpState,
    pub receive_queue: u32,
    pub send_queue: u32,
    /// The raw `st` of the table: for raw sockets and tools that print it as a number.
    pub timer: u8,
    pub timer_ticks: u32,
    pub retransmits: u32,
    pub timeouts: u32,
    pub uid: u32,
    /// 0 where no descriptor holds it: TIME_WAIT, a request, not yet accepted, orphaned.
    pub inode: u64,
    pub interface: u32,
    pub cookie: u64,
    /// Segments or connections this socket dropped, where the kernel says.
    pub drops: u32,
    pub v6only: bool,
    /// The attributes of sock_diag as they came, where they were asked for.
    pub attributes: Text,
    /// Which network namespace (index of `Snapshot::namespaces`).
    pub namespace: u16,
}

impl Inet {
    pub const EMPTY: Inet = Inet {
        protocol: Protocol::Tcp,
        local: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        state: TcpState::Unknown,
        receive_queue: 0,
        send_queue: 0,
        timer: 0,
        timer_ticks: 0,
        retransmits: 0,
        timeouts: 0,
        uid: 0,
        inode: 0,
        interface: 0,
        cookie: 0,
        drops: 0,
        v6only: false,
        attributes: Text::EMPTY,
        namespace: 0,
    };

    pub fn is_v6(&self) -> bool {
        self.local.is_ipv6()
    }
}

/// An AF_UNIX socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unix {
    pub inode: u64,
    /// The kernel address as /proc/net/unix prints it.
    pub address: Text,
    pub references: u32,
    pub flags: u32,
    /// SOCK_STREAM, SOCK_DGRAM, ...
    pub kind: u8,
    /// `socket_state` of include/linux/net.h (1 unconnected, 3 connected), from the text table.
    pub state: u8,
    pub path: Text,
    /// The inode of the other end, 0 where it was not asked or is not.
    pub peer: u64,
    pub receive_queue: u32,
    pub send_queue: u32,
    pub namespace: u16,
}

/// Netlink and packet sockets: few, and their tools print few facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherSocket {
    pub family: OtherFamily,
    pub inode: u64,
    pub protocol: u32,
    /// Netlink: the port id. Packet: the socket type.
    pub id: u32,
    pub groups: u32,
    pub receive_queue: u32,
    pub send_queue: u32,
    pub references: u32,
    pub interface: u32,
    pub namespace: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherFamily {
    Netlink,
    Packet,
}

/// One socket of any family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketRef {
    Inet(u32),
    Unix(u32),
    Other(u32),
}

/// Every socket the kernel listed, with an index from inode to row.
#[derive(Debug, Default)]
pub struct Sockets {
    pub inet: Vec<Inet>,
    pub unix: Vec<Unix>,
    pub other: Vec<OtherSocket>,
    by_inode: Vec<(u64, SocketRef)>,
    spread: Spread,
}

impl Sockets {
    /// Builds the index; rows added later are not found by inode.
    pub fn index(&mut self) {
        let inet = self.inet.iter().enumerate().map(|(i, s)| (s.inode, SocketRef::Inet(i as u32)));
        let unix = self.unix.iter().enumerate().map(|(i, s)| (s.inode, SocketRef::Unix(i as u32)));
        let other =
            self.other.iter().enumerate().map(|(i, s)| (s.inode, SocketRef::Other(i as u32)));
        self.by_inode = inet.chain(unix).chain(other).filter(|(inode, _)| *inode != 0).collect();
        self.by_inode.sort_unstable_by_key(|(inode, _)| *inode);
        let inodes = self.by_inode.iter().map(|(inode, _)| *inode);
        self.spread = Spread::new(self.by_inode.len(), inodes);
    }

    pub fn by_inode(&self, inode: u64) -> Option<SocketRef> {
        let near = self.by_inode.get(self.spread.near(inode, &self.by_inode))?;
        let at = near.binary_search_by_key(&inode, |(inode, _)| *inode).ok()?;
        Some(near[at].1)
    }
}

/// A process, or one thread of it (`tid` not 0) where threads were asked for.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: u32,
    pub tid: u32,
    pub ppid: u32,
    pub pgid: i32,
    pub uid: u32,
    pub command: Text,
    /// The name of the thread, where `tid` is not 0.
    pub task_command: Text,
    /// Rows of `Snapshot::files`; the threads of one process may share them.
    pub files: Range<u32>,
}

/// Which descriptor slot a file hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slot {
    Cwd,
    Root,
    Text,
    Memory,
    /// Mapped, and deleted since.
    Deleted,
    /// The fd directory could not be opened.
    NoFd,
    Fd(u32),
}

/// What an open file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Regular,
    Directory,
    Character,
    Block,
    Fifo,
    Link,
    Socket,
    AnonInode,
    MessageQueue,
    /// A mode the kernel gave that is none of these.
    Other(u16),
    /// Nothing could be learned.
    Unknown,
}

/// One open file of one process.
#[derive(Clone, Copy, Debug)]
pub struct OpenFile {
    pub slot: Slot,
    pub kind: Kind,
    /// b'r', b'w', b'u' or b' '.
    pub access: u8,
    /// b'r', b'R', b'w', b'W', b'u' or b' '.
    pub lock: u8,
    pub device: Option<u64>,
    pub raw_device: Option<u64>,
    pub inode: Option<u64>,
    pub size: Option<u64>,
    pub position: Option<u64>,
    pub links: Option<u32>,
    pub flags: Option<u32>,
    /// 512-byte blocks really used.
    pub blocks: u64,
    pub name: Text,
    /// What went wrong with it, in brackets, as lsof appends it.
    pub note: Text,
}

impl OpenFile {
    pub const EMPTY: OpenFile = OpenFile {
        slot: Slot::NoFd,
        kind: Kind::Unknown,
        access: b' ',
        lock: b' ',
        device: None,
        raw_device: None,
        inode: None,
        size: None,
        position: None,
        links: None,
        flags: None,
        blocks: 0,
        name: Text::EMPTY,
        note: Text::EMPTY,
    };
}

/// Who has a socket open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketHolder {
    pub inode: u64,
    pub pid: u32,
    pub fd: u32,
}

/// A moment of the machine.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub arena: Arena,
    /// Ascending by pid, then tid.
    pub processes: Vec<Process>,
    pub files: Vec<OpenFile>,
    pub sockets: Sockets,
    /// Processes of which something could not be read.
    pub denied: u32,
    /// Which collector read the descriptors.
    pub collector: &'static str,
}
