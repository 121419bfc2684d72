//! The descriptors of a process, from /proc/PID/fd: what each is comes from the text of its link
//! wherever that says enough.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::AtFlags;

use super::folder::Folder;
use super::stat::{Node, reason};
use super::{Choice, Scan};
use crate::bytes;
use crate::collect::holders;
use crate::model::{Kind, OpenFile, Slot, SocketRef};
use crate::parse::fdinfo;
use crate::source::{self, LINK_BYTES_MAX, Missing};

impl Scan<'_> {
    pub(super) fn descriptors(&mut self, directory: BorrowedFd<'_>, pid: u32, choice: Choice) {
        let fds = match source::open_dir(directory, c"fd") {
            Ok(fds) => fds,
            Err(Missing::Gone) => return,
            Err(missing) => return self.no_descriptors(pid, missing),
        };
        // Of one that BPF may not see, /proc says at least what is denied.
        let records = self.records.map_or(&[][..], |records| records.of(pid));
        if !records.is_empty() {
            let folder = Folder::opened(self.source, pid, fds);
            return self.recorded_descriptors(&folder, choice, records);
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
    pub(super) fn descriptor(
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
