//! Who has which socket open: the one scan that netstat, ss and `listener_holders` share.
//!
//! For each process one getdents64 of its fd directory and one readlinkat relative to it a
//! descriptor; the text `socket:[INODE]` is the whole fact. No stat, no fdinfo, no full paths.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::bytes;
use crate::collect::bpf;
use crate::model::SocketHolder;
use crate::source::{self, Missing, Source};
use crate::spread::Spread;

/// Every (socket, process, descriptor) there is, and how many processes could not be read.
#[derive(Debug, Default)]
pub struct Holders {
    /// Sorted by inode, then pid, then descriptor.
    pub list: Vec<SocketHolder>,
    spread: Spread,
    pub denied: u32,
    /// Processes of which at least one descriptor was read.
    pub seen: u32,
}

impl Holders {
    /// All holders of one socket, lowest pid first.
    pub fn of(&self, inode: u64) -> &[SocketHolder] {
        let near = self.list.get(self.spread.near(inode, &self.list)).unwrap_or_default();
        let rest = &near[near.partition_point(|h| h.inode < inode)..];
        let count = rest.iter().take_while(|h| h.inode == inode).count();
        &rest[..count]
    }

    fn add(&mut self, other: Holders) {
        self.list.extend(other.list);
        self.denied += other.denied;
        self.seen += other.seen;
    }

    pub fn sort(&mut self) {
        self.list.sort_unstable();
        self.spread = Spread::new(self.list.len(), self.list.iter().map(|h| h.inode));
    }
}

/// Two threads take the processes one by one: the kernel's work for each is its own.
const THREADS: usize = 2;

/// Scans every process of the source.
pub fn scan(source: &Source) -> Holders {
    let mut pids = Vec::new();
    let mut room = source::list_room();
    let _ = source::each_number(source.root(), &mut room, |pid, _| pids.push(pid));
    let next = AtomicUsize::new(0);
    let mut holders = std::thread::scope(|scope| {
        let work = || scan_some(source, &pids, &next);
        let others: Vec<_> = (1..THREADS).map(|_| scope.spawn(work)).collect();
        let mut own = work();
        others.into_iter().filter_map(|other| other.join().ok()).for_each(|other| own.add(other));
        own
    });
    holders.sort();
    holders
}

/// Scans processes until none is left that nobody has taken.
fn scan_some(source: &Source, pids: &[u32], next: &AtomicUsize) -> Holders {
    let mut holders = Holders::default();
    let mut room = source::list_room();
    while let Some(pid) = pids.get(next.fetch_add(1, Ordering::Relaxed)) {
        match scan_process(source.root(), *pid, &mut room, &mut holders.list) {
            Ok(()) => holders.seen += 1,
            Err(Missing::Denied) => holders.denied += 1,
            Err(Missing::Gone | Missing::Failed(_)) => {}
        }
    }
    holders
}

/// The same from what BPF said.
pub fn from_records(records: &bpf::Records) -> Holders {
    let sockets = records.all().iter().filter(|r| r.mode & 0o170_000 == 0o140_000);
    let list = sockets.map(|r| SocketHolder { inode: r.inode, pid: r.pid, fd: r.fd }).collect();
    let mut holders = Holders { list, ..Holders::default() };
    holders.sort();
    holders
}

fn scan_process(
    root: BorrowedFd<'_>,
    pid: u32,
    room: &mut [std::mem::MaybeUninit<u8>],
    into: &mut Vec<SocketHolder>,
) -> Result<(), Missing> {
    let mut path = [0u8; 16];
    let digits = bytes::Digits::new(u64::from(pid));
    let path = fd_path(digits.as_bytes(), &mut path).ok_or(Missing::Gone)?;
    let directory = source::open_dir(root, path)?;
    let mut link_room = source::link_room();
    let mut denied = false;
    source::each_number(directory.as_fd(), room, |fd, fd_name| {
        match source::link(directory.as_fd(), fd_name, &mut link_room) {
            Ok(text) => {
                if let Some(inode) = socket_inode(text) {
                    into.push(SocketHolder { inode, pid, fd });
                }
            }
            Err(Missing::Denied) => denied = true,
            Err(Missing::Gone | Missing::Failed(_)) => {}
        }
    })?;
    if denied { Err(Missing::Denied) } else { Ok(()) }
}

/// `PID/fd` in one open instead of two.
fn fd_path<'a>(pid: &[u8], room: &'a mut [u8; 16]) -> Option<&'a std::ffi::CStr> {
    let end = pid.len() + 4;
    room.get_mut(..pid.len())?.copy_from_slice(pid);
    room.get_mut(pid.len()..end)?.copy_from_slice(b"/fd\0");
    std::ffi::CStr::from_bytes_with_nul(&room[..end]).ok()
}

/// The inode of `socket:[INODE]`.
pub fn socket_inode(link: &[u8]) -> Option<u64> {
    bytes::dec(link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        for (link, expected) in [
            (&b"socket:[1056]"[..], Some(1056)),
            (b"socket:[]", None),
            (b"socket:[1056", None),
            (b"/x/socket:[1056]", None),
            (b"pipe:[1056]", None),
        ] {
            assert_eq!(socket_inode(link), expected);
        }
    }
}
