//! Collector B: every descriptor of every process in one pass of a BPF iterator over `task_file`.
//!
//! The program is some seventy instructions, assembled here from the member offsets that BTF gives,
//! so neither a compiler nor libbpf is needed. It asks only kernel memory: no path is walked,
//! nothing can hang. Any error, an old kernel, no right, no BTF, means collector A does the work
//! instead; the probe is the real program. See bpf(2), Documentation/bpf/bpf_iterators.rst.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sys::bpf::Instruction;

use crate::bytes::{array, ne_u16, ne_u32, ne_u64};
use crate::parse::btf::{Btf, Want};
use crate::source;

/// One open descriptor as the kernel has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub pid: u32,
    pub fd: u32,
    pub inode: u64,
    pub mode: u16,
    pub flags: u32,
    pub position: u64,
    /// Identity of the path: the same pair is the same name.
    pub dentry: u64,
    pub mount: u64,
    /// How many descriptors, messages in flight and mappings refer to this open file.
    pub references: u64,
    /// The open file itself.
    pub file: u64,
    /// Of `Scope::Connections` only: the state and the other end of a TCP socket.
    pub is_tcp: bool,
    pub socket_state: u8,
    pub peer: SocketAddr,
}

/// The whole answer, ascending by pid and descriptor.
#[derive(Debug, Default)]
pub struct Records {
    list: Vec<Record>,
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

/// Runs the iterator once.
pub fn collect(scope: Scope) -> io::Result<Records> {
    let places = places()?;
    let program = assemble(&places, scope);
    let program = sys::bpf::load_iterator(&program, c"Dual MIT/GPL", places.attach)?;
    let link = sys::bpf::link_iterator(program.as_fd())?;
    let iterator = sys::bpf::open_iterator(link.as_fd())?;
    read_records(&iterator)
}

/// The offsets as this boot's kernel has them, from the cache or from BTF.
fn places() -> io::Result<Places> {
    let boot = boot_id();
    if let Some(places) = boot.as_deref().and_then(read_cache) {
        return Ok(places);
    }
    let mut btf = Vec::new();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open("/sys/kernel/btf", flags, Mode::empty())?;
    source::read(directory.as_fd(), c"vmlinux", &mut btf)
        .map_err(|_| io::Error::other("read /sys/kernel/btf/vmlinux"))?;
    let places = Places::find(&btf).ok_or_else(|| io::Error::other("BTF lacks a member"))?;
    if let Some(boot) = boot {
        write_cache(&boot, &places);
    }
    Ok(places)
}

/// Reading five megabytes of BTF a page at a time takes longer than all the rest, and the answer is
/// the same until the next boot. The file is believed only where root alone could have written it;
/// what it says is checked again by the kernel's verifier.
const CACHE: &str = "/run/sockeye-btf-offsets";
const CACHE_BYTES_MAX: u64 = 4096;

fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

fn read_cache(boot: &str) -> Option<Places> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::open(CACHE, flags, Mode::empty()).ok()?;
    let facts = rustix::fs::fstat(&file).ok()?;
    let root_only = facts.st_uid == 0 && facts.st_mode & 0o022 == 0;
    if !root_only || facts.st_size as u64 > CACHE_BYTES_MAX {
        return None;
    }
    let mut text = Vec::with_capacity(CACHE_BYTES_MAX as usize);
    rustix::io::read(&file, rustix::buffer::spare_capacity(&mut text)).ok()?;
    let mut fields = crate::bytes::fields(&text);
    if fields.next()? != boot.as_bytes() {
        return None;
    }
    Places::from_numbers(fields.map(crate::bytes::signed))
}

/// Nothing is lost where it cannot be written: the next run reads BTF again.
fn write_cache(boot: &str, places: &Places) {
    let numbers: Vec<String> = places.numbers().iter().map(ToString::to_string).collect();
    let text = format!("{boot} {}\n", numbers.join(" "));
    let own = format!("{CACHE}.{}", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(&own, flags, Mode::RUSR | Mode::WUSR) else { return };
    let whole = rustix::io::write(&file, text.as_bytes()).is_ok_and(|n| n == text.len());
    if !whole || rustix::fs::rename(&own, CACHE).is_err() {
        let _ = rustix::fs::unlink(&own);
    }
}

/// Member offsets, and the function the program attaches to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Places {
    attach: u32,
    context_task: i16,
    context_fd: i16,
    context_file: i16,
    meta_seq: i16,
    task_pid: i16,
    task_tgid: i16,
    task_leader: i16,
    task_thread_pid: i16,
    pid_level: i16,
    pid_numbers: i16,
    file_inode: i16,
    file_references: i16,
    file_flags: i16,
    file_position: i16,
    path_mount: i16,
    path_dentry: i16,
    inode_number: i16,
    inode_mode: i16,
    socket_sk: i16,
    sock_protocol: i16,
    common_family: i16,
    common_state: i16,
    common_peer_port: i16,
    common_peer: i16,
    common_peer6: i16,
}

