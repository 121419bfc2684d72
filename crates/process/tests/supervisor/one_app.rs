//! What happens to one app.

use std::time::Duration;

use sockeye_process::supervisor::{Liveness, Readiness, Replace, Restart, Spec};

use crate::desk::{app, check};

const UP: [(&str, &str); 2] = [("configure", "spawn 1 web#0"), ("up 1", "done: configure")];

fn pair() -> Spec {
    Spec { instances: 2, ..app("web") }
}

const PAIR_UP: [(&str, &str); 3] =
    [("configure", "spawn 1 web#0; spawn 2 web#1"), ("up 1", ""), ("up 2", "done: configure")];

fn check_from(spec: Spec, first: &[(&str, &str)], then: &[(&str, &str)]) -> crate::desk::Desk {
    check(&[spec], &[first, then].concat())
}

#[test]
fn it_starts_and_stops() {
    let desk = check_from(
        app("web"),
        &UP,
        &[
            ("start web", "done: start web"),
            ("stop web", "stop 1"),
            ("exit 1 0", "done: stop web"),
            ("stop web", "done: stop web"),
            ("wait 100000", ""),
            ("start web", "spawn 2 web#0"),
            ("up 2", "done: start web"),
            ("start api", "refused: start api: no app is named api"),
        ],
    );
    assert_eq!(desk.states("web"), "ready");
}

#[test]
fn without_a_way_to_say_so_it_is_ready_when_it_has_lived_for_a_moment() {
    let spec = Spec { readiness: Readiness::None, ..app("web") };
    check(
        &[spec],
        &[
            ("configure", "spawn 1 web#0"),
            ("started 1", ""),
            ("wait 499", ""),
            ("wait 1", "done: configure"),
        ],
    );
}

#[test]
fn what_ignores_the_stop_signal_is_killed_after_stop_timeout() {
    check_from(
        app("web"),
        &UP,
        &[
            ("stop web", "stop 1"),
            ("wait 9999", ""),
            ("wait 1", "kill 1"),
            ("wait 1000", "kill 1"),
            ("exit 1 0", "done: stop web"),
            ("wait 100000", ""),
        ],
    );
}

#[test]
fn what_outlives_sigkill_is_told_and_not_waited_for() {
    let desk = check_from(
        app("web"),
        &UP,
        &[
            ("stop web", "stop 1"),
            ("wait 13999", "kill 1; kill 1; kill 1; kill 1"),
            ("wait 1000", "kill 1"),
            ("wait 1000", "failed: stop web: 1 processes outlive SIGKILL"),
            ("shutdown", "failed: shutdown: 1 processes outlive SIGKILL"),
            ("exit 1 0", ""),
            ("shutdown", "done: shutdown"),
        ],
    );
    assert_eq!(desk.machine.live(), 0);
}

#[test]
fn a_group_outlives_its_main_process_no_longer_than_the_stop() {
    check_from(
        app("web"),
        &UP,
        &[
            ("stop web", "stop 1"),
            ("exit 1 0 group", ""),
            ("wait 10000", "kill 1"),
            ("gone 1", "done: stop web"),
        ],
    );
    // Nobody asked: what is left has no head, and the next start waits for it.
    check_from(
        app("web"),
        &UP,
        &[
            ("exit 1 1 group", "kill 1"),
            ("wait 1000", "kill 1"),
            ("gone 1", ""),
            ("wait 100", "spawn 2 web#0"),
        ],
    );
    // What cannot be ended is given up, in words.
    let desk = check_from(
        app("web"),
        &UP,
        &[
            ("exit 1 1 group", "kill 1"),
            ("wait 5100", "kill 1; kill 1; kill 1; kill 1; spawn 2 web#0"),
        ],
    );
    let words = "web/1: processes of its group live on after 5 SIGKILLs; not waited for";
    assert!(desk.reports.iter().any(|report| report == words), "{:?}", desk.reports);
}

