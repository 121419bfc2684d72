//! What a reader must know to judge the figures: the machine, the versions, the method.

use std::fs;

use super::measure::Effort;
use super::server::{Contender, Kind, Place};
use super::{Asked, Measured};
use crate::clock;

pub fn facts(place: &Place, effort: &Effort, rows: &[Measured]) -> Vec<(String, String)> {
    let mut facts = vec![
        ("date".to_owned(), clock::date()),
        ("processor".to_owned(), processor()),
        ("processors".to_owned(), processors()),
        ("kernel".to_owned(), kernel()),
        ("load average after the run".to_owned(), load_average()),
        ("turns".to_owned(), turns(effort)),
    ];
    if rows.iter().any(|measured| measured.row.asked == Asked::Idle) {
        facts.push(("idle connections".to_owned(), effort.idle_connections.to_string()));
    }
    facts.extend(contenders().into_iter().filter(|contender| contender.is_installed(place)).map(
        |contender| {
            let version = contender.version(place);
            (contender.name, version)
        },
    ));
    facts
}

/// One of each program.
fn contenders() -> [Contender; 6] {
    [
        Contender::sockeye(),
        Contender::rival("nginx", Kind::Nginx { tcp_nopush: true }),
        Contender::rival("h2o", Kind::H2o),
        Contender::rival("haproxy", Kind::Haproxy),
        Contender::rival("lighttpd", Kind::Lighttpd),
        Contender::rival("caddy", Kind::Caddy),
    ]
}

fn turns(effort: &Effort) -> String {
    format!("{} of {:?} each, interleaved; medians", effort.turns, effort.turn)
}

pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or("unknown").to_owned()
}

fn processors() -> String {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    match count {
        1 => "1; server and load generator share it, so read the figures with care".to_owned(),
        _ => format!("{count}; one for the server, another for the load generator"),
    }
}

/// One server and one load generator make 1 to 2; more was somebody else's.
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

pub fn kernel() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let text = text.trim();
    text.split('-').next().filter(|release| !release.is_empty()).unwrap_or("unknown").to_owned()
}
