//! How many system calls a server makes for a request, counted by strace(1) from outside. A count
//! is the same on every machine, so it can be a gate where a time cannot.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::child::Child;
use crate::tree;

/// How long strace may take to attach, and to write its table.
const WAIT: Duration = Duration::from_secs(10);
/// The most processes that are traced at once.
const PROCESSES_MAX: usize = 256;

/// System calls by name, made while so many requests were answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Syscalls {
    pub counts: BTreeMap<String, u64>,
    pub requests: u64,
}

impl Syscalls {
    /// All calls for one request.
    pub fn per_request(&self) -> f64 {
        self.counts.values().sum::<u64>() as f64 / self.requests.max(1) as f64
    }

    /// The calls of one name for one request.
    pub fn of(&self, name: &str) -> f64 {
        self.counts.get(name).copied().unwrap_or(0) as f64 / self.requests.max(1) as f64
    }
}

/// Whether strace is installed.
pub fn is_available() -> bool {
    Command::new("strace").arg("-V").output().is_ok_and(|output| output.status.success())
}

/// Counts the calls of `pid`, its threads and all its descendants while `load` runs; `load` gives
/// how many requests were answered.
pub fn syscalls_per_request(
    pid: u32,
    load: impl FnOnce() -> io::Result<u64>,
) -> io::Result<Syscalls> {
    let folder = tempfile::tempdir()?;
    let table = folder.path().join("counts");
    let mut pids = vec![pid];
    pids.extend(tree::descendants(pid).iter().filter(|m| m.is_alive()).map(|m| m.pid));
    pids.truncate(PROCESSES_MAX);
    let mut command = Command::new("strace");
    command.args(["-c", "-f", "-o"]).arg(&table);
    pids.iter().for_each(|pid| {
        command.arg("-p").arg(pid.to_string());
    });
    let mut strace = Child::start(&mut command)?;
    for pid in &pids {
        let attached = format!("Process {pid} attached");
        strace.wait_for_error_line(WAIT, |line| line.contains(&attached))?;
    }
    let requests = load();
    strace.stop(Signal::INT, WAIT)?;
    let counts = parse_table(&fs::read_to_string(&table)?);
    Ok(Syscalls { counts, requests: requests? })
}

/// Lines of `% time, seconds, usecs/call, calls, errors (may be absent), name`.
fn parse_table(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let name = fields.last()?;
        let calls = fields.get(3)?.parse().ok()?;
        (fields.len() >= 5 && *name != "total").then(|| ((*name).to_owned(), calls))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::{Syscalls, parse_table};

    #[test]
    fn the_table_of_strace_is_read() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.001000           1      1000           sendto
 39.00    0.000900           1      1002         2 recvfrom
  1.00    0.000100           1        16           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.002000           1      2018         2 total
";
        let calls = Syscalls { counts: parse_table(text), requests: 1000 };
        assert_eq!(calls.counts.len(), 3);
        assert_eq!(calls.per_request(), 2.018);
        assert_eq!(calls.of("recvfrom"), 1.002);
        assert_eq!(calls.of("write"), 0.0);
    }
}
