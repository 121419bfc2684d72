//! The files that a process has mapped, from /proc/PID/maps: each once, the program left out.

use std::os::fd::BorrowedFd;

use rustix::fs::StatxFlags;

use super::Scan;
use super::stat::{AT_FLAGS, kind_of_mode, raw_device};
use crate::collect::bpf;
use crate::model::{Kind, OpenFile, Slot};
use crate::parse::{maps, mounts};
use crate::source::{self, Missing};

/// What stat said of one mapped file, kept because a thousand processes map the same libraries.
#[derive(Clone, Copy)]
pub(super) struct MapFact {
    size: u64,
    links: u32,
    kind: Kind,
    raw_device: Option<u64>,
    same: bool,
    errno: i32,
}

impl Scan<'_> {
    /// `text` is the program's device and inode. What collector B says of the same mappings is
    /// learned by their addresses, ascending.
    pub(super) fn mapped_files(
        &mut self,
        directory: BorrowedFd<'_>,
        text: Option<(u64, u64)>,
        recorded: &[bpf::Mapping],
    ) {
        let mut own = std::mem::take(&mut self.maps_text);
        let mut seen: Vec<(u64, u64)> = text.into_iter().collect();
        if source::read(directory, c"maps", &mut own).is_ok() {
            maps::parse(&own, |mapping| {
                let key = (mapping.device, mapping.inode);
                let is_new = !seen.contains(&key);
                let unknown = self.unknown_path(&mapping, recorded);
                if !is_new && unknown.is_none() {
                    return;
                }
                let file = self.mapped_file(directory, &mapping);
                if let Some(path) = unknown {
                    self.known.mapped.insert(path, file);
                }
                if is_new {
                    seen.push(key);
                    self.snapshot.files.push(file);
                }
            });
        }
        self.maps_text = own;
    }

    /// The kernel's identity of the mapped file, where it is not yet known what that is.
    fn unknown_path(
        &self,
        mapping: &maps::Mapping<'_>,
        recorded: &[bpf::Mapping],
    ) -> Option<bpf::Path> {
        if recorded.is_empty() {
            return None;
        }
        let at = recorded.binary_search_by_key(&mapping.start()?, |r| r.start).ok()?;
        let record = recorded.get(at).filter(|record| record.inode == mapping.inode)?;
        (!self.known.mapped.contains_key(&record.path)).then_some(record.path)
    }

    fn mapped_file(&mut self, directory: BorrowedFd<'_>, mapping: &maps::Mapping<'_>) -> OpenFile {
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
        file
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
}
