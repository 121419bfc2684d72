//! The bench with small scenes, so that it cannot rot.

use super::measure::{self, COLLECTORS};
use super::scene::{Make, Own};
use super::{Options, carry_out, output, parse};
use crate::workspace;

fn own() -> Own {
    let test = "bench::inspect::tests::inside";
    let program = std::env::current_exe().unwrap().into_os_string();
    Own { program, arguments: vec!["--exact", test, "--nocapture", "--test-threads=1"] }
}

/// The part of a run that happens inside a scene; on its own it has nothing to do.
#[test]
fn inside() {
    measure::inside(&own()).unwrap();
}

#[test]
fn the_command_line_is_understood_or_refused() {
    let check = |arguments: &[&str], good: bool| {
        let strings: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        assert_eq!(parse(&strings).is_ok(), good, "{arguments:?}");
    };
    check(&[], true);
    check(&["--quick", "--only", "idle", "--turns", "3", "--out", "x"], true);
    check(&["--only", "nothing"], false);
    check(&["--turns", "few"], false);
    check(&["--turns"], false);
    check(&["--fast"], false);
}

#[test]
fn a_small_run_lists_every_scene_with_every_tool_that_is_there() {
    let built = ["release/sockeye", "debug/sockeye"].map(|file| workspace::target().join(file));
    let Some(sockeye) = built.into_iter().find(|file| file.is_file()) else { return };
    let options = Options { quick: true, sockeye: Some(sockeye), ..Options::default() };
    if !is_root() {
        return;
    }
    let run = carry_out(&options, &own()).unwrap();
    for (row, lanes) in &run.rows {
        let tools = lanes.len() / (1 + COLLECTORS.len());
        for lane in lanes {
            let lines = lane.turns[0].lines;
            assert!(lines > 2 || row.make == Make::Nothing, "{}: {lane:?}", row.name);
            assert!(output::page(&run).contains(&format!("| {} | {} |", lane.tool, lane.by)));
        }
        assert_eq!(lanes.len(), tools * (1 + COLLECTORS.len()));
    }
    let json = output::json(&run);
    assert_eq!(json["scenes"].as_array().unwrap().len(), run.rows.len());
}

/// The namespaces of a scene need it.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}
