//! Where the members that the programs read lie in this kernel's structures: from BTF, or from what
//! an earlier run kept of it.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};

use crate::bytes;
use crate::parse::btf::{Btf, Want};
use crate::source;

/// A member of a structure of the kernel, in the order of `MEMBERS`.
#[derive(Clone, Copy, Debug)]
pub enum Member {
    ContextMeta,
    MetaSeq,
    TaskContextTask,
    VmaContextTask,
    VmaContextVma,
    FileContextTask,
    FileContextFd,
    FileContextFile,
    TaskPid,
    TaskTgid,
    TaskLeader,
    TaskThreadPid,
    TaskParent,
    TaskSignal,
    TaskCredentials,
    TaskExitState,
    TaskFlags,
    TaskName,
    TaskFolders,
    TaskMemory,
    SignalPids,
    SignalThreads,
    CredentialsUser,
    FoldersCurrent,
    FoldersRoot,
    MemoryProgram,
    VmaFile,
    VmaStart,
    PidLevel,
    PidNumbers,
    FileInode,
    FileReferences,
    FileFlags,
    FilePosition,
    FilePath,
    PathMount,
    PathDentry,
    InodeNumber,
    InodeMode,
    SocketSock,
    SockProtocol,
    CommonFamily,
    CommonState,
    CommonPeerPort,
    CommonPeer,
    CommonPeer6,
}

/// A structure, and a member of it; where a kernel has renamed one, both names.
const MEMBERS: [(&str, &str, &str); 46] = [
    ("bpf_iter__task_file", "meta", ""),
    ("bpf_iter_meta", "seq", ""),
    ("bpf_iter__task", "task", ""),
    ("bpf_iter__task_vma", "task", ""),
    ("bpf_iter__task_vma", "vma", ""),
    ("bpf_iter__task_file", "task", ""),
    ("bpf_iter__task_file", "fd", ""),
    ("bpf_iter__task_file", "file", ""),
    ("task_struct", "pid", ""),
    ("task_struct", "tgid", ""),
    ("task_struct", "group_leader", ""),
    ("task_struct", "thread_pid", ""),
    ("task_struct", "real_parent", ""),
    ("task_struct", "signal", ""),
    ("task_struct", "real_cred", ""),
    ("task_struct", "exit_state", ""),
    ("task_struct", "flags", ""),
    ("task_struct", "comm", ""),
    ("task_struct", "fs", ""),
    ("task_struct", "mm", ""),
    ("signal_struct", "pids", ""),
    ("signal_struct", "nr_threads", ""),
    ("cred", "euid", ""),
    ("fs_struct", "pwd", ""),
    ("fs_struct", "root", ""),
    ("mm_struct", "exe_file", ""),
    ("vm_area_struct", "vm_file", ""),
    ("vm_area_struct", "vm_start", ""),
    ("pid", "level", ""),
    ("pid", "numbers", ""),
    ("file", "f_inode", ""),
    // 6.13 renamed it and counts from 0, while the iterator itself holds one reference.
    ("file", "f_ref", "f_count"),
    ("file", "f_flags", ""),
    ("file", "f_pos", ""),
    ("file", "f_path", ""),
    ("path", "mnt", ""),
    ("path", "dentry", ""),
    ("inode", "i_ino", ""),
    ("inode", "i_mode", ""),
    ("socket", "sk", ""),
    ("sock", "sk_protocol", ""),
    ("sock_common", "skc_family", ""),
    ("sock_common", "skc_state", ""),
    ("sock_common", "skc_dport", ""),
    ("sock_common", "skc_daddr", ""),
    ("sock_common", "skc_v6_daddr", ""),
];

/// What a program is attached to.
#[derive(Clone, Copy, Debug)]
pub enum Walk {
    Task,
    TaskFile,
    /// Since Linux 5.12.
    TaskVma,
}

const ITERATORS: [&str; 3] = ["bpf_iter_task", "bpf_iter_task_file", "bpf_iter_task_vma"];
const STRUCTURES: [&str; 17] = [
    "bpf_iter_meta",
    "bpf_iter__task",
    "bpf_iter__task_file",
    "bpf_iter__task_vma",
    "task_struct",
    "signal_struct",
    "cred",
    "fs_struct",
    "mm_struct",
    "vm_area_struct",
    "pid",
    "file",
    "path",
    "inode",
    "socket",
    "sock",
    "sock_common",
];
const NUMBERS: usize = ITERATORS.len() + MEMBERS.len();

/// Member offsets, and the functions that programs attach to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    attach: [u32; ITERATORS.len()],
    offsets: [i16; MEMBERS.len()],
}

impl Places {
    /// Some places, for tests of what is made of them.
    #[cfg(test)]
    pub fn numbered() -> Places {
        Places { attach: [1; ITERATORS.len()], offsets: std::array::from_fn(|n| n as i16) }
    }

