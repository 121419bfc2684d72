//! Limits on processes and watches that are nearly reached: "Resource temporarily unavailable" from
//! fork(2) is RLIMIT_NPROC of the user, getrlimit(2); "No space left on device" or "Too many open
//! files" from inotify is fs.inotify, inotify(7).

use std::collections::BTreeMap;

use crate::doctor::{Facts, Finding, Severity};

const WARNING_PERCENT: u64 = 90;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut by_user: BTreeMap<u32, User> = BTreeMap::new();
    for process in &facts.processes {
        let user = by_user.entry(process.uid).or_default();
        user.threads += u64::from(process.threads);
        user.instances += inotify_instances(facts, process.pid);
        let limit = process.processes_limit;
        if let Some(limit) = limit.filter(|limit| user.lowest.is_none_or(|(low, _)| *limit < low)) {
            user.lowest = Some((limit, process.pid));
        }
    }
    let all = by_user.iter();
    all.flat_map(|(uid, user)| [of_processes(facts, *uid, user), of_inotify(facts, *uid, user)])
        .flatten()
        .collect()
}

#[derive(Default)]
struct User {
    threads: u64,
    instances: u64,
    /// The lowest limit of its processes, and whose that is.
    lowest: Option<(u64, u32)>,
}

fn inotify_instances(facts: &Facts, pid: u32) -> u64 {
    let name = |file: &&crate::model::OpenFile| facts.snapshot.arena.get(file.name) == b"inotify";
    facts.files_of(pid).iter().filter(name).count() as u64
}

/// Root may fork beyond its limit.
fn of_processes(facts: &Facts, uid: u32, user: &User) -> Option<Finding> {
    let (limit, pid) = user.lowest.filter(|_| uid != 0)?;
    if user.threads * 100 < limit * WARNING_PERCENT {
        return None;
    }
    let owner = facts.describe(pid);
    Some(Finding {
        rule: "process-limits",
        severity: Severity::Error,
        pid,
        summary: format!(
            "{owner} can hardly fork: user {uid} runs {} of the {limit} threads it may",
            user.threads
        ),
        evidence: vec![format!("Max processes in /proc/{pid}/limits; threads in /proc/PID/stat")],
        advice: format!(
            "the limit counts every thread of user {uid}, not only those of {owner}: find who has \
             most (sockeye ps), give the service a user of its own, or raise it (LimitNPROC=, \
             ulimit -u)"
        ),
    })
}

fn of_inotify(facts: &Facts, uid: u32, user: &User) -> Option<Finding> {
    let most = facts.host.inotify_instances_max;
    if most == 0 || user.instances * 100 < most * WARNING_PERCENT {
        return None;
    }
    Some(Finding {
        rule: "process-limits",
        severity: Severity::Warning,
        pid: 0,
        summary: format!("user {uid} has {} of {most} inotify instances", user.instances),
        evidence: vec![
            "anon_inode:inotify in /proc/PID/fd; fs.inotify.max_user_instances, \
             user.max_inotify_instances"
                .to_owned(),
        ],
        advice: "`sockeye lsof -nP | grep inotify` names who has them; raise \
                 fs.inotify.max_user_instances where they are needed"
            .to_owned(),
    })
}
