//! Collector B: every descriptor of every process in one pass of a BPF iterator over `task_file`,
//! and, for a listing of everything, every process and every mapped file by `task` and `task_vma`.
//!
//! The programs are some seventy instructions each, assembled here from the member offsets that BTF
//! gives, so neither a compiler nor libbpf is needed. They ask only kernel memory: no path is
//! walked, nothing can hang. Any error, an old kernel, no right, no BTF, means collector A does the
//! work instead; the probe is the real program. See bpf(2),
//! Documentation/bpf/bpf_iterators.rst.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;

use rustix::io::Errno;
use sys::bpf::Instruction;

use crate::bytes::{array, ne_u16, ne_u32, ne_u64};

mod places;
mod program;
mod tasks;

use places::{Places, Walk};
use program::{LEVELS, file};
pub use tasks::{Mapping, Task, Tasks};

/// One open descriptor as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub pid: u32,
    pub fd: u32,
    pub inode: u64,
    pub mode: u16,
    pub flags: u32,
    /// How many descriptors, messages in flight and mappings refer to this open file.
    pub references: u64,
    /// From here on not of `Scope::Sockets`.
    pub position: u64,
    pub path: Path,
    /// The open file itself.
    pub file: u64,
    /// Of `Scope::Connections` only: the state and the other end of a TCP socket.
    pub is_tcp: bool,
    pub socket_state: u8,
    pub peer: SocketAddr,
}

/// Identity of a path in the kernel: the same pair is the same name. All 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    pub dentry: u64,
    pub mount: u64,
}

impl Path {
    pub fn is_none(self) -> bool {
        self.dentry == 0
    }

    fn read(record: &[u8], at: i16) -> Option<Path> {
        let dentry = ne_u64(record, at as usize)?;
        Some(Path { dentry, mount: ne_u64(record, at as usize + 8)? })
    }
}

/// The whole answer, ascending by pid and descriptor.
#[derive(Debug, Default)]
pub struct Records {
    list: Vec<Record>,
    /// Processes and mapped files, where everything was asked for.
    pub tasks: Option<Tasks>,
}

impl Records {
    pub fn of(&self, pid: u32) -> &[Record] {
        let start = self.list.partition_point(|r| r.pid < pid);
        let end = self.list.partition_point(|r| r.pid <= pid);
        &self.list[start..end]
    }

    pub fn all(&self) -> &[Record] {
        &self.list
    }
}

/// Which descriptors the program reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Sockets,
    /// Sockets with the kernel's own idea of their state; needs Linux 5.11.
    Connections,
    Everything,
}

/// Runs the iterator over descriptors once.
pub fn collect(scope: Scope) -> io::Result<Records> {
    let places = Places::get()?;
    let bytes = run(&places, Walk::TaskFile, &program::files(&places, scope))?;
    let list = parse_records(&bytes, program::file_bytes(scope));
    let list = list.ok_or_else(|| io::Error::other("process numbers nest too deep"))?;
    Ok(Records { list, tasks: None })
}

/// Runs the iterators over processes and over what they have mapped.
pub fn collect_tasks() -> io::Result<Tasks> {
    let places = Places::get()?;
    let tasks = run(&places, Walk::Task, &program::tasks(&places))?;
    let mappings = run(&places, Walk::TaskVma, &program::mappings(&places))?;
    Tasks::parse(&tasks, mappings).ok_or_else(|| io::Error::other("process numbers nest too deep"))
}

/// One read of an iterator: it fills at most 32 KiB.
const READ_BYTES: usize = 64 << 10;
/// The most an iterator may say: more than ten million descriptors.
const ANSWER_BYTES_MAX: usize = 1 << 30;

