//! What an app is to be: the part of its configuration that decides, and the checks on a whole set.
//!
//! The words follow systemd.service(5) and s6: `after` orders, `requires` binds. What the program
//! is (its arguments, descriptors, user) stays with the caller; of that the machine knows only a
//! `fingerprint`, which differs when a running process has to be replaced.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Apps in one configuration.
pub const APPS_MAX: usize = 65_536;
/// Instances of one app.
pub const INSTANCES_MAX: u32 = 65_536;
/// Instances of all apps together.
pub const INSTANCES_IN_ALL_MAX: u64 = 131_072;

/// One app. `Spec::named` has the defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spec {
    pub name: Arc<str>,
    /// How many run side by side; none is allowed.
    pub instances: u32,
    /// Started when it is first configured.
    pub autostart: bool,
    pub restart: Restart,
    pub delays: Delays,
    /// So many quick ends in a row are called a crash loop; 0 never.
    pub crash_loop: u32,
    pub readiness: Readiness,
    /// From the start to READY or a passed probe.
    pub ready_timeout: Duration,
    pub liveness: Option<Liveness>,
    /// From the stop signal to SIGKILL.
    pub stop_timeout: Duration,
    /// Bytes; an instance above is recycled.
    pub memory_max: Option<u64>,
    /// An instance older than this is recycled.
    pub lifetime_max: Option<Duration>,
    /// Started after these are ready, stopped before them.
    pub after: Vec<Arc<str>>,
    /// As `after`; besides, these are started with it, and it is stopped with each of them.
    pub requires: Vec<Arc<str>>,
    pub replace: Replace,
    /// Of everything that needs a new process when it changes.
    pub fingerprint: u64,
}

/// What follows an end that nobody asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart {
    Always,
    /// Unless it exited with status 0.
    OnFailure,
    Never,
}

/// The waits before new starts. The first after a healthy life is none: its clients wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delays {
    /// After the first quick end; each further one in a row doubles it.
    pub min: Duration,
    pub max: Duration,
    /// Ready for so long, a life is healthy and what was before it forgotten.
    pub healthy_after: Duration,
    /// 0 to 100: each wait is shortened by a random share of up to so many percent.
    pub jitter_percent: u8,
}

/// How an instance shows that it can work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// It lived for [`super::SETTLED`].
    None,
    /// READY=1 of sd_notify(3).
    Notify,
    /// A probe of the caller passed.
    Probe,
}

/// Probes of an instance that is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Liveness {
    pub interval: Duration,
    /// So many failures in a row end it; 0 counts as 1.
    pub failures: u32,
}

/// How a running instance gives way to a new one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replace {
    /// It inherits its sockets: the new one starts, becomes ready, and the old one is stopped.
    Rolling,
    /// It binds its own address, so the old one has to be gone first.
    InPlace,
}

impl Spec {
    pub fn named(name: &str) -> Spec {
        Spec {
            name: name.into(),
            instances: 1,
            autostart: true,
            restart: Restart::Always,
            delays: Delays::default(),
            crash_loop: 5,
            readiness: Readiness::None,
            ready_timeout: Duration::from_secs(30),
            liveness: None,
            stop_timeout: Duration::from_secs(10),
            memory_max: None,
            lifetime_max: None,
            after: Vec::new(),
            requires: Vec::new(),
            replace: Replace::Rolling,
            fingerprint: 0,
        }
    }

    /// All names that it is ordered after, each with whether it is required too.
    pub(super) fn needs(&self) -> impl Iterator<Item = (&Arc<str>, bool)> {
        let requires = self.requires.iter().map(|name| (name, true));
        requires.chain(self.after.iter().map(|name| (name, false)))
    }
}

impl Default for Delays {
    fn default() -> Delays {
        Delays {
            min: Duration::from_millis(100),
            max: Duration::from_secs(30),
            healthy_after: Duration::from_secs(10),
            jitter_percent: 20,
        }
    }
}

