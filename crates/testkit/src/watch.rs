//! Looks at a family of processes again and again while a test goes on, and tells what it has seen
//! at worst: how long a zombie stayed, how many children and descriptors there were.
//!
//! The age of a zombie is the time between the first and the last look that met it, so it is never
//! overstated (proc(5), wait(2)).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{clock, tree};

/// How long a watch goes on if nobody stops it.
const TIME_MAX: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Watched>>,
}

/// What was seen at worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watched {
    pub looks: u64,
    /// The longest time between two looks: younger zombies may have been missed.
    pub longest_gap: Duration,
    /// Zombies that were met at all.
    pub zombies: u64,
    pub oldest_zombie: Duration,
    pub descendants_max: usize,
    /// Descriptors of the process itself.
    pub descriptors_max: usize,
}

impl Watch {
    /// Looks at `pid` and its descendants about every `interval`, on a thread.
    pub fn start(pid: u32, interval: Duration) -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&stop);
        let thread = std::thread::spawn(move || watch(pid, interval, &theirs));
        Watch { stop, thread: Some(thread) }
    }

    pub fn stop(mut self) -> Watched {
        self.stop.store(true, Ordering::Relaxed);
        let watched = self.thread.take().map(JoinHandle::join);
        watched.and_then(Result::ok).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn watch(pid: u32, interval: Duration, stop: &AtomicBool) -> Watched {
    let mut seen = Watched::default();
    let mut first_met: HashMap<tree::Member, Instant> = HashMap::new();
    let begin = clock::now();
    let mut last = begin;
    while !stop.load(Ordering::Relaxed) && last - begin < TIME_MAX {
        let family = tree::look(pid);
        let zombies = family.iter().filter(|stat| stat.state == 'Z').map(tree::Stat::member);
        let zombies: Vec<tree::Member> = zombies.collect();
        let now = clock::now();
        first_met.retain(|member, _| zombies.contains(member));
        for zombie in zombies {
            let first = first_met.entry(zombie).or_insert_with(|| {
                seen.zombies += 1;
                now
            });
            seen.oldest_zombie = seen.oldest_zombie.max(now - *first);
        }
        seen.looks += 1;
        seen.longest_gap = seen.longest_gap.max(now - last);
        seen.descendants_max = seen.descendants_max.max(family.len());
        let descriptors = tree::descriptors(pid).unwrap_or(0);
        seen.descriptors_max = seen.descriptors_max.max(descriptors);
        last = now;
        std::thread::sleep(interval);
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::child::Child;
    use crate::{clock, tree};
    use std::process::Command;
    use std::time::Duration;

    const WAIT: Duration = Duration::from_secs(10);

    #[test]
    fn a_zombie_that_stays_grows_old() {
        let script = "(until read name < /proc/$$/comm && [ \"$name\" = sleep ]; do :; done) & \
                      echo ready; exec sleep 1000";
        let child = Child::start(Command::new("sh").args(["-c", script])).unwrap();
        child.wait_for_line(WAIT, |line| line == "ready").unwrap();
        let watch = Watch::start(child.pid(), Duration::from_millis(1));
        let deadline = clock::now() + WAIT;
        while tree::zombies(child.pid()).is_empty() {
            assert!(clock::remaining(deadline).is_some(), "no zombie");
        }
        let old = clock::now() + Duration::from_millis(50);
        while clock::remaining(old).is_some() {
            std::thread::yield_now();
        }
        let seen = watch.stop();
        assert!(seen.zombies == 1 && seen.descendants_max == 1, "{seen:?}");
        assert!(seen.oldest_zombie >= Duration::from_millis(20), "{seen:?}");
        assert!(seen.looks > 1 && seen.descriptors_max >= 3, "{seen:?}");
    }
}