const PLACES: usize = 26;

impl Places {
    fn numbers(&self) -> [i64; PLACES] {
        [
            i64::from(self.attach),
            i64::from(self.context_task),
            i64::from(self.context_fd),
            i64::from(self.context_file),
            i64::from(self.meta_seq),
            i64::from(self.task_pid),
            i64::from(self.task_tgid),
            i64::from(self.task_leader),
            i64::from(self.task_thread_pid),
            i64::from(self.pid_level),
            i64::from(self.pid_numbers),
            i64::from(self.file_inode),
            i64::from(self.file_references),
            i64::from(self.file_flags),
            i64::from(self.file_position),
            i64::from(self.path_mount),
            i64::from(self.path_dentry),
            i64::from(self.inode_number),
            i64::from(self.inode_mode),
            i64::from(self.socket_sk),
            i64::from(self.sock_protocol),
            i64::from(self.common_family),
            i64::from(self.common_state),
            i64::from(self.common_peer_port),
            i64::from(self.common_peer),
            i64::from(self.common_peer6),
        ]
    }

    fn from_numbers(numbers: impl Iterator<Item = Option<i64>>) -> Option<Places> {
        let mut numbers = numbers.map(|n| n.filter(|n| *n >= 0));
        let attach = u32::try_from(numbers.next()??).ok()?;
        let mut next = || i16::try_from(numbers.next()??).ok();
        let places = Places {
            attach,
            context_task: next()?,
            context_fd: next()?,
            context_file: next()?,
            meta_seq: next()?,
            task_pid: next()?,
            task_tgid: next()?,
            task_leader: next()?,
            task_thread_pid: next()?,
            pid_level: next()?,
            pid_numbers: next()?,
            file_inode: next()?,
            file_references: next()?,
            file_flags: next()?,
            file_position: next()?,
            path_mount: next()?,
            path_dentry: next()?,
            inode_number: next()?,
            inode_mode: next()?,
            socket_sk: next()?,
            sock_protocol: next()?,
            common_family: next()?,
            common_state: next()?,
            common_peer_port: next()?,
            common_peer: next()?,
            common_peer6: next()?,
        };
        numbers.next().is_none().then_some(places)
    }

    fn find(bytes: &[u8]) -> Option<Places> {
        let btf = Btf::parse(bytes)?;
        let [task, file, inode, meta, context, path, pid, attach, socket, sock, common] =
            btf.find([
                ("task_struct", Want::Struct),
                ("file", Want::Struct),
                ("inode", Want::Struct),
                ("bpf_iter_meta", Want::Struct),
                ("bpf_iter__task_file", Want::Struct),
                ("path", Want::Struct),
                ("pid", Want::Struct),
                ("bpf_iter_task_file", Want::Function),
                ("socket", Want::Struct),
                ("sock", Want::Struct),
                ("sock_common", Want::Struct),
            ]);
        let (task, file, inode, context) = (task?, file?, inode?, context?);
        let (path, pid) = (path?, pid?);
        let file_path = btf.member(file, "f_path")?;
        Some(Places {
            attach: attach?,
            context_task: btf.member(context, "task")?,
            context_fd: btf.member(context, "fd")?,
            context_file: btf.member(context, "file")?,
            meta_seq: btf.member(meta?, "seq")?,
            task_pid: btf.member(task, "pid")?,
            task_tgid: btf.member(task, "tgid")?,
            task_leader: btf.member(task, "group_leader")?,
            task_thread_pid: btf.member(task, "thread_pid")?,
            pid_level: btf.member(pid, "level")?,
            pid_numbers: btf.member(pid, "numbers")?,
            file_inode: btf.member(file, "f_inode")?,
            // 6.13 renamed it and counts from 0, while the iterator itself holds one reference.
            file_references: btf.member(file, "f_ref").or(btf.member(file, "f_count"))?,
            file_flags: btf.member(file, "f_flags")?,
            file_position: btf.member(file, "f_pos")?,
            path_mount: file_path.checked_add(btf.member(path, "mnt")?)?,
            path_dentry: file_path.checked_add(btf.member(path, "dentry")?)?,
            inode_number: btf.member(inode, "i_ino")?,
            inode_mode: btf.member(inode, "i_mode")?,
            socket_sk: btf.member(socket?, "sk")?,
            sock_protocol: btf.member(sock?, "sk_protocol")?,
            common_family: btf.member(common?, "skc_family")?,
            common_state: btf.member(common?, "skc_state")?,
            common_peer_port: btf.member(common?, "skc_dport")?,
            common_peer: btf.member(common?, "skc_daddr")?,
            common_peer6: btf.member(common?, "skc_v6_daddr")?,
        })
    }
}

