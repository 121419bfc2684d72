//! All that the rules look at, read once: processes, descriptors, sockets with their memory and
//! timing, and the counters and limits of the host.

use std::collections::HashMap;
use std::ffi::CStr;
use std::net::SocketAddr;
use std::os::fd::AsFd;

use crate::bytes;
use crate::collect::files::{self, Choice};
use crate::collect::{bpf, sockets};
use crate::counters;
use crate::model::{Inet, OpenFile, Protocol, Slot, Snapshot, SocketHolder, TcpState};
use crate::parse::{self, diag, status};
use crate::source::{self, Source};

/// A process, with what only diagnoses need.
#[derive(Clone, Debug, Default)]
pub struct ProcessFacts {
    pub pid: u32,
    pub ppid: u32,
    pub uid: u32,
    pub name: String,
    pub state: u8,
    pub threads: u32,
    pub start_ticks: u64,
    pub exit_code: i32,
    pub status: status::Status,
    pub open_files: u64,
    /// Soft RLIMIT_NOFILE.
    pub open_files_limit: Option<u64>,
    /// Soft RLIMIT_NPROC.
    pub processes_limit: Option<u64>,
    /// Device and inode of what it runs.
    pub program: Option<(u64, u64)>,
}

/// A TCP connection's times and memory, by inode or cookie of its socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    pub last_data_received_ms: u32,
    pub last_ack_received_ms: u32,
    pub drops: u32,
}

/// A listening socket and who has it.
#[derive(Clone, Debug)]
pub struct Listener {
    pub socket: Inet,
    pub timing: Timing,
    pub holders: Vec<SocketHolder>,
}

/// Values of the host, as found.
#[derive(Clone, Debug, Default)]
pub struct Host {
    pub ports: (u16, u16),
    pub reserved_ports: u64,
    pub time_wait_max: u64,
    pub time_wait: i64,
    pub orphans: i64,
    pub orphans_max: u64,
    pub files_open: u64,
    pub files_max: u64,
    pub somaxconn: u64,
    /// ListenOverflows while we looked, where two samples were taken.
    pub overflows_now: i64,
    pub overflows_ever: i64,
    pub processes_max: u64,
    pub inotify_instances_max: u64,
}

/// One moment of the host.
#[derive(Debug, Default)]
pub struct Facts {
    pub snapshot: Snapshot,
    pub processes: Vec<ProcessFacts>,
    pub holders: Vec<SocketHolder>,
    pub listeners: Vec<Listener>,
    pub timing: HashMap<u64, Timing>,
    /// Sockets that a descriptor has and no table lists, and that were connected once: by BPF.
    pub reset_sockets: Vec<(SocketHolder, SocketAddr)>,
    /// References and descriptors of each socket, by inode: by BPF.
    pub references: HashMap<u64, (u64, u64)>,
    /// Processes in state D before the second look, and where in the kernel.
    pub waiting: Vec<(u32, String)>,
    pub host: Host,
}

impl Facts {
    /// Reads everything; `sample` waits between two readings of the counters.
    pub fn collect(source: &Source, sample: &mut dyn FnMut()) -> Facts {
        let before = overflows(source);
        let mut facts = Facts::default();
        let mut want = sockets::Want::EVERYTHING;
        let bits = 1 << (diag::ATTRIBUTE_INFO - 1) | 1 << (diag::ATTRIBUTE_SKMEMINFO - 1);
        want.attributes = Some(bits);
        facts.waiting = waiting(source);
        sample();
        facts.snapshot.sockets = sockets::collect(source, &want, &mut facts.snapshot.arena);
        let files_wanted = files::Want { foreign: true, ..files::Want::default() };
        let asked = files::Asked::default();
        files::collect(source, &files_wanted, asked, &mut facts.snapshot, &mut |_| {
            Choice::Everything
        });
        facts.read_processes(source);
        facts.join_sockets();
        facts.host = Host::read(source);
        facts.host.overflows_ever = overflows(source);
        facts.host.overflows_now = facts.host.overflows_ever - before;
        if source.is_live() {
            facts.ask_the_kernel();
        }
        facts
    }

    pub fn process(&self, pid: u32) -> Option<&ProcessFacts> {
        let at = self.processes.binary_search_by_key(&pid, |p| p.pid).ok()?;
        self.processes.get(at)
    }

