//! What users of apps meet: programs that crash, are missing, hang, grow or ignore their signals;
//! order; output; reload; and that none of it touches the others.

use std::fs;
use std::time::{Duration, Instant};

use testkit::{Child, Signal, tree};

use crate::contracts_kit::{refused_reload, signal};
use crate::harness::{WAIT, eventually};
use crate::supervise_kit::{Family, python_app, shell_app};

const IDLE: &str = "exec sleep 1000";

#[test]
fn one_that_crashes_or_is_missing_is_told_of_and_others_run() {
    let text = [
        shell_app("crashes", "exit 3", "restart_delay = \"1ms\"\nrestart_delay_max = \"1s\""),
        "[[app]]\nname = \"missing\"\ncommand = [\"no-such-program\"]\n".to_owned(),
        shell_app("once", "exit 0", "restart = \"on-failure\""),
        shell_app("steady", IDLE, ""),
    ];
    let family = Family::start(&text.concat());
    family.settle("steady");
    let steady = family.pid("steady");
    family.hears("app crashes: crash loop");
    family.hears("exit 3");
    family.hears("app missing: not started: no-such-program: no such program");
    family.hears("app once: finished");
    let said = family.fails(&["app", "restart", "missing"]);
    assert!(said.contains("no such program"), "{said}");
    let said = family.fails(&["app", "restart", "nobody"]);
    assert!(said.contains("there is no app nobody; the apps are crashes"), "{said}");
    family.done(&["app", "stop", "crashes"]);
    assert_eq!(family.states("crashes"), ["stopped"]);
    assert_eq!(family.pid("steady"), steady);
}

/// Its children ignore SIGTERM too, have sessions of their own, and have lost their parents.
#[test]
fn a_stop_leaves_nothing_and_takes_no_longer_than_it_may() {
    const STOP_TIMEOUT: Duration = Duration::from_millis(700);
    /// What the killing itself may take on a machine that is busy.
    const ROOM: Duration = Duration::from_secs(10);
    let line = "trap \"\" TERM; \
                setsid sh -c \"trap \\\"\\\" TERM; sleep 1000 & setsid sleep 1000 & sleep 1000\" & \
                (setsid sleep 1000 &) ; while :; do sleep 1; done";
    let family = Family::start(&shell_app("stubborn", line, "stop_timeout = \"700ms\""));
    family.settle("stubborn");
    let server = family.server.pid();
    let count = || tree::descendants(server).len();
    eventually("it has many descendants", || count() >= 6);
    let (begin, before) = (Instant::now(), count());
    family.done(&["app", "stop", "stubborn"]);
    let took = begin.elapsed();
    eprintln!("{before} processes that ignore SIGTERM were gone after {took:.1?}");
    assert!(took >= STOP_TIMEOUT && took < STOP_TIMEOUT + ROOM, "{took:?}");
    assert_eq!(tree::descendants(server), []);
    family.hears("app stubborn: not stopped after 7");
    family.done(&["app", "start", "stubborn"]);
    family.done(&["app", "signal", "stubborn", "KILL"]);
    family.hears("app stubborn: left processes behind, which are killed");
}

#[test]
fn order_of_start_and_stop() {
    let text = [
        shell_app("web", IDLE, "requires = [\"db\"]"),
        shell_app("late", IDLE, "after = [\"web\"]"),
        shell_app("db", "sleep 0.3; echo > up; exec sleep 1000", "ready = \"exec:test -e up\""),
    ];
    let family = Family::start(&text.concat());
    ["db", "web", "late"].iter().for_each(|name| family.settle(name));
    let errors = family.server.child.errors();
    let at = |words: &str| errors.find(words).unwrap_or_else(|| panic!("no {words:?}: {errors}"));
    assert!(at("app db: ready") < at("app web: started"), "{errors}");
    assert!(at("app web: ready") < at("app late: started"), "{errors}");
    let late = family.pid("late");
    family.done(&["app", "stop", "db"]);
    assert_eq!((family.states("db"), family.pids("web")), (vec!["stopped".into()], Vec::new()));
    assert_eq!(family.pid("late"), late);
    let errors = family.server.child.errors();
    assert!(errors.find("app web: stopped") < errors.find("app db: stopped"), "{errors}");
    family.done(&["app", "start", "web"]);
    ["db", "web"].iter().for_each(|name| family.settle(name));
}

#[test]
fn limits_and_checks_replace_an_instance() {
    let text = [
        python_app("grows", "memory_max = \"2MiB\""),
        shell_app("ages", IDLE, "lifetime_max = \"1500ms\""),
        shell_app(
            "sick",
            IDLE,
            "alive = \"exec:test ! -e ill\"\nalive_interval = \"50ms\"\nalive_failures = 2",
        ),
    ];
    let family = Family::start(&text.concat());
    ["grows", "sick"].iter().for_each(|name| family.settle(name));
    let sick = family.pid("sick");
    fs::write(family.path("ill"), "").unwrap();
    family.hears("app sick: not alive");
    fs::remove_file(family.path("ill")).unwrap();
    family.replaced("sick", sick);
    family.hears("app ages: recycled: older than lifetime_max");
    family.hears("app grows: recycled:");
    family.hears("of memory, above memory_max = 2097152");
}

