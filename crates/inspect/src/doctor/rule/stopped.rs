//! Servers that do not run: a stopped process holds a listening socket, so clients connect and
//! wait.

use crate::doctor::{Facts, Finding, Severity};

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for listener in &facts.listeners {
        let states: Vec<(u32, u8)> = listener
            .holders
            .iter()
            .filter_map(|h| facts.process(h.pid).map(|p| (h.pid, p.state)))
            .collect();
        let all_stopped =
            !states.is_empty() && states.iter().all(|(_, s)| matches!(s, b'T' | b't'));
        if let (true, Some((pid, _))) = (all_stopped, states.first()) {
            findings.push(Finding {
                rule: "stopped",
                severity: Severity::Error,
                pid: *pid,
                summary: format!(
                    "{} listens on {} and is stopped: nobody accepts",
                    facts.describe(*pid),
                    listener.socket.local
                ),
                evidence: vec![format!("state T in /proc/{pid}/stat")],
                advice: format!("kill -CONT {pid}; if a debugger holds it, detach it"),
            });
        }
    }
    findings
}
