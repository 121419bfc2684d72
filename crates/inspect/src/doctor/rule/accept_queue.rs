//! Accept queues that are full, or that have dropped: listen(2). The kernel admits one more than
//! the backlog, so a queue is full when its length is beyond the limit.

use crate::doctor::{Facts, Finding, Listener, Severity};

pub fn look(facts: &Facts) -> Vec<Finding> {
    facts.listeners.iter().filter_map(|listener| finding(facts, listener)).collect()
}

fn finding(facts: &Facts, listener: &Listener) -> Option<Finding> {
    let socket = &listener.socket;
    let (waiting, limit, drops) = (socket.receive_queue, socket.send_queue, listener.timing.drops);
    let known_limit = limit > 0 || waiting > 0;
    let full = known_limit && waiting > limit;
    if !full && drops == 0 {
        return None;
    }
    let pid = listener.holders.first().map_or(0, |h| h.pid);
    let owner = facts.describe(pid);
    let summary = if full {
        format!("{owner} does not accept on {}: its queue is full", socket.local)
    } else {
        format!("{owner} on {} has turned connections away", socket.local)
    };
    let mut evidence = vec![
        format!("accept queue {waiting} of {limit} (sock_diag rqueue, wqueue)"),
        format!("{drops} dropped by this socket since it listens (SK_MEMINFO_DROPS)"),
    ];
    if facts.host.overflows_now > 0 {
        let now = facts.host.overflows_now;
        evidence.push(format!("{now} more in the last second (TcpExt ListenOverflows)"));
    }
    Some(Finding {
        rule: "accept-queue",
        severity: if full { Severity::Error } else { Severity::Warning },
        pid,
        summary,
        evidence,
        advice: format!(
            "make it accept faster first (what is {owner} busy with?); a longer queue needs both a \
             larger listen() backlog and net.core.somaxconn, now {}, since the smaller counts",
            facts.host.somaxconn
        ),
    })
}
