//! What the tests of the contracts share: reloads and their end, descriptor counts, signals by
//! process id, and which client ports a worker holds (proc(5): /proc/PID/fd, /proc/net/tcp).

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use testkit::load::{Expect, Plan, Report};
use testkit::{Address, tree};

use crate::harness::{Server, Site, eventually};

/// The longest that any load of these tests goes on.
const LOAD_MAX: Duration = Duration::from_secs(120);
/// How old a zombie may be seen to be, by the project's promise.
const ZOMBIE_AGE_MAX: Duration = Duration::from_millis(10);
/// Between two looks at the family.
const LOOK_EVERY: Duration = Duration::from_millis(2);

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

/// Looks for zombies in a family, over and over, from outside.
///
/// A parent that is awake and finds no free processor cannot reap, so the time that the kernel says
/// it has waited for one (the second number of /proc/PID/schedstat) is taken off a zombie's age:
/// what is left is what the parent itself let pass.
pub struct Reaping {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Reaped>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Reaped {
    pub looks: u64,
    pub zombies: u64,
    /// From the first to the last look that met it.
    pub oldest: Duration,
    /// The same without the parent's wait for a processor.
    pub oldest_unexcused: Duration,
    pub family_max: usize,
}

struct Zombie {
    parent: u32,
    waited: Duration,
    first: Instant,
    last: Instant,
}

impl Reaping {
    pub fn watch(pid: u32) -> Reaping {
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        let thread = std::thread::spawn(move || look_for_zombies(pid, &theirs));
        Reaping { stop, thread }
    }

    /// Nothing is a zombie now, and nobody was one for longer than allowed.
    pub fn expect_none_old(self, what: &str) -> Reaped {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.join().unwrap();
        eprintln!("{what}: {seen:?}");
        assert!(seen.oldest_unexcused <= ZOMBIE_AGE_MAX, "{what}: {seen:?}");
        seen
    }
}

fn look_for_zombies(pid: u32, stop: &AtomicBool) -> Reaped {
    let mut seen = Reaped::default();
    let mut met: HashMap<tree::Member, Zombie> = HashMap::new();
    let begin = Instant::now();
    while begin.elapsed() < LOAD_MAX && !(stop.load(Ordering::Relaxed) && met.is_empty()) {
        let (family, zombies) = tree::descendants_and_zombies(pid);
        let now = Instant::now();
        met.retain(|member, zombie| {
            let stays = zombies.contains(member);
            if !stays {
                seen.note(zombie);
            }
            stays
        });
        for member in zombies {
            if let Some(zombie) = met.get_mut(&member) {
                zombie.last = now;
            } else if let Ok(stat) = tree::stat(member.pid) {
                seen.zombies += 1;
                let (parent, waited) = (stat.parent, waited_for_processor(stat.parent));
                met.insert(member, Zombie { parent, waited, first: now, last: now });
            }
        }
        seen.looks += 1;
        seen.family_max = seen.family_max.max(family);
        std::thread::sleep(LOOK_EVERY);
    }
    met.values().for_each(|zombie| seen.note(zombie));
    seen
}

impl Reaped {
    fn note(&mut self, zombie: &Zombie) {
        let age = zombie.last - zombie.first;
        let waited = waited_for_processor(zombie.parent).saturating_sub(zombie.waited);
        self.oldest = self.oldest.max(age);
        self.oldest_unexcused = self.oldest_unexcused.max(age.saturating_sub(waited));
    }
}

fn waited_for_processor(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let waited = text.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}
