//! Connections whose peer has closed and whose process has not: tcp(7). A byte in the queue is the
//! end of file nobody has read; an empty queue means it was read and close(2) was forgotten.

use std::collections::BTreeMap;

use crate::doctor::{Facts, Finding, Severity};
use crate::model::{Inet, TcpState};

/// Younger ones may still be on their way to close.
const AGE_MS_MIN: u32 = 1000;
const MANY: usize = 100;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut by_process: BTreeMap<u32, Vec<&Inet>> = BTreeMap::new();
    for socket in facts.connections(TcpState::CloseWait).filter(|s| s.inode != 0) {
        let age = facts.timing.get(&socket.inode).map_or(0, |t| t.last_ack_received_ms);
        if let Some(holder) = facts.holders_of(socket.inode).first().filter(|_| age >= AGE_MS_MIN) {
            by_process.entry(holder.pid).or_default().push(socket);
        }
    }
    by_process.into_iter().map(|(pid, sockets)| finding(facts, pid, &sockets)).collect()
}

fn finding(facts: &Facts, pid: u32, sockets: &[&Inet]) -> Finding {
    let unread = sockets.iter().filter(|s| s.receive_queue > 0).count();
    let oldest = sockets
        .iter()
        .filter_map(|s| facts.timing.get(&s.inode))
        .map(|t| t.last_ack_received_ms)
        .max()
        .unwrap_or(0);
    let owner = facts.describe(pid);
    let why = if unread * 2 > sockets.len() {
        "it has not read the end of file: it does not poll these, or is stuck"
    } else {
        "it has read the end of file and forgot close()"
    };
    let peers: Vec<String> = sockets.iter().take(3).map(|s| s.remote.to_string()).collect();
    Finding {
        rule: "close-wait",
        severity: if sockets.len() >= MANY { Severity::Error } else { Severity::Warning },
        pid,
        summary: format!("{owner} keeps {} connection(s) in CLOSE_WAIT: {why}", sockets.len()),
        evidence: vec![
            format!("{unread} of {} with unread bytes (sock_diag rqueue)", sockets.len()),
            format!(
                "the oldest for {oldest} ms (tcp_info last_ack_recv); peers {}",
                peers.join(", ")
            ),
        ],
        advice: format!(
            "mend {owner}; no sysctl and no keepalive ends CLOSE_WAIT, whatever is said, only \
             close()"
        ),
    }
}
