//! Collector A: every process with its descriptors, read from /proc as any user may.
//!
//! What a descriptor is comes from the text of its link wherever the text says enough: a socket or
//! a pipe costs one readlinkat and no stat. The rest is asked relative to the process's directory,
//! with AT_STATX_DONT_SYNC, and never on a mount that can hang (NFS, FUSE, autofs): there fdinfo
//! tells.

mod descriptors;
mod folder;
mod mapped;
mod recorded;
mod stat;

use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::collect::{bpf, foreign};
use crate::model::{Process, Slot, Snapshot, Text};
use crate::parse;
use crate::parse::locks::{self, Lock};
use crate::source::{self, Source};
use mapped::MapFact;
use stat::Mounts;

/// Which files to read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Want<'a> {
    /// Only these processes, without looking at the others at all.
    pub pids: Option<&'a [u32]>,
    /// Threads as rows of their own.
    pub tasks: bool,
    /// Offset and flags of every descriptor, not only where a listing shows them.
    pub offsets: bool,
    /// Sockets of other network namespaces too.
    pub foreign: bool,
}

/// What was asked for beforehand, beside the socket tables, since the kernel takes its time over
/// it.
#[derive(Debug, Default)]
pub struct Asked {
    pub records: Option<bpf::Records>,
    pub locks: Vec<Lock>,
}

/// All file locks. The kernel waits for a grace period of RCU here, some ten milliseconds.
pub fn read_locks(source: &Source) -> Vec<Lock> {
    let mut text = Vec::new();
    match source::read(source.root(), c"locks", &mut text) {
        Ok(()) => locks::parse(&text),
        Err(_) => Vec::new(),
    }
}

/// What the caller knows of a process when it chooses.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub pid: u32,
    pub tid: u32,
    pub ppid: u32,
    pub pgid: i32,
    pub uid: u32,
    pub command: &'a [u8],
}

/// What to read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    Skip,
    Sockets,
    Everything,
}

/// Reads the processes into the snapshot, whose sockets are already there.
pub fn collect(
    source: &Source,
    want: &Want<'_>,
    asked: Asked,
    snapshot: &mut Snapshot,
    choose: &mut dyn FnMut(&Head<'_>) -> Choice,
) {
    let Asked { records, locks } = asked;
    let mut scan = Scan::new(source, *want, snapshot, choose);
    scan.records = records.as_ref();
    scan.locks = locks;
    let tasks = records.as_ref().and_then(|records| records.tasks.as_ref());
    match want.pids {
        Some(pids) => pids.iter().for_each(|pid| scan.process(*pid)),
        None => pids(source).into_iter().for_each(|pid| {
            match tasks.and_then(|tasks| Some((tasks, tasks.of(pid)?))) {
                Some((tasks, task)) => scan.recorded(task, tasks),
                None => scan.process(pid),
            }
        }),
    }
    scan.mark_locks();
}

/// All of them: /proc says which processes there are, whatever is known of them otherwise.
fn pids(source: &Source) -> Vec<u32> {
    let mut room = source::list_room();
    let mut pids = Vec::new();
    let _ = source::each_number(source.root(), &mut room, |pid, _| pids.push(pid));
    pids.sort_unstable();
    pids
}

struct Scan<'a> {
    source: &'a Source,
    want: Want<'a>,
    snapshot: &'a mut Snapshot,
    choose: &'a mut dyn FnMut(&Head<'_>) -> Choice,
    locks: Vec<Lock>,
    mounts: Mounts,
    maps: HashMap<(u64, u64), MapFact>,
    /// What collector B says; then what was learned of each path is kept, once for all.
    records: Option<&'a bpf::Records>,
    known: recorded::Known,
    foreign: foreign::Foreign,
    pipe_device: Option<u64>,
    socket_device: Option<u64>,
    text: Vec<u8>,
    maps_text: Vec<u8>,
    list: Vec<MaybeUninit<u8>>,
}

