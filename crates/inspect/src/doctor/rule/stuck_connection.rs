//! Established connections that do not move: the peer does not take what we send, or our process
//! does not read what has come. tcp(7).

use crate::doctor::{Facts, Finding, Severity};
use crate::model::{Inet, TcpState};

/// Quieter for less than this is the normal course of a network.
const QUIET_MS_MIN: u32 = 5000;
/// Timers of sock_diag: retransmission and zero-window probe.
const TIMER_RETRANSMIT: u8 = 1;
const TIMER_PERSIST: u8 = 4;
const RETRANSMITS_MIN: u32 = 3;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let connections = facts.connections(TcpState::Established).filter(|s| s.inode != 0);
    connections.filter_map(|socket| finding(facts, socket)).collect()
}

fn finding(facts: &Facts, socket: &Inet) -> Option<Finding> {
    let timing = facts.timing.get(&socket.inode).copied().unwrap_or_default();
    let pid = facts.holders_of(socket.inode).first()?.pid;
    let owner = facts.describe(pid);
    let peer = socket.remote;
    let (summary, advice) = if socket.send_queue > 0 && socket.timer == TIMER_PERSIST {
        (
            format!("{peer} does not read what {owner} sends: its window is closed"),
            format!("look at the process behind {peer}; here, give {owner} a write timeout"),
        )
    } else if socket.send_queue > 0
        && socket.timer == TIMER_RETRANSMIT
        && socket.retransmits >= RETRANSMITS_MIN
    {
        (
            format!("{peer} does not answer {owner}: {} retransmissions", socket.retransmits),
            "look at the path and the peer; TCP_USER_TIMEOUT bounds the wait".to_owned(),
        )
    } else if socket.receive_queue > 0 && timing.last_data_received_ms >= QUIET_MS_MIN {
        (
            format!("{owner} does not read what {peer} has sent"),
            format!("see what {owner} waits for: cat /proc/{pid}/wchan, or its stack"),
        )
    } else {
        return None;
    };
    Some(Finding {
        rule: "stuck-connection",
        severity: Severity::Warning,
        pid,
        summary,
        evidence: vec![format!(
            "{} -> {peer}: {} bytes unread, {} unacknowledged, {} ms since data (sock_diag)",
            socket.local, socket.receive_queue, socket.send_queue, timing.last_data_received_ms
        )],
        advice,
    })
}
