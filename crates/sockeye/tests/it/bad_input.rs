//! What the program says when it cannot do what was asked, or no longer can: one clear line, an
//! exit status, never a panic; and where serving can go on, it goes on.

use std::fs::{self, Permissions};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use testkit::{Address, Peer, tree};

use crate::harness::{Server, Site, eventually, sockeye};

/// The account of nobody in particular, on every Linux.
const NOBODY: &str = "65534";

/// Runs the program and looks at its exit status and its complaint.
fn check(arguments: &[&str], status: i32, expected: &[&str]) {
    check_command(&mut sockeye(arguments), status, expected);
}

fn check_command(command: &mut Command, status: i32, expected: &[&str]) {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{command:?}: {errors}");
    for words in expected {
        assert!(errors.contains(words), "{command:?}: no {words:?} in:\n{errors}");
    }
    assert!(!errors.contains("panicked"), "{command:?}: {errors}");
    let complaints = errors.lines().filter(|line| line.contains("error: ")).count();
    assert_eq!(complaints, 1, "{command:?}: one complaint, not\n{errors}");
    assert!(output.stdout.is_empty(), "{command:?}: {output:?}");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program started as nobody: by setpriv(1) if we are root; none where that cannot be.
fn as_nobody() -> Option<Command> {
    let program = env!("CARGO_BIN_EXE_sockeye");
    if !is_root() {
        return Some(Command::new(program));
    }
    let nobody = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", program]);
        command
    };
    let able = nobody().arg("--version").output().is_ok_and(|output| output.status.success());
    if !able {
        eprintln!("skipped: setpriv cannot start the program as another user");
    }
    able.then(nobody)
}

#[test]
fn what_cannot_be_served() {
    let site = Site::new();
    let file = site.path().join("small.txt");
    let file = file.to_str().unwrap();
    check(&["serve", "/nowhere/at/all"], 1, &["cannot serve /nowhere/at/all: "]);
    check(&["serve", file], 1, &["small.txt: it is not a folder"]);
    check(&["serve", "--config", "/nowhere/sockeye.toml"], 1, &["/nowhere/sockeye.toml"]);
    check(
        &["serve", "--access-log", "/nowhere/access.log", "--control", "/nowhere/control"],
        1,
        &["cannot write the access log /nowhere/access.log: ", "create its folder"],
    );
}

#[test]
fn words_that_mean_nothing() {
    check(&["serve", "--listen", "nonsense"], 2, &["nonsense"]);
    check(&["serve", "--listen", "127.0.0.1:99999"], 2, &["99999"]);
    check(&["serve", "--listen", "127.0.0.1"], 2, &["127.0.0.1"]);
    check(&["serve", "--io-model", "kqueue"], 2, &["kqueue", "epoll", "io_uring"]);
    check(&["serve", "--process-model", "forked"], 2, &["forked", "prefork"]);
    check(&["serve", "--set", "io_model=kqueue"], 2, &["kqueue", "epoll"]);
    check(&["serve", "--set", "head_timeout=soon"], 2, &["`head_timeout`", "a duration"]);
    check(&["serve", "--workers", "0"], 2, &["0"]);
    check(&["serve", "--surprise"], 2, &["--surprise"]);
    check(&["server"], 2, &["server"]);
}

#[test]
fn choices_that_contradict_each_other() {
    let select = ["serve", "--io-model", "select", "--set", "max_connections=5000", "--strict"];
    check(&select, 1, &["`max_connections` = 5000", "960", "use poll or epoll"]);
    check(
        &["serve", "--listen", "127.0.0.1:8099", "--listen", "127.0.0.1:8099"],
        1,
        &["names 127.0.0.1:8099 twice"],
    );
}

