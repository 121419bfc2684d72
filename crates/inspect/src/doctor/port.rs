//! `doctor --port N`: why a port is taken, or would be, bind(2): every holder in every namespace,
//! both address families, connections that linger, and other users' SO_REUSEPORT.

use crate::doctor::{Facts, Finding, Severity};
use crate::model::{Inet, Protocol, TcpState};

pub fn explain(facts: &Facts, port: u16) -> Vec<Finding> {
    let on_port = |s: &&Inet| s.local.port() == port && s.protocol != Protocol::Raw;
    let all: Vec<&Inet> = facts.snapshot.sockets.inet.iter().filter(on_port).collect();
    let bound = |s: &&&Inet| s.state == TcpState::Listen || s.protocol == Protocol::Udp;
    let mut findings: Vec<Finding> =
        all.iter().filter(bound).map(|socket| holder(facts, socket)).collect();
    let listening = all.iter().any(|s| s.protocol == Protocol::Tcp && s.state == TcpState::Listen);
    let waiting = all.iter().filter(|s| s.state == TcpState::TimeWait).count();
    if !listening && waiting > 0 {
        findings.push(time_wait_only(port, waiting));
    }
    let others = all.iter().filter(|s| lingers(s)).count();
    if !listening && others > 0 {
        findings.push(connections_only(facts, port, &all, others));
    }
    findings
}

fn lingers(socket: &Inet) -> bool {
    socket.protocol == Protocol::Tcp
        && !matches!(socket.state, TcpState::Listen | TcpState::TimeWait | TcpState::Close)
}

fn holder(facts: &Facts, socket: &Inet) -> Finding {
    let mut pids: Vec<u32> = facts.holders_of(socket.inode).iter().map(|h| h.pid).collect();
    pids.dedup();
    let names: Vec<String> = pids.iter().map(|pid| facts.describe(*pid)).collect();
    let verb = if socket.state == TcpState::Listen { "listens on" } else { "is bound to" };
    let who =
        if names.is_empty() { "a process not readable here".to_owned() } else { names.join(", ") };
    let mut evidence = vec![format!(
        "socket inode {}, uid {}, fd of each in /proc/PID/fd",
        socket.inode, socket.uid
    )];
    if socket.namespace != 0 {
        evidence.push("in another network namespace: it does not stand in the way here".to_owned());
    }
    if socket.is_v6() && socket.local.ip().is_unspecified() && !socket.v6only {
        evidence.push("an IPv6 wildcard without IPV6_V6ONLY takes the port of IPv4 too".to_owned());
    }
    let elsewhere = socket.namespace != 0;
    Finding {
        rule: "port",
        severity: if elsewhere { Severity::Note } else { Severity::Warning },
        pid: pids.first().copied().unwrap_or(0),
        summary: format!("{who} {verb} {}", socket.local),
        evidence,
        advice: format!(
            "stop it ({}) or choose another port; SO_REUSEPORT shares only among sockets that all \
             set it, of one user (uid {})",
            pids.iter().map(|pid| format!("kill {pid}")).collect::<Vec<_>>().join("; "),
            socket.uid
        ),
    }
}

fn time_wait_only(port: u16, waiting: usize) -> Finding {
    Finding {
        rule: "port",
        severity: Severity::Note,
        pid: 0,
        summary: format!("nobody listens on {port}; {waiting} connection(s) in TIME_WAIT have it"),
        evidence: vec!["sock_diag, state TIME_WAIT, for up to 60 s".to_owned()],
        advice: "set SO_REUSEADDR before bind(): a server may then take the port at once"
            .to_owned(),
    }
}

fn connections_only(facts: &Facts, port: u16, all: &[&Inet], count: usize) -> Finding {
    let owner = all.iter().filter(|s| lingers(s)).find_map(|s| facts.holders_of(s.inode).first());
    let who = owner.map_or("no process".to_owned(), |h| facts.describe(h.pid));
    Finding {
        rule: "port",
        severity: Severity::Warning,
        pid: owner.map_or(0, |h| h.pid),
        summary: format!("nobody listens on {port}; {count} connection(s) have it, held by {who}"),
        evidence: vec!["sock_diag; without SO_REUSEADDR bind() fails while they live".to_owned()],
        advice: format!("set SO_REUSEADDR before bind(), or end {who}"),
    }
}
