//! Descriptors near their limit: "Too many open files", getrlimit(2). The limit is on the number of
//! a descriptor, so it is reached by a count only where the numbers are dense, as they nearly
//! always are.

use std::collections::BTreeMap;

use crate::doctor::{Facts, Finding, ProcessFacts, Severity};
use crate::model::{Kind, Slot};

/// Parts of a hundred of the limit.
const WARNING_PERCENT: u64 = 80;
const ERROR_PERCENT: u64 = 95;
/// Below this a process has simply a tiny limit.
const LIMIT_MIN: u64 = 16;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> =
        facts.processes.iter().filter_map(|process| finding(facts, process)).collect();
    let host = &facts.host;
    if host.files_max > 0 && host.files_open * 100 >= host.files_max * WARNING_PERCENT {
        findings.push(Finding {
            rule: "descriptors",
            severity: Severity::Error,
            pid: 0,
            summary: "the host is near its limit of open files".to_owned(),
            evidence: vec![format!("{} of {} (fs.file-nr)", host.files_open, host.files_max)],
            advice: "find who opens them (sockeye ps shows the counts) before raising fs.file-max"
                .to_owned(),
        });
    }
    findings
}

fn finding(facts: &Facts, process: &ProcessFacts) -> Option<Finding> {
    let limit = process.open_files_limit.filter(|limit| *limit >= LIMIT_MIN)?;
    let used = process.open_files;
    if used * 100 < limit * WARNING_PERCENT {
        return None;
    }
    let owner = facts.describe(process.pid);
    let (what, count) = most_common(facts, process.pid);
    Some(Finding {
        rule: "descriptors",
        severity: if used * 100 >= limit * ERROR_PERCENT {
            Severity::Error
        } else {
            Severity::Warning
        },
        pid: process.pid,
        summary: format!("{owner} uses {used} of {limit} descriptors"),
        evidence: vec![
            format!("/proc/{0}/fd, /proc/{0}/limits", process.pid),
            format!("{count} of them are {what}"),
        ],
        advice: format!(
            "if {count} of {what} is no need of {owner}, it leaks them; raise the limit \
             (LimitNOFILE=, ulimit -n) only where the number is explained"
        ),
    })
}

/// The commonest kind of descriptor: the leak, where there is one.
fn most_common(facts: &Facts, pid: u32) -> (&'static str, usize) {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    for file in facts.files_of(pid).iter().filter(|f| matches!(f.slot, Slot::Fd(_))) {
        *counts.entry(kind_name(file.kind)).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).unwrap_or(("files", 0))
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Socket => "sockets",
        Kind::Fifo => "pipes",
        Kind::Character | Kind::Block => "devices",
        Kind::AnonInode => "event descriptors",
        Kind::Directory => "directories",
        _ => "files",
    }
}