/// Documentation addresses (RFC 5737) belong to no machine.
#[test]
fn addresses_that_cannot_be_had() {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control");
    let control = control.to_str().unwrap();
    let serve = |listen: &str, expected: &[&str]| {
        check(&["serve", "--control", control, "--listen", listen], 1, expected);
    };
    serve("192.0.2.1:0", &["listen on 192.0.2.1:0: ", "no interface of this machine has it"]);
    serve("unix:/nowhere/site.sock", &["/nowhere", "create the folder"]);
    let file = folder.path().join("file");
    fs::write(&file, "kept").unwrap();
    serve(&format!("unix:{}", file.display()), &["a file is there that is not a socket"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
}

#[test]
fn a_port_in_use_names_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("control");
    let taken = |address: SocketAddr, holder: u32| {
        let mut command = sockeye(&["serve", "--listen", &address.to_string(), "--control"]);
        let held = format!("(pid {holder})");
        let expected = [&format!("listen on {address}: "), "in use", "held by ", &held, "--listen"];
        check_command(command.arg(&control), 1, &expected);
    };
    let ours = TcpListener::bind("127.0.0.1:0").unwrap();
    taken(ours.local_addr().unwrap(), std::process::id());
    // Another server's sockets have SO_REUSEPORT, and are not to be shared for that.
    let other = Server::start(&["--workers", "2"]);
    let Address::Tcp(address) = other.address() else { unreachable!("a TCP port was asked for") };
    taken(*address, other.pid());
    assert_eq!(other.connect().get("/").unwrap().status, 200);
}

#[test]
fn a_control_socket_in_use() {
    let first = Server::start::<&str>(&[]);
    let control = first.control().to_str().unwrap();
    let mut second = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    second.args(["serve", "--listen", "127.0.0.1:0", "--control", control]);
    let second = testkit::Child::start(&mut second).unwrap();
    let said = second.wait_for_error_line(crate::harness::WAIT, |line| line.contains(control));
    let said = said.unwrap();
    assert!(said.contains("warning: ") || said.contains("error: "), "{said}");
    drop(second);
    // The first one still answers there.
    assert_eq!(first.status()["master_pid"], first.pid());
}

#[test]
fn a_port_of_roots() {
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first_free.is_ok_and(|text| text.trim().parse().is_ok_and(|first: u16| first <= 81)) {
        eprintln!("skipped: every user may bind port 81 here");
        return;
    }
    let Some(mut command) = as_nobody() else { return };
    let folder = open_folder();
    command.args(["serve", "--listen", "127.0.0.1:81", "--control"]);
    command.arg(folder.path().join("control"));
    check_command(
        &mut command,
        1,
        &["listen on 127.0.0.1:81: ", "ports below 1024 are root's", "8081"],
    );
}

#[test]
fn folders_of_somebody_elses() {
    let folder = open_folder();
    let closed = folder.path().join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
    let check_nobody = |arguments: &[&str], expected: &[&str]| {
        let Some(mut command) = as_nobody() else { return };
        command.args(arguments).arg("--control").arg(folder.path().join("control"));
        check_command(&mut command, 1, expected);
    };
    let closed = closed.to_str().unwrap();
    check_nobody(&["serve", closed], &[&format!("cannot serve {closed}: ")]);
    let socket = format!("unix:{closed}/site.sock");
    check_nobody(&["serve", "--listen", &socket], &["site.sock", closed]);
    let log = format!("{closed}/access.log");
    check_nobody(&["serve", "--access-log", &log], &["cannot write the access log ", &log]);
    check_nobody(&["serve", "--user", "root"], &["cannot become user \"root\"", "only root can"]);
}

/// A folder that every user may write to.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    folder
}

#[test]
fn a_file_that_may_not_be_read_is_forbidden() {
    let site = Site::new();
    fs::set_permissions(site.path(), Permissions::from_mode(0o755)).unwrap();
    let secret = site.path().join("secret.txt");
    fs::write(&secret, "secret").unwrap();
    fs::set_permissions(&secret, Permissions::from_mode(0o000)).unwrap();
    fs::create_dir(site.path().join("empty")).unwrap();
    let mut arguments = vec![site.path().to_str().unwrap()];
    let nobody = "nobody";
    if is_root() {
        arguments.extend(["--user", nobody]);
    }
    let server = Server::start(&arguments);
    let mut peer = server.connect();
    for target in ["/secret.txt", "/secret.txt", "/empty/"] {
        assert_eq!(peer.get(target).unwrap().status, 403, "{target}");
    }
    assert_eq!(peer.get("/small.txt").unwrap().status, 200);
    server.stop();
}

/// A full disk costs the log and one line, not the service.
#[test]
fn a_log_that_cannot_be_written() {
    for process_model in ["prefork", "thread-per-core", "iterative"] {
        let site = Site::new();
        let root = site.path().to_str().unwrap();
        let server = Server::start(&[
            root,
            "--process-model",
            process_model,
            "--workers",
            "1",
            "--access-log",
            "/dev/full",
        ]);
        for _ in 0..10 {
            assert_eq!(server.connect().get("/small.txt").unwrap().status, 200);
        }
        let said = |line: &str| line.contains("cannot write the access log: ");
        server.child.wait_for_error_line(crate::harness::WAIT, said).unwrap();
        assert_eq!(server.connect().get("/small.txt").unwrap().status, 200);
        let errors = server.child.errors();
        assert_eq!(errors.lines().filter(|line| said(line)).count(), 1, "{errors}");
        assert!(errors.contains("serving goes on"), "{errors}");
        server.stop();
    }
}

