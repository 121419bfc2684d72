//! Looks for zombies in a family, over and over, from outside.
//!
//! A zombie's age is told twice. *Raw* is the time from the first to the last look that met it.
//! *Neglect* is the part of it that its parent let pass, asleep of its own will or running; it
//! leaves out what the machine made it wait for: a free processor (the second number of
//! /proc/PID/schedstat), or the kernel (state D, as in a fork behind a lock of another's); and
//! where the watcher was kept from looking, it knows of a few milliseconds only.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{clock, tree};

/// How long a parent may let a zombie be, by the project's promise.
pub const NEGLECT_MAX: Duration = Duration::from_millis(10);
/// Between two looks at the family.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// What one interval between looks counts for at most.
const INTERVAL_MAX: Duration = Duration::from_millis(4);
/// The longest that anything is watched.
const WATCH_MAX: Duration = Duration::from_secs(240);

pub struct Reaping {
    stop: Arc<AtomicBool>,
    /// The longest neglect so far, in microseconds.
    neglect: Arc<AtomicU64>,
    thread: Option<JoinHandle<Reaped>>,
}

impl Drop for Reaping {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What the looks came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reaped {
    pub looks: u64,
    pub zombies: u64,
    pub oldest_raw: Duration,
    pub neglect_max: Duration,
    pub family_max: usize,
}

impl Reaping {
    pub fn watch(pid: u32) -> Reaping {
        let (stop, neglect) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let theirs = (Arc::clone(&stop), Arc::clone(&neglect));
        let thread = std::thread::spawn(move || watch(pid, &theirs.0, &theirs.1));
        Reaping { stop, neglect, thread: Some(thread) }
    }

    /// The longest neglect that the looks so far have found.
    pub fn neglect(&self) -> Duration {
        Duration::from_micros(self.neglect.load(Ordering::Relaxed))
    }

    /// Ends once no zombie is left.
    pub fn end(mut self) -> Reaped {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self.thread.take().map(JoinHandle::join);
        seen.and_then(Result::ok).unwrap_or_default()
    }
}

fn watch(pid: u32, stop: &AtomicBool, neglect: &AtomicU64) -> Reaped {
    let mut seen = Reaped::default();
    let mut met: HashMap<tree::Member, Zombie> = HashMap::new();
    let begin = clock::now();
    while clock::now() - begin < WATCH_MAX && !(stop.load(Ordering::Relaxed) && met.is_empty()) {
        met.values_mut().for_each(Zombie::before_look);
        // A look may miss somebody, so those that are known are asked for by name.
        met.retain(|member, zombie| zombie.go_on(member, &mut seen));
        let family = tree::look(pid);
        for stat in family.iter().filter(|stat| stat.state == 'Z') {
            met.entry(stat.member()).or_insert_with(|| {
                seen.zombies += 1;
                Zombie::new(stat.parent)
            });
        }
        seen.looks += 1;
        neglect.store(seen.neglect_max.as_micros() as u64, Ordering::Relaxed);
        seen.family_max = seen.family_max.max(family.len());
        std::thread::sleep(LOOK_EVERY);
    }
    seen
}

struct Zombie {
    parent: u32,
    met: Instant,
    neglect: Duration,
    /// The parent after the last look that met it, and before the one under way.
    after: Parent,
    before: Parent,
}

impl Zombie {
    fn new(parent: u32) -> Zombie {
        let (before, after) = (Parent::until_now(parent), Parent::from_now(parent));
        Zombie { parent, met: clock::now(), neglect: Duration::ZERO, before, after }
    }

    fn before_look(&mut self) {
        self.before = Parent::until_now(self.parent);
    }

    /// Between the two readings it was there all the time, if it is there now.
    fn go_on(&mut self, member: &tree::Member, seen: &mut Reaped) -> bool {
        let stat = tree::stat(member.pid).ok().filter(|stat| stat.member() == *member);
        let Some(stat) = stat.filter(|stat| stat.state == 'Z') else { return false };
        if stat.parent == self.parent {
            self.neglect += self.after.idled_until(&self.before);
        }
        // Whoever adopts it has its own time.
        self.parent = stat.parent;
        self.after = Parent::from_now(self.parent);
        seen.oldest_raw = seen.oldest_raw.max(self.before.at - self.met.min(self.before.at));
        seen.neglect_max = seen.neglect_max.max(self.neglect);
        true
    }
}

/// What a parent had done by some instant.
#[derive(Clone, Copy)]
struct Parent {
    at: Instant,
    state: char,
    ran: Duration,
    waited: Duration,
}

impl Parent {
    /// For the begin of an interval: what it waited before the instant is not counted in it.
    fn from_now(pid: u32) -> Parent {
        let (state, ran, waited) = Parent::read(pid);
        Parent { at: clock::now(), state, ran, waited }
    }

    /// For the end of an interval: nothing that it waited before the instant is left out.
    fn until_now(pid: u32) -> Parent {
        let at = clock::now();
        let (state, ran, waited) = Parent::read(pid);
        Parent { at, state, ran, waited }
    }

    fn read(pid: u32) -> (char, Duration, Duration) {
        let state = tree::stat(pid).map_or('X', |stat| stat.state);
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        let mut times = text.split_whitespace().map(|number| number.parse().unwrap_or(0));
        let mut next = || Duration::from_nanos(times.next().unwrap_or(0));
        (state, next(), next())
    }

    /// How long it slept of its own will or ran. Where it may have waited in the kernel, or waits
    /// for a processor still, only what it ran is certain.
    fn idled_until(&self, end: &Parent) -> Duration {
        let kept = |parent: &Parent| !matches!(parent.state, 'S' | 'T');
        if kept(self) || kept(end) {
            return end.ran.saturating_sub(self.ran);
        }
        let time = end.at - self.at.min(end.at);
        time.saturating_sub(end.waited.saturating_sub(self.waited)).min(INTERVAL_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::{NEGLECT_MAX, Reaping};
    use crate::child::Child;
    use crate::{clock, tree};
    use std::process::Command;
    use std::time::Duration;

    const WAIT: Duration = Duration::from_secs(20);

    fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = clock::now() + WAIT;
        while !holds() {
            assert!(clock::remaining(deadline).is_some(), "waited in vain: {what}");
            std::thread::yield_now();
        }
    }

    /// One that sleeps, and one that is busy with something else.
    #[test]
    fn a_parent_that_does_not_reap_is_caught() {
        let check = |script: &str| {
            let child = Child::start(Command::new("sh").args(["-c", script])).unwrap();
            eventually("the child has ended", || tree::zombies(child.pid()).len() == 1);
            let reaping = Reaping::watch(child.pid());
            eventually("its parent is caught", || reaping.neglect() > NEGLECT_MAX);
            drop(child);
            let seen = reaping.end();
            assert!(seen.zombies == 1 && seen.oldest_raw > NEGLECT_MAX, "{script}: {seen:?}");
        };
        check("(exit) & exec sleep 1000");
        check("(exit) & exec yes > /dev/null");
    }
}
