//! The procfs crate reads the same live /proc: it must agree with our parsers.

use std::os::fd::AsFd;

use procfs::process::Process as Theirs;
use sockeye_inspect::parse;
use sockeye_inspect::source::{self, Source};

#[test]
fn stat_and_limits_agree_with_procfs() {
    let live = Source::live().unwrap();
    let mut compared = 0;
    for theirs in procfs::process::all_processes().unwrap().flatten() {
        compared += usize::from(agrees(&live, &theirs));
    }
    assert!(compared > 0, "no process was compared");
}

/// False where the process went away meanwhile.
fn agrees(live: &Source, theirs: &Theirs) -> bool {
    let Ok(directory) = live.process(theirs.pid() as u32) else { return false };
    let mut text = Vec::new();
    let Ok(stat) = theirs.stat() else { return false };
    if source::read(directory.as_fd(), c"stat", &mut text).is_err() {
        return false;
    }
    let ours = parse::stat::parse(&text).expect("a line of stat");
    assert_eq!((ours.pid, ours.ppid), (stat.pid as u32, stat.ppid as u32));
    assert_eq!((ours.pgid, ours.session), (stat.pgrp, stat.session));
    assert_eq!(ours.start_ticks, stat.starttime);
    assert_eq!(String::from_utf8_lossy(ours.comm), stat.comm);
    let Ok(limits) = theirs.limits() else { return true };
    if source::read(directory.as_fd(), c"limits", &mut text).is_ok() {
        let soft = match limits.max_open_files.soft_limit {
            procfs::process::LimitValue::Value(value) => Some(value),
            procfs::process::LimitValue::Unlimited => None,
        };
        assert_eq!(parse::status::limit(&text, b"Max open files"), soft);
    }
    true
}

#[test]
fn parsers_take_any_bytes() {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut bytes = Vec::new();
    for length in 0..2000 {
        bytes.clear();
        for _ in 0..length % 300 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let alphabet = b" \n:/()-0123456789abcdefxZ\0\xff";
            bytes.push(alphabet[(state >> 40) as usize % alphabet.len()]);
        }
        parse::fuzz_text(&bytes);
        parse::diag::fuzz(&bytes);
        parse::btf::fuzz(&bytes);
        sockeye_inspect::tool::ss::filter::fuzz(&bytes);
    }
}