/// Process numbers of so many nested pid namespaces are reported.
const LEVELS: usize = 4;
/// The record as the program writes it, in its order.
const RECORD_BYTES: usize = 120;
const AT_FD: i16 = 0;
const AT_LEVEL: i16 = 4;
const AT_NUMBERS: i16 = 8;
const AT_PID: i16 = 24;
const AT_TGID: i16 = 28;
const AT_INODE: i16 = 32;
const AT_MODE: i16 = 40;
const AT_FLAGS: i16 = 44;
const AT_POSITION: i16 = 48;
const AT_DENTRY: i16 = 56;
const AT_MOUNT: i16 = 64;
const AT_REFERENCES: i16 = 72;
const AT_FILE: i16 = 80;
const AT_PEER: i16 = 88;
const AT_PEER_PORT: i16 = 92;
const AT_STATE: i16 = 96;
const AT_FAMILY: i16 = 98;
const AT_PROTOCOL: i16 = 100;
const AT_PEER6: i16 = 104;
const BPF_SOCK_FROM_FILE: i32 = 162;
/// `struct upid { int nr; struct pid_namespace *ns; }`.
const UPID_BYTES: i16 = 16;
const BPF_SEQ_WRITE: i32 = 127;

/// Width of a load or store.
#[derive(Clone, Copy)]
enum Width {
    Byte = 0x10,
    Half = 0x08,
    Word = 0x00,
    Double = 0x18,
}

/// A list of instructions, and its jumps to the end that are not yet aimed.
#[derive(Default)]
struct Assembler {
    program: Vec<Instruction>,
    to_end: Vec<usize>,
}

/// Registers: r6 context, r7 seq file, r8 task, r9 file, r10 frame; r1 to r5 are scratch.
impl Assembler {
    fn push(&mut self, code: u8, destination: u8, from: u8, offset: i16, immediate: i32) {
        let registers = destination | from << 4;
        self.program.push(Instruction { code, registers, offset, immediate });
    }

    fn load(&mut self, width: Width, destination: u8, from: u8, offset: i16) {
        self.push(0x61 | width as u8, destination, from, offset, 0);
    }

    /// Stores a register into the record on the frame.
    fn store(&mut self, width: Width, at: i16, from: u8) {
        self.push(0x63 | width as u8, 10, from, at - RECORD_BYTES as i16, 0);
    }

    /// Loads a member and stores it into the record.
    fn copy(&mut self, width: Width, from: u8, offset: i16, at: i16) {
        self.load(width, 2, from, offset);
        let wide = if matches!(width, Width::Half) { Width::Word } else { width };
        self.store(wide, at, 2);
    }

    fn mov(&mut self, destination: u8, from: u8) {
        self.push(0xbf, destination, from, 0, 0);
    }

    fn set(&mut self, destination: u8, value: i32) {
        self.push(0xb7, destination, 0, 0, value);
    }

    fn end_if_equal(&mut self, register: u8, value: i32) {
        self.to_end.push(self.program.len());
        self.push(0x15, register, 0, 0, value);
    }

