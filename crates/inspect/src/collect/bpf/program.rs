//! The programs, assembled instruction by instruction from the places that BTF gave, and the layout
//! of the records that they write: bpf(2), Documentation/bpf/standardization/instruction-set.rst.

use sys::bpf::Instruction;

use super::Scope;
use super::places::{Member, Places};

/// Process numbers of so many nested pid namespaces are reported.
pub const LEVELS: usize = 4;
/// `struct upid { int nr; struct pid_namespace *ns; }`.
const UPID_BYTES: i16 = 16;
/// The index of `signal->pids` that is the process group.
const PIDTYPE_PGID: i16 = 2;
const POINTER_BYTES: i16 = 8;
const BPF_SEQ_WRITE: i32 = 127;
const BPF_SOCK_FROM_FILE: i32 = 162;

/// A descriptor, as the program for `task_file` writes it. A scope that asks less writes less.
pub mod file {
    pub const FD: i16 = 0;
    /// How deep the pid namespace of the process is, then its number in each from the outermost.
    pub const LEVEL: i16 = 4;
    pub const PID: i16 = 24;
    pub const TGID: i16 = 28;
    pub const INODE: i16 = 32;
    pub const MODE: i16 = 40;
    pub const FLAGS: i16 = 44;
    pub const REFERENCES: i16 = 48;
    pub const SOCKETS_BYTES: i16 = 56;
    pub const POSITION: i16 = 56;
    /// Its dentry, then its mount.
    pub const PATH: i16 = 64;
    pub const FILE: i16 = 80;
    pub const EVERYTHING_BYTES: i16 = 88;
    pub const PEER: i16 = 88;
    pub const PEER_PORT: i16 = 92;
    pub const STATE: i16 = 96;
    pub const FAMILY: i16 = 98;
    pub const PROTOCOL: i16 = 100;
    pub const PEER6: i16 = 104;
    pub const CONNECTIONS_BYTES: i16 = 120;
}

/// A process, as the program for `task` writes it.
pub mod task {
    pub const TASK: i16 = 0;
    pub const LEVEL: i16 = 8;
    pub const PARENT_LEVEL: i16 = 28;
    pub const GROUP_LEVEL: i16 = 48;
    pub const USER: i16 = 68;
    pub const THREADS: i16 = 72;
    pub const EXIT_STATE: i16 = 76;
    pub const FLAGS: i16 = 80;
    /// Dentry and mount of each.
    pub const CURRENT: i16 = 88;
    pub const ROOT: i16 = 104;
    pub const PROGRAM: i16 = 120;
    pub const NAME: i16 = 136;
    pub const NAME_BYTES: usize = 16;
    pub const BYTES: i16 = 152;
}

/// A mapping of a file, as the program for `task_vma` writes it.
pub mod mapping {
    pub const TASK: i16 = 0;
    pub const START: i16 = 8;
    /// Its dentry, then its mount.
    pub const PATH: i16 = 16;
    pub const INODE: i16 = 32;
    pub const BYTES: i16 = 40;
}

/// Width of a load or store.
#[derive(Clone, Copy)]
enum Width {
    Byte = 0x10,
    Half = 0x08,
    Word = 0x00,
    Double = 0x18,
}

/// A list of instructions, and its jumps to the end that are not yet aimed.
struct Assembler<'a> {
    places: &'a Places,
    /// The length of the record on the frame.
    bytes: i16,
    program: Vec<Instruction>,
    to_end: Vec<usize>,
}

const CONTEXT: u8 = 6;
const SEQ: u8 = 7;
const TASK: u8 = 8;
const FILE: u8 = 9;
const FRAME: u8 = 10;

