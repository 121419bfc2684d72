//! Sockets closed by a reset and never closed by their process. They are in no table, so ss and
//! netstat do not show them and lsof says "protocol: TCP"; each keeps a descriptor.

use std::collections::BTreeMap;

use crate::doctor::{Facts, Finding, Severity};

/// One may be about to be closed; a few are a leak.
const MANY: usize = 100;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut by_process: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (holder, peer) in &facts.reset_sockets {
        by_process.entry(holder.pid).or_default().push(format!("fd {} to {peer}", holder.fd));
    }
    by_process
        .into_iter()
        .map(|(pid, sockets)| {
            let owner = facts.describe(pid);
            let listed = sockets[..sockets.len().min(3)].join(", ");
            Finding {
                rule: "reset-open",
                severity: if sockets.len() >= MANY { Severity::Error } else { Severity::Warning },
                pid,
                summary: format!("{owner} holds {} socket(s) of dead connections", sockets.len()),
                evidence: vec![format!("in no socket table, state CLOSE in the kernel: {listed}")],
                advice: format!(
                    "a descriptor leak in {owner} after ECONNRESET: close() on error too"
                ),
            }
        })
        .collect()
}
