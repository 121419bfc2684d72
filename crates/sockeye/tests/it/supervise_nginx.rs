//! The exercise: the real nginx as an app, restarted by a job and by a plain crontab line. That
//! both mean Saturdays and Sundays is shown by `cron simulate` in [`crate::cron`]; here the job
//! runs, by `cron trigger` and by the turn of a minute.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use testkit::{Address, Peer, Reaping, tree};

use crate::contracts_kit::expect_none_neglected;
use crate::harness::eventually;
use crate::supervise_kit::Family;

/// Longer than until the next minute.
const MINUTE: Duration = Duration::from_secs(75);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// nginx on a port of loopback, with all its files in the family's folder.
struct Nginx {
    family: Family,
    address: Address,
}

impl Nginx {
    /// None, with a line that says so, where nginx is not installed.
    fn start(jobs: &str) -> Option<Nginx> {
        let program = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
        let Some(program) = program.into_iter().find(|path| Path::new(path).exists()) else {
            eprintln!("skipped: nginx is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = folder.path().display().to_string();
        fs::write(folder.path().join("nginx.conf"), configuration(port)).unwrap();
        let tab = folder.path().join("tab");
        let line = format!("* * * * * {path}/restart-web >/dev/null 2>&1\n");
        fs::write(&tab, format!("# the weekend restart, each minute\n{line}")).unwrap();
        fs::set_permissions(&tab, fs::Permissions::from_mode(0o600)).unwrap();
        let app = format!(
            "[[app]]\nname = \"nginx\"\nready = \"tcp:{port}\"\ncommand = [\"{program}\", \
             \"-e\", \"stderr\", \"-p\", \"{path}\", \"-c\", \"{path}/nginx.conf\"]\n"
        );
        let family = Family::start_in(folder, &format!("{jobs}{app}"));
        family.settle("nginx");
        let address = Address::find_in(&format!("http://127.0.0.1:{port}/")).unwrap();
        Some(Nginx { family, address })
    }

    fn answers(&self) {
        let response = Peer::connect(&self.address).unwrap().get("/").unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "nginx\n"));
    }

    /// The terminal has seen nothing of what the jobs print.
    fn is_silent(&self) {
        let child = &self.family.server.child;
        for text in [child.output(), child.errors()] {
            assert!(!text.contains("restarted") && !text.contains("printed"), "{text}");
        }
    }
}

/// A port that nobody has now. Nobody else is given it soon: the kernel hands them out at random.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn configuration(port: u16) -> String {
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = paths.iter().map(|name| format!("{name}_temp_path {name};\n")).collect();
    format!(
        "daemon off;\npid nginx.pid;\nworker_processes 1;\nevents {{ worker_connections 64; }}\n\
         http {{\naccess_log off;\n{paths}\
         server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"nginx\\n\"; }} }}\n}}\n"
    )
}

#[test]
fn nginx_is_restarted_by_the_weekend_job() {
    let job = "[[job]]\nname = \"weekend-restart\"\nschedule = \"0 4 * * 6,0\"\n\
               run = \"restart nginx\"\noutput = \"/dev/null\"\n";
    let Some(it) = Nginx::start(job) else { return };
    let reaping = Reaping::watch(it.family.server.pid());
    let old = it.family.pid("nginx");
    it.answers();
    let next = it.family.job("weekend-restart")["next"].as_str().unwrap().to_owned();
    let date: jiff::civil::Date = next[..10].parse().unwrap();
    let day = format!("{:?}", date.weekday());
    assert!(["Saturday", "Sunday"].contains(&day.as_str()), "{next} is a {day}");
    it.family.done(&["cron", "trigger", "weekend-restart"]);
    let new = it.family.replaced("nginx", old);
    it.answers();
    eventually("the run is told", || it.family.job("weekend-restart")["last"]["success"] == true);
    assert_eq!(tree::stat(new).unwrap().parent, it.family.server.pid());
    it.is_silent();
    let server = it.family.server.pid();
    expect_none_neglected(reaping, "nginx restarted by a job");
    assert_eq!(tree::zombies(server), []);
}

/// The same by the clock: a job of the configuration, and the plain line of a crontab, whose
/// command does it by `sockeye app restart` and whose redirection is the shell's.
#[test]
fn nginx_is_restarted_when_the_minute_turns() {
    let jobs = "crontab = [\"tab\"]\n[[job]]\nname = \"by-verb\"\nschedule = \"* * * * *\"\n\
                run = \"restart nginx\"\noutput = \"/dev/null\"\n\
                [[job]]\nname = \"prints\"\nschedule = \"* * * * *\"\n\
                shell = \"echo printed; echo printed >&2\"\noutput = \"/dev/null\"\n";
    let Some(it) = Nginx::start(jobs) else { return };
    let reaping = Reaping::watch(it.family.server.pid());
    write_restart(&it.family);
    let old = it.family.pid("nginx");
    it.answers();
    let begin = Instant::now();
    let tab = "tab:2";
    let has_run = |job: &str| it.family.job(job)["last"]["success"] == true;
    while !(has_run("by-verb") && has_run(tab) && has_run("prints")) {
        let errors = it.family.server.child.errors();
        assert!(begin.elapsed() < MINUTE, "the minute has turned in vain\n{errors}");
        std::thread::sleep(LOOK_EVERY);
    }
    it.family.replaced("nginx", old);
    it.answers();
    it.is_silent();
    expect_none_neglected(reaping, "nginx restarted as the minute turned");
    assert_eq!(tree::zombies(it.family.server.pid()), []);
}

/// The command of the crontab's line; only now is it known where the master listens.
fn write_restart(family: &Family) {
    let path = family.path("restart-web");
    let program = env!("CARGO_BIN_EXE_sockeye");
    let control = family.server.control().display();
    let text =
        format!("#!/bin/sh\necho printed\nexec {program} app restart nginx --control {control}\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}