    /// The socket behind the file: its state and its other end.
    fn socket(&mut self, p: &Places) {
        self.mov(1, 9);
        self.push(0x85, 0, 0, 0, BPF_SOCK_FROM_FILE);
        self.end_if_equal(0, 0);
        self.load(Width::Double, 3, 0, p.socket_sk);
        self.end_if_equal(3, 0);
        for (width, offset, store, at) in [
            (Width::Word, p.common_peer, Width::Word, AT_PEER),
            (Width::Half, p.common_peer_port, Width::Half, AT_PEER_PORT),
            (Width::Byte, p.common_state, Width::Half, AT_STATE),
            (Width::Half, p.common_family, Width::Half, AT_FAMILY),
            (Width::Half, p.sock_protocol, Width::Half, AT_PROTOCOL),
            (Width::Double, p.common_peer6, Width::Double, AT_PEER6),
            (Width::Double, p.common_peer6 + 8, Width::Double, AT_PEER6 + 8),
        ] {
            self.load(width, 2, 3, offset);
            self.store(store, at, 2);
        }
    }

    fn end_if_not_equal(&mut self, register: u8, value: i32) {
        self.to_end.push(self.program.len());
        self.push(0x55, register, 0, 0, value);
    }

    fn finish(mut self) -> Vec<Instruction> {
        let end = self.program.len();
        for at in self.to_end {
            self.program[at].offset = (end - at - 1) as i16;
        }
        self.program.push(Instruction { code: 0xb7, ..Instruction::default() });
        self.program.push(Instruction { code: 0x95, ..Instruction::default() });
        self.program
    }
}

fn assemble(p: &Places, scope: Scope) -> Vec<Instruction> {
    let mut a = Assembler::default();
    a.mov(6, 1);
    a.load(Width::Double, 1, 6, 0);
    a.load(Width::Double, 7, 1, p.meta_seq);
    a.load(Width::Double, 8, 6, p.context_task);
    a.load(Width::Double, 9, 6, p.context_file);
    a.end_if_equal(8, 0);
    a.end_if_equal(9, 0);
    a.load(Width::Double, 3, 9, p.file_inode);
    a.load(Width::Half, 2, 3, p.inode_mode);
    if scope != Scope::Everything {
        a.mov(1, 2);
        // and r1, S_IFMT
        a.push(0x57, 1, 0, 0, 0o170_000);
        a.end_if_not_equal(1, 0o140_000);
    }
    a.store(Width::Word, AT_MODE, 2);
    a.copy(Width::Double, 3, p.inode_number, AT_INODE);
    a.copy(Width::Word, 6, p.context_fd, AT_FD);
    a.copy(Width::Word, 8, p.task_pid, AT_PID);
    a.copy(Width::Word, 8, p.task_tgid, AT_TGID);
    a.copy(Width::Word, 9, p.file_flags, AT_FLAGS);
    a.copy(Width::Double, 9, p.file_position, AT_POSITION);
    a.copy(Width::Double, 9, p.path_dentry, AT_DENTRY);
    a.copy(Width::Double, 9, p.path_mount, AT_MOUNT);
    a.copy(Width::Double, 9, p.file_references, AT_REFERENCES);
    a.store(Width::Double, AT_FILE, 9);
    a.set(2, 0);
    for at in (AT_PEER..RECORD_BYTES as i16).step_by(8) {
        a.store(Width::Double, at, 2);
    }
    if scope == Scope::Connections {
        a.socket(p);
    }
    a.load(Width::Double, 3, 8, p.task_leader);
    a.load(Width::Double, 3, 3, p.task_thread_pid);
    a.copy(Width::Word, 3, p.pid_level, AT_LEVEL);
    for level in 0..LEVELS as i16 {
        a.copy(Width::Word, 3, p.pid_numbers + level * UPID_BYTES, AT_NUMBERS + level * 4);
    }
    a.mov(1, 7);
    a.mov(2, 10);
    a.push(0x07, 2, 0, 0, -(RECORD_BYTES as i32));
    a.set(3, RECORD_BYTES as i32);
    a.push(0x85, 0, 0, 0, BPF_SEQ_WRITE);
    a.finish()
}

/// One read of the iterator: about ten thousand records.
const READ_BYTES: usize = 1 << 20;
/// The most the iterator may say: ten million descriptors.
const ANSWER_BYTES_MAX: usize = 10_000_000 * RECORD_BYTES;

