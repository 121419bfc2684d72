//! Connections without a process that still have data to send: "too many orphaned sockets". tcp(7),
//! tcp_max_orphans. TIME_WAIT is not among them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::doctor::{Facts, Finding, Severity};
use crate::model::TcpState;

const WARNING_PERCENT: u64 = 50;
/// So many of one peer are no accident of its network.
const OF_ONE_PEER_MIN: usize = 50;
const ENDING: [TcpState; 3] = [TcpState::FinWait1, TcpState::LastAck, TcpState::Closing];

const ADVICE: &str = "peers do not take the last bytes: shorten net.ipv4.tcp_orphan_retries, and \
                      have the server close after the client where it can; tcp_fin_timeout and \
                      TIME_WAIT have nothing to do with it";

pub fn look(facts: &Facts) -> Vec<Finding> {
    of_host(facts).into_iter().chain(of_peers(facts)).collect()
}

fn of_host(facts: &Facts) -> Option<Finding> {
    let (count, most) = (facts.host.orphans.max(0) as u64, facts.host.orphans_max);
    if most == 0 || count * 100 < most * WARNING_PERCENT {
        return None;
    }
    let evidence = "orphan in /proc/net/sockstat, net.ipv4.tcp_max_orphans";
    Some(finding(format!("{count} orphaned connections, of {most} the host keeps"), evidence))
}

/// The limit is the host's and not to be seen in a network namespace of its own; who is to blame
/// can be seen there too.
fn of_peers(facts: &Facts) -> Vec<Finding> {
    let mut peers: BTreeMap<IpAddr, (usize, u64)> = BTreeMap::new();
    for state in ENDING {
        for socket in facts.connections(state).filter(|s| s.inode == 0 && s.send_queue > 0) {
            let peer = peers.entry(socket.remote.ip()).or_default();
            peer.0 += 1;
            peer.1 += u64::from(socket.send_queue);
        }
    }
    let many = peers.into_iter().filter(|(_, (count, _))| *count >= OF_ONE_PEER_MIN);
    many.map(|(peer, (count, bytes))| {
        let evidence = "FIN_WAIT1, LAST_ACK, CLOSING with bytes to send and no inode (sock_diag)";
        finding(
            format!("{count} orphaned connections wait for {peer} to take {bytes} bytes"),
            evidence,
        )
    })
    .collect()
}

fn finding(summary: String, evidence: &str) -> Finding {
    Finding {
        rule: "orphans",
        severity: Severity::Warning,
        pid: 0,
        summary,
        evidence: vec![evidence.to_owned()],
        advice: ADVICE.to_owned(),
    }
}
