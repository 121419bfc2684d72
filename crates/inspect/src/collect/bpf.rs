//! Collector B: every descriptor of every process in one pass of a BPF iterator over `task_file`.
//!
//! The program is some seventy instructions, assembled here from the member offsets that BTF gives, so
//! neither a compiler nor libbpf is needed. It asks only kernel memory: no path is walked, nothing can
//! hang. Any error, an old kernel, no right, no BTF, means collector A does the work instead; the probe
//! is the real program. See bpf(2), Documentation/bpf/bpf_iterators.rst.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use sys::bpf::Instruction;

use crate::bytes::{ne_u32, ne_u64};
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
    Everything,
}

/// Runs the iterator once.
pub fn collect(scope: Scope) -> io::Result<Records> {
    let mut btf = Vec::new();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open("/sys/kernel/btf", flags, Mode::empty())?;
    source::read(directory.as_fd(), c"vmlinux", &mut btf)
        .map_err(|_| io::Error::other("read /sys/kernel/btf/vmlinux"))?;
    let places = Places::find(&btf).ok_or_else(|| io::Error::other("BTF lacks a member"))?;
    let program = assemble(&places, scope);
    let program = sys::bpf::load_iterator(&program, c"Dual MIT/GPL", places.attach)?;
    let link = sys::bpf::link_iterator(program.as_fd())?;
    let iterator = sys::bpf::open_iterator(link.as_fd())?;
    read_records(&iterator)
}

/// Member offsets, and the function the program attaches to.
#[derive(Debug)]
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
}

impl Places {
    fn find(bytes: &[u8]) -> Option<Places> {
        let btf = Btf::parse(bytes)?;
        let [task, file, inode, meta, context, path, pid, attach] = btf.find([
            ("task_struct", Want::Struct),
            ("file", Want::Struct),
            ("inode", Want::Struct),
            ("bpf_iter_meta", Want::Struct),
            ("bpf_iter__task_file", Want::Struct),
            ("path", Want::Struct),
            ("pid", Want::Struct),
            ("bpf_iter_task_file", Want::Function),
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
        })
    }
}

/// Process numbers of so many nested pid namespaces are reported.
const LEVELS: usize = 4;
/// The record as the program writes it, in its order.
const RECORD_BYTES: usize = 104;
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
/// `struct upid { int nr; struct pid_namespace *ns; }`.
const UPID_BYTES: i16 = 16;
const BPF_SEQ_WRITE: i32 = 127;

/// Width of a load or store.
#[derive(Clone, Copy)]
enum Width {
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
    if scope == Scope::Sockets {
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
    a.store(Width::Double, AT_FILE + 8, 2);
    a.store(Width::Double, AT_FILE + 16, 2);
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

/// `None` for a thread with a table of its own, which is listed by collector A where it is asked for.
fn parse_record(r: &[u8], level: usize) -> Option<Record> {
    let word = |at: i16| ne_u32(r, at as usize);
    let double = |at: i16| ne_u64(r, at as usize);
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
    })
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
    fn jumps_land_on_the_end() {
        let mut a = Assembler::default();
        a.end_if_equal(1, 0);
        a.set(2, 0);
        let program = a.finish();
        assert_eq!(program[0].offset, 1);
        assert_eq!(program[3].code, 0x95);
    }
}
