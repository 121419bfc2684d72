//! What happens when another program goes on where one left off.

use std::time::{Duration, Instant};

use sockeye_process::supervisor::{Replace, Restart, Spec, Supervisor};

use crate::desk::{app, check};

#[test]
fn what_runs_goes_on_and_what_rests_rests() {
    let once = Spec { restart: Restart::Never, ..app("once") };
    let specs = [app("web"), once, app("sick"), app("held"), app("slow")];
    let mut desk = check(
        &specs,
        &[
            (
                "configure",
                "spawn 1 web#0; spawn 2 once#0; spawn 3 sick#0; spawn 4 held#0; spawn 5 slow#0",
            ),
            ("up 1", ""),
            ("started 2", ""),
            ("exit 2 0", ""),
            ("exit 3 1", ""),
            ("up 4", ""),
            ("stop held", "stop 4"),
            ("started 5", ""),
            ("wait 40", ""),
        ],
    );
    assert_eq!(desk.upgrade(&specs), "");
    assert_eq!(desk.states("web"), "ready");
    assert_eq!(desk.states("once"), "finished");
    assert_eq!(desk.states("sick"), "waits to start again");
    assert_eq!(desk.states("held"), "stopping");
    desk.play(&[
        ("wait 59", ""),
        ("wait 1", "spawn 6 sick#0"),
        ("up 6", ""),
        // The ladder of the stop has not begun anew, nor has the wait for READY.
        ("wait 9899", ""),
        ("wait 1", "kill 4"),
        ("exit 4 0", ""),
        ("wait 19999", ""),
        ("wait 1", "stop 5"),
        ("exit 1 1", "spawn 7 web#0"),
    ]);
}

#[test]
fn a_replacement_goes_on() {
    for replace in [Replace::Rolling, Replace::InPlace] {
        let specs = [Spec { instances: 2, replace, ..app("web") }];
        let mut desk = check(
            &specs,
            &[
                ("configure", "spawn 1 web#0; spawn 2 web#1"),
                ("up 1", ""),
                ("up 2", "done: configure"),
            ],
        );
        match replace {
            Replace::Rolling => {
                desk.play(&[("restart web", "spawn 3 web#0"), ("started 3", "")]);
                assert_eq!(desk.upgrade(&specs), "");
                desk.play(&[("ready 3", "stop 1")]);
                assert_eq!(desk.upgrade(&specs), "");
                desk.play(&[("exit 1 0", "spawn 4 web#1"), ("up 4", "stop 2"), ("exit 2 0", "")]);
            }
            Replace::InPlace => {
                desk.play(&[("restart web", "stop 1")]);
                assert_eq!(desk.upgrade(&specs), "");
                desk.play(&[("exit 1 0", "spawn 3 web#0")]);
            }
        }
    }
}

#[test]
fn the_new_program_brings_another_configuration() {
    let specs = [app("web"), app("gone")];
    let mut desk = check(
        &specs,
        &[
            ("configure", "spawn 1 web#0; spawn 2 gone#0"),
            ("up 1", ""),
            ("up 2", "done: configure"),
        ],
    );
    let specs = [Spec { fingerprint: 2, ..app("web") }, app("new")];
    assert_eq!(desk.upgrade(&specs), "spawn 3 new#0; stop 2; spawn 4 web#0");
    desk.play(&[("up 4", "stop 1"), ("exit 2 0", ""), ("exit 1 0", "")]);
    assert!(desk.machine.app_view("gone").is_none());
}

#[test]
fn a_text_that_is_not_understood_is_refused_with_its_line() {
    let first = "supervisor\tversion=1\tlast_instance=1\napp\tname=web\twanted=true\n";
    let check = |line: &str, expected: Result<usize, &str>| {
        let text = format!("{first}{line}");
        let machine = Supervisor::resume(1, vec![app("web")], &text, Instant::now());
        assert_eq!(
            machine.map(|machine| machine.live()),
            expected.map_err(str::to_owned),
            "{line}"
        );
    };
    let one = "instance\tapp=web\tslot=0\tid=1\tpid=9\trole=main\tphase=ready";
    check(one, Ok(1));
    check(&format!("{one}\tcolour=blue\nweather\train=1"), Ok(1));
    check(
        &format!("{one}\n{one}"),
        Err("line 4 of the saved state: role main is taken or unknown"),
    );
    check(&one.replace("id=1", "id=x"), Err("line 3 of the saved state: id=x is no such value"));
    check(&one.replace("\tpid=9", ""), Err("line 3 of the saved state: it lacks pid="));
    check(
        &one.replace("ready", "asleep"),
        Err("line 3 of the saved state: phase asleep is unknown"),
    );
    check(
        &one.replace("slot=0", "slot=4000000000"),
        Err("line 3 of the saved state: slot 4000000000; at most 65536 instances"),
    );
    for text in ["", "supervisor\tversion=2\n", "{}"] {
        assert!(Supervisor::resume(1, Vec::new(), text, Instant::now()).is_err(), "{text}");
    }
}

#[test]
fn a_cut_or_changed_text_never_panics() {
    let specs = [Spec { instances: 2, lifetime_max: Some(Duration::from_secs(9)), ..app("web\t") }];
    let mut desk = check(
        &specs,
        &[
            ("configure", "spawn 1 web\t#0; spawn 2 web\t#1"),
            ("up 1", ""),
            ("up 2", "done: configure"),
            ("exit 2 1", ""),
            ("wait 9000", "spawn 3 web\t#1; spawn 4 web\t#0"),
        ],
    );
    desk.step("started 4");
    let text = desk.machine.export(desk.now);
    for at in 0..text.len() {
        for replacement in ["", "9", "\t", "\n", "-", "99999999999999999999", "="] {
            let changed = format!("{}{replacement}{}", &text[..at], &text[at + 1..]);
            let machine = Supervisor::resume(1, specs.to_vec(), &changed, desk.now);
            if let Ok(mut machine) = machine {
                machine.tick(desk.now + Duration::from_secs(100));
            }
        }
    }
}
