//! Connections without a process that still have data to send: "too many orphaned sockets". tcp(7),
//! tcp_max_orphans. TIME_WAIT is not among them.

use crate::doctor::{Facts, Finding, Severity};

const WARNING_PERCENT: u64 = 50;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let (count, most) = (facts.host.orphans.max(0) as u64, facts.host.orphans_max);
    if most == 0 || count * 100 < most * WARNING_PERCENT {
        return Vec::new();
    }
    vec![Finding {
        rule: "orphans",
        severity: Severity::Warning,
        pid: 0,
        summary: format!("{count} orphaned connections, of {most} the host keeps"),
        evidence: vec!["orphan in /proc/net/sockstat, net.ipv4.tcp_max_orphans".to_owned()],
        advice:
            "peers do not take the last bytes: shorten net.ipv4.tcp_orphan_retries, and have the \
                 server close after the client where it can"
                .to_owned(),
    }]
}