/// Refuses a set that cannot be carried out, with all reasons.
pub(super) fn check(specs: &[Spec]) -> Result<(), String> {
    let mut problems = limits(specs);
    let mut index = BTreeMap::new();
    for (at, spec) in specs.iter().enumerate() {
        if index.insert(&*spec.name, at).is_some() {
            problems.push(format!("two apps are named {}: rename one", spec.name));
        }
    }
    for spec in specs {
        for (name, _) in spec.needs().filter(|(name, _)| !index.contains_key(&***name)) {
            let app = &spec.name;
            problems.push(format!("app {app}: after or requires {name}, which is not an app"));
        }
    }
    if problems.is_empty() {
        problems.extend(cycle(specs, &index));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn limits(specs: &[Spec]) -> Vec<String> {
    let mut problems = Vec::new();
    if specs.len() > APPS_MAX {
        problems.push(format!("{} apps; at most {APPS_MAX}", specs.len()));
    }
    for spec in specs.iter().filter(|spec| spec.instances > INSTANCES_MAX) {
        let (name, count) = (&spec.name, spec.instances);
        problems.push(format!("app {name}: {count} instances; at most {INSTANCES_MAX}"));
    }
    let in_all: u64 = specs.iter().map(|spec| u64::from(spec.instances)).sum();
    if in_all > INSTANCES_IN_ALL_MAX {
        problems.push(format!("{in_all} instances in all; at most {INSTANCES_IN_ALL_MAX}"));
    }
    problems
}

/// Takes away apps that need nobody who is left, again and again; what stays stands in a cycle, or
/// behind one.
fn cycle(specs: &[Spec], index: &BTreeMap<&str, usize>) -> Option<String> {
    let mut dependants = vec![Vec::new(); specs.len()];
    let mut needs_left = vec![0_usize; specs.len()];
    for (at, spec) in specs.iter().enumerate() {
        for to in spec.needs().filter_map(|(name, _)| index.get(&**name)) {
            dependants[*to].push(at);
            needs_left[at] += 1;
        }
    }
    let mut free: Vec<usize> = (0..specs.len()).filter(|at| needs_left[*at] == 0).collect();
    while let Some(at) = free.pop() {
        for dependant in std::mem::take(&mut dependants[at]) {
            needs_left[dependant] -= 1;
            if needs_left[dependant] == 0 {
                free.push(dependant);
            }
        }
    }
    let start = needs_left.iter().position(|left| *left > 0)?;
    Some(format!("apps wait for each other: {}", walk(specs, index, &needs_left, start)))
}

/// Follows needs among those left until a name comes again.
fn walk(
    specs: &[Spec],
    index: &BTreeMap<&str, usize>,
    needs_left: &[usize],
    start: usize,
) -> String {
    let mut path = vec![start];
    loop {
        let spec = &specs[path[path.len() - 1]];
        let mut next = spec.needs().filter_map(|(name, _)| index.get(&**name).copied());
        // Each that is left needs another that is left.
        let Some(next) = next.find(|at| needs_left[*at] > 0) else { break };
        let seen = path.iter().position(|at| *at == next);
        path.push(next);
        if let Some(first) = seen {
            path.drain(..first);
            break;
        }
    }
    let names: Vec<&str> = path.iter().map(|at| &*specs[*at].name).collect();
    names.join(" after ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines "name: needs"; `!` before a need makes it required.
    fn check_set(lines: &[&str], expected: Result<(), &str>) {
        let specs = lines.iter().map(|line| {
            let (name, needs) = line.split_once(':').unwrap_or((line, ""));
            let mut spec = Spec::named(name);
            for need in needs.split_whitespace() {
                match need.strip_prefix('!') {
                    Some(need) => spec.requires.push(need.into()),
                    None => spec.after.push(need.into()),
                }
            }
            spec
        });
        let specs: Vec<Spec> = specs.collect();
        assert_eq!(check(&specs), expected.map_err(str::to_owned), "{lines:?}");
    }

    #[test]
    fn sets_that_cannot_be_are_refused_with_words() {
        check_set(&[], Ok(()));
        check_set(&["a", "b: a", "c: a !b"], Ok(()));
        check_set(&["a: b", "b"], Ok(()));
        check_set(&["a", "a"], Err("two apps are named a: rename one"));
        check_set(&["a: x"], Err("app a: after or requires x, which is not an app"));
        check_set(&["a: a"], Err("apps wait for each other: a after a"));
        check_set(
            &["z", "d: a", "a: z !b", "b: c", "c: a"],
            Err("apps wait for each other: a after b after c after a"),
        );
    }

    #[test]
    fn counts_have_limits() {
        let spec = Spec { instances: INSTANCES_MAX + 1, ..Spec::named("a") };
        assert!(check(&[spec]).is_err_and(|words| words.contains("at most 65536")));
        let spec = |name| Spec { instances: INSTANCES_MAX, ..Spec::named(name) };
        assert!(check(&[spec("a"), spec("b"), spec("c")]).is_err());
    }
}
