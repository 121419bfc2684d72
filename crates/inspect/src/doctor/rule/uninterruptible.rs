//! Processes that wait in the kernel and cannot be interrupted: state D, proc_pid_stat(5). A disk,
//! a network file system or a driver does not answer; kill(1) does nothing until it does.

use crate::doctor::{Facts, Finding, Severity};

pub fn look(facts: &Facts) -> Vec<Finding> {
    facts.waiting.iter().filter_map(|(pid, place)| finding(facts, *pid, place)).collect()
}

fn finding(facts: &Facts, pid: u32, place: &str) -> Option<Finding> {
    facts.process(pid).filter(|process| process.state == b'D')?;
    let owner = facts.describe(pid);
    Some(Finding {
        rule: "uninterruptible",
        severity: Severity::Warning,
        pid,
        summary: format!("{owner} waits in the kernel, in {place}"),
        evidence: vec![format!(
            "state D in /proc/{pid}/stat at both looks; {place} in /proc/{pid}/wchan"
        )],
        advice: format!(
            "find what {place} waits for: dmesg; sockeye lsof -p {pid} marks its files on mounts \
             whose server may be gone \"(not asked: ...)\"; not even SIGKILL ends {owner} before \
             that answers"
        ),
    })
}