fn read_records(iterator: &OwnedFd) -> io::Result<Records> {
    let mut bytes: Vec<u8> = Vec::with_capacity(READ_BYTES);
    while bytes.len() < ANSWER_BYTES_MAX {
        bytes.reserve(READ_BYTES);
        match rustix::io::read(iterator, rustix::buffer::spare_capacity(&mut bytes)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR | Errno::AGAIN) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    parse_records(&bytes).ok_or_else(|| io::Error::other("process numbers nest too deep"))
}

/// The records, with process numbers as this pid namespace has them: its depth is the least that is
/// met, since the iterator walks this namespace and the ones below it.
fn parse_records(bytes: &[u8]) -> Option<Records> {
    let records = || bytes.chunks_exact(RECORD_BYTES);
    let level = records().filter_map(|r| ne_u32(r, AT_LEVEL as usize)).min().unwrap_or(0) as usize;
    if level >= LEVELS {
        return None;
    }
    let mut list: Vec<Record> = records().filter_map(|r| parse_record(r, level)).collect();
    list.sort_unstable_by_key(|r| (r.pid, r.fd));
    Some(Records { list })
}

/// `None` for a thread with a table of its own, which is listed by collector A where it is asked
/// for.
fn parse_record(r: &[u8], level: usize) -> Option<Record> {
    let word = |at: i16| ne_u32(r, at as usize);
    let double = |at: i16| ne_u64(r, at as usize);
    let half = |at: i16| ne_u16(r, at as usize);
    if word(AT_PID)? != word(AT_TGID)? {
        return None;
    }
    Some(Record {
        pid: ne_u32(r, AT_NUMBERS as usize + level * 4)?,
        fd: word(AT_FD)?,
        inode: double(AT_INODE)?,
        mode: word(AT_MODE)? as u16,
        flags: word(AT_FLAGS)?,
        position: double(AT_POSITION)?,
        dentry: double(AT_DENTRY)?,
        mount: double(AT_MOUNT)?,
        references: double(AT_REFERENCES)?,
        file: double(AT_FILE)?,
        is_tcp: half(AT_PROTOCOL)? == PROTOCOL_TCP,
        socket_state: half(AT_STATE)? as u8,
        peer: peer(r)?,
    })
}

const PROTOCOL_TCP: u16 = 6;
const AF_INET6: u16 = 10;

fn peer(r: &[u8]) -> Option<SocketAddr> {
    let port = u16::from_be_bytes(array(r, AT_PEER_PORT as usize)?);
    let ip = if ne_u16(r, AT_FAMILY as usize)? == AF_INET6 {
        IpAddr::V6(Ipv6Addr::from(array::<16>(r, AT_PEER6 as usize)?))
    } else {
        IpAddr::V4(Ipv4Addr::from(array::<4>(r, AT_PEER as usize)?))
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(level: u32, numbers: [u32; 4], fd: u32, pid: u32, tgid: u32) -> Vec<u8> {
        let mut r = Vec::new();
        for word in [fd, level].into_iter().chain(numbers).chain([pid, tgid]) {
            r.extend(word.to_ne_bytes());
        }
        r.resize(RECORD_BYTES, 0);
        r
    }

    #[test]
    fn numbers_are_those_of_our_namespace() {
        let bytes = [
            raw(2, [900, 12, 3, 0], 5, 900, 900),
            raw(1, [800, 7, 0, 0], 4, 800, 800),
            raw(1, [801, 8, 0, 0], 4, 801, 800),
        ];
        let records = parse_records(&bytes.concat()).unwrap();
        let seen: Vec<(u32, u32)> = records.all().iter().map(|r| (r.pid, r.fd)).collect();
        assert_eq!(seen, [(7, 4), (12, 5)]);
        assert!(parse_records(&raw(4, [1; 4], 0, 1, 1)).is_none());
        assert!(parse_records(b"").is_some());
    }

    #[test]
    fn the_cache_says_what_was_put_in() {
        let numbers: Vec<Option<i64>> = (1..=PLACES as i64).map(Some).collect();
        let places = Places::from_numbers(numbers.iter().copied()).unwrap();
        assert_eq!(places.numbers().map(Some).to_vec(), numbers);
        assert_eq!(Places::from_numbers(numbers.iter().skip(1).copied()), None);
        assert_eq!(Places::from_numbers(numbers.iter().chain(&[Some(1)]).copied()), None);
        assert_eq!(Places::from_numbers([Some(-1)].into_iter()), None);
    }

    #[test]
    fn jumps_land_on_the_end() {
        let mut a = Assembler::default();
        a.end_if_equal(1, 0);
        a.set(2, 0);
        let program = a.finish();
        assert_eq!(program[0].offset, 1);
        assert_eq!(program[3].code, 0x95);
    }
}
