//! An old instance in an SO_REUSEPORT group: it still gets its share of the connections. socket(7).

use crate::doctor::{Facts, Finding, Listener, Severity};

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, listener) in facts.listeners.iter().enumerate() {
        let same = |other: &&Listener| {
            other.socket.local == listener.socket.local
                && other.socket.namespace == listener.socket.namespace
        };
        let first = !facts.listeners[..index].iter().any(|other| same(&other));
        let group: Vec<&Listener> = facts.listeners.iter().filter(same).collect();
        if first && group.len() > 1 {
            findings.extend(finding(facts, &group));
        }
    }
    findings
}

fn finding(facts: &Facts, group: &[&Listener]) -> Option<Finding> {
    let owners: Vec<_> = group
        .iter()
        .filter_map(|l| {
            l.holders.iter().filter_map(|h| facts.process(h.pid)).min_by_key(|p| p.start_ticks)
        })
        .collect();
    let newest = owners.iter().max_by_key(|p| p.start_ticks)?;
    let stale = owners.iter().find(|p| p.program.is_some() && p.program != newest.program)?;
    Some(Finding {
        rule: "stale-listener",
        severity: Severity::Warning,
        pid: stale.pid,
        summary: format!(
            "{} and {} both listen on {}, and are different programs",
            facts.describe(stale.pid),
            facts.describe(newest.pid),
            group[0].socket.local
        ),
        evidence: vec![format!(
            "{} sockets of one SO_REUSEPORT group, each gets a share (sock_diag, /proc/PID/exe)",
            group.len()
        )],
        advice: format!("stop the older instance, {}", facts.describe(stale.pid)),
    })
}
