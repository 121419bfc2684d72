//! The descriptors of a process as BPF recorded them: only a path that is met for the first time is
//! asked of /proc, and remembered by its identity in the kernel.

use std::os::fd::BorrowedFd;

use super::{Choice, Scan};
use crate::collect::bpf;
use crate::model::{Kind, OpenFile, Slot};
use crate::source;

impl Scan<'_> {
    /// What BPF found of this process; only names that are not known yet are asked of /proc.
    pub(super) fn recorded_descriptors(
        &mut self,
        process: BorrowedFd<'_>,
        fds: BorrowedFd<'_>,
        pid: u32,
        choice: Choice,
        records: &[bpf::Record],
    ) {
        let mut room = source::link_room();
        let mut digits = [0; 12];
        for record in records {
            let is_socket = record.mode & 0o170_000 == 0o140_000;
            if !is_socket && choice == Choice::Sockets {
                continue;
            }
            let known = is_socket && self.socket(record.inode, process).is_some();
            let mut file = match self.names.get(&(record.dentry, record.mount)) {
                _ if known => OpenFile {
                    kind: Kind::Socket,
                    inode: Some(record.inode),
                    position: Some(0),
                    ..OpenFile::EMPTY
                },
                Some(named) if !is_socket => *named,
                _ => {
                    let name = source::number_name(record.fd, &mut digits);
                    self.descriptor(process, fds, pid, record.fd, name, choice, &mut room);
                    self.remember(record);
                    continue;
                }
            };
            fill_by_record(&mut file, record, self.want.offsets);
            self.snapshot.files.push(file);
        }
    }

    /// Keeps what was just learned of a path; an anonymous file has none.
    fn remember(&mut self, record: &bpf::Record) {
        let Some(file) = self.snapshot.files.last().filter(|f| f.slot == Slot::Fd(record.fd))
        else {
            return;
        };
        let by_name = matches!(
            file.kind,
            Kind::Regular
                | Kind::Directory
                | Kind::Character
                | Kind::Block
                | Kind::Fifo
                | Kind::MessageQueue
        );
        if by_name && file.note.is_empty() {
            self.names.insert((record.dentry, record.mount), *file);
        }
    }
}

/// O_ACCMODE and O_PATH of asm-generic/fcntl.h.
const ACCESS_MODE: u32 = 3;
const O_PATH: u32 = 0o10_000_000;

fn fill_by_record(file: &mut OpenFile, record: &bpf::Record, all: bool) {
    file.slot = Slot::Fd(record.fd);
    file.access = match (record.flags & O_PATH != 0, record.flags & ACCESS_MODE) {
        (false, 0) => b'r',
        (false, 1) => b'w',
        _ => b'u',
    };
    if all || file.position.is_some() {
        file.position = Some(record.position);
        file.flags = Some(record.flags);
    }
}
