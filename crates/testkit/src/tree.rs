//! What a process and all its descendants use, read from /proc (proc(5)): processor time, memory,
//! descriptors, children, zombies. The counts behind "0 zombies, 0 leaked descriptors".

use std::fs;
use std::io;
use std::time::Duration;

/// How deep and how wide a family may be before a listing stops.
const MEMBERS_MAX: usize = 100_000;

/// One process, told apart from a later one of the same id by its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    pub pid: u32,
    pub started_ticks: u64,
}

/// What /proc/PID/stat says, as far as it is wanted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub pid: u32,
    pub parent: u32,
    pub state: char,
    /// User and system time of the process itself.
    pub own_ticks: u64,
    /// User and system time of the children that it has reaped.
    pub reaped_ticks: u64,
    pub started_ticks: u64,
}

/// Bytes of memory, summed over a tree (smaps_rollup in proc(5)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub resident: u64,
    pub proportional: u64,
    /// Pages that no other process maps: what the process would give back by ending.
    pub private: u64,
    pub anonymous: u64,
}

impl Stat {
    pub fn member(&self) -> Member {
        Member { pid: self.pid, started_ticks: self.started_ticks }
    }
}

impl Member {
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_ok_and(|s| s.started_ticks == self.started_ticks && s.state != 'Z')
    }
}

pub fn stat(pid: u32) -> io::Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(|e| io::Error::new(e.kind(), e.to_string()))?;
    parse_stat(&text).ok_or_else(|| io::Error::other(format!("{path} cannot be understood")))
}

/// The children of one process, zombies among them.
pub fn children(pid: u32) -> Vec<Stat> {
    let all = everyone();
    all.into_iter().filter(|stat| stat.parent == pid).collect()
}

/// All descendants, zombies among them, without the process itself.
pub fn descendants(pid: u32) -> Vec<Member> {
    let members = family(pid).into_iter().filter(|stat| stat.pid != pid);
    members.map(|stat| stat.member()).collect()
}

/// The descendants that have ended and wait to be reaped.
pub fn zombies(pid: u32) -> Vec<Member> {
    let zombies = family(pid).into_iter().filter(|stat| stat.state == 'Z' && stat.pid != pid);
    zombies.map(|stat| stat.member()).collect()
}

/// The descendants as a look that is quick and may miss one finds them: from each process to those
/// that the kernel lists as its children, however many others there are on the machine.
pub fn look(pid: u32) -> Vec<Stat> {
    if fs::metadata("/proc/thread-self/children").is_err() {
        let all = family(pid).into_iter().filter(|stat| stat.pid != pid);
        return all.collect();
    }
    let mut found = listed_children(pid);
    let mut next = 0;
    while next < found.len() && found.len() < MEMBERS_MAX {
        found.extend(listed_children(found[next].pid));
        next += 1;
    }
    found
}

fn listed_children(pid: u32) -> Vec<Stat> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let read = |list: String| -> Vec<Stat> {
        let pids = list.split_whitespace().filter_map(|word| word.parse().ok());
        pids.filter_map(|pid| stat(pid).ok()).collect()
    };
    lists.flat_map(read).collect()
}

/// User and system time of the process and all its descendants, those that were reaped included.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    stat(pid)?;
    Ok(family(pid).iter().map(|stat| own_time(stat) + ticks(stat.reaped_ticks)).sum())
}

/// The open descriptors of one process.
pub fn descriptors(pid: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}

/// The memory of the process and all its descendants.
pub fn memory(pid: u32) -> io::Result<Memory> {
    let mut sum = memory_of(pid)?;
    for member in descendants(pid).iter().filter(|member| member.is_alive()) {
        // A descendant may end between the listing and the reading; it uses nothing then.
        let one = memory_of(member.pid).unwrap_or_default();
        sum.resident += one.resident;
        sum.proportional += one.proportional;
        sum.private += one.private;
        sum.anonymous += one.anonymous;
    }
    Ok(sum)
}

fn memory_of(pid: u32) -> io::Result<Memory> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let bytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        number.unwrap_or(0) * 1024
    };
    Ok(Memory {
        resident: bytes("Rss:"),
        proportional: bytes("Pss:"),
        private: bytes("Private_Clean:") + bytes("Private_Dirty:"),
        anonymous: bytes("Anonymous:"),
    })
}

/// Ticks of stat are 10 ms; schedstat of each thread has nanoseconds, but forgets threads that
/// have ended. The greater of the two is the better.
fn own_time(stat: &Stat) -> Duration {
    let threads = fs::read_dir(format!("/proc/{}/task", stat.pid)).into_iter().flatten().flatten();
    let fine = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    });
    fine.sum::<Duration>().max(ticks(stat.own_ticks))
}

fn ticks(count: u64) -> Duration {
    Duration::from_secs_f64(count as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn family(pid: u32) -> Vec<Stat> {
    let all = everyone();
    let mut found: Vec<Stat> = all.iter().filter(|stat| stat.pid == pid).copied().collect();
    let mut next = 0;
    while next < found.len() && found.len() < MEMBERS_MAX {
        let parent = found[next].pid;
        found.extend(all.iter().filter(|stat| stat.parent == parent));
        next += 1;
    }
    found
}

fn everyone() -> Vec<Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| stat(pid).ok()).collect()
}

/// The name of the program stands in parentheses and may hold anything, so the fields are counted
/// from its last closing one.
fn parse_stat(text: &str) -> Option<Stat> {
    let (head, tail) = text.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        state: fields.first()?.chars().next()?,
        own_ticks: number(11)? + number(12)?,
        reaped_ticks: number(13)? + number(14)?,
        started_ticks: number(19)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{children, cpu_time, descriptors, look, memory, parse_stat, zombies};
    use crate::child::Child;
    use std::process::Command;
    use std::time::Duration;

    const WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn stat_is_read_whatever_the_name_is() {
        let line = |name: &str| {
            format!("7 ({name}) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 99 1000 5")
        };
        let check = |name: &str| {
            let stat = parse_stat(&line(name)).unwrap();
            assert_eq!((stat.pid, stat.parent, stat.state), (7, 1, 'S'), "{name}");
            assert_eq!((stat.own_ticks, stat.reaped_ticks, stat.started_ticks), (30, 70, 99));
        };
        ["sh", "a b", "x) R 9 (y", ")", ""].into_iter().for_each(check);
        assert_eq!(parse_stat("7 (sh"), None);
        assert_eq!(parse_stat("7 (sh) S 1"), None);
    }

    #[test]
    fn a_zombie_and_the_time_of_the_reaped_are_counted() {
        // What runs in the background ends only when its parent has become a program that never
        // reaps.
        let script = "i=0; (while [ $i -lt 200000 ]; do i=$((i+1)); done); \
                      (until read name < /proc/$$/comm && [ \"$name\" = sleep ]; do :; done) & \
                      echo ready; exec sleep 1000";
        let child = Child::start(Command::new("sh").args(["-c", script])).unwrap();
        child.wait_for_line(WAIT, |line| line == "ready").unwrap();
        assert!(cpu_time(child.pid()).unwrap() > Duration::from_millis(10));
        let deadline = crate::clock::now() + WAIT;
        while zombies(child.pid()).len() != 1 {
            assert!(crate::clock::remaining(deadline).is_some(), "no zombie");
            std::thread::yield_now();
        }
        assert_eq!(children(child.pid()).len(), 1);
        assert_eq!(look(child.pid()), children(child.pid()));
        assert!(descriptors(child.pid()).unwrap() >= 3);
        let memory = memory(child.pid()).unwrap();
        assert!(memory.private > 0 && memory.private <= memory.resident);
    }
}
