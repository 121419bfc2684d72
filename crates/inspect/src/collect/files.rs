//! Collector A: every process with its descriptors, read from /proc as any user may.
//!
//! What a descriptor is comes from the text of its link wherever the text says enough: a socket or
//! a pipe costs one readlinkat and no stat. The rest is asked relative to the process's directory,
//! with AT_STATX_DONT_SYNC, and never on a mount that can hang (NFS, FUSE, autofs): there fdinfo
//! tells.

mod recorded;

use std::collections::HashMap;
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, StatxFlags};

use crate::bytes;
use crate::collect::{bpf, foreign, holders};
use crate::model::{Kind, OpenFile, Process, Slot, Snapshot, SocketRef, Text};
use crate::parse::locks::{self, Lock};
use crate::parse::mounts::{self, Mount};
use crate::parse::{fdinfo, maps, stat};
use crate::source::{self, LINK_BYTES_MAX, Missing, Source};

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
    pub state: u8,
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
    let mut scan = Scan::new(source, *want, snapshot, choose);
    scan.records = asked.records;
    scan.locks = asked.locks;
    match want.pids {
        Some(pids) => pids.iter().for_each(|pid| scan.process(*pid)),
        None => {
            let mut room = source::list_room();
            let mut pids = Vec::new();
            let _ = source::each_number(source.root(), &mut room, |pid, _| pids.push(pid));
            pids.sort_unstable();
            pids.into_iter().for_each(|pid| scan.process(pid));
        }
    }
}

/// What stat said of one mapped file, kept because a thousand processes map the same libraries.
#[derive(Clone, Copy)]
struct MapFact {
    size: u64,
    links: u32,
    kind: Kind,
    raw_device: Option<u64>,
    same: bool,
    errno: i32,
}

pub(super) struct Scan<'a> {
    pub(super) source: &'a Source,
    want: Want<'a>,
    pub(super) snapshot: &'a mut Snapshot,
    choose: &'a mut dyn FnMut(&Head<'_>) -> Choice,
    locks: Vec<Lock>,
    pub(super) mounts: Mounts,
    maps: HashMap<(u64, u64), MapFact>,
    /// What collector B says; then `names` has what was learned of each path, once for all.
    records: Option<bpf::Records>,
    names: HashMap<(u64, u64), OpenFile>,
    pub(super) foreign: foreign::Foreign,
    pipe_device: Option<u64>,
    socket_device: Option<u64>,
    text: Vec<u8>,
    list: Vec<MaybeUninit<u8>>,
}

/// The mounts that can hang and the device of message queues, of this mount namespace.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) hanging: Vec<Mount>,
    queue_device: Option<u64>,
}

impl Mounts {
    fn read(source: &Source) -> Mounts {
        let mut text = Vec::new();
        let own = c"self/mountinfo";
        if source::read(source.root(), own, &mut text).is_err() {
            return Mounts::default();
        }
        let all = mounts::parse(&text);
        let queue_device = all.iter().find(|m| m.kind == b"mqueue").map(|m| m.device);
        Mounts { hanging: all.into_iter().filter(mounts::may_hang).collect(), queue_device }
    }
}

