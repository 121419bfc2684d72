//! Deleted files that are still open: the space comes back when the last descriptor is closed. Told
//! by the link count, never by the text " (deleted)", which may be a real name. unlink(2).

use std::collections::BTreeSet;

use crate::doctor::{Facts, Finding, Severity};
use crate::model::{Kind, OpenFile, Slot};

/// Less is not worth a word: a temporary file deleted right after it was opened is good practice.
const BYTES_MIN: u64 = 64 << 10;
const BYTES_MANY: u64 = 1 << 30;
const BLOCK_BYTES: u64 = 512;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for process in &facts.processes {
        for file in facts.files_of(process.pid) {
            let Slot::Fd(fd) = file.slot else { continue };
            if is_deleted(facts, file) && seen.insert((file.device, file.inode)) {
                findings.push(finding(facts, process.pid, fd, file));
            }
        }
    }
    findings
}

fn is_deleted(facts: &Facts, file: &OpenFile) -> bool {
    let name = facts.snapshot.arena.get(file.name);
    let in_memory = [&b"/memfd:"[..], b"/SYSV", b"/dev/shm/", b"/dev/zero", b"/[aio]"];
    file.kind == Kind::Regular
        && file.links == Some(0)
        && file.blocks * BLOCK_BYTES >= BYTES_MIN
        && !in_memory.iter().any(|prefix| name.starts_with(prefix))
}

fn finding(facts: &Facts, pid: u32, fd: u32, file: &OpenFile) -> Finding {
    let bytes = file.blocks * BLOCK_BYTES;
    let name = String::from_utf8_lossy(facts.snapshot.arena.get(file.name)).into_owned();
    let name = name.strip_suffix(" (deleted)").unwrap_or(&name).escape_debug().to_string();
    let owner = facts.describe(pid);
    Finding {
        rule: "deleted-open",
        severity: if bytes >= BYTES_MANY { Severity::Error } else { Severity::Warning },
        pid,
        summary: format!("{owner} keeps {bytes} bytes of the deleted file {name}"),
        evidence: vec![format!("/proc/{pid}/fd/{fd}: 0 links, {} blocks (statx)", file.blocks)],
        advice: format!(
            "make {owner} reopen its files (often kill -HUP or -USR1 {pid}); else \
             : > /proc/{pid}/fd/{fd} \
             frees the space, and a writer without O_APPEND then leaves a hole"
        ),
    }
}
