//! The bench with small parameters, so that it cannot rot: every part of it runs in the tests.

use std::path::PathBuf;
use std::time::Duration;

use super::measure::{Figures, Outcome};
use super::row::FILES;
use super::server::{Contender, Kind, Place};
use super::{Asked, Measured, Run, carry_out, chart, output, parse, row, table, verdict};
use crate::workspace;
use testkit::load::{self, Plan};
use testkit::trace;

fn strings(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|argument| (*argument).to_owned()).collect()
}

/// A Sockeye that was built before; the test measures it when it is there.
fn sockeye() -> Option<PathBuf> {
    let built = ["release/sockeye", "debug/sockeye"].map(|file| workspace::target().join(file));
    built.into_iter().find(|file| file.is_file())
}

#[test]
fn the_command_line_is_understood_or_refused() {
    let check = |arguments: &[&str], good: bool| {
        assert_eq!(parse(&strings(arguments)).is_ok(), good, "{arguments:?}");
    };
    check(&[], true);
    check(&["serve", "--quick", "--only", "4k", "--seconds", "0.5", "--turns", "3"], true);
    check(&["--only", "nothing"], false);
    check(&["--only"], false);
    check(&["--seconds", "0"], false);
    check(&["--seconds", "soon"], false);
    check(&["--fast"], false);
}

#[test]
fn only_a_sockeye_that_does_not_serve_is_a_failure() {
    let check = |server: &str, figures: Result<u64, String>, good: bool| {
        let figures = figures.map(|failed| Figures {
            cost: 1.0,
            requests_per_second: 1.0,
            p50_us: 1.0,
            p99_us: 1.0,
            failed,
            turns: Vec::new(),
        });
        let outcomes = vec![Outcome { server: server.to_owned(), figures }];
        let rows = vec![Measured { row: row::all().swap_remove(0), outcomes }];
        let run = Run { facts: Vec::new(), rows };
        assert_eq!(verdict(&run).is_ok(), good, "{server}");
    };
    check("sockeye", Ok(0), true);
    check("sockeye", Ok(1), false);
    check("sockeye", Err("no such file".to_owned()), false);
    check("nginx", Ok(1), true);
    check("caddy", Err("no such file".to_owned()), true);
}

#[test]
fn a_small_run_measures_every_server_that_is_there() {
    if workspace::program("nginx").is_none() {
        return;
    }
    let only = ["reply", "100k", "pipelined", "connect", "idle"];
    let mut arguments = vec!["--quick"];
    only.iter().for_each(|row| arguments.extend(["--only", row]));
    let mut options = parse(&strings(&arguments)).unwrap().unwrap();
    options.sockeye = sockeye();
    options.effort.turn = Duration::from_millis(50);
    options.effort.idle_connections = 50;
    let run = carry_out(&options).unwrap();
    assert_eq!(run.rows.len(), only.len());
    for measured in &run.rows {
        assert!(!measured.outcomes.is_empty());
        let rivals = measured.outcomes.iter().filter(|o| !o.server.starts_with("sockeye"));
        for outcome in rivals {
            let figures = outcome.figures.as_ref().unwrap();
            assert_eq!(figures.failed, 0, "{} {}", measured.row.name, outcome.server);
            assert!(figures.cost > 0.0 || measured.row.asked == Asked::Idle);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    output::write(&run, folder.path()).unwrap();
    let json = output::json(&run);
    assert_eq!(json["rows"].as_array().unwrap().len(), only.len());
    assert!(table::page(&run).contains("| nginx |"));
    let svg = chart::svg(&run);
    assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && svg.contains("nginx"));
}

/// nginx is known to answer a `return` with epoll_wait, recvfrom and writev.
#[test]
fn the_system_calls_of_a_server_are_counted() {
    if workspace::program("nginx").is_none() || !trace::is_available() {
        return;
    }
    let site = tempfile::tempdir().unwrap();
    super::make_site(site.path()).unwrap();
    let place = Place { site: site.path().to_path_buf(), sockeye: None, processor: None };
    let nginx = Contender::rival("nginx", Kind::Nginx { tcp_nopush: true });
    let started = nginx.start(&place).unwrap();
    let plan = Plan {
        connections: 8,
        requests: 2000,
        duration: Duration::from_secs(60),
        ..Plan::new(started.address.clone(), FILES[0].0)
    };
    let calls =
        trace::syscalls_per_request(started.child.pid(), || Ok(load::run(&plan)?.answered()));
    let calls = calls.unwrap();
    assert_eq!(calls.requests, 2000);
    assert!((1.0..1.1).contains(&calls.of("writev")), "{calls:?}");
    assert!((2.0..4.5).contains(&calls.per_request()), "{calls:?}");
}
