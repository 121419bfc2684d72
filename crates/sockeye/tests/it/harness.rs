//! A server of a test's own: on a free port of loopback, with its control socket in a folder of its
//! own, and looked after to the end. Whichever way a test ends, nothing of the family is left, and
//! a server that panicked fails the test that drove it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::{Address, Child, Peer, Signal, tree};

/// How long anything may take that is not itself about time.
pub const WAIT: Duration = Duration::from_secs(20);
/// Between two looks at a condition that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// The program with these words behind it, apart from whoever runs the tests.
pub fn sockeye<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command.args(arguments).stdin(Stdio::null()).env_remove("XDG_RUNTIME_DIR");
    command
}

/// Looks until the condition holds; says what was waited for when it never does.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}

pub struct Server {
    pub child: Child,
    /// Holds the control socket.
    _folder: TempDir,
    control: PathBuf,
    addresses: Vec<Address>,
    /// Its end has been checked, or must not be.
    over: bool,
}

impl Server {
    /// Runs `sockeye serve` with these arguments on a free port of 127.0.0.1 (unless they say where
    /// to listen), and waits until it serves.
    pub fn start<S: AsRef<OsStr>>(arguments: &[S]) -> Server {
        Server::start_as(|command| {
            command.args(arguments);
        })
    }

    /// The same for a command that `prepare` completes: arguments, environment, folder.
    pub fn start_as(prepare: impl FnOnce(&mut Command)) -> Server {
        Server::start_from(Command::new(env!("CARGO_BIN_EXE_sockeye")), prepare)
    }

    /// The same for a program that becomes sockeye at last, such as prlimit(1); `begin` ends with
    /// the path of sockeye.
    pub fn start_from(mut begin: Command, prepare: impl FnOnce(&mut Command)) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let control = folder.path().join("control.sock");
        begin.env_remove("XDG_RUNTIME_DIR").arg("serve").arg("--control").arg(&control);
        prepare(&mut begin);
        if !begin.get_args().any(|argument| argument == "--listen" || argument == "--config") {
            begin.args(["--listen", "127.0.0.1:0"]);
        }
        let child = Child::start(&mut begin).unwrap();
        child.wait_for_line(WAIT, |line| line.starts_with("Try: ")).unwrap();
        let addresses = child.output().lines().filter_map(listener).collect();
        Server { child, _folder: folder, control, addresses, over: false }
    }

    /// The first listening address.
    pub fn address(&self) -> &Address {
        &self.addresses[0]
    }

    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub fn connect(&self) -> Peer {
        Peer::connect(self.address()).unwrap()
    }

    pub fn control(&self) -> &Path {
        &self.control
    }

    /// The master.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// The processes that the master has made: workers or the acceptor.
    pub fn workers(&self) -> Vec<u32> {
        let mut pids: Vec<u32> =
            tree::children(self.pid()).iter().filter(|c| c.state != 'Z').map(|c| c.pid).collect();
        pids.sort_unstable();
        pids
    }

    /// Runs a verb against this server's control socket.
    pub fn verb(&self, words: &[&str]) -> Output {
        sockeye(words).arg("--control").arg(&self.control).output().unwrap()
    }

    /// What `sockeye status --json` says.
    pub fn status(&self) -> Value {
        let output = self.verb(&["status", "--json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Ends with `sockeye stop`, which must leave nothing and end well.
    pub fn stop(mut self) {
        let family = tree::descendants(self.pid());
        let output = self.verb(&["stop"]);
        assert!(output.status.success(), "{output:?}\n{}", self.child.errors());
        self.check_end(&family);
    }

    /// The master has ended, or is about to, with success, and took its family along.
    pub fn check_end(&mut self, family: &[tree::Member]) {
        self.over = true;
        let status = self.child.wait(WAIT).unwrap();
        assert!(status.success(), "{status}\n{}", self.child.errors());
        let left: Vec<_> = family.iter().filter(|member| member.is_alive()).collect();
        assert!(left.is_empty(), "left behind: {left:?}\n{}", self.child.errors());
        assert!(!self.control.exists(), "the control socket is left behind");
        let errors = self.child.errors();
        assert!(!errors.contains("panicked"), "{errors}");
    }
}

/// Asks for the stop and checks it, unless the test has failed already.
impl Drop for Server {
    fn drop(&mut self) {
        if self.over || std::thread::panicking() {
            return;
        }
        let family = tree::descendants(self.pid());
        self.child.signal(Signal::TERM).unwrap();
        self.check_end(&family);
    }
}

/// The address in a line such as `  http://127.0.0.1:81/   (2 sockets, one a worker)`.
fn listener(line: &str) -> Option<Address> {
    let unix = line.trim_start().strip_prefix("unix:");
    let unix = unix.and_then(|rest| rest.split_once("   (")).map(|(path, _)| path);
    unix.map(|path| Address::Unix(path.into())).or_else(|| Address::find_in(line))
}

/// A folder with the files that the tests ask for.
pub struct Site {
    folder: TempDir,
}

/// The sizes of `/small.txt`, `/1k.bin`, `/100k.bin` and `/10m.bin`.
pub const SIZES: [(&str, usize); 4] =
    [("small.txt", 12), ("1k.bin", 1024), ("100k.bin", 100 * 1024), ("10m.bin", 10 << 20)];
pub const INDEX: &str = "<!doctype html>\n<title>Home</title>\n<p>The page that the tests of the \
                         server ask for: it has more than a hundred bytes.\n";

impl Site {
    pub fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join("index.html"), INDEX).unwrap();
        for (seed, (name, size)) in SIZES.iter().enumerate() {
            fs::write(path.join(name), bytes(seed as u64 + 1, *size)).unwrap();
        }
        for name in ["app.js", "app.js.gz", "app.js.br"] {
            fs::write(path.join(name), format!("the content of {name}\n")).unwrap();
        }
        Site { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap()
    }
}

/// Bytes without a pattern that an error could repeat (xorshift).
fn bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    })
    .take(count)
    .collect()
}

/// Whether the kernel lets io_uring be used, as the program itself finds out.
pub fn has_io_uring() -> bool {
    let output = sockeye(&["models", "--json"]).output().unwrap();
    let models: Value = serde_json::from_slice(&output.stdout).unwrap();
    let models = models["io_models"].as_array().unwrap();
    models.iter().any(|model| model["name"] == "io_uring" && model["available"] == true)
}