fn run(places: &Places, walk: Walk, program: &[Instruction]) -> io::Result<Vec<u8>> {
    let program = sys::bpf::load_iterator(program, c"Dual MIT/GPL", places.attach(walk))?;
    let link = sys::bpf::link_iterator(program.as_fd())?;
    let iterator = sys::bpf::open_iterator(link.as_fd())?;
    let mut bytes: Vec<u8> = Vec::with_capacity(1 << 20);
    while bytes.len() < ANSWER_BYTES_MAX {
        bytes.reserve(READ_BYTES);
        match rustix::io::read(&iterator, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(bytes)
}

/// The depth of our own pid namespace is the least that is met, since the iterators walk this
/// namespace and the ones below it. `None` where it is deeper than the records are.
fn own_level<'a>(records: impl Iterator<Item = &'a [u8]>, at: i16) -> Option<usize> {
    let level = records.filter_map(|r| ne_u32(r, at as usize)).min().unwrap_or(0) as usize;
    (level < LEVELS).then_some(level)
}

/// The number that this pid namespace has for a process; 0 where it has none, being further out.
fn number(record: &[u8], at: i16, level: usize) -> Option<u32> {
    if (ne_u32(record, at as usize)? as usize) < level {
        return Some(0);
    }
    ne_u32(record, at as usize + 4 + level * 4)
}

fn parse_records(bytes: &[u8], size: usize) -> Option<Vec<Record>> {
    let records = || bytes.chunks_exact(size);
    let level = own_level(records(), file::LEVEL)?;
    let mut list: Vec<Record> = Vec::with_capacity(bytes.len() / size);
    list.extend(records().filter_map(|r| parse_record(r, level)));
    list.sort_unstable_by_key(|r| (r.pid, r.fd));
    Some(list)
}

/// `None` for a thread with a table of its own, which is listed by collector A where it is asked
/// for.
fn parse_record(r: &[u8], level: usize) -> Option<Record> {
    let word = |at: i16| ne_u32(r, at as usize);
    let double = |at: i16| ne_u64(r, at as usize).unwrap_or(0);
    let half = |at: i16| ne_u16(r, at as usize).unwrap_or(0);
    if word(file::PID)? != word(file::TGID)? {
        return None;
    }
    Some(Record {
        pid: number(r, file::LEVEL, level)?,
        fd: word(file::FD)?,
        inode: double(file::INODE),
        mode: word(file::MODE)? as u16,
        flags: word(file::FLAGS)?,
        references: double(file::REFERENCES),
        position: double(file::POSITION),
        path: Path::read(r, file::PATH).unwrap_or_default(),
        file: double(file::FILE),
        is_tcp: half(file::PROTOCOL) == PROTOCOL_TCP,
        socket_state: half(file::STATE) as u8,
        peer: peer(r).unwrap_or(NO_PEER),
    })
}

const PROTOCOL_TCP: u16 = 6;
const AF_INET6: u16 = 10;
const NO_PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

fn peer(r: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(array(r, file::PEER_PORT as usize)?);
    let ip = if ne_u16(r, file::FAMILY as usize)? == AF_INET6 {
        IpAddr::V6(Ipv6Addr::from(array::<16>(r, file::PEER6 as usize)?))
    } else {
        IpAddr::V4(Ipv4Addr::from(array::<4>(r, file::PEER as usize)?))
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(size: usize, level: u32, numbers: [u32; 4], [fd, pid, tgid]: [u32; 3]) -> Vec<u8> {
        let mut r = Vec::new();
        for word in [fd, level].into_iter().chain(numbers).chain([pid, tgid]) {
            r.extend(word.to_ne_bytes());
        }
        r.resize(size, 0);
        r
    }

    #[test]
    fn numbers_are_those_of_our_namespace() {
        for scope in [Scope::Sockets, Scope::Everything, Scope::Connections] {
            let size = program::file_bytes(scope);
            let bytes = [
                raw(size, 2, [900, 12, 3, 0], [5, 900, 900]),
                raw(size, 1, [800, 7, 0, 0], [4, 800, 800]),
                raw(size, 1, [801, 8, 0, 0], [4, 801, 800]),
            ];
            let list = parse_records(&bytes.concat(), size).unwrap();
            let seen: Vec<(u32, u32)> = list.iter().map(|r| (r.pid, r.fd)).collect();
            assert_eq!(seen, [(7, 4), (12, 5)]);
            assert!(parse_records(&raw(size, 4, [1; 4], [0, 1, 1]), size).is_none());
            assert!(parse_records(b"", size).is_some());
        }
    }
}
