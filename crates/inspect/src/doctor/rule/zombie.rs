//! Processes that have ended and that their parent does not reap: wait(2), proc_pid_stat(5).

use crate::doctor::{Facts, Finding, ProcessFacts, Severity};
use crate::parse::status::has_signal;

const SIGCHLD: u32 = 17;
/// So many zombies of one parent will run into a process limit sooner or later.
const MANY: usize = 50;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut parents: Vec<u32> =
        facts.processes.iter().filter(|p| is_zombie(p)).map(|p| p.ppid).collect();
    parents.sort_unstable();
    parents.dedup();
    parents.into_iter().map(|parent| finding(facts, parent)).collect()
}

/// A process whose first thread has ended while others run is shown as Z too, but lives.
fn is_zombie(process: &ProcessFacts) -> bool {
    process.state == b'Z' && process.threads <= 1
}

fn finding(facts: &Facts, parent: u32) -> Finding {
    let dead: Vec<&ProcessFacts> =
        facts.processes.iter().filter(|p| is_zombie(p) && p.ppid == parent).collect();
    let listed: Vec<String> =
        dead.iter().take(5).map(|p| format!("{} {}", p.pid, p.name)).collect();
    let owner = facts.describe(parent);
    let (why, advice) = reason(facts, parent);
    Finding {
        rule: "zombie",
        severity: if dead.len() >= MANY { Severity::Error } else { Severity::Warning },
        pid: parent,
        summary: format!("{owner} has not reaped {} ended child(ren): {why}", dead.len()),
        evidence: vec![
            format!("state Z in /proc/PID/stat: {}", listed.join(", ")),
            format!("{} of kernel.pid_max {}", dead.len(), facts.host.processes_max),
        ],
        advice,
    }
}

fn reason(facts: &Facts, parent: u32) -> (&'static str, String) {
    let owner = facts.describe(parent);
    let Some(process) = facts.process(parent) else {
        return (
            "its parent cannot be seen from here",
            "look from the host's namespace".to_owned(),
        );
    };
    let status = &process.status;
    if matches!(process.state, b'T' | b't') {
        let advice = format!("a stopped parent cannot reap: kill -CONT {parent}");
        return ("the parent is stopped", advice);
    }
    if process.state == b'D' {
        return ("the parent waits in the kernel", format!("find out what {owner} waits for"));
    }
    if parent == 1 || status.is_inner_init {
        let advice = "run an init that reaps as number 1 (docker run --init, tini, sockeye)";
        return ("the init of its namespace does not reap", advice.to_owned());
    }
    let repair = format!("mend or restart {owner}; killing the zombie does nothing, it is dead");
    if has_signal(status.blocked, SIGCHLD) {
        return ("the parent blocks SIGCHLD", repair);
    }
    if !has_signal(status.caught, SIGCHLD) {
        return ("the parent has no handler for SIGCHLD and does not wait", repair);
    }
    ("the parent has a handler for SIGCHLD that does not wait for all", repair)
}
