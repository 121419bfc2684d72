//! What is wrong on this host, who is to blame, and what to do: each diagnosis a rule of its own
//! file.
//!
//! A rule looks at `Facts` and nothing else: it reads no file, so the same facts give the same
//! findings. Every finding carries the numbers it rests on, with the place they were read, and one
//! line of advice. Where popular advice is wrong, the finding says so.

mod facts;
mod port;
mod rule;

pub use facts::{Facts, Listener, ProcessFacts};
pub use port::explain as explain_port;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Will hurt when it grows.
    Warning,
    /// Hurts now.
    Error,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub rule: &'static str,
    pub severity: Severity,
    /// The process to blame; 0 where it is the host.
    pub pid: u32,
    /// What is wrong, in one sentence.
    pub summary: String,
    /// Numbers, each with where it was read.
    pub evidence: Vec<String>,
    pub advice: String,
}

/// A diagnosis.
pub struct Rule {
    pub name: &'static str,
    pub look: fn(&Facts) -> Vec<Finding>,
}

/// Every rule there is, in the order of their findings.
pub const RULES: [Rule; 17] = [
    Rule { name: "zombie", look: rule::zombie::look },
    Rule { name: "stopped", look: rule::stopped::look },
    Rule { name: "accept-queue", look: rule::accept_queue::look },
    Rule { name: "unaccepted", look: rule::unaccepted::look },
    Rule { name: "hidden-listener", look: rule::hidden_listener::look },
    Rule { name: "foreign-listener", look: rule::foreign_listener::look },
    Rule { name: "stale-listener", look: rule::stale_listener::look },
    Rule { name: "close-wait", look: rule::close_wait::look },
    Rule { name: "reset-open", look: rule::reset_open::look },
    Rule { name: "stuck-connection", look: rule::stuck_connection::look },
    Rule { name: "descriptors", look: rule::descriptors::look },
    Rule { name: "process-limits", look: rule::process_limits::look },
    Rule { name: "uninterruptible", look: rule::uninterruptible::look },
    Rule { name: "deleted-open", look: rule::deleted_open::look },
    Rule { name: "ephemeral-ports", look: rule::ephemeral_ports::look },
    Rule { name: "time-wait", look: rule::time_wait::look },
    Rule { name: "orphans", look: rule::orphans::look },
];

/// All findings, the worst first.
pub fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| (rule.look)(facts)).collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}