/// A link's text and the facts of what it leads to.
struct Node<'a> {
    directory: BorrowedFd<'a>,
    name: &'a CStr,
    link: &'a [u8],
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
            names: HashMap::new(),
            foreign: foreign::Foreign::default(),
            pipe_device: None,
            socket_device: None,
            text: Vec::new(),
            list: source::list_room(),
        }
    }

    fn process(&mut self, pid: u32) {
        let Ok(directory) = self.source.process(pid) else { return };
        let Ok(facts) = rustix::fs::fstat(&directory) else { return };
        let uid = facts.st_uid;
        let mut text = std::mem::take(&mut self.text);
        let read = source::read(directory.as_fd(), c"stat", &mut text);
        if let Some(stat) = read.ok().and_then(|()| stat::parse(&text)) {
            self.process_of(&directory, &stat, uid);
        }
        self.text = text;
    }

    fn process_of(&mut self, directory: &OwnedFd, stat: &stat::Stat<'_>, uid: u32) {
        let head = Head {
            pid: stat.pid,
            tid: 0,
            ppid: stat.ppid,
            pgid: stat.pgid,
            uid,
            state: stat.state,
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
            state: head.state,
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
            let Some(stat) = stat::parse(&text).filter(|s| s.state != b'Z') else { continue };
            // A thread's parent is its process's; lsof shows it so.
            let head = Head { tid, state: stat.state, ..*main };
            let choice = (self.choose)(&head);
            if choice == Choice::Skip {
                continue;
            }
            let alike =
                !shared.is_empty() && sys::kcmp::shares_files(main.pid, tid).unwrap_or(true);
            let files = match alike {
                true => shared.clone(),
                false => self.files_of(own.as_fd(), main.pid, main.uid, choice),
            };
            let name = self.snapshot.arena.push(stat.comm);
            self.push_process(&head, command, name, files);
        }
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
            self.mapped_files(directory, text);
        }
        self.descriptors(directory, pid, choice);
        // One process is one process, however many of its files are closed to us.
        self.snapshot.denied = self.snapshot.denied.min(denied + 1);
        start..self.snapshot.files.len() as u32
    }

    /// cwd, root or exe; gives the device and inode, which the maps leave out.
    fn link_file(
        &mut self,
        directory: BorrowedFd<'_>,
        pid: u32,
        name: &CStr,
        slot: Slot,
        uid: u32,
    ) -> Option<(u64, u64)> {
        let mut room = source::link_room();
        let mut file = OpenFile { slot, ..OpenFile::EMPTY };
        match source::link(directory, name, &mut room) {
            Ok(link) => {
                file.name = self.snapshot.arena.push(link);
                self.fill_by_stat(&mut file, &Node { directory, name, link });
            }
            // The process is gone; but a kernel thread has no exe, and says so the same way.
            Err(Missing::Gone) if slot != Slot::Text => return None,
            Err(missing) => {
                let path =
                    [b"/proc/", bytes::Digits::new(pid.into()).as_bytes(), b"/", name.to_bytes()]
                        .concat();
                file.name = self.snapshot.arena.push(&path);
                if missing != Missing::Gone || uid != 0 {
                    file.note = self.note(b"readlink", missing);
                    self.count_denied(missing);
                }
            }
        }
        self.snapshot.files.push(file);
        Some((file.device?, file.inode?))
    }

    fn note(&mut self, call: &[u8], missing: Missing) -> Text {
        let mut note = vec![b'('];
        note.extend_from_slice(call);
        note.extend_from_slice(b": ");
        note.extend_from_slice(reason(missing).as_bytes());
        note.push(b')');
        self.snapshot.arena.push(&note)
    }

    fn count_denied(&mut self, missing: Missing) {
        if missing == Missing::Denied {
            self.snapshot.denied += 1;
        }
    }

    fn mapped_files(&mut self, directory: BorrowedFd<'_>, text: Option<(u64, u64)>) {
        let mut buffer = std::mem::take(&mut self.text);
        let mut seen: Vec<(u64, u64)> = text.into_iter().collect();
        let mut own = Vec::new();
        std::mem::swap(&mut own, &mut buffer);
        if source::read(directory, c"maps", &mut own).is_ok() {
            maps::parse(&own, |mapping| {
                let key = (mapping.device, mapping.inode);
                if !seen.contains(&key) {
                    seen.push(key);
                    self.mapped_file(directory, &mapping);
                }
            });
        }
        self.text = own;
    }

    fn mapped_file(&mut self, directory: BorrowedFd<'_>, mapping: &maps::Mapping<'_>) {
        let key = (mapping.device, mapping.inode);
        let fact = match self.maps.get(&key) {
            Some(fact) => *fact,
            None => {
                let fact = self.map_fact(directory, mapping);
                self.maps.insert(key, fact);
                fact
            }
        };
        let mut file = OpenFile {
            slot: Slot::Memory,
            kind: Kind::Regular,
            device: Some(mapping.device),
            inode: Some(mapping.inode),
            name: self.snapshot.arena.push(mapping.path),
            ..OpenFile::EMPTY
        };
        if fact.same {
            file.kind = fact.kind;
            file.raw_device = fact.raw_device;
            file.size = Some(fact.size);
            file.links = Some(fact.links);
        } else if mapping.deleted {
            file.slot = Slot::Deleted;
        } else if fact.errno != 0 {
            let errno = rustix::io::Errno::from_raw_os_error(fact.errno);
            file.note = self.note(b"stat", Missing::Failed(errno));
        }
        self.snapshot.files.push(file);
    }

    /// The file that the path leads to in the process's own root, if it still is the mapped one.
    fn map_fact(&self, directory: BorrowedFd<'_>, mapping: &maps::Mapping<'_>) -> MapFact {
        let mut fact = MapFact {
            size: 0,
            links: 0,
            kind: Kind::Regular,
            raw_device: None,
            same: false,
            errno: 0,
        };
        if mounts::covering(&self.mounts.hanging, mapping.path).is_some() {
            return fact;
        }
        let mut path = b"root".to_vec();
        path.extend_from_slice(mapping.path);
        match rustix::fs::statx(directory, &path[..], AT_FLAGS, StatxFlags::BASIC_STATS) {
            Ok(found) => {
                let device = rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor);
                fact.same = device == mapping.device && found.stx_ino == mapping.inode;
                fact.size = found.stx_size;
                fact.links = found.stx_nlink;
                fact.kind = kind_of_mode(found.stx_mode);
                fact.raw_device = raw_device(&found, fact.kind);
            }
            Err(errno) => fact.errno = errno.raw_os_error(),
        }
        fact
    }

    fn descriptors(&mut self, directory: BorrowedFd<'_>, pid: u32, choice: Choice) {
        let fds = match source::open_dir(directory, c"fd") {
            Ok(fds) => fds,
            Err(Missing::Gone) => return,
            Err(missing) => return self.no_descriptors(pid, missing),
        };
        if let Some(records) = self.records.take() {
            self.recorded_descriptors(directory, fds.as_fd(), pid, choice, records.of(pid));
            self.records = Some(records);
            return;
        }
        let mut list = std::mem::take(&mut self.list);
        let mut room = source::link_room();
        let _ = source::each_number(fds.as_fd(), &mut list, |fd, name| {
            self.descriptor(directory, fds.as_fd(), pid, fd, name, choice, &mut room);
        });
        self.list = list;
    }

    fn no_descriptors(&mut self, pid: u32, missing: Missing) {
        self.count_denied(missing);
        let digits = bytes::Digits::new(pid.into());
        let mut note = [b"/proc/", digits.as_bytes(), b"/fd (opendir: "].concat();
        note.extend_from_slice(reason(missing).as_bytes());
        note.push(b')');
        let note = self.snapshot.arena.push(&note);
        self.snapshot.files.push(OpenFile { slot: Slot::NoFd, note, ..OpenFile::EMPTY });
    }

    #[expect(clippy::too_many_arguments, reason = "the state of two open directories")]
    fn descriptor(
        &mut self,
        process: BorrowedFd<'_>,
        fds: BorrowedFd<'_>,
        pid: u32,
        fd: u32,
        name: &CStr,
        choice: Choice,
        room: &mut [MaybeUninit<u8>; LINK_BYTES_MAX],
    ) {
        let link = match source::link(fds, name, room) {
            Ok(link) => link,
            Err(Missing::Gone) => return,
            Err(missing) if choice == Choice::Everything => {
                return self.unreadable(pid, fd, missing);
            }
            Err(missing) => return self.count_denied(missing),
        };
        let mut file = OpenFile { slot: Slot::Fd(fd), ..OpenFile::EMPTY };
        if let Some(inode) = holders::socket_inode(link) {
            file.kind = Kind::Socket;
            file.access = b'u';
            file.inode = Some(inode);
            file.position = Some(0);
            if self.socket(inode, process).is_none() && self.want.foreign {
                self.unlisted_socket(&mut file, fds, name, pid, fd);
            }
            if self.want.offsets {
                self.fill_by_fdinfo(&mut file, process, name);
            }
            return self.snapshot.files.push(file);
        }
        if choice == Choice::Everything {
            self.plain_file(&mut file, process, &Node { directory: fds, name, link });
            self.snapshot.files.push(file);
        }
    }

    fn unreadable(&mut self, pid: u32, fd: u32, missing: Missing) {
        self.count_denied(missing);
        let (pid, number) = (bytes::Digits::new(pid.into()), bytes::Digits::new(fd.into()));
        let path = [b"/proc/", pid.as_bytes(), b"/fd/", number.as_bytes()].concat();
        let name = self.snapshot.arena.push(&path);
        let note = self.note(b"readlink", missing);
        self.snapshot.files.push(OpenFile { slot: Slot::Fd(fd), name, note, ..OpenFile::EMPTY });
    }

    /// Finds the socket's row; a process of another network namespace brings its tables in.
    pub(super) fn socket(&mut self, inode: u64, process: BorrowedFd<'_>) -> Option<SocketRef> {
        let found = self.snapshot.sockets.by_inode(inode);
        if found.is_some() || !self.want.foreign {
            return found;
        }
        if !self.foreign.add_namespace_of(process, self.source, self.snapshot) {
            return None;
        }
        self.snapshot.sockets.by_inode(inode)
    }

    /// A socket in no table: never bound, or reset and still open. Its protocol's name is an
    /// extended attribute of the link (`system.sockprotoname`).
    pub(super) fn unlisted_socket(
        &mut self,
        file: &mut OpenFile,
        fds: BorrowedFd<'_>,
        name: &CStr,
        pid: u32,
        fd: u32,
    ) {
        if self.socket_device.is_none() {
            let found = rustix::fs::statat(fds, name, AtFlags::empty());
            self.socket_device = found.ok().map(|found| found.st_dev);
        }
        file.device = self.socket_device;
        if !self.source.is_live() {
            return;
        }
        let path = format!("/proc/{pid}/fd/{fd}");
        let mut value = [0u8; 64];
        if let Ok(length) = rustix::fs::getxattr(path, "system.sockprotoname", &mut value[..]) {
            let value = value.get(..length).unwrap_or_default();
            file.name =
                self.snapshot.arena.push(value.split(|b| *b == 0).next().unwrap_or_default());
        }
    }

    fn plain_file(&mut self, file: &mut OpenFile, process: BorrowedFd<'_>, node: &Node<'_>) {
        file.access = self.access(node);
        if let Some(inode) = tagged(node.link, b"pipe:[").and_then(bytes::dec) {
            self.fill_pipe(file, inode, node);
        } else {
            file.name = self.snapshot.arena.push(shown_name(node.link));
            self.fill_by_stat(file, node);
        }
        match file.kind {
            Kind::AnonInode => self.name_anonymous(file, process, node),
            Kind::Character | Kind::Block => self.fill_by_fdinfo(file, process, node.name),
            Kind::Fifo if !self.want.offsets => file.position = Some(0),
            _ if self.want.offsets => self.fill_by_fdinfo(file, process, node.name),
            _ => {}
        }
    }

    /// r, w or u, from the permission bits of the link itself.
    fn access(&self, node: &Node<'_>) -> u8 {
        let found = rustix::fs::statat(node.directory, node.name, AtFlags::SYMLINK_NOFOLLOW);
        match found.map(|found| found.st_mode & 0o600) {
            Ok(0o400) => b'r',
            Ok(0o200) => b'w',
            Ok(_) => b'u',
            Err(_) => b' ',
        }
    }

    /// All pipes are of one device, so only the first is asked; a pipe has no size and no offset.
    fn fill_pipe(&mut self, file: &mut OpenFile, inode: u64, node: &Node<'_>) {
        if self.pipe_device.is_none() {
            let found = rustix::fs::statat(node.directory, node.name, AtFlags::empty());
            self.pipe_device = found.ok().map(|found| found.st_dev);
        }
        file.kind = Kind::Fifo;
        file.device = self.pipe_device;
        file.inode = Some(inode);
        file.links = Some(1);
        file.name = self.snapshot.arena.push(b"pipe");
    }

    fn fill_by_stat(&mut self, file: &mut OpenFile, node: &Node<'_>) {
        if let Some(mount) = mounts::covering(&self.mounts.hanging, node.link) {
            let kind = mount.kind.clone();
            file.device = Some(mount.device);
            let note = [b"(not asked: ", &kind[..], b" can hang)"].concat();
            file.note = self.snapshot.arena.push(&note);
            return;
        }
        let asked = StatxFlags::BASIC_STATS;
        let found = match rustix::fs::statx(node.directory, node.name, AT_FLAGS, asked) {
            Ok(found) => found,
            Err(errno) => {
                file.note = self.note(b"stat", Missing::Failed(errno));
                return;
            }
        };
        let device = rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor);
        file.device = Some(device);
        file.inode = Some(found.stx_ino);
        file.kind = kind_of_mode(found.stx_mode);
        file.raw_device = raw_device(&found, file.kind);
        file.links = Some(found.stx_nlink);
        file.blocks = found.stx_blocks;
        if found.stx_mode & 0o170_000 == 0 && node.link.starts_with(b"anon_inode") {
            file.kind = Kind::AnonInode;
        }
        if file.kind == Kind::Regular && self.mounts.queue_device == Some(device) {
            file.kind = Kind::MessageQueue;
        }
        if !matches!(file.kind, Kind::Character | Kind::Block | Kind::Fifo) {
            file.size = Some(found.stx_size);
        }
    }

    fn fill_by_fdinfo(&mut self, file: &mut OpenFile, process: BorrowedFd<'_>, name: &CStr) {
        if let Some(info) = read_fdinfo(process, name) {
            file.position = info.position;
            file.flags = info.flags;
        }
    }

    /// `[eventfd:3]`, `[eventpoll:5,7]`, `[pidfd:12]`: the kind with what it is about.
    fn name_anonymous(&mut self, file: &mut OpenFile, process: BorrowedFd<'_>, node: &Node<'_>) {
        let kind = node.link.splitn(2, |b| *b == b':').nth(1).unwrap_or_default();
        let info = read_fdinfo(process, node.name).unwrap_or_default();
        if self.want.offsets {
            file.position = info.position;
        }
        file.flags = info.flags;
        let mut name = kind.to_vec();
        match kind {
            b"[eventfd]" => add_numbers(&mut name, info.eventfd_id.as_slice()),
            b"[pidfd]" => {
                let pid: Vec<u32> =
                    info.pid.and_then(|p| u32::try_from(p).ok()).into_iter().collect();
                add_numbers(&mut name, &pid);
            }
            b"[eventpoll]" => add_numbers(&mut name, &info.watched),
            _ => {}
        }
        file.name = self.snapshot.arena.push(&name);
    }

    /// Marks the locks of a process's files once all of them are known.
    pub(super) fn mark_locks(&mut self) {
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

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        self.mark_locks();
    }
}