#[test]
fn output_goes_where_it_is_sent_and_can_be_read() {
    let prints = "i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; \
                  trap \"echo again\" USR1; while :; do sleep 0.05; done";
    let text = [
        shell_app("files", prints, "output = \"out\"\noutput_max = \"1KiB\"\noutput_keep = 2"),
        shell_app("colours", "printf \"\\033[31mred\\033[0m\\n\"; exec sleep 1000", ""),
        shell_app("silent", "echo nobody reads this; exec sleep 1000", "output = \"/dev/null\""),
    ];
    let family = Family::start(&text.concat());
    ["files", "colours", "silent"].iter().for_each(|name| family.settle(name));
    let size = |name: &str| fs::metadata(family.path(name)).map_or(0, |file| file.len());
    for name in ["out", "out.1", "out.2"] {
        assert!((1..=1024 + 16).contains(&size(name)), "{name} has {} bytes", size(name));
    }
    assert_eq!(size("out.3"), 0);
    assert_eq!(family.done(&["app", "logs", "files", "-n", "2"]), "line 298\nline 299\n");
    fs::rename(family.path("out"), family.path("moved")).unwrap();
    family.done(&["reopen-logs"]);
    family.done(&["app", "signal", "files", "USR1"]);
    let read = || fs::read_to_string(family.path("out")).unwrap_or_default();
    eventually("it prints into the new file", || read() == "again\n");
    assert_eq!(family.done(&["app", "logs", "colours"]), "\\x1b[31mred\\x1b[0m\n");
    assert!(!family.server.child.output().contains('\x1b'));
    assert!(!family.server.child.output().contains("nobody reads this"));
    family.fails(&["app", "logs", "nobody"]);
}

#[test]
fn a_reload_touches_only_what_has_changed() {
    let [kept, old, new] = ["sleep 1000", "sleep 1001", "sleep 1002"];
    let app = |name: &str, line: &str| shell_app(name, &format!("exec {line}"), "");
    let family =
        Family::start(&[app("kept", kept), app("changed", old), app("gone", old)].concat());
    ["kept", "changed", "gone"].iter().for_each(|name| family.settle(name));
    let pids = ["kept", "changed", "gone"].map(|name| family.pid(name));
    let gone = tree::stat(pids[2]).unwrap().member();
    family.write("[[app]]\nname = \"kept\"\ncomand = [\"false\"]\n");
    let said = refused_reload(&family.server);
    assert!(said.contains("nothing was changed") && said.contains("`comand`"), "{said}");
    family.write(&shell_app("a", IDLE, "after = [\"b\"]"));
    let said = refused_reload(&family.server);
    assert!(said.contains("names the app b, which is not there"), "{said}");
    let circle = [shell_app("a", IDLE, "after = [\"b\"]"), shell_app("b", IDLE, "after = [\"a\"]")];
    family.write(&circle.concat());
    let said = refused_reload(&family.server);
    assert!(said.contains("wait for each other"), "{said}");
    assert_eq!(["kept", "changed", "gone"].map(|name| family.pid(name)), pids);
    family.write(&[app("kept", kept), app("changed", new), app("added", new)].concat());
    family.done(&["reload"]);
    family.replaced("changed", pids[1]);
    family.settle("added");
    assert_eq!(family.pid("kept"), pids[0]);
    eventually("what is not in the file has ended", || !gone.is_alive());
    let list = family.done(&["app", "list"]);
    assert!(!list.contains("gone"), "{list}");
}

/// The first asks and waits for `stop_timeout`; the second waits for nobody.
#[test]
fn a_second_interrupt_ends_everything_at_once() {
    let line = "trap \"\" TERM INT; while :; do sleep 1; done";
    let mut it = Family::start(&shell_app("stubborn", line, "stop_timeout = \"1h\""));
    it.settle("stubborn");
    let server = &mut it.server;
    let family = tree::descendants(server.pid());
    let interrupt = |child: &Child| child.signal(Signal::INT).unwrap();
    interrupt(&server.child);
    server.child.wait_for_error_line(WAIT, |line| line.contains("told to stop")).unwrap();
    interrupt(&server.child);
    server.check_end(&family);
}

/// Nobody polls: what sleeps costs nothing, however many they are.
#[test]
fn idle_programs_cost_no_time() {
    const PROGRAMS: usize = 200;
    const LOOK: Duration = Duration::from_secs(2);
    const WAKES_MAX: u64 = 20;
    let app = format!(
        "[[app]]\nname = \"idle\"\ncommand = [\"sleep\", \"1000\"]\n\
                       instances = {PROGRAMS}\n"
    );
    let family = Family::start(&app);
    family.settle("idle");
    let pid = family.server.pid();
    let before = wakes(pid);
    std::thread::sleep(LOOK);
    let woken = wakes(pid) - before;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    eprintln!("{PROGRAMS} idle programs: {woken} wake-ups in {LOOK:?}, {memory}");
    assert!(woken <= WAKES_MAX, "{woken} wake-ups in {LOOK:?}");
    signal(family.pids("idle")[7], Signal::KILL);
    family.settle("idle");
}

/// How often a process has gone to sleep of its own will (proc(5)).
fn wakes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches"));
    line.unwrap().split_whitespace().last().unwrap().parse().unwrap()
}
