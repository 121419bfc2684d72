//! `-J` and `-j`: the fields of `-F` as JSON, by the names of lsof 4.99.7: one document of
//! processes with their files, or a line for each file with its process's fields in it. As there,
//! sizes, offsets and inodes are strings, which no parser rounds.

use crate::bytes::{push_dec, push_hex};
use crate::json::Json;
use crate::model::{Kind, OpenFile, Process, Protocol, Slot};
use crate::tool::lsof::options::{JsonStyle, Options};
use crate::tool::lsof::row::{self, Extent, Row, Socket};
use crate::tool::lsof::{Facts, text};

struct Printer<'a> {
    facts: &'a Facts,
    options: &'a Options,
    /// The letters wanted; none means all of them.
    wanted: &'a [u8],
}

pub fn print(facts: &Facts, options: &Options, style: JsonStyle, rows: &[Row], out: &mut Vec<u8>) {
    let wanted = options.fields.as_deref().unwrap_or_default();
    let printer = Printer { facts, options, wanted };
    match style {
        JsonStyle::Document => out.extend_from_slice(&printer.document(rows)),
        JsonStyle::Lines => printer.lines(rows, out),
    }
}

impl Printer<'_> {
    /// `r` (the raw device) must be asked for; everything else is in the default set.
    fn wants(&self, letter: u8) -> bool {
        let named = self.wanted.iter().any(|b| *b != b'0');
        if named { self.wanted.contains(&letter) } else { letter != b'r' }
    }

    fn document(&self, rows: &[Row]) -> Vec<u8> {
        let mut json = Json::new();
        json.object(|j| {
            j.key("lsof_version").string(env!("CARGO_PKG_VERSION").as_bytes());
            j.key("processes").array(|j| {
                for group in rows.chunk_by(|one, other| one.process == other.process) {
                    let process = self.facts.snapshot.processes.get(group[0].process as usize);
                    if let Some(process) = process {
                        j.object(|j| self.process_with_files(j, process, group));
                    }
                }
            });
        });
        json.finish()
    }

    fn process_with_files(&self, j: &mut Json, process: &Process, rows: &[Row]) {
        self.process(j, process);
        j.key("files").array(|j| {
            for row in rows {
                if let Some(file) = self.facts.snapshot.files.get(row.file as usize) {
                    j.object(|j| self.file(j, file));
                }
            }
        });
    }

    fn lines(&self, rows: &[Row], out: &mut Vec<u8>) {
        let snapshot = &self.facts.snapshot;
        for row in rows {
            let Some(process) = snapshot.processes.get(row.process as usize) else { continue };
            let Some(file) = snapshot.files.get(row.file as usize) else { continue };
            let mut json = Json::new();
            json.object(|j| {
                self.process(j, process);
                self.file(j, file);
            });
            out.extend_from_slice(&json.finish());
        }
    }

    fn process(&self, j: &mut Json, process: &Process) {
        let arena = &self.facts.snapshot.arena;
        // As in -F, the pid is always there: without it the rest is of nobody.
        j.key("pid").number(process.pid);
        if process.tid != 0 {
            if self.wants(b'K') {
                j.key("tid").number(process.tid);
            }
            if self.wants(b'M') {
                j.key("task_cmd").string(arena.get(process.task_command));
            }
        }
        if self.wants(b'g') {
            j.key("pgid").number(process.pgid);
        }
        if self.wants(b'R') {
            j.key("ppid").number(process.ppid);
        }
        if self.wants(b'c') {
            j.key("command").string(arena.get(process.command));
        }
        if self.wants(b'u') {
            j.key("uid").number(process.uid);
        }
        if let Some(name) = self.facts.users.name(process.uid).filter(|_| self.wants(b'L')) {
            j.key("login").string(name);
        }
    }

    /// A member with the text that `value` writes; none where that is empty.
    fn text(&self, j: &mut Json, letter: u8, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        if !self.wants(letter) {
            return;
        }
        let mut text = Vec::new();
        value(&mut text);
        if !text.is_empty() {
            j.key(name).string(&text);
        }
    }

    fn file(&self, j: &mut Json, file: &OpenFile) {
        let snapshot = &self.facts.snapshot;
        let socket = row::socket(file, snapshot);
        self.text(j, b'f', "fd", |out| row::push_slot(out, file.slot, false));
        let mark = |out: &mut Vec<u8>, mark: u8| out.extend((mark != b' ').then_some(mark));
        self.text(j, b'a', "access", |out| mark(out, file.access));
        self.text(j, b'l', "lock", |out| mark(out, file.lock));
        if file.slot != Slot::NoFd {
            self.text(j, b't', "type", |out| row::push_type(out, file, &socket));
        }
        self.device(j, file, &socket);
        match row::extent(file, self.options) {
            Extent::None => {}
            Extent::Size(size) => self.text(j, b's', "size", |out| push_dec(out, size)),
            Extent::Offset(offset) => self.text(j, b'o', "offset", |out| push_dec(out, offset)),
        }
        let mut protocol = Vec::new();
        let has_protocol = row::push_protocol(&mut protocol, &socket);
        if let Some(inode) = file.inode.filter(|_| !has_protocol) {
            self.text(j, b'i', "inode", |out| push_dec(out, inode));
        }
        if let Some(links) = file.links.filter(|_| self.wants(b'k')) {
            j.key("nlink").number(links);
        }
        self.text(j, b'P', "protocol", |out| out.append(&mut protocol));
        if let Some(flags) = file.flags {
            self.text(j, b'G', "flags", |out| {
                out.extend_from_slice(b"0x");
                push_hex(out, u64::from(flags), 1);
                out.extend_from_slice(b";0x0");
            });
        }
        self.text(j, b'n', "name", |out| {
            row::push_name(out, self.facts, self.options, file, &socket, false);
        });
        if self.wants(b'T') {
            transport(j, &socket);
        }
    }

    fn device(&self, j: &mut Json, file: &OpenFile, socket: &Socket<'_>) {
        let hex = |out: &mut Vec<u8>, device: u64| {
            out.extend_from_slice(b"0x");
            push_hex(out, device & u64::from(u32::MAX), 1);
        };
        self.text(j, b'd', "device", |out| {
            row::push_device_text(out, &self.facts.snapshot, socket);
        });
        let listed = row::device(file, socket).and(file.device);
        if let Some(device) = listed {
            self.text(j, b'D', "device_number", |out| hex(out, device));
        }
        let special = matches!(file.kind, Kind::Character | Kind::Block);
        if let Some(device) = file.raw_device.filter(|_| special) {
            self.text(j, b'r', "raw_device", |out| hex(out, device));
        }
    }
}

fn transport(j: &mut Json, socket: &Socket<'_>) {
    match socket {
        Socket::Unix(unix) => {
            let state = row::unix_state(unix).as_bytes();
            j.key("tcp_info").object(|j| j.key("state").string(state));
        }
        Socket::Inet(inet) if !matches!(inet.protocol, Protocol::Raw | Protocol::Icmp) => {
            j.key("tcp_info").object(|j| {
                if inet.protocol == Protocol::Tcp {
                    j.key("state").string(text::state_name(inet.state).as_bytes());
                }
                j.key("recv_queue").number(inet.receive_queue);
                j.key("send_queue").number(row::send_queue(inet));
            });
        }
        _ => {}
    }
}