const AT_FLAGS: AtFlags = AtFlags::STATX_DONT_SYNC;

fn kind_of_mode(mode: u16) -> Kind {
    match mode & 0o170_000 {
        0o100_000 => Kind::Regular,
        0o040_000 => Kind::Directory,
        0o020_000 => Kind::Character,
        0o060_000 => Kind::Block,
        0o010_000 => Kind::Fifo,
        0o120_000 => Kind::Link,
        0o140_000 => Kind::Socket,
        other => Kind::Other(other >> 12),
    }
}

fn raw_device(found: &rustix::fs::Statx, kind: Kind) -> Option<u64> {
    matches!(kind, Kind::Character | Kind::Block)
        .then(|| rustix::fs::makedev(found.stx_rdev_major, found.stx_rdev_minor))
}

fn read_fdinfo(process: BorrowedFd<'_>, name: &CStr) -> Option<fdinfo::FdInfo> {
    let path = [b"fdinfo/", name.to_bytes_with_nul()].concat();
    let path = CStr::from_bytes_with_nul(&path).ok()?;
    let mut text = Vec::new();
    source::read(process, path, &mut text).ok()?;
    Some(fdinfo::parse(&text))
}

/// The inside of `TAG...]`.
fn tagged<'a>(link: &'a [u8], tag: &[u8]) -> Option<&'a [u8]> {
    link.strip_prefix(tag)?.strip_suffix(b"]")
}

/// A path whole; of `mnt:[4026531840]` what stands before the colon, as lsof shows it.
fn shown_name(link: &[u8]) -> &[u8] {
    if link.first() == Some(&b'/') {
        return link;
    }
    link.split(|b| *b == b':').next().unwrap_or_default()
}

fn add_numbers(name: &mut Vec<u8>, numbers: &[u32]) {
    if numbers.is_empty() {
        return;
    }
    name.pop();
    for (index, number) in numbers.iter().enumerate() {
        name.push(if index == 0 { b':' } else { b',' });
        bytes::push_dec(name, u64::from(*number));
    }
    name.push(b']');
}

/// The words of strerror(3), without Rust's number.
fn reason(missing: Missing) -> String {
    let errno = match missing {
        Missing::Gone => rustix::io::Errno::NOENT,
        Missing::Denied => rustix::io::Errno::ACCESS,
        Missing::Failed(errno) => errno,
    };
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
