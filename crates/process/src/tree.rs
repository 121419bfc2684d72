//! The processes below this one, as /proc tells of them (proc(5), `/proc/PID/stat`): who belongs to
//! which session, what has been adopted, how much memory all of it holds.

use std::collections::{HashMap, HashSet};
use std::fs;

/// Processes that one look takes in at most.
const PROCESSES_MAX: usize = 1 << 20;
/// How much of a process's environment is searched for a mark.
const ENVIRONMENT_BYTES_MAX: u64 = 256 * 1024;

/// One process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Process {
    pub pid: u32,
    pub parent: u32,
    pub group: u32,
    pub session: u32,
    /// `R`, `S`, `D`, `T`, `Z`, ...
    pub state: char,
    /// In ticks since boot: tells it from a later process of the same number.
    pub started: u64,
    /// Bytes; memory that processes share is counted in each.
    pub resident: u64,
}

impl Process {
    /// None: there is none of this number.
    pub fn of(pid: u32) -> Option<Process> {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let page = rustix::param::page_size() as u64;
        Process::parse(&String::from_utf8_lossy(&stat), page)
    }

    /// The name stands in parentheses and may hold anything, so fields are counted from the last
    /// closing one.
    fn parse(text: &str, page: u64) -> Option<Process> {
        let (head, tail) = text.rsplit_once(')')?;
        let mut fields = tail.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let mut numbers = fields.map(|field| field.parse::<u64>().ok());
        let mut number = |skipped: usize| numbers.nth(skipped).flatten();
        let mut small = || u32::try_from(number(0)?).ok();
        let (parent, group, session) = (small()?, small()?, small()?);
        // Fields 22 and 24 of proc(5); the last one read was 6.
        let started = number(15)?;
        let resident = number(1)?.saturating_mul(page);
        let pid = head.split_once(' ')?.0.parse().ok()?;
        Some(Process { pid, parent, group, session, state, started, resident })
    }

    /// Whether it still runs: neither ended nor a zombie, nor another of the same number.
    pub fn is_alive(&self) -> bool {
        Process::of(self.pid).is_some_and(|now| now.started == self.started && now.runs())
    }

    fn runs(&self) -> bool {
        !matches!(self.state, 'Z' | 'X')
    }
}

/// One look at all that runs below this process. One look serves any number of questions.
///
/// Orphans are below it if it is a subreaper or PID 1. Processes of others are never in it, so that
/// a number that has been given anew is not mistaken.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By parent; none is a zombie.
    children: HashMap<u32, Vec<Process>>,
    me: u32,
}

impl Snapshot {
    pub fn take() -> Snapshot {
        let all = everyone();
        let mut children: HashMap<u32, Vec<Process>> = HashMap::with_capacity(all.len());
        let known: HashSet<u32> = all.iter().map(|process| process.pid).collect();
        for mut process in all {
            // Its parent ended while we were looking: it has another one by now.
            if !known.contains(&process.parent) {
                match Process::of(process.pid) {
                    Some(now) if now.started == process.started => process = now,
                    _ => continue,
                }
            }
            children.entry(process.parent).or_default().push(process);
        }
        Snapshot { children, me: std::process::id() }
    }

    /// Everything that runs below this process.
    pub fn all(&self) -> Vec<Process> {
        self.children().iter().flat_map(|top| self.below(*top, |_| true)).collect()
    }

    /// The children of this process, adopted ones and zombies among them.
    pub fn children(&self) -> &[Process] {
        self.children_of(self.me)
    }

    /// Marks one child and what is below it as in or out, from the top down: `is_in` is asked of
    /// each process whose parent is out. Gives those that are in and run.
    pub fn below(&self, top: Process, is_in: impl Fn(&Process) -> bool) -> Vec<Process> {
        let mut found = Vec::new();
        let mut open = vec![(top, false)];
        // A table that is torn by changes could go round in a circle.
        while let Some((process, parent_is_in)) = open.pop().filter(|_| found.len() < PROCESSES_MAX)
        {
            let is_in = parent_is_in || is_in(&process);
            found.extend(Some(process).filter(|process| is_in && process.runs()));
            open.extend(self.children_of(process.pid).iter().map(|child| (*child, is_in)));
        }
        found
    }

    /// Bytes that the processes have resident, summed; what they share counts in each.
    pub fn memory(processes: &[Process]) -> u64 {
        processes.iter().map(|process| process.resident).sum()
    }

    fn children_of(&self, pid: u32) -> &[Process] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }
}

/// Whether the process began with this `NAME=value` in its environment. It is not known of one
/// whose environment we may not read, or that has written over it.
pub fn is_marked(pid: u32, mark: &[u8]) -> bool {
    use std::io::Read;
    let Ok(file) = fs::File::open(format!("/proc/{pid}/environ")) else { return false };
    let mut environment = Vec::new();
    let read = file.take(ENVIRONMENT_BYTES_MAX).read_to_end(&mut environment);
    read.is_ok() && environment.split(|byte| *byte == 0).any(|variable| variable == mark)
}

fn everyone() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    names.filter_map(Process::of).take(PROCESSES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_is_read_whatever_the_name_is() {
        let rest = "4 5 6 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 99 1000 7 18446744073709551615";
        let expected = Process {
            pid: 3,
            parent: 4,
            group: 5,
            session: 6,
            state: 'S',
            started: 99,
            resident: 7 * 4096,
        };
        for name in ["sh", "a b", "x) R 9 (y", ")", ""] {
            let text = format!("3 ({name}) S {rest}");
            assert_eq!(Process::parse(&text, 4096), Some(expected), "{name:?}");
        }
        for bad in ["", "3 (sh", "3 (sh) S 4 5", "3 (sh) S a b c", "(sh) S 1 2 3"] {
            assert_eq!(Process::parse(bad, 4096), None, "{bad:?}");
        }
    }

    #[test]
    fn this_process_is_alive_and_not_below_itself() {
        let me = Process::of(std::process::id()).unwrap();
        assert!(me.is_alive() && me.resident > 0);
        assert!(Snapshot::take().all().iter().all(|process| process.pid != me.pid));
    }
}
