//! Listening sockets that leaked into another program over an exec: the port stays busy after its
//! owner has ended, and connections may wait in a queue that nobody serves. open(2), O_CLOEXEC.

use crate::doctor::{Facts, Finding, Listener, ProcessFacts, Severity};

pub fn look(facts: &Facts) -> Vec<Finding> {
    facts.listeners.iter().filter_map(|listener| finding(facts, listener)).collect()
}

fn finding(facts: &Facts, listener: &Listener) -> Option<Finding> {
    let mut holders: Vec<&ProcessFacts> =
        listener.holders.iter().filter_map(|h| facts.process(h.pid)).collect();
    holders.dedup_by_key(|p| p.pid);
    // The oldest holder made it, as far as can be told.
    let owner = *holders.iter().min_by_key(|p| (p.start_ticks, p.pid))?;
    let stranger = *holders.iter().find(|p| {
        let both = p.program.is_some() && owner.program.is_some();
        both && p.program != owner.program && !is_handed_over(facts, owner, p)
    })?;
    Some(Finding {
        rule: "foreign-listener",
        severity: Severity::Warning,
        pid: stranger.pid,
        summary: format!(
            "{} holds the listening socket {} of {}",
            facts.describe(stranger.pid),
            listener.socket.local,
            facts.describe(owner.pid)
        ),
        evidence: vec![format!(
            "socket inode {} is open in {} processes of different programs (/proc/PID/fd, exe)",
            listener.socket.inode,
            holders.len()
        )],
        advice: format!(
            "create it with SOCK_CLOEXEC, so that it does not pass over exec; to free the \
             port now, \
             stop {} too",
            facts.describe(stranger.pid)
        ),
    })
}

/// A supervisor that opens sockets for its services is their parent and means it (LISTEN_FDS).
fn is_handed_over(facts: &Facts, owner: &ProcessFacts, holder: &ProcessFacts) -> bool {
    let supervisors = ["systemd", "sockeye", "s6-", "inetd", "xinetd", "launchd"];
    let name = facts.process(owner.pid).map_or("", |p| p.name.as_str());
    owner.pid == 1 || holder.ppid == owner.pid && supervisors.iter().any(|s| name.starts_with(s))
}