    /// Those of the running kernel, from what was kept or from BTF.
    pub fn get() -> io::Result<Places> {
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

    pub fn at(&self, member: Member) -> i16 {
        self.offsets[member as usize]
    }

    /// The number of the function that this iterator calls.
    pub fn attach(&self, walk: Walk) -> u32 {
        self.attach[walk as usize]
    }

    fn find(bytes: &[u8]) -> Option<Places> {
        let btf = Btf::parse(bytes)?;
        let structures = btf.find(STRUCTURES.map(|name| (name, Want::Struct)));
        let attach = btf.find(ITERATORS.map(|name| (name, Want::Function)));
        let mut offsets = [0; MEMBERS.len()];
        for (offset, (structure, member, older)) in offsets.iter_mut().zip(MEMBERS) {
            let index = STRUCTURES.iter().position(|name| *name == structure)?;
            let id = structures[index]?;
            *offset = btf.member(id, member).or_else(|| btf.member(id, older))?;
        }
        let [task, file, vma] = attach;
        Some(Places { attach: [task?, file?, vma?], offsets })
    }

    fn numbers(&self) -> impl Iterator<Item = i64> {
        self.attach.into_iter().map(i64::from).chain(self.offsets.into_iter().map(i64::from))
    }

    fn from_numbers(numbers: impl Iterator<Item = Option<i64>>) -> Option<Places> {
        let numbers: Vec<i64> = numbers.take(NUMBERS + 1).collect::<Option<_>>()?;
        let (attach, offsets) = numbers.split_at_checked(ITERATORS.len())?;
        let attach: Option<Vec<u32>> = attach.iter().map(|n| u32::try_from(*n).ok()).collect();
        let small = |n: &i64| i16::try_from(*n).ok().filter(|n| *n >= 0);
        let offsets: Option<Vec<i16>> = offsets.iter().map(small).collect();
        Some(Places { attach: attach?.try_into().ok()?, offsets: offsets?.try_into().ok()? })
    }
}

/// Reading five megabytes of BTF a page at a time takes longer than all the rest, and the answer is
/// the same until the next boot, whose id the file begins with. It is believed only where root
/// alone could have written it; what it says is checked again by the kernel's verifier, which lets
/// no program read outside of the structures it knows. A wrong number could only give a wrong row.
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
    let is_file = facts.st_mode & 0o170_000 == 0o100_000;
    let root_only = facts.st_uid == 0 && facts.st_mode & 0o022 == 0;
    if !is_file || !root_only || facts.st_size as u64 > CACHE_BYTES_MAX {
        return None;
    }
    let mut text = Vec::with_capacity(CACHE_BYTES_MAX as usize);
    rustix::io::read(&file, rustix::buffer::spare_capacity(&mut text)).ok()?;
    from_text(boot, &text)
}

fn from_text(boot: &str, text: &[u8]) -> Option<Places> {
    let mut fields = bytes::fields(text);
    if fields.next()? != boot.as_bytes() {
        return None;
    }
    Places::from_numbers(fields.map(bytes::signed))
}

fn to_text(boot: &str, places: &Places) -> String {
    let numbers: Vec<String> = places.numbers().map(|n| n.to_string()).collect();
    format!("{boot} {}\n", numbers.join(" "))
}

/// Written whole under a name of its own and then renamed, so that nobody reads a half. Nothing is
/// lost where it cannot be written: the next run reads BTF again.
fn write_cache(boot: &str, places: &Places) {
    let text = to_text(boot, places);
    let own = format!("{CACHE}.{}", std::process::id());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(&own, flags, Mode::RUSR | Mode::WUSR) else { return };
    let whole = rustix::io::write(&file, text.as_bytes()).is_ok_and(|n| n == text.len());
    if !whole || rustix::fs::rename(&own, CACHE).is_err() {
        let _ = rustix::fs::unlink(&own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_says_what_was_put_in() {
        let numbers: Vec<Option<i64>> = (1..=NUMBERS as i64).map(Some).collect();
        let places = Places::from_numbers(numbers.iter().copied()).unwrap();
        assert_eq!(places.numbers().map(Some).collect::<Vec<_>>(), numbers);
        assert_eq!(places.at(Member::CommonPeer6), NUMBERS as i16);
        let text = to_text("boot", &places);
        assert!(text.len() < CACHE_BYTES_MAX as usize);
        assert_eq!(from_text("boot", text.as_bytes()), Some(places));
        for other in ["", "boot", "next 1", &text.replace("boot", "next"), &(text.clone() + "1")] {
            assert_eq!(from_text("boot", other.as_bytes()), None);
        }
        assert_eq!(from_text("boot", text.replace(" 9 ", " -9 ").as_bytes()), None);
    }

    #[test]
    fn every_member_has_its_structure_and_its_number() {
        assert_eq!(Member::CommonPeer6 as usize, MEMBERS.len() - 1);
        for (structure, ..) in MEMBERS {
            assert!(STRUCTURES.contains(&structure), "{structure}");
        }
    }
}