/// Descriptors that a server is left with, and connections that are more than those.
const DESCRIPTORS: usize = 64;
const CONNECTIONS: usize = 120;
/// How long the shortage lasts (files are looked at again every second), and the share of a
/// processor that may go into it.
const SHORTAGE: Duration = Duration::from_millis(1300);
const SHARE_MAX: f64 = 0.25;
/// Lines about it: the family must not fill a disk with complaints.
const LINES_MAX: usize = 6;

#[test]
fn descriptors_run_out() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        eprintln!("skipped: there is no prlimit(1)");
        return;
    }
    let site = Site::new();
    for io_model in ["epoll", "poll", "select", "sigio", "io_uring"] {
        if io_model != "io_uring" || crate::harness::has_io_uring() {
            check_shortage(site.path(), "prefork", io_model);
        }
    }
    check_shortage(site.path(), "thread-per-core", "epoll");
    check_shortage(site.path(), "fork-per-connection", "blocking");
    check_shortage(site.path(), "thread-per-connection", "blocking");
}

fn check_shortage(root: &Path, process_model: &str, io_model: &str) {
    let name = format!("{process_model} with {io_model}");
    let mut prlimit = Command::new("prlimit");
    prlimit.arg(format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}"));
    prlimit.arg(env!("CARGO_BIN_EXE_sockeye"));
    let server = Server::start_from(prlimit, |command| {
        command.arg(root).args(["--process-model", process_model, "--io-model", io_model]);
        command.args(["--strict", "--workers", "1"]);
    });
    let mut peers: Vec<Peer> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    let served = peers[0].get("/small.txt").unwrap();
    assert_eq!(served.status, 200, "{name}");
    let worker = server.workers()[0];
    let (begin, used) = (Instant::now(), tree::cpu_time(worker).unwrap());
    while begin.elapsed() < SHORTAGE {
        // Newcomers keep knocking, and those who are in are served.
        drop(server.connect());
        assert_eq!(peers[0].get("/small.txt").unwrap().status, 200, "{name}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let used = tree::cpu_time(worker).unwrap() - used;
    let share = used.as_secs_f64() / begin.elapsed().as_secs_f64();
    eprintln!("{name}: {:.1} % of a processor while descriptors are short", share * 100.0);
    assert!(share < SHARE_MAX, "{name}: {used:?} of processor time in {SHORTAGE:?}");
    drop(peers);
    eventually(&format!("{name} serves again"), || {
        server.connect().get("/small.txt").is_ok_and(|response| response.status == 200)
    });
    assert_eq!(server.workers()[0], worker, "{name}: the worker was replaced");
    let errors = server.child.errors();
    let said = ["Too many open files", "further ones wait in the queue"];
    assert!(said.iter().any(|words| errors.contains(words)), "{name} does not say why: {errors}");
    assert!(errors.lines().count() <= LINES_MAX, "{name}: {errors}");
    server.stop();
}

/// `sockeye models | head -1`, with a head that is quicker than the program.
#[test]
fn a_reader_that_goes_away() {
    for words in [&["models"][..], &["models", "--json"], &["--help"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = sockeye(words);
        let output = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {errors}");
        assert!(errors.is_empty(), "{words:?}: {errors}");
    }
}

/// Nobody reads what a server prints; it serves all the same.
#[test]
fn output_that_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("site.sock");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = sockeye(&["serve", "--access-log", "-", "--control"]);
    command.arg(folder.path().join("control")).args(["--workers", "1", "--listen"]);
    command.arg(format!("unix:{}", socket.display())).stderr(Stdio::null());
    let mut process = command.stdout(writer).spawn().unwrap();
    let address = Address::Unix(socket.clone());
    eventually("the socket is there", || Peer::connect(&address).is_ok());
    for _ in 0..3 {
        let response = Peer::connect(&address).unwrap().get("/").unwrap();
        assert_eq!(response.status, 200);
    }
    let mut stop = sockeye(&["stop", "--control"]);
    let stopped = stop.arg(folder.path().join("control")).output().unwrap();
    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(process.wait().unwrap().code(), Some(0));
    assert!(!socket.exists());
}
