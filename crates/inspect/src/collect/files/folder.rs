//! The directories of one process, opened when something is first asked of them: where collector B
//! knows it all, nothing is.

use std::cell::OnceCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::source::{self, Source};

#[derive(Debug)]
pub(super) struct Folder<'a> {
    source: &'a Source,
    pub(super) pid: u32,
    own: OnceCell<Option<OwnedFd>>,
    fds: OnceCell<Option<OwnedFd>>,
}

impl<'a> Folder<'a> {
    pub(super) fn new(source: &'a Source, pid: u32) -> Folder<'a> {
        Folder { source, pid, own: OnceCell::new(), fds: OnceCell::new() }
    }

    /// With the directory of its descriptors, which is open already.
    pub(super) fn opened(source: &'a Source, pid: u32, fds: OwnedFd) -> Folder<'a> {
        Folder { fds: OnceCell::from(Some(fds)), ..Folder::new(source, pid) }
    }

    /// `None` where the process is gone.
    pub(super) fn own(&self) -> Option<BorrowedFd<'_>> {
        self.own.get_or_init(|| self.source.process(self.pid).ok()).as_ref().map(AsFd::as_fd)
    }

    pub(super) fn fds(&self) -> Option<BorrowedFd<'_>> {
        let open = || source::open_dir(self.own()?, c"fd").ok();
        self.fds.get_or_init(open).as_ref().map(AsFd::as_fd)
    }
}
