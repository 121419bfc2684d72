//! Connections that wait to be accepted and nobody takes: complete for the client, without a
//! descriptor here. They are in no process's list; the listener they wait for tells whose they are.
//! listen(2).

use std::collections::BTreeMap;

use crate::doctor::{Facts, Finding, Listener, Severity};
use crate::model::{Inet, TcpState};

/// A server that is only busy takes less than this.
const WAITING_MS_MIN: u32 = 1000;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut waiting: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for state in [TcpState::Established, TcpState::CloseWait] {
        for socket in facts.connections(state).filter(|s| s.inode == 0) {
            let quiet = facts.timing_of(socket).last_data_received_ms;
            let listener = facts.listeners.iter().position(|l| takes(l, socket));
            if let (Some(listener), WAITING_MS_MIN..) = (listener, quiet) {
                waiting.entry(listener).or_default().push(quiet);
            }
        }
    }
    let of_listener = |(at, ages): (usize, Vec<u32>)| finding(facts, &facts.listeners[at], &ages);
    waiting.into_iter().filter_map(of_listener).collect()
}

/// Of several sockets on one address each has a queue of its own.
fn takes(listener: &Listener, socket: &Inet) -> bool {
    let (bound, local) = (listener.socket.local, socket.local);
    listener.socket.receive_queue > 0
        && listener.socket.namespace == socket.namespace
        && bound.port() == local.port()
        && (bound.ip().is_unspecified() || bound.ip().to_canonical() == local.ip().to_canonical())
}

fn finding(facts: &Facts, listener: &Listener, ages: &[u32]) -> Option<Finding> {
    let socket = &listener.socket;
    // A queue that is full is the finding of another rule.
    if socket.receive_queue > socket.send_queue {
        return None;
    }
    let pid = listener.holders.first().map_or(0, |h| h.pid);
    let owner = facts.describe(pid);
    let oldest = ages.iter().max().copied().unwrap_or(0);
    Some(Finding {
        rule: "unaccepted",
        severity: Severity::Warning,
        pid,
        summary: format!("{} wait(s) in the queue of {owner} on {}", ages.len(), socket.local),
        evidence: vec![format!(
            "connections without an inode to a listener (sock_diag), quiet for up to {oldest} ms \
             (tcp_info last_data_recv)"
        )],
        advice: format!(
            "see what {owner} does instead of accept(2): /proc/{pid}/wchan, its stack; a longer \
             queue only hides it"
        ),
    })
}