impl<'a> Scan<'a> {
    fn new(
        source: &'a Source,
        want: Want<'a>,
        snapshot: &'a mut Snapshot,
        choose: &'a mut dyn FnMut(&Head<'_>) -> Choice,
    ) -> Scan<'a> {
        Scan {
            source,
            want,
            snapshot,
            choose,
            locks: Vec::new(),
            mounts: Mounts::read(source),
            maps: HashMap::new(),
            records: None,
            known: recorded::Known::default(),
            foreign: foreign::Foreign::default(),
            pipe_device: None,
            socket_device: None,
            text: Vec::new(),
            maps_text: Vec::new(),
            list: source::list_room(),
        }
    }

    fn process(&mut self, pid: u32) {
        let Ok(directory) = self.source.process(pid) else { return };
        let Ok(facts) = rustix::fs::fstat(&directory) else { return };
        let uid = facts.st_uid;
        let mut text = std::mem::take(&mut self.text);
        let read = source::read(directory.as_fd(), c"stat", &mut text);
        if let Some(stat) = read.ok().and_then(|()| parse::stat::parse(&text)) {
            self.process_of(&directory, &stat, uid);
        }
        self.text = text;
    }

    fn process_of(&mut self, directory: &OwnedFd, stat: &parse::stat::Stat<'_>, uid: u32) {
        let head = Head {
            pid: stat.pid,
            tid: 0,
            ppid: stat.ppid,
            pgid: stat.pgid,
            uid,
            command: stat.comm,
        };
        let choice = (self.choose)(&head);
        let threads = self.want.tasks && stat.threads > 1;
        if choice == Choice::Skip && !threads {
            return;
        }
        let command = self.snapshot.arena.push(stat.comm);
        let files = match choice {
            Choice::Skip => 0..0,
            _ if stat.state == b'Z' => 0..0,
            choice => self.files_of(directory.as_fd(), stat.pid, uid, choice),
        };
        let shared = files.clone();
        if choice != Choice::Skip {
            self.push_process(&head, command, Text::EMPTY, files);
        }
        if threads {
            self.tasks_of(directory, &head, command, shared);
        }
    }

    fn push_process(
        &mut self,
        head: &Head<'_>,
        command: Text,
        task_command: Text,
        files: std::ops::Range<u32>,
    ) {
        self.snapshot.processes.push(Process {
            pid: head.pid,
            tid: head.tid,
            ppid: head.ppid,
            pgid: head.pgid,
            uid: head.uid,
            command,
            task_command,
            files,
        });
    }

    fn tasks_of(
        &mut self,
        directory: &OwnedFd,
        main: &Head<'_>,
        command: Text,
        shared: std::ops::Range<u32>,
    ) {
        let Ok(task) = source::open_dir(directory.as_fd(), c"task") else { return };
        let mut tids = Vec::new();
        let listed = source::each_number(task.as_fd(), &mut self.list, |tid, _| tids.push(tid));
        if listed.is_err() {
            return;
        }
        for tid in tids.into_iter().filter(|tid| *tid != main.pid) {
            let Ok(own) = source::open_number(task.as_fd(), tid) else { continue };
            let mut text = Vec::new();
            if source::read(own.as_fd(), c"stat", &mut text).is_err() {
                continue;
            }
            let Some(stat) = parse::stat::parse(&text).filter(|s| s.state != b'Z') else {
                continue;
            };
            // A thread's parent is its process's; lsof shows it so.
            let head = Head { tid, ..*main };
            let choice = (self.choose)(&head);
            if choice == Choice::Skip {
                continue;
            }
            let alike =
                !shared.is_empty() && sys::kcmp::shares_files(main.pid, tid).unwrap_or(true);
            let files = match alike {
                true => shared.clone(),
                false => self.thread_files(own.as_fd(), main, choice),
            };
            let name = self.snapshot.arena.push(stat.comm);
            self.push_process(&head, command, name, files);
        }
    }

    /// Of a thread with a table of its own, which collector B leaves out.
    fn thread_files(
        &mut self,
        directory: BorrowedFd<'_>,
        main: &Head<'_>,
        choice: Choice,
    ) -> std::ops::Range<u32> {
        let records = self.records.take();
        let files = self.files_of(directory, main.pid, main.uid, choice);
        self.records = records;
        files
    }

    fn files_of(
        &mut self,
        directory: BorrowedFd<'_>,
        pid: u32,
        uid: u32,
        choice: Choice,
    ) -> std::ops::Range<u32> {
        let start = self.snapshot.files.len() as u32;
        let denied = self.snapshot.denied;
        if choice == Choice::Everything {
            self.link_file(directory, pid, c"cwd", Slot::Cwd, uid);
            self.link_file(directory, pid, c"root", Slot::Root, uid);
            let text = self.link_file(directory, pid, c"exe", Slot::Text, uid);
            self.mapped_files(directory, text, &[]);
        }
        self.descriptors(directory, pid, choice);
        // One process is one process, however many of its files are closed to us.
        self.snapshot.denied = self.snapshot.denied.min(denied + 1);
        start..self.snapshot.files.len() as u32
    }

    /// Marks the locks of a process's files once all of them are known.
    fn mark_locks(&mut self) {
        if self.locks.is_empty() {
            return;
        }
        for process in &self.snapshot.processes {
            let range = process.files.start as usize..process.files.end as usize;
            for file in self.snapshot.files.get_mut(range).unwrap_or_default() {
                if let (Some(device), Some(inode)) = (file.device, file.inode) {
                    file.lock = locks::mark(&self.locks, process.pid, device, inode);
                }
            }
        }
    }
}
