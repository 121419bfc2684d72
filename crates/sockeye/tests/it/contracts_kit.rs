//! What the tests of the contracts share: reloads and their end, descriptor counts, signals by
//! process id, and which client ports a worker holds (proc(5): /proc/PID/fd, /proc/net/tcp).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use testkit::load::{Expect, Plan, Report};
use testkit::{Address, NEGLECT_MAX, Reaped, Reaping, tree};

use crate::harness::{Server, Site, eventually};

/// The longest that any load of these tests goes on.
const LOAD_MAX: Duration = Duration::from_secs(120);

/// Many clients asking for `/1k.bin`, half of which come anew for every request.
pub fn plan(address: &Address, site: &Site) -> Plan {
    Plan {
        connections: 32,
        reconnect_every: Some(1),
        reconnecting: 0.5,
        duration: LOAD_MAX,
        failures_max: 100,
        expect: Expect::Bytes(Arc::from(site.read("1k.bin"))),
        ..Plan::new(address.clone(), "/1k.bin")
    }
}

/// Everything that was asked was answered, and right.
pub fn assert_flawless(what: &str, report: &Report, server: &Server) {
    eprintln!("{what}: {report}");
    assert_eq!(report.failed(), 0, "{what}: {report}\n{}", server.child.errors());
    assert!(report.ok > 0, "{what}: nothing was asked");
}

/// Reloads by `sockeye reload` and gives the number of the new generation.
pub fn reload(server: &Server) -> u64 {
    let output = server.verb(&["reload"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}\n{}", server.child.errors());
    let words = text.split_whitespace();
    words.filter_map(|word| word.parse().ok()).next().unwrap()
}

/// What `sockeye reload` says when it is refused.
pub fn refused_reload(server: &Server) -> String {
    let output = server.verb(&["reload"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

pub fn generation(server: &Server) -> u64 {
    server.status()["generation"].as_u64().unwrap()
}

/// Waits until the workers of one generation alone live.
pub fn settle(server: &Server) {
    eventually("one generation is alive", || {
        server.status()["generations"].as_array().is_some_and(|alive| alive.len() == 1)
    });
}

/// How many processes there are and what each has open: the master, then the others in order. The
/// master must first have noticed that the last command has left its control socket.
pub fn census(server: &Server) -> Vec<usize> {
    eventually("no command is connected", || control_sockets(server) == 1);
    let mut counts: Vec<usize> = tree::descendants(server.pid())
        .iter()
        .map(|member| tree::descriptors(member.pid).unwrap_or(usize::MAX))
        .collect();
    counts.sort_unstable();
    counts.insert(0, tree::descriptors(server.pid()).unwrap());
    counts
}

/// The listening control socket, and one for each connection to it that is not closed (unix(7)).
fn control_sockets(server: &Server) -> usize {
    let path = server.control().to_str().unwrap();
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    table.lines().filter(|line| line.ends_with(path)).count()
}

/// Waits until the family is as it was; says how it differs when it never is.
pub fn expect_census(server: &Server, expected: &[usize]) {
    let mut found = Vec::new();
    eventually(&format!("processes and descriptors are {expected:?}"), || {
        let last = std::mem::replace(&mut found, census(server));
        if found != expected && found != last {
            eprintln!("descriptors are {found:?}, should become {expected:?}");
        }
        found == expected
    });
}

pub fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Stops the process as a debugger would; it runs no instruction after this.
pub fn freeze(pid: u32) {
    signal(pid, Signal::STOP);
    eventually("the process is stopped", || tree::stat(pid).is_ok_and(|stat| stat.state == 'T'));
}

/// The ports of the clients whose connections the process has accepted.
pub fn client_ports(pid: u32) -> BTreeSet<u16> {
    let inodes = socket_inodes(pid);
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let port = fields.get(2)?.split_once(':')?.1;
        let inode: u64 = fields.get(9)?.parse().ok()?;
        let port = u16::from_str_radix(port, 16).ok()?;
        (port != 0 && inodes.contains(&inode)).then_some(port)
    };
    table.lines().skip(1).filter_map(row).collect()
}

/// How many listening TCP sockets over IPv4 the process holds.
pub fn listening_sockets(pid: u32) -> usize {
    const LISTEN: &str = "0A";
    let inodes = socket_inodes(pid);
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let ours = |row: &Vec<&str>| row[9].parse().is_ok_and(|inode| inodes.contains(&inode));
    rows.filter(|row| row[3] == LISTEN && ours(row)).count()
}

fn socket_inodes(pid: u32) -> BTreeSet<u64> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = links.filter_map(|entry| fs::read_link(entry.path()).ok());
    let inode =
        |target: &Path| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
    targets.filter_map(|target| inode(&target)).collect()
}

/// Waits until no process of the family has this file open.
pub fn expect_closed(server: &Server, path: &Path) {
    eventually("the family has closed the file", || {
        let family = server.workers().into_iter().chain([server.pid()]);
        !family.into_iter().any(|pid| {
            let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            links.filter_map(|link| fs::read_link(link.path()).ok()).any(|file| file == path)
        })
    });
}

/// Nobody is a zombie now, and no parent has let one be for longer than allowed.
pub fn expect_none_neglected(reaping: Reaping, what: &str) -> Reaped {
    let seen = reaping.end();
    eprintln!("{what}: {seen:?}");
    assert!(seen.neglect_max <= NEGLECT_MAX, "{what}: {seen:?}");
    seen
}
