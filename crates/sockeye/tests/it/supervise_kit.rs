//! What the tests of supervising share: a master with a configuration of its own in a folder of its
//! own, questions about its apps and jobs, and load on an app that inherits its sockets.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use testkit::Address;
use testkit::load::Plan;

use crate::harness::{Server, eventually};

/// The longest that any load of these tests goes on.
const LOAD_MAX: Duration = Duration::from_secs(300);
/// Requests a second that the load is paced at.
pub const RATE: u32 = 1500;
/// Set to a number, this variable has the tests under load go so many rounds instead of a few, and
/// insist on [`RATE_MIN`]: for a machine that has nothing else to do.
const ROUNDS: &str = "SOCKEYE_TEST_ROUNDS";
/// Requests a second that the promise is about.
pub const RATE_MIN: f64 = 1000.0;
const PYTHON: &str = "/usr/bin/python3";

/// A master that looks after the programs of `sockeye.toml`; the folder is its working directory
/// and holds the Python app of the fixtures as `app.py`.
pub struct Family {
    pub server: Server,
    folder: TempDir,
}

impl Family {
    pub fn start(text: &str) -> Family {
        Family::start_in(tempfile::tempdir().unwrap(), text)
    }

    /// In a folder that something was put into before.
    pub fn start_in(folder: TempDir, text: &str) -> Family {
        Family::start_from(Command::new(env!("CARGO_BIN_EXE_sockeye")), folder, text)
    }

    /// By another binary.
    pub fn start_from(program: Command, folder: TempDir, text: &str) -> Family {
        fs::write(folder.path().join("app.py"), include_str!("fixtures/app.py")).unwrap();
        write(folder.path(), text);
        let server = Server::start_from(program, |command| {
            command.current_dir(folder.path()).arg("--config").arg(folder.path().join(NAME));
        });
        Family { server, folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, text: &str) {
        write(self.folder.path(), text);
    }

    /// Ends the master with all it looks after; the folder stays.
    pub fn end(self) -> TempDir {
        self.server.stop();
        self.folder
    }

    /// Runs a verb that must succeed, and gives what it prints.
    pub fn done(&self, words: &[&str]) -> String {
        let output = self.server.verb(words);
        assert!(output.status.success(), "{words:?}: {output:?}\n{}", self.server.child.errors());
        text(&output.stdout)
    }

    /// Runs a verb that must fail, and gives what it says.
    pub fn fails(&self, words: &[&str]) -> String {
        let Output { status, stderr, .. } = self.server.verb(words);
        assert_eq!(status.code(), Some(1), "{words:?}: {}", text(&stderr));
        text(&stderr)
    }

    /// Waits until the master has said something with these words.
    pub fn hears(&self, words: &str) {
        eventually(&format!("the master says {words:?}"), || {
            self.server.child.errors().contains(words)
        });
    }

    /// A row of `sockeye app list --json`.
    pub fn app(&self, name: &str) -> Value {
        row(&self.done(&["app", "list", "--json"]), name)
    }

    /// A row of `sockeye cron list --json`.
    pub fn job(&self, name: &str) -> Value {
        row(&self.done(&["cron", "list", "--json"]), name)
    }

    /// The main processes of its instances, in the order of their numbers.
    pub fn pids(&self, name: &str) -> Vec<u32> {
        instances(&self.app(name)).iter().filter_map(|one| pid(&one["pid"])).collect()
    }

    /// The one process of an app with one instance.
    pub fn pid(&self, name: &str) -> u32 {
        let pids = self.pids(name);
        assert_eq!(pids.len(), 1, "{name}: {}", self.server.child.errors());
        pids[0]
    }

    pub fn states(&self, name: &str) -> Vec<String> {
        let app = self.app(name);
        instances(&app).iter().map(|one| one["state"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until all instances are there and ready.
    pub fn settle(&self, name: &str) {
        eventually(&format!("{name} is ready"), || {
            let app = self.app(name);
            let all = instances(&app);
            all.len() as u64 == app["instances_wanted"].as_u64().unwrap()
                && all.iter().all(|one| one["state"] == "ready")
        });
    }

    /// Waits until the one process of the app is another.
    pub fn replaced(&self, name: &str, old: u32) -> u32 {
        let mut found = Vec::new();
        eventually(&format!("{name} is another process than {old}"), || {
            found = self.pids(name);
            self.states(name) == ["ready"] && found.len() == 1 && found[0] != old
        });
        found[0]
    }

    /// The first socket that the app inherits.
    pub fn address(&self, name: &str) -> Address {
        let app = self.app(name);
        let address = app["listen"][0].as_str().unwrap();
        Address::find_in(&format!("http://{address}/")).unwrap()
    }
}

const NAME: &str = "sockeye.toml";

fn write(folder: &Path, text: &str) {
    fs::write(folder.join(NAME), format!("history = \"history\"\n{text}")).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn row(json: &str, name: &str) -> Value {
    let all: Vec<Value> = serde_json::from_str(json).unwrap();
    let found = all.iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {json}")).clone()
}

fn instances(app: &Value) -> &[Value] {
    app["instances"].as_array().unwrap()
}

pub fn pid(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

/// `[[app]]` of the Python app of the fixtures, on a socket that it inherits.
pub fn python_app(name: &str, more: &str) -> String {
    let python = if Path::new(PYTHON).exists() { PYTHON } else { "python3" };
    format!(
        "[[app]]\nname = \"{name}\"\ncommand = [\"{python}\", \"-S\", \"-E\", \"app.py\"]\n\
         listen = \"127.0.0.1:0\"\nready = \"notify\"\n{more}\n"
    )
}

/// `[[app]]` of a line for the shell.
pub fn shell_app(name: &str, line: &str, more: &str) -> String {
    format!("[[app]]\nname = \"{name}\"\ncommand = [\"/bin/sh\", \"-c\", '''{line}''']\n{more}\n")
}

/// Clients half of which come anew for every request.
pub fn plan(address: Address) -> Plan {
    Plan {
        connections: 16,
        reconnect_every: Some(1),
        reconnecting: 0.5,
        duration: LOAD_MAX,
        failures_max: 100,
        rate: Some(RATE),
        ..Plan::new(address, "/small.txt")
    }
}

/// How many rounds to go, and whether the machine is to show its speed.
pub fn rounds(few: usize) -> (usize, bool) {
    let asked = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok());
    asked.map_or((few, false), |many| (many, true))
}