#[test]
fn quick_ends_are_put_off_and_a_healthy_life_forgets_them() {
    check_from(
        app("web"),
        &UP,
        &[
            ("exit 1 1", ""),
            ("wait 99", ""),
            ("wait 1", "spawn 2 web#0"),
            ("started 2", ""),
            ("exit 2 1", ""),
            ("wait 200", "spawn 3 web#0"),
            ("not-started 3", ""),
            ("wait 399", ""),
            ("wait 1", "spawn 4 web#0"),
            ("up 4", ""),
            ("wait 10000", ""),
            ("exit 4 1", "spawn 5 web#0"),
            ("exit 5 1", ""),
            ("wait 100", "spawn 6 web#0"),
        ],
    );
}

#[test]
fn a_crash_loop_is_told_once_and_so_is_its_end() {
    let spec = Spec { crash_loop: 3, ..app("web") };
    let mut desk = check_from(
        spec,
        &UP,
        &[
            ("exit 1 1", ""),
            ("wait 100", "spawn 2 web#0"),
            ("exit 2 1", ""),
            ("wait 200", "spawn 3 web#0"),
            ("exit 3 1", ""),
        ],
    );
    assert_eq!(desk.states("web"), "crash loop");
    desk.play(&[
        ("wait 400", "spawn 4 web#0"),
        ("exit 4 1", ""),
        ("wait 800", "spawn 5 web#0"),
        ("up 5", ""),
        ("wait 10000", ""),
    ]);
    let told: Vec<&String> = desk
        .reports
        .iter()
        .filter(|line| line.contains("loop") || line.contains("recov"))
        .collect();
    let expected = [
        "web/1: crash loop: 3 ends in a row soon after the start",
        "web/1: recovered: it runs as long as a healthy one",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_restart_in_a_crash_loop_tries_at_once_and_forgets() {
    for verb in ["start", "restart"] {
        let (request, failed, done) = (
            format!("{verb} web"),
            format!("failed: {verb} web: web/1: exit 1"),
            format!("done: {verb} web"),
        );
        check_from(
            app("web"),
            &UP,
            &[
                ("exit 1 1", ""),
                ("wait 100", "spawn 2 web#0"),
                ("exit 2 1", ""),
                (&request, "spawn 3 web#0"),
                ("exit 3 1", &failed),
                ("wait 100", "spawn 4 web#0"),
                ("exit 4 1", ""),
                (&request, "spawn 5 web#0"),
                ("up 5", &done),
                ("wait 100000", ""),
            ],
        );
    }
}

#[test]
fn the_policy_decides_what_follows_an_end() {
    let spec = |restart| Spec { restart, ..app("web") };
    for (restart, status, again, state) in [
        (Restart::Always, "0", true, "ready"),
        (Restart::Always, "1", true, "ready"),
        (Restart::OnFailure, "0", false, "finished"),
        (Restart::OnFailure, "1", true, "ready"),
        (Restart::Never, "0", false, "finished"),
        (Restart::Never, "1", false, "finished in failure"),
    ] {
        let exit = format!("exit 1 {status}");
        let mut desk = check_from(spec(restart), &UP, &[(&exit, "")]);
        desk.play(if again {
            &[("wait 100", "spawn 2 web#0"), ("up 2", "")]
        } else {
            &[("wait 100000", "")]
        });
        assert_eq!(desk.states("web"), state, "{restart:?}, exit {status}");
    }
}

#[test]
fn what_finishes_at_once_has_done_what_it_had_to() {
    let spec = Spec { restart: Restart::Never, ..app("migrate") };
    check(
        &[spec],
        &[
            ("configure", "spawn 1 migrate#0"),
            ("started 1", ""),
            ("exit 1 0", "done: configure"),
            ("start migrate", "spawn 2 migrate#0"),
            ("exit 2 3", "failed: start migrate: migrate/1: exit 3"),
        ],
    );
}

#[test]
fn a_start_that_is_not_ready_in_time_is_ended_and_counts() {
    check(
        &[app("web")],
        &[
            ("configure", "spawn 1 web#0"),
            ("started 1", ""),
            ("wait 30000", "stop 1; failed: configure: web/1: not ready after 30.0s"),
            ("exit 1 0", ""),
            ("wait 100", "spawn 2 web#0"),
            ("started 2", ""),
            ("extend 2 60000", ""),
            ("wait 59999", ""),
            ("wait 1", "stop 2"),
        ],
    );
}

#[test]
fn nobody_can_put_off_a_timeout_for_ever() {
    let spec = Spec { stop_timeout: Duration::from_secs(1), ..app("web") };
    check_from(
        spec,
        &UP,
        &[
            ("stop web", "stop 1"),
            ("extend 1 2000", ""),
            ("wait 1999", ""),
            ("extend 1 1000000000", ""),
            ("wait 8000", ""),
            ("wait 1", "kill 1"),
            ("extend 1 1000000000", ""),
            ("wait 1000", "kill 1"),
        ],
    );
}

#[test]
fn probes_tell_readiness_and_life() {
    let liveness = Some(Liveness { interval: Duration::from_secs(1), failures: 2 });
    let spec = Spec { readiness: Readiness::Probe, liveness, ..app("web") };
    check(
        &[spec],
        &[
            ("configure", "spawn 1 web#0"),
            ("started 1", "probe 1"),
            ("ready 1", ""),
            ("failed 1", ""),
            ("wait 200", "probe 1"),
            ("passed 1", "done: configure"),
            ("wait 1000", "probe 1"),
            ("failed 1", ""),
            ("wait 1000", "probe 1"),
            ("passed 1", ""),
            ("wait 1000", "probe 1"),
            ("failed 1", ""),
            // One that is not answered counts as failed.
            ("wait 1000", "probe 1"),
            ("wait 1000", "stop 1"),
            ("exit 1 0", ""),
            ("wait 100", "spawn 2 web#0"),
        ],
    );
}

#[test]
fn a_watchdog_wants_its_pings() {
    check_from(
        app("web"),
        &UP,
        &[
            ("watchdog 1 1000", ""),
            ("wait 900", ""),
            ("ping 1", ""),
            ("wait 999", ""),
            ("wait 1", "stop 1"),
            ("exit 1 0", ""),
            ("wait 100", "spawn 2 web#0"),
            ("started 2", ""),
            ("watchdog 2 1000", ""),
            ("ready 2", ""),
            ("watchdog 2 0", ""),
            ("wait 100000", ""),
        ],
    );
}

#[test]
fn what_says_that_it_stops_has_the_time_of_a_stop() {
    check_from(
        app("web"),
        &UP,
        &[
            ("stopping 1", ""),
            ("wait 10000", "kill 1"),
            ("exit 1 0", ""),
            ("wait 100", "spawn 2 web#0"),
        ],
    );
}

#[test]
fn a_rolling_restart_takes_one_after_the_other() {
    let desk = check_from(
        pair(),
        &PAIR_UP,
        &[
            ("restart web", "spawn 3 web#0"),
            ("started 3", ""),
            ("ready 3", "stop 1"),
            ("exit 1 0", "spawn 4 web#1"),
            ("up 4", "stop 2"),
            ("exit 2 0", "done: restart web"),
        ],
    );
    assert_eq!(desk.states("web"), "ready, ready");
}

#[test]
fn where_the_address_is_its_own_the_old_one_goes_first() {
    let spec = Spec { replace: Replace::InPlace, ..pair() };
    check_from(
        spec,
        &PAIR_UP,
        &[
            ("restart web", "stop 1"),
            ("exit 1 0", "spawn 3 web#0"),
            ("up 3", "stop 2"),
            ("exit 2 0", "spawn 4 web#1"),
            ("up 4", "done: restart web"),
        ],
    );
}

#[test]
fn a_new_one_that_does_not_become_ready_leaves_the_old_ones() {
    let desk = check_from(
        pair(),
        &PAIR_UP,
        &[
            ("restart web", "spawn 3 web#0"),
            ("exit 3 1", "failed: restart web: web/1: exit 1"),
            ("wait 100000", ""),
            ("restart web", "spawn 4 web#0"),
            ("not-started 4", "failed: restart web: web/1: no such file"),
            ("restart web", "spawn 5 web#0"),
            ("started 5", ""),
            ("wait 30000", "stop 5; failed: restart web: web/1: not ready after 30.0s"),
            // The place of the second instance is taken until it is gone.
            ("restart web", ""),
            ("exit 5 0", "spawn 6 web#0"),
        ],
    );
    assert_eq!(desk.states("web"), "ready, starting, ready");
    let words = "web/1: not replaced: exit 1; the old ones stay";
    assert!(desk.reports.iter().any(|report| report == words), "{:?}", desk.reports);
}

#[test]
fn an_old_one_that_ends_while_the_new_one_starts_is_not_missed() {
    check_from(
        pair(),
        &PAIR_UP,
        &[
            ("restart web", "spawn 3 web#0"),
            ("started 3", ""),
            ("exit 1 1", ""),
            ("wait 10000", ""),
            ("ready 3", "spawn 4 web#1"),
        ],
    );
}

#[test]
fn a_new_one_that_ends_while_the_old_one_stops_is_started_again_beside_it() {
    check_from(
        app("web"),
        &UP,
        &[
            ("restart web", "spawn 2 web#0"),
            ("up 2", "stop 1"),
            ("exit 2 1", ""),
            ("wait 100", "spawn 3 web#0"),
            ("up 3", ""),
            ("exit 1 0", "done: restart web"),
        ],
    );
}

#[test]
fn a_restart_during_a_restart_joins_it() {
    check_from(
        pair(),
        &PAIR_UP,
        &[
            ("restart web", "spawn 3 web#0"),
            ("up 3", "stop 1"),
            ("restart web", ""),
            ("exit 1 0", "spawn 4 web#0"),
            ("up 4", "stop 3"),
            ("exit 3 0", "spawn 5 web#1"),
            ("up 5", "stop 2"),
            ("exit 2 0", "done: restart web; done: restart web"),
        ],
    );
}

#[test]
fn stop_and_start_overtake_each_other() {
    check_from(
        app("web"),
        &UP,
        &[
            ("stop web", "stop 1"),
            ("start web", "failed: stop web: web was started meanwhile"),
            ("exit 1 0", "spawn 2 web#0"),
            ("stop web", "failed: start web: web was stopped meanwhile"),
            // It stops as soon as it is known to run.
            ("started 2", "stop 2"),
            ("exit 2 0", "done: stop web"),
            ("restart web", "spawn 3 web#0"),
            ("up 3", "done: restart web"),
            ("restart web", "spawn 4 web#0"),
            ("stop web", "failed: restart web: web was stopped meanwhile; stop 3"),
            ("not-started 4", ""),
            ("exit 3 0", "done: stop web"),
        ],
    );
}

#[test]
fn limits_recycle_an_instance_as_a_restart_would() {
    let spec = Spec { memory_max: Some(100), ..pair() };
    check_from(
        spec,
        &PAIR_UP,
        &[
            ("memory 1 100", ""),
            ("memory 1 101", "spawn 3 web#0"),
            ("memory 1 102", ""),
            ("memory 2 200", ""),
            ("up 3", "stop 1"),
            ("exit 1 0", "spawn 4 web#1"),
            ("up 4", "stop 2"),
            ("exit 2 0", ""),
        ],
    );
    let spec = Spec { lifetime_max: Some(Duration::from_secs(60)), ..app("web") };
    check_from(
        spec.clone(),
        &UP,
        &[
            ("wait 60000", "spawn 2 web#0"),
            ("exit 2 1", ""),
            // The old one stays, and the next attempt has time.
            ("wait 29999", ""),
            ("wait 1", "spawn 3 web#0"),
            ("up 3", "stop 1"),
            ("exit 1 0", ""),
        ],
    );
    let spec = Spec { restart: Restart::Never, ..spec };
    let desk =
        check_from(spec, &UP, &[("wait 60000", "stop 1"), ("exit 1 0", ""), ("wait 100000", "")]);
    assert_eq!(desk.states("web"), "finished");
}

#[test]
fn events_of_what_is_gone_or_never_was_change_nothing() {
    check_from(
        app("web"),
        &UP,
        &[
            ("started 1", ""),
            ("ready 1", ""),
            ("gone 1", ""),
            ("stop web", "stop 1"),
            ("exit 1 0", "done: stop web"),
            ("exit 1 0", ""),
            ("gone 1", ""),
            ("ready 1", ""),
            ("failed 1", ""),
            ("memory 1 1000", ""),
            ("stopping 7", ""),
            ("exit 7 0", ""),
        ],
    );
}