/// Beside the named registers, r1 to r5 are scratch.
impl<'a> Assembler<'a> {
    /// Begins with the context, the file to write to, and the task, which is null at the very end.
    fn new(places: &'a Places, bytes: i16, task: Member) -> Assembler<'a> {
        let mut a = Assembler { places, bytes, program: Vec::new(), to_end: Vec::new() };
        a.mov(CONTEXT, 1);
        a.load(Width::Double, 1, CONTEXT, a.at(Member::ContextMeta));
        a.load(Width::Double, SEQ, 1, a.at(Member::MetaSeq));
        a.load(Width::Double, TASK, CONTEXT, a.at(task));
        a.end_if_equal(TASK, 0);
        a
    }

    fn at(&self, member: Member) -> i16 {
        self.places.at(member)
    }

    fn push(&mut self, code: u8, destination: u8, from: u8, offset: i16, immediate: i32) {
        let registers = destination | from << 4;
        self.program.push(Instruction { code, registers, offset, immediate });
    }

    fn load(&mut self, width: Width, destination: u8, from: u8, offset: i16) {
        self.push(0x61 | width as u8, destination, from, offset, 0);
    }

    /// Stores a register into the record on the frame.
    fn store(&mut self, width: Width, at: i16, from: u8) {
        self.push(0x63 | width as u8, FRAME, from, at - self.bytes, 0);
    }

    /// Loads a member and stores it into the record; half a word as a word.
    fn copy(&mut self, width: Width, from: u8, member: Member, at: i16) {
        self.load(width, 2, from, self.at(member));
        self.store(if matches!(width, Width::Half) { Width::Word } else { width }, at, 2);
    }

    fn mov(&mut self, destination: u8, from: u8) {
        self.push(0xbf, destination, from, 0, 0);
    }

    fn end_if_equal(&mut self, register: u8, value: i32) {
        self.to_end.push(self.program.len());
        self.push(0x15, register, 0, 0, value);
    }

    fn end_if_not_equal(&mut self, register: u8, value: i32) {
        self.to_end.push(self.program.len());
        self.push(0x55, register, 0, 0, value);
    }

    /// Leaves out the threads of a process but its first.
    fn end_unless_leader(&mut self) {
        self.load(Width::Word, 1, TASK, self.at(Member::TaskPid));
        self.load(Width::Word, 2, TASK, self.at(Member::TaskTgid));
        self.to_end.push(self.program.len());
        self.push(0x5d, 1, 2, 0, 0);
    }

    fn zero(&mut self, from: i16, to: i16) {
        self.push(0xb7, 2, 0, 0, 0);
        for at in (from..to).step_by(8) {
            self.store(Width::Double, at, 2);
        }
    }

    /// The depth and the numbers of the `struct pid` in r3.
    fn numbers(&mut self, at: i16) {
        self.copy(Width::Word, 3, Member::PidLevel, at);
        for level in 0..LEVELS as i16 {
            self.load(Width::Word, 2, 3, self.at(Member::PidNumbers) + level * UPID_BYTES);
            self.store(Width::Word, at + 4 + level * 4, 2);
        }
    }

    /// The same of the process that the task in a register belongs to.
    fn numbers_of_process(&mut self, task: u8, at: i16) {
        self.load(Width::Double, 3, task, self.at(Member::TaskLeader));
        self.load(Width::Double, 3, 3, self.at(Member::TaskThreadPid));
        self.numbers(at);
    }

    /// Dentry and mount of the `struct path` so far behind r3.
    fn path(&mut self, offset: i16, at: i16) {
        self.load(Width::Double, 2, 3, offset + self.at(Member::PathDentry));
        self.store(Width::Double, at, 2);
        self.load(Width::Double, 2, 3, offset + self.at(Member::PathMount));
        self.store(Width::Double, at + 8, 2);
    }

    /// The socket behind the file: its state and its other end.
    fn socket(&mut self) {
        self.mov(1, FILE);
        self.push(0x85, 0, 0, 0, BPF_SOCK_FROM_FILE);
        self.end_if_equal(0, 0);
        self.load(Width::Double, 3, 0, self.at(Member::SocketSock));
        self.end_if_equal(3, 0);
        let peer6 = self.at(Member::CommonPeer6);
        for (width, offset, store, at) in [
            (Width::Word, self.at(Member::CommonPeer), Width::Word, file::PEER),
            (Width::Half, self.at(Member::CommonPeerPort), Width::Half, file::PEER_PORT),
            (Width::Byte, self.at(Member::CommonState), Width::Half, file::STATE),
            (Width::Half, self.at(Member::CommonFamily), Width::Half, file::FAMILY),
            (Width::Half, self.at(Member::SockProtocol), Width::Half, file::PROTOCOL),
            (Width::Double, peer6, Width::Double, file::PEER6),
            (Width::Double, peer6 + 8, Width::Double, file::PEER6 + 8),
        ] {
            self.load(width, 2, 3, offset);
            self.store(store, at, 2);
        }
    }

    /// Writes the record out and ends the program.
    fn finish(mut self) -> Vec<Instruction> {
        let bytes = i32::from(self.bytes);
        self.mov(1, SEQ);
        self.mov(2, FRAME);
        self.push(0x07, 2, 0, 0, -bytes);
        self.push(0xb7, 3, 0, 0, bytes);
        self.push(0x85, 0, 0, 0, BPF_SEQ_WRITE);
        let end = self.program.len();
        for at in self.to_end {
            self.program[at].offset = (end - at - 1) as i16;
        }
        self.program.push(Instruction { code: 0xb7, ..Instruction::default() });
        self.program.push(Instruction { code: 0x95, ..Instruction::default() });
        self.program
    }
}

/// How long a descriptor's record is.
pub fn file_bytes(scope: Scope) -> usize {
    let bytes = match scope {
        Scope::Sockets => file::SOCKETS_BYTES,
        Scope::Everything => file::EVERYTHING_BYTES,
        Scope::Connections => file::CONNECTIONS_BYTES,
    };
    bytes as usize
}

/// For `task_file`: every descriptor, or every socket.
pub fn files(places: &Places, scope: Scope) -> Vec<Instruction> {
    let mut a = Assembler::new(places, file_bytes(scope) as i16, Member::FileContextTask);
    a.load(Width::Double, FILE, CONTEXT, a.at(Member::FileContextFile));
    a.end_if_equal(FILE, 0);
    a.load(Width::Double, 3, FILE, a.at(Member::FileInode));
    a.load(Width::Half, 2, 3, a.at(Member::InodeMode));
    if scope != Scope::Everything {
        a.mov(1, 2);
        // and r1, S_IFMT
        a.push(0x57, 1, 0, 0, 0o170_000);
        a.end_if_not_equal(1, 0o140_000);
    }
    a.store(Width::Word, file::MODE, 2);
    a.copy(Width::Double, 3, Member::InodeNumber, file::INODE);
    a.copy(Width::Word, CONTEXT, Member::FileContextFd, file::FD);
    a.copy(Width::Word, TASK, Member::TaskPid, file::PID);
    a.copy(Width::Word, TASK, Member::TaskTgid, file::TGID);
    a.copy(Width::Word, FILE, Member::FileFlags, file::FLAGS);
    a.copy(Width::Double, FILE, Member::FileReferences, file::REFERENCES);
    if scope != Scope::Sockets {
        a.copy(Width::Double, FILE, Member::FilePosition, file::POSITION);
        a.mov(3, FILE);
        a.path(a.at(Member::FilePath), file::PATH);
        a.store(Width::Double, file::FILE, FILE);
    }
    if scope == Scope::Connections {
        a.zero(file::PEER, file::CONNECTIONS_BYTES);
        a.socket();
    }
    a.numbers_of_process(TASK, file::LEVEL);
    a.finish()
}

/// For `task`: every process.
pub fn tasks(places: &Places) -> Vec<Instruction> {
    let mut a = Assembler::new(places, task::BYTES, Member::TaskContextTask);
    a.end_unless_leader();
    a.store(Width::Double, task::TASK, TASK);
    a.numbers_of_process(TASK, task::LEVEL);
    a.load(Width::Double, 4, TASK, a.at(Member::TaskParent));
    a.numbers_of_process(4, task::PARENT_LEVEL);
    a.load(Width::Double, 4, TASK, a.at(Member::TaskSignal));
    a.load(Width::Double, 3, 4, a.at(Member::SignalPids) + PIDTYPE_PGID * POINTER_BYTES);
    a.numbers(task::GROUP_LEVEL);
    a.copy(Width::Word, 4, Member::SignalThreads, task::THREADS);
    a.load(Width::Double, 3, TASK, a.at(Member::TaskCredentials));
    a.copy(Width::Word, 3, Member::CredentialsUser, task::USER);
    a.copy(Width::Word, TASK, Member::TaskExitState, task::EXIT_STATE);
    a.zero(task::FLAGS, task::FLAGS + 8);
    a.copy(Width::Word, TASK, Member::TaskFlags, task::FLAGS);
    a.load(Width::Double, 3, TASK, a.at(Member::TaskFolders));
    a.path(a.at(Member::FoldersCurrent), task::CURRENT);
    a.path(a.at(Member::FoldersRoot), task::ROOT);
    a.load(Width::Double, 3, TASK, a.at(Member::TaskMemory));
    a.load(Width::Double, 3, 3, a.at(Member::MemoryProgram));
    a.path(a.at(Member::FilePath), task::PROGRAM);
    for half in [0, 8] {
        a.load(Width::Double, 2, TASK, a.at(Member::TaskName) + half);
        a.store(Width::Double, task::NAME + half, 2);
    }
    a.finish()
}

/// For `task_vma`: every mapping of a file by a process.
pub fn mappings(places: &Places) -> Vec<Instruction> {
    let mut a = Assembler::new(places, mapping::BYTES, Member::VmaContextTask);
    a.load(Width::Double, 4, CONTEXT, a.at(Member::VmaContextVma));
    a.end_if_equal(4, 0);
    a.load(Width::Double, 3, 4, a.at(Member::VmaFile));
    a.end_if_equal(3, 0);
    a.end_unless_leader();
    a.store(Width::Double, mapping::TASK, TASK);
    a.copy(Width::Double, 4, Member::VmaStart, mapping::START);
    a.path(a.at(Member::FilePath), mapping::PATH);
    a.load(Width::Double, 3, 3, a.at(Member::FileInode));
    a.copy(Width::Double, 3, Member::InodeNumber, mapping::INODE);
    a.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_land_on_the_end() {
        let places = Places::numbered();
        for program in [files(&places, Scope::Connections), tasks(&places), mappings(&places)] {
            let end = program.len() - 2;
            let jumps = program.iter().enumerate().filter(|(_, i)| matches!(i.code, 0x15 | 0x55));
            for (at, jump) in jumps {
                assert_eq!(at + 1 + jump.offset as usize, end);
            }
            assert_eq!(program[end + 1].code, 0x95);
        }
    }
}
