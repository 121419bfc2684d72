//! What happens among several apps: order, requirements, another configuration, the end of all.

use sockeye_process::supervisor::{Delays, Replace, Restart, Spec};

use crate::desk::{Desk, app, check};

fn after(name: &str, needs: &[&str]) -> Spec {
    Spec { after: needs.iter().map(|need| (*need).into()).collect(), ..app(name) }
}

fn requires(name: &str, needs: &[&str]) -> Spec {
    Spec { requires: needs.iter().map(|need| (*need).into()).collect(), ..app(name) }
}

/// `web` requires `api`, which requires `db`; all up as 3, 2, 1.
fn chain() -> Desk {
    check(
        &[requires("web", &["api"]), requires("api", &["db"]), app("db")],
        &[
            ("configure", "spawn 1 db#0"),
            ("up 1", "spawn 2 api#0"),
            ("up 2", "spawn 3 web#0"),
            ("up 3", "done: configure"),
        ],
    )
}

#[test]
fn starts_go_up_the_order_and_stops_down() {
    chain().play(&[
        ("shutdown", "stop 3"),
        ("start db", "refused: start db: the supervisor is shutting down"),
        ("exit 3 0", "stop 2"),
        ("exit 2 0", "stop 1"),
        ("wait 10000", "kill 1"),
        ("exit 1 0", "done: shutdown"),
        ("wait 100000", ""),
    ]);
}

#[test]
fn a_stop_takes_those_that_require_it_along_and_a_start_brings_them_back() {
    chain().play(&[
        ("stop db", "stop 3"),
        ("exit 3 0", "stop 2"),
        ("exit 2 0", "stop 1"),
        ("exit 1 0", "done: stop db"),
        ("start db", "spawn 4 db#0"),
        ("up 4", "done: start db; spawn 5 api#0"),
        ("up 5", "spawn 6 web#0"),
        ("up 6", ""),
    ]);
}

#[test]
fn a_start_starts_what_it_requires() {
    let manual = |spec: Spec| Spec { autostart: false, ..spec };
    check(
        &[manual(requires("web", &["db"])), manual(app("db"))],
        &[
            ("configure", "done: configure"),
            ("start web", "spawn 1 db#0"),
            ("up 1", "spawn 2 web#0"),
            ("up 2", "done: start web"),
            ("stop web", "stop 2"),
            ("exit 2 0", "done: stop web"),
            // What it required was wanted by that start too, and stays.
            ("wait 100000", ""),
        ],
    );
}

#[test]
fn a_crash_below_does_not_stop_those_above() {
    chain().play(&[
        ("exit 1 1", ""),
        ("wait 100", "spawn 4 db#0"),
        ("exit 2 1", ""),
        ("wait 100", "spawn 5 api#0"),
        ("restart db", ""),
        ("up 4", "stop 4"),
    ]);
}

#[test]
fn what_only_comes_after_does_not_wait_for_a_failure() {
    let desk = check(
        &[after("web", &["db"]), app("db")],
        &[
            ("configure", "spawn 1 db#0"),
            ("exit 1 1", "spawn 2 web#0"),
            ("up 2", "failed: configure: db/1: exit 1"),
        ],
    );
    let words = "web/1: starts without db, which did not start";
    assert!(desk.reports.iter().any(|report| report == words), "{:?}", desk.reports);
    // An app that nobody wants is not waited for either.
    check(
        &[after("web", &["db"]), Spec { autostart: false, ..app("db") }],
        &[("configure", "spawn 1 web#0")],
    );
}

#[test]
fn what_requires_a_failure_waits_until_it_is_mended_and_says_so() {
    let specs = [requires("web", &["api"]), requires("api", &["db"]), app("db")];
    let mut desk = check(
        &specs,
        &[("configure", "spawn 1 db#0"), ("exit 1 1", "failed: configure: db/1: exit 1")],
    );
    assert_eq!(desk.states("web"), "waits for others");
    let words = "api/1: waits for db, which it requires";
    assert!(desk.reports.iter().any(|report| report == words), "{:?}", desk.reports);
    desk.play(&[
        // A start tries all of it again.
        ("start web", "spawn 2 db#0"),
        ("exit 2 1", "failed: start web: web requires api, which did not start"),
        ("wait 100", "spawn 3 db#0"),
        ("up 3", "spawn 4 api#0"),
        ("up 4", "spawn 5 web#0"),
    ]);
}

#[test]
fn a_program_that_ran_to_its_end_satisfies_those_after_it() {
    let once = Spec { restart: Restart::OnFailure, ..app("migrate") };
    check(
        &[requires("web", &["migrate"]), once.clone()],
        &[
            ("configure", "spawn 1 migrate#0"),
            ("started 1", ""),
            ("exit 1 0", "spawn 2 web#0"),
            ("up 2", "done: configure"),
        ],
    );
    check(
        &[requires("web", &["migrate"]), once],
        &[
            ("configure", "spawn 1 migrate#0"),
            ("exit 1 2", "failed: configure: migrate/1: exit 2"),
            ("wait 100", "spawn 2 migrate#0"),
            ("started 2", ""),
            ("exit 2 0", "spawn 3 web#0"),
        ],
    );
}

