//! A process as collector B recorded it: only what is met for the first time is asked of /proc, and
//! remembered by its identity in the kernel.

use std::collections::HashMap;
use std::ffi::CStr;

use super::folder::Folder;
use super::{Choice, Head, Scan};
use crate::collect::bpf::{self, Mapping, Task, Tasks};
use crate::model::{Kind, OpenFile, Slot, Text};
use crate::source;

/// What was learned of each path, as the row of whoever has it open.
#[derive(Debug, Default)]
pub(super) struct Known {
    descriptors: HashMap<bpf::Path, OpenFile>,
    /// Current and root directories, and programs.
    links: HashMap<bpf::Path, OpenFile>,
    pub(super) mapped: HashMap<bpf::Path, OpenFile>,
}

impl Scan<'_> {
    /// A process of which collector B knows everything; any other is read from /proc.
    pub(super) fn recorded(&mut self, task: &Task, tasks: &Tasks) {
        let records = self.records.map_or(&[][..], |records| records.of(task.pid));
        let threads = self.want.tasks && task.threads > 1;
        // One without a descriptor may be one that is hidden from us.
        let hidden = records.is_empty() && !task.is_zombie;
        let Some(command) = task.name().filter(|_| !threads && !hidden) else {
            return self.process(task.pid);
        };
        let head = Head {
            pid: task.pid,
            tid: 0,
            ppid: task.ppid,
            pgid: task.pgid as i32,
            uid: task.uid,
            command,
        };
        let choice = (self.choose)(&head);
        if choice == Choice::Skip {
            return;
        }
        let command = self.snapshot.arena.push(command);
        let start = self.snapshot.files.len() as u32;
        if !task.is_zombie {
            let denied = self.snapshot.denied;
            self.recorded_files(task, tasks, choice, records);
            self.snapshot.denied = self.snapshot.denied.min(denied + 1);
        }
        let files = start..self.snapshot.files.len() as u32;
        self.push_process(&head, command, Text::EMPTY, files);
    }

    fn recorded_files(
        &mut self,
        task: &Task,
        tasks: &Tasks,
        choice: Choice,
        records: &[bpf::Record],
    ) {
        let folder = Folder::new(self.source, task.pid);
        if choice == Choice::Everything {
            self.recorded_link(&folder, task, c"cwd", Slot::Cwd, task.current);
            self.recorded_link(&folder, task, c"root", Slot::Root, task.root);
            let text = self.recorded_link(&folder, task, c"exe", Slot::Text, task.program);
            self.recorded_mappings(&folder, tasks.mappings(task), text);
        }
        self.recorded_descriptors(&folder, choice, records);
    }

    /// Gives the device and inode.
    fn recorded_link(
        &mut self,
        folder: &Folder<'_>,
        task: &Task,
        name: &CStr,
        slot: Slot,
        path: bpf::Path,
    ) -> Option<(u64, u64)> {
        if let Some(known) = self.known.links.get(&path) {
            let file = OpenFile { slot, ..*known };
            self.snapshot.files.push(file);
            return Some((file.device?, file.inode?));
        }
        let found = self.link_file(folder.own()?, task.pid, name, slot, task.uid);
        let learned = self.snapshot.files.last().filter(|f| f.slot == slot && f.note.is_empty());
        if let Some(file) = learned.filter(|_| found.is_some() && !path.is_none()) {
            self.known.links.insert(path, *file);
        }
        found
    }

    fn recorded_mappings(
        &mut self,
        folder: &Folder<'_>,
        mappings: impl Iterator<Item = Mapping> + Clone,
        text: Option<(u64, u64)>,
    ) {
        let start = self.snapshot.files.len();
        let mut last = bpf::Path::default();
        for mapping in mappings.clone().filter(|m| std::mem::replace(&mut last, m.path) != m.path) {
            let Some(file) = self.known.mapped.get(&mapping.path) else {
                self.snapshot.files.truncate(start);
                let recorded: Vec<Mapping> = mappings.collect();
                if let Some(own) = folder.own() {
                    self.mapped_files(own, text, &recorded);
                }
                return;
            };
            let rows = &mut self.snapshot.files;
            let is_program = text == file.device.zip(file.inode);
            let same = |f: &OpenFile| (f.device, f.inode) == (file.device, file.inode);
            if !is_program && !rows[start..].iter().any(same) {
                rows.push(*file);
            }
        }
    }

    /// What is open; only names that are not known yet are asked of /proc.
    pub(super) fn recorded_descriptors(
        &mut self,
        folder: &Folder<'_>,
        choice: Choice,
        records: &[bpf::Record],
    ) {
        for record in records {
            let is_socket = record.mode & 0o170_000 == 0o140_000;
            if !is_socket && choice == Choice::Sockets {
                continue;
            }
            let known = match is_socket {
                true => self.recorded_socket(folder, record.inode),
                false => self.known.descriptors.get(&record.path).copied(),
            };
            let Some(mut file) = known else {
                self.unknown_descriptor(folder, choice, record);
                continue;
            };
            fill_by_record(&mut file, record, self.want.offsets);
            self.snapshot.files.push(file);
        }
    }

    /// Where the socket is in a table; its namespace's are asked for if need be.
    fn recorded_socket(&mut self, folder: &Folder<'_>, inode: u64) -> Option<OpenFile> {
        if self.snapshot.sockets.by_inode(inode).is_none() {
            self.socket(inode, folder.own()?)?;
        }
        Some(OpenFile {
            kind: Kind::Socket,
            inode: Some(inode),
            position: Some(0),
            ..OpenFile::EMPTY
        })
    }

    fn unknown_descriptor(&mut self, folder: &Folder<'_>, choice: Choice, record: &bpf::Record) {
        let (Some(own), Some(fds)) = (folder.own(), folder.fds()) else { return };
        let mut room = source::link_room();
        let mut digits = [0; 12];
        let name = source::number_name(record.fd, &mut digits);
        self.descriptor(own, fds, folder.pid, record.fd, name, choice, &mut room);
        self.remember(record);
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
            self.known.descriptors.insert(record.path, *file);
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
