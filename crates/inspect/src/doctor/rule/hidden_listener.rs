//! Listening sockets that something without a descriptor holds: a message in flight that carries
//! one (SCM_RIGHTS, unix(7)), a request of io_uring, a process out of our sight. Whoever closes the
//! descriptors that can be seen does not free the port.

use crate::doctor::{Facts, Finding, Listener, Severity};

pub fn look(facts: &Facts) -> Vec<Finding> {
    facts.listeners.iter().filter_map(|listener| finding(facts, listener)).collect()
}

fn finding(facts: &Facts, listener: &Listener) -> Option<Finding> {
    let address = listener.socket.local;
    let (summary, evidence) = match listener.holders.first() {
        None if facts.snapshot.denied > 0 || listener.socket.inode == 0 => return None,
        None => (
            format!("{address} is listened on, and no process in sight has it open"),
            format!("socket inode {}, in no /proc/PID/fd", listener.socket.inode),
        ),
        Some(_) => {
            let (references, descriptors) = unexplained(facts, listener)?;
            let more = references - descriptors;
            (
                format!("{address} is held {more} times more than there are descriptors of it"),
                format!("{references} references (BPF, file.f_ref), {descriptors} descriptors"),
            )
        }
    };
    Some(Finding {
        rule: "hidden-listener",
        severity: Severity::Warning,
        pid: listener.holders.first().map_or(0, |h| h.pid),
        summary,
        evidence: vec![evidence],
        advice: "look for a UNIX socket with unread messages, which may carry the descriptor, for \
                 io_uring, and from outside this pid namespace"
            .to_owned(),
    })
}

/// References and descriptors, where there are more of the first than threads asleep in accept(2)
/// and rings can account for.
fn unexplained(facts: &Facts, listener: &Listener) -> Option<(u64, u64)> {
    let (references, descriptors) = *facts.references.get(&listener.socket.inode)?;
    let mut pids: Vec<u32> = listener.holders.iter().map(|h| h.pid).collect();
    pids.dedup();
    if pids.iter().any(|pid| has_ring(facts, *pid)) {
        return None;
    }
    let threads = pids.iter().filter_map(|pid| facts.process(*pid)).map(|p| p.threads);
    let asleep: u64 = threads.filter(|threads| *threads > 1).map(u64::from).sum();
    (references > descriptors + asleep).then_some((references, descriptors))
}

fn has_ring(facts: &Facts, pid: u32) -> bool {
    let name = |file: &crate::model::OpenFile| facts.snapshot.arena.get(file.name);
    facts.files_of(pid).iter().any(|file| name(file) == b"[io_uring]")
}
