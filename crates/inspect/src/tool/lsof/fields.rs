//! `-F`: one field a line, or NUL-terminated with one set a line, for programs. lsof(8), "OUTPUT
//! FOR OTHER PROGRAMS".

use crate::bytes::{push_dec, push_hex, push_signed};
use crate::model::{OpenFile, Process, Protocol};
use crate::tool::lsof::options::Options;
use crate::tool::lsof::row::{self, Extent, Row, Socket};
use crate::tool::lsof::{Facts, text};

struct Printer<'a> {
    facts: &'a Facts,
    options: &'a Options,
    /// The letters wanted; none means all of them.
    wanted: Vec<u8>,
    end: u8,
}

pub fn print(facts: &Facts, options: &Options, letters: &[u8], rows: &[Row], out: &mut Vec<u8>) {
    let wanted: Vec<u8> = letters.iter().copied().filter(|b| *b != b'0').collect();
    let end = if letters.contains(&b'0') { 0 } else { b'\n' };
    let printer = Printer { facts, options, wanted, end };
    let mut last = None;
    for row in rows {
        let snapshot = &facts.snapshot;
        let Some(process) = snapshot.processes.get(row.process as usize) else { continue };
        let Some(file) = snapshot.files.get(row.file as usize) else { continue };
        if last != Some(row.process) {
            last = Some(row.process);
            printer.process(process, out);
        }
        printer.file(file, out);
    }
}

impl Printer<'_> {
    /// `r` (the raw device) must be asked for; everything else is in the default set.
    fn wants(&self, letter: u8) -> bool {
        if self.wanted.is_empty() { letter != b'r' } else { self.wanted.contains(&letter) }
    }

    fn put(&self, letter: u8, out: &mut Vec<u8>, value: impl FnOnce(&mut Vec<u8>)) {
        if self.wants(letter) {
            out.push(letter);
            value(out);
            out.push(self.end);
        }
    }

    fn end_set(&self, out: &mut Vec<u8>) {
        if self.end == 0 {
            out.push(b'\n');
        }
    }

    fn process(&self, process: &Process, out: &mut Vec<u8>) {
        let arena = &self.facts.snapshot.arena;
        out.push(b'p');
        push_dec(out, u64::from(process.pid));
        out.push(self.end);
        if process.tid != 0 {
            self.put(b'K', out, |out| push_dec(out, u64::from(process.tid)));
            self.put(b'M', out, |out| out.extend_from_slice(arena.get(process.task_command)));
        }
        self.put(b'g', out, |out| push_signed(out, i64::from(process.pgid)));
        self.put(b'R', out, |out| push_dec(out, u64::from(process.ppid)));
        let utf8 = text::locale_is_utf8();
        self.put(b'c', out, |out| {
            text::push_safe(out, arena.get(process.command), utf8, false);
        });
        self.put(b'u', out, |out| push_dec(out, u64::from(process.uid)));
        if let Some(name) = self.facts.users.name(process.uid) {
            self.put(b'L', out, |out| out.extend_from_slice(name));
        }
        self.end_set(out);
    }

    fn file(&self, file: &OpenFile, out: &mut Vec<u8>) {
        let socket = row::socket(file, &self.facts.snapshot);
        out.push(b'f');
        row::push_slot(out, file.slot, false);
        out.push(self.end);
        self.put(b'a', out, |out| out.push(file.access));
        self.put(b'l', out, |out| out.push(file.lock));
        if file.slot != crate::model::Slot::NoFd {
            self.put(b't', out, |out| row::push_type(out, file, &socket));
        }
        if let Some(flags) = file.flags {
            self.put(b'G', out, |out| {
                out.extend_from_slice(b"0x");
                push_hex(out, u64::from(flags), 1);
                out.extend_from_slice(b";0x0");
            });
        }
        self.device(file, &socket, out);
        match row::extent(file, self.options) {
            Extent::None => {}
            size @ Extent::Size(_) => {
                self.put(b's', out, |out| row::push_extent(out, size, self.options));
            }
            offset @ Extent::Offset(_) => {
                self.put(b'o', out, |out| row::push_extent(out, offset, self.options));
            }
        }
        self.identity(file, &socket, out);
        self.put(b'n', out, |out| {
            row::push_name(out, self.facts, self.options, file, &socket, false);
        });
        if self.wants(b'T') {
            self.transport(&socket, out);
        }
        self.end_set(out);
    }

    fn device(&self, file: &OpenFile, socket: &Socket<'_>, out: &mut Vec<u8>) {
        let mut device_text = Vec::new();
        if row::push_device_text(&mut device_text, &self.facts.snapshot, socket) {
            self.put(b'd', out, |out| out.extend_from_slice(&device_text));
        }
        let hex = |out: &mut Vec<u8>, device: u64| {
            out.extend_from_slice(b"0x");
            push_hex(out, device & u64::from(u32::MAX), 1);
        };
        if let (Some(device), Some(_)) = (file.device, row::device(file, socket)) {
            self.put(b'D', out, |out| hex(out, device));
        }
        if let Some(device) = file.raw_device {
            self.put(b'r', out, |out| hex(out, device));
        }
    }

    fn identity(&self, file: &OpenFile, socket: &Socket<'_>, out: &mut Vec<u8>) {
        let mut protocol = Vec::new();
        let has_protocol = row::push_protocol(&mut protocol, socket);
        if let Some(inode) = file.inode.filter(|_| !has_protocol) {
            self.put(b'i', out, |out| push_dec(out, inode));
        }
        if let Some(links) = file.links {
            self.put(b'k', out, |out| push_dec(out, u64::from(links)));
        }
        if has_protocol {
            self.put(b'P', out, |out| out.extend_from_slice(&protocol));
        }
    }

    /// State and queues; asked for as a field, the queues come too.
    fn transport(&self, socket: &Socket<'_>, out: &mut Vec<u8>) {
        let mut line = |words: &[u8], number: Option<u32>| {
            out.push(b'T');
            out.extend_from_slice(words);
            if let Some(number) = number {
                push_dec(out, u64::from(number));
            }
            out.push(self.end);
        };
        match socket {
            Socket::Unix(unix) => {
                line(&[b"ST=", row::unix_state(unix).as_bytes()].concat(), None);
            }
            Socket::Inet(inet) if !matches!(inet.protocol, Protocol::Raw | Protocol::Icmp) => {
                if inet.protocol == Protocol::Tcp {
                    let state = [b"ST=", text::state_name(inet.state).as_bytes()].concat();
                    line(&state, None);
                }
                line(b"QR=", Some(inet.receive_queue));
                line(b"QS=", Some(row::send_queue(inet)));
            }
            _ => {}
        }
    }
}
