//! What a path of /proc leads to: the text of the link, and statx(2) of what is behind it, but
//! never on a mount where that could wait for another machine.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, StatxFlags};

use super::Scan;
use crate::bytes;
use crate::model::{Kind, OpenFile, Slot, Text};
use crate::parse::mounts::{self, Mount};
use crate::source::{self, Missing, Source};

/// The mounts that can hang and the device of message queues, of this mount namespace.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    pub(super) hanging: Vec<Mount>,
    queue_device: Option<u64>,
}

impl Mounts {
    pub(super) fn read(source: &Source) -> Mounts {
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
pub(super) struct Node<'a> {
    pub(super) directory: BorrowedFd<'a>,
    pub(super) name: &'a CStr,
    pub(super) link: &'a [u8],
}

impl Scan<'_> {
    /// cwd, root or exe; gives the device and inode, which the maps leave out.
    pub(super) fn link_file(
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

    pub(super) fn note(&mut self, call: &[u8], missing: Missing) -> Text {
        let mut note = vec![b'('];
        note.extend_from_slice(call);
        note.extend_from_slice(b": ");
        note.extend_from_slice(reason(missing).as_bytes());
        note.push(b')');
        self.snapshot.arena.push(&note)
    }

    pub(super) fn count_denied(&mut self, missing: Missing) {
        if missing == Missing::Denied {
            self.snapshot.denied += 1;
        }
    }

    pub(super) fn fill_by_stat(&mut self, file: &mut OpenFile, node: &Node<'_>) {
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
}

pub(super) const AT_FLAGS: AtFlags = AtFlags::STATX_DONT_SYNC;

pub(super) fn kind_of_mode(mode: u16) -> Kind {
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

pub(super) fn raw_device(found: &rustix::fs::Statx, kind: Kind) -> Option<u64> {
    matches!(kind, Kind::Character | Kind::Block)
        .then(|| rustix::fs::makedev(found.stx_rdev_major, found.stx_rdev_minor))
}

/// The words of strerror(3), without Rust's number.
pub(super) fn reason(missing: Missing) -> String {
    let errno = match missing {
        Missing::Gone => rustix::io::Errno::NOENT,
        Missing::Denied => rustix::io::Errno::ACCESS,
        Missing::Failed(errno) => errno,
    };
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