    /// "name (pid 7)".
    pub fn describe(&self, pid: u32) -> String {
        match self.process(pid) {
            Some(process) => format!("{} (pid {pid})", process.name),
            None => format!("pid {pid}"),
        }
    }

    pub fn holders_of(&self, inode: u64) -> &[SocketHolder] {
        let start = self.holders.partition_point(|h| h.inode < inode);
        let end = self.holders.partition_point(|h| h.inode <= inode);
        &self.holders[start..end]
    }

    /// The sockets of our own namespace, of one state.
    pub fn connections(&self, state: TcpState) -> impl Iterator<Item = &Inet> {
        let all = self.snapshot.sockets.inet.iter();
        all.filter(move |s| s.protocol == Protocol::Tcp && s.state == state)
    }

    /// When something last came in on it. Not by inode: who waits to be accepted has none.
    pub fn timing_of(&self, socket: &Inet) -> Timing {
        timing(self.snapshot.arena.get(socket.attributes))
    }

    pub fn files_of(&self, pid: u32) -> &[OpenFile] {
        let found = self.snapshot.processes.iter().find(|p| p.pid == pid);
        let range = found.map_or(0..0, |p| p.files.start as usize..p.files.end as usize);
        self.snapshot.files.get(range).unwrap_or_default()
    }

    fn read_processes(&mut self, source: &Source) {
        let mut text = Vec::new();
        for process in &self.snapshot.processes {
            let Ok(directory) = source.process(process.pid) else { continue };
            let mut read = |name: &CStr| {
                let done = source::read(directory.as_fd(), name, &mut text);
                if done.is_err() {
                    text.clear();
                }
                text.clone()
            };
            let stat_text = read(c"stat");
            let Some(stat) = parse::stat::parse(&stat_text) else { continue };
            let range = process.files.start as usize..process.files.end as usize;
            let files = self.snapshot.files.get(range).unwrap_or_default();
            let program = files.iter().find(|f| f.slot == Slot::Text);
            let open_files = files.iter().filter(|f| matches!(f.slot, Slot::Fd(_))).count() as u64;
            self.processes.push(ProcessFacts {
                pid: process.pid,
                ppid: stat.ppid,
                uid: process.uid,
                name: String::from_utf8_lossy(stat.comm).escape_debug().to_string(),
                state: stat.state,
                threads: stat.threads,
                start_ticks: stat.start_ticks,
                exit_code: stat.exit_code,
                status: status::parse(&read(c"status")),
                open_files,
                open_files_limit: status::limit(&read(c"limits"), b"Max open files"),
                processes_limit: status::limit(&read(c"limits"), b"Max processes"),
                program: program.and_then(|f| Some((f.device?, f.inode?))),
            });
        }
    }

    fn join_sockets(&mut self) {
        for process in &self.snapshot.processes {
            let range = process.files.start as usize..process.files.end as usize;
            for file in self.snapshot.files.get(range).unwrap_or_default() {
                let socket = file.kind == crate::model::Kind::Socket;
                if let (true, Slot::Fd(fd), Some(inode)) = (socket, file.slot, file.inode) {
                    self.holders.push(SocketHolder { inode, pid: process.pid, fd });
                }
            }
        }
        self.holders.sort_unstable();
        for socket in &self.snapshot.sockets.inet {
            let timing = timing(self.snapshot.arena.get(socket.attributes));
            self.timing.insert(socket.inode, timing);
            if socket.protocol == Protocol::Tcp && socket.state == TcpState::Listen {
                let holders = self.holders_of(socket.inode).to_vec();
                self.listeners.push(Listener { socket: *socket, timing, holders });
            }
        }
    }

    /// What only the kernel's own memory tells: how often a socket is referred to, and which was
    /// closed by a reset and is still open.
    fn ask_the_kernel(&mut self) {
        let Ok(records) = bpf::collect(bpf::Scope::Connections) else { return };
        for record in records.all() {
            let counts = self.references.entry(record.inode).or_default();
            *counts = (record.references, counts.1 + 1);
            let was_connected = record.socket_state == TcpState::Close as u8
                && record.peer.port() != 0
                && record.is_tcp;
            if was_connected && self.snapshot.sockets.by_inode(record.inode).is_none() {
                let holder = SocketHolder { inode: record.inode, pid: record.pid, fd: record.fd };
                self.reset_sockets.push((holder, record.peer));
            }
        }
    }
}

