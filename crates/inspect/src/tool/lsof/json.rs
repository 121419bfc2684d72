//! `--json`: processes with their selected files; the schema is in docs/inspect.md.

use crate::json::Json;
use crate::model::{OpenFile, Process};
use crate::tool::lsof::Facts;
use crate::tool::lsof::options::Options;
use crate::tool::lsof::row::{self, Row, Socket};
use crate::tool::socket_json;

/// A member may be added without a new version, none is changed or taken away.
const VERSION: u32 = 1;

pub fn print(facts: &Facts, options: &Options, rows: &[Row], out: &mut Vec<u8>) {
    let mut json = Json::new();
    json.object(|j| {
        j.key("version").number(VERSION);
        j.key("collector").string(facts.snapshot.collector.as_bytes());
        j.key("unreadable").number(facts.snapshot.denied);
        j.key("processes").array(|j| {
            for group in rows.chunk_by(|one, other| one.process == other.process) {
                let process = facts.snapshot.processes.get(group[0].process as usize);
                if let Some(process) = process {
                    j.object(|j| process_json(j, facts, options, process, group));
                }
            }
        });
    });
    out.extend_from_slice(&json.finish());
}

fn process_json(j: &mut Json, facts: &Facts, options: &Options, process: &Process, rows: &[Row]) {
    j.key("pid").number(process.pid);
    match process.tid {
        0 => j.key("tid").null(),
        tid => j.key("tid").number(tid),
    }
    j.key("ppid").number(process.ppid);
    j.key("pgid").number(process.pgid);
    j.key("uid").number(process.uid);
    j.key("command").string(facts.snapshot.arena.get(process.command));
    j.key("files").array(|j| {
        for row in rows {
            if let Some(file) = facts.snapshot.files.get(row.file as usize) {
                j.object(|j| file_json(j, facts, options, file));
            }
        }
    });
}

fn file_json(j: &mut Json, facts: &Facts, options: &Options, file: &OpenFile) {
    let socket = row::socket(file, &facts.snapshot);
    let mut text = Vec::new();
    row::push_slot(&mut text, file.slot, false);
    j.key("fd").string(&text);
    letter(j, "access", file.access);
    letter(j, "lock", file.lock);
    text.clear();
    row::push_type(&mut text, file, &socket);
    j.key("type").string(&text);
    text.clear();
    if let Some(device) = row::device(file, &socket) {
        row::push_device(&mut text, device);
        j.key("device").string(&text);
    }
    number(j, "inode", file.inode);
    number(j, "size", file.size);
    number(j, "offset", file.position);
    number(j, "links", file.links.map(u64::from));
    number(j, "flags", file.flags.map(u64::from));
    text.clear();
    row::push_name(&mut text, facts, options, file, &socket, false);
    j.key("name").string(&text);
    if let Socket::Inet(inet) = socket {
        j.key("state").string(socket_json::state_name(inet.state).as_bytes());
    }
}

fn letter(j: &mut Json, name: &str, value: u8) {
    if value != b' ' {
        j.key(name).string(&[value]);
    }
}

fn number(j: &mut Json, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        j.key(name).number(value);
    }
}
