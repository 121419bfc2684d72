//! Where facts come from: the live /proc, or a recorded tree of the same shape (`--proc-root DIR`).
//!
//! Everything is opened relative to one directory descriptor, read whole into a buffer the caller
//! keeps, and listed with getdents64 into a large buffer: the parsers see bytes and never a path.
//! A file that is gone is `None` and silent; the caller counts what it may not read. See proc(5).

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;

use crate::bytes;

/// The most a /proc file may hold before the rest is left unread (a table of a million sockets).
pub const FILE_BYTES_MAX: usize = 256 << 20;
/// One getdents64 call: about a thousand names.
pub const LIST_BUFFER_BYTES: usize = 64 << 10;
/// A link text is at most a page for the kernel.
pub const LINK_BYTES_MAX: usize = 4096;

/// The root all reads are relative to.
#[derive(Debug)]
pub struct Source {
    root: OwnedFd,
    live: bool,
}

/// Why something was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// It vanished, or never was: no news.
    Gone,
    /// We may not: counted and said.
    Denied,
    /// Anything else, by its errno.
    Failed(Errno),
}

impl From<Errno> for Missing {
    fn from(errno: Errno) -> Missing {
        match errno {
            Errno::NOENT | Errno::SRCH | Errno::NOTDIR => Missing::Gone,
            Errno::ACCESS | Errno::PERM => Missing::Denied,
            other => Missing::Failed(other),
        }
    }
}

impl Source {
    pub fn live() -> io::Result<Source> {
        Ok(Source { root: open_directory(Path::new("/proc"))?, live: true })
    }

    pub fn recorded(root: &Path) -> io::Result<Source> {
        Ok(Source { root: open_directory(root)?, live: false })
    }

    /// Whether the kernel itself can be asked too (netlink, bpf).
    pub fn is_live(&self) -> bool {
        self.live
    }

    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens the directory of one process.
    pub fn process(&self, pid: u32) -> Result<OwnedFd, Missing> {
        open_number(self.root.as_fd(), pid)
    }
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    rustix::fs::open(path, directory_flags(), Mode::empty()).map_err(|errno| {
        let reason = io::Error::from(errno);
        io::Error::new(reason.kind(), format!("open {}: {reason}", path.display()))
    })
}

fn directory_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

/// Opens the subdirectory whose name is a number.
pub fn open_number(directory: BorrowedFd<'_>, number: u32) -> Result<OwnedFd, Missing> {
    let mut name = [0; 12];
    open_dir(directory, number_name(number, &mut name))
}

pub fn open_dir(directory: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Missing> {
    Ok(rustix::fs::openat(directory, name, directory_flags(), Mode::empty())?)
}

/// A number as a file name, without an allocation.
pub fn number_name(number: u32, room: &mut [u8; 12]) -> &CStr {
    let digits = bytes::Digits::new(u64::from(number));
    let digits = digits.as_bytes();
    room[..digits.len()].copy_from_slice(digits);
    room[digits.len()] = 0;
    CStr::from_bytes_with_nul(&room[..=digits.len()]).expect("digits end with the only NUL")
}

/// Reads a whole file into `into`, which is emptied first and keeps its room between calls.
pub fn read(directory: BorrowedFd<'_>, name: &CStr, into: &mut Vec<u8>) -> Result<(), Missing> {
    into.clear();
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    while into.len() < FILE_BYTES_MAX {
        into.reserve(4096);
        match rustix::io::read(&file, rustix::buffer::spare_capacity(into)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// The text of a symbolic link, in the caller's buffer.
pub fn link<'a>(
    directory: BorrowedFd<'_>,
    name: &CStr,
    room: &'a mut [MaybeUninit<u8>; LINK_BYTES_MAX],
) -> Result<&'a [u8], Missing> {
    let (text, _) = rustix::fs::readlinkat_raw(directory, name, &mut room[..])?;
    Ok(text)
}

/// An empty buffer for `link`.
pub fn link_room() -> [MaybeUninit<u8>; LINK_BYTES_MAX] {
    [MaybeUninit::uninit(); LINK_BYTES_MAX]
}

/// Calls `each` with every entry of a directory whose name is a number, in the kernel's order.
/// An entry that vanishes while listing is skipped.
pub fn each_number(
    directory: BorrowedFd<'_>,
    room: &mut [MaybeUninit<u8>],
    mut each: impl FnMut(u32, &CStr),
) -> Result<(), Missing> {
    // A directory that was listed before is at its end.
    rustix::fs::seek(directory, rustix::fs::SeekFrom::Start(0))?;
    let mut entries = RawDir::new(directory, room);
    while let Some(entry) = entries.next() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        if let Some(number) = bytes::dec32(entry.file_name().to_bytes()) {
            each(number, entry.file_name());
        }
    }
    Ok(())
}

/// An empty buffer for `each_number`.
pub fn list_room() -> Vec<MaybeUninit<u8>> {
    vec![MaybeUninit::uninit(); LIST_BUFFER_BYTES]
}
