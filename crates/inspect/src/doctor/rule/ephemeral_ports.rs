//! Local ports used up towards one destination: connect(2) fails with EADDRNOTAVAIL. Ports are
//! counted for each local address and destination, TIME_WAIT included. ip(7), ip_local_port_range.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use crate::doctor::{Facts, Finding, Severity};
use crate::model::{Protocol, TcpState};

const WARNING_PERCENT: u64 = 80;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let (first, last) = facts.host.ports;
    let range = (u64::from(last) + 1).saturating_sub(u64::from(first));
    let range = range.saturating_sub(facts.host.reserved_ports);
    if range == 0 {
        return Vec::new();
    }
    let mut used: BTreeMap<(IpAddr, SocketAddr), BTreeSet<u16>> = BTreeMap::new();
    let mut waiting: BTreeMap<(IpAddr, SocketAddr), u64> = BTreeMap::new();
    for socket in &facts.snapshot.sockets.inet {
        let ours = socket.protocol == Protocol::Tcp && socket.namespace == 0;
        if ours && socket.remote.port() != 0 && (first..=last).contains(&socket.local.port()) {
            let key = (socket.local.ip(), socket.remote);
            used.entry(key).or_default().insert(socket.local.port());
            *waiting.entry(key).or_default() += u64::from(socket.state == TcpState::TimeWait);
        }
    }
    let crowded =
        used.iter().filter(|(_, ports)| ports.len() as u64 * 100 >= range * WARNING_PERCENT);
    crowded
        .map(|(key, ports)| finding(*key, ports.len(), waiting[key], range, first, last))
        .collect()
}

fn finding(
    (source, destination): (IpAddr, SocketAddr),
    used: usize,
    waiting: u64,
    range: u64,
    first: u16,
    last: u16,
) -> Finding {
    Finding {
        rule: "ephemeral-ports",
        severity: if used as u64 >= range { Severity::Error } else { Severity::Warning },
        pid: 0,
        summary: format!("{used} of {range} local ports are used from {source} to {destination}"),
        evidence: vec![
            format!("net.ipv4.ip_local_port_range {first} {last}, less the reserved ones"),
            format!("{waiting} of them in TIME_WAIT (sock_diag)"),
        ],
        advice: "keep connections open and reuse them; then more source addresses, or \
                 net.ipv4.tcp_tw_reuse=1. tcp_fin_timeout does not shorten TIME_WAIT, and \
                 tcp_tw_recycle is gone since Linux 4.12"
            .to_owned(),
    }
}
