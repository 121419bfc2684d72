//! The table of TIME_WAIT is nearly full: beyond it connections are torn down early. tcp(7).

use crate::doctor::{Facts, Finding, Severity};

const WARNING_PERCENT: u64 = 80;

pub fn look(facts: &Facts) -> Vec<Finding> {
    let (count, most) = (facts.host.time_wait.max(0) as u64, facts.host.time_wait_max);
    if most == 0 || count * 100 < most * WARNING_PERCENT {
        return Vec::new();
    }
    vec![Finding {
        rule: "time-wait",
        severity: Severity::Warning,
        pid: 0,
        summary: format!("{count} connections in TIME_WAIT, of {most} the host keeps"),
        evidence: vec!["tw in /proc/net/sockstat, net.ipv4.tcp_max_tw_buckets".to_owned()],
        advice: "TIME_WAIT is the normal end on the side that closes first: let clients close, or \
                 reuse connections; raise tcp_max_tw_buckets only for memory's sake last"
            .to_owned(),
    }]
}