/// Members of `struct tcp_info` (linux/tcp.h) and of sk_meminfo, by their offsets.
fn timing(attributes: &[u8]) -> Timing {
    let mut timing = Timing::default();
    diag::each_attribute(attributes, |kind, value| match kind {
        diag::ATTRIBUTE_INFO => {
            timing.last_data_received_ms = bytes::ne_u32(value, 52).unwrap_or(0);
            timing.last_ack_received_ms = bytes::ne_u32(value, 56).unwrap_or(0);
        }
        diag::ATTRIBUTE_SKMEMINFO => timing.drops = bytes::ne_u32(value, 32).unwrap_or(0),
        _ => {}
    });
    timing
}

/// Processes that wait in the kernel now, and the function they wait in.
fn waiting(source: &Source) -> Vec<(u32, String)> {
    let (mut room, mut text, mut found) = (source::list_room(), Vec::new(), Vec::new());
    let _ = source::each_number(source.root(), &mut room, |pid, _| {
        let Ok(directory) = source.process(pid) else { return };
        let read = source::read(directory.as_fd(), c"stat", &mut text);
        if read.is_err() || parse::stat::parse(&text).is_none_or(|stat| stat.state != b'D') {
            return;
        }
        let known = source::read(directory.as_fd(), c"wchan", &mut text).is_ok();
        let place = if known && text != b"0" { &text[..] } else { b"an unnamed place" };
        found.push((pid, String::from_utf8_lossy(place).escape_debug().to_string()));
    });
    found
}

fn overflows(source: &Source) -> i64 {
    let text = read(source, c"net/netstat");
    counters::column(&text, b"TcpExt:", b"ListenOverflows").unwrap_or(0)
}

fn read(source: &Source, name: &CStr) -> Vec<u8> {
    let mut text = Vec::new();
    if source::read(source.root(), name, &mut text).is_err() {
        text.clear();
    }
    text
}

impl Host {
    fn read(source: &Source) -> Host {
        let number = |name: &CStr, index: usize| {
            let text = read(source, name);
            bytes::fields(&text).nth(index).and_then(bytes::dec).unwrap_or(0)
        };
        let range = c"sys/net/ipv4/ip_local_port_range";
        let sockstat = read(source, c"net/sockstat");
        Host {
            ports: (number(range, 0) as u16, number(range, 1) as u16),
            reserved_ports: reserved(&read(source, c"sys/net/ipv4/ip_local_reserved_ports")),
            time_wait_max: number(c"sys/net/ipv4/tcp_max_tw_buckets", 0),
            time_wait: counters::pair(&sockstat, b"TCP:", b"tw"),
            orphans: counters::pair(&sockstat, b"TCP:", b"orphan"),
            orphans_max: number(c"sys/net/ipv4/tcp_max_orphans", 0),
            files_open: number(c"sys/fs/file-nr", 0),
            files_max: number(c"sys/fs/file-nr", 2),
            somaxconn: number(c"sys/net/core/somaxconn", 0),
            processes_max: number(c"sys/kernel/pid_max", 0),
            inotify_instances_max: number(c"sys/fs/inotify/max_user_instances", 0)
                .min(number(c"sys/user/max_inotify_instances", 0)),
            ..Host::default()
        }
    }
}

/// `1,5-7` is four ports.
fn reserved(text: &[u8]) -> u64 {
    let list = text.trim_ascii().split(|&b| b == b',').filter(|part| !part.is_empty());
    list.map(|part| {
        let mut ends = part.splitn(2, |&b| b == b'-').map(bytes::dec);
        match (ends.next().flatten(), ends.next().flatten()) {
            (Some(first), Some(last)) => last.saturating_sub(first) + 1,
            (Some(_), None) => 1,
            _ => 0,
        }
    })
    .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_ports_are_counted() {
        for (text, expected) in [("", 0), ("80\n", 1), ("1,5-7\n", 4), ("x,9-3", 1)] {
            assert_eq!(reserved(text.as_bytes()), expected, "{text}");
        }
    }
}