#[test]
fn a_set_that_cannot_be_changes_nothing() {
    let mut desk = check(&[app("web")], &[("configure", "spawn 1 web#0")]);
    desk.set(&[after("web", &["db"])]);
    let words = "app web: after or requires db, which is not an app";
    desk.play(&[
        ("configure", &format!("refused: configure: {words}")),
        ("up 1", "done: configure"),
    ]);
}

#[test]
fn another_configuration_touches_only_what_it_changes() {
    let (web, api, db) = (app("web"), app("api"), app("db"));
    let mut desk = check(
        &[web.clone(), api.clone(), db.clone()],
        &[
            ("configure", "spawn 1 web#0; spawn 2 api#0; spawn 3 db#0"),
            ("up 1", ""),
            ("up 2", ""),
            ("up 3", "done: configure"),
            ("configure", "done: configure"),
        ],
    );
    let delays = Delays { healthy_after: std::time::Duration::from_secs(99), ..web.delays };
    let web = Spec { delays, stop_timeout: std::time::Duration::from_secs(1), ..web };
    let api = Spec { fingerprint: 2, ..api };
    desk.set(&[web.clone(), api.clone(), app("new")]);
    desk.play(&[
        ("configure", "stop 3; spawn 4 new#0; spawn 5 api#0"),
        ("up 5", "stop 2"),
        ("exit 2 0", ""),
        ("up 4", ""),
        ("exit 3 0", "done: configure"),
        // The new policy counts.
        ("stop web", "stop 1"),
        ("wait 1000", "kill 1"),
    ]);
    assert!(desk.machine.app_view("db").is_none());
}

#[test]
fn a_change_that_does_not_start_leaves_the_old_ones_and_can_be_taken_back() {
    let old = Spec { instances: 2, ..app("web") };
    let mut desk = check(
        std::slice::from_ref(&old),
        &[("configure", "spawn 1 web#0; spawn 2 web#1"), ("up 1", ""), ("up 2", "done: configure")],
    );
    desk.set(&[Spec { fingerprint: 2, ..old.clone() }]);
    desk.play(&[
        ("configure", "spawn 3 web#0"),
        ("exit 3 1", "failed: configure: web/1: exit 1"),
        ("wait 100000", ""),
    ]);
    desk.set(&[old]);
    desk.play(&[("configure", "done: configure"), ("wait 100000", "")]);
}

#[test]
fn fewer_and_more_instances() {
    let spec = |instances| Spec { instances, ..app("web") };
    let mut desk = check(
        &[spec(3)],
        &[
            ("configure", "spawn 1 web#0; spawn 2 web#1; spawn 3 web#2"),
            ("up 1", ""),
            ("up 2", ""),
            ("up 3", "done: configure"),
        ],
    );
    desk.set(&[spec(1)]);
    desk.play(&[("configure", "done: configure; stop 2; stop 3"), ("exit 2 0", "")]);
    desk.set(&[spec(3)]);
    desk.play(&[
        ("configure", "spawn 4 web#1"),
        ("exit 3 0", "spawn 5 web#2"),
        ("up 4", ""),
        ("up 5", "done: configure"),
    ]);
    desk.set(&[spec(0)]);
    desk.play(&[("configure", "done: configure; stop 1; stop 4; stop 5")]);
}

#[test]
fn an_app_that_is_removed_can_come_back_while_it_stops() {
    let mut desk =
        check(&[app("web")], &[("configure", "spawn 1 web#0"), ("up 1", "done: configure")]);
    desk.set(&[]);
    desk.play(&[("configure", "stop 1"), ("start web", "refused: start web: no app is named web")]);
    desk.set(&[Spec { fingerprint: 9, ..app("web") }]);
    desk.play(&[
        ("configure", "failed: configure: web was started meanwhile"),
        ("exit 1 0", "spawn 2 web#0"),
        ("up 2", "done: configure"),
    ]);
}

#[test]
fn a_replacement_in_place_that_fails_stops_there() {
    let old = Spec { instances: 2, replace: Replace::InPlace, ..app("web") };
    let mut desk = check(
        std::slice::from_ref(&old),
        &[("configure", "spawn 1 web#0; spawn 2 web#1"), ("up 1", ""), ("up 2", "done: configure")],
    );
    desk.set(&[Spec { fingerprint: 2, ..old }]);
    desk.play(&[
        ("configure", "stop 1"),
        ("exit 1 0", "spawn 3 web#0"),
        ("exit 3 1", "failed: configure: web/1: exit 1"),
        // The place is filled all the same, and the second instance stays.
        ("wait 100", "spawn 4 web#0"),
        ("up 4", ""),
        ("wait 100000", ""),
    ]);
}
