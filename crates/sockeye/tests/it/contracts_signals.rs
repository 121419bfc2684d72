//! The contract of the signals, and of the access log that they reopen: TERM and INT stop, QUIT
//! drains, HUP reloads, USR1 reopens, WINCH lets the workers go; and what the log says is true.

use std::fs;
use std::path::{Path, PathBuf};

use testkit::load::Plan;
use testkit::{Child, Peer, Signal, load, tree};

use crate::contracts_kit::{assert_flawless, expect_closed, generation, plan, settle};
use crate::harness::{Server, Site, WAIT, eventually, sockeye};

const LARGE_BYTES: usize = 10 << 20;

/// A download that a worker is busy with, and whose last bytes cannot have been sent. (An acceptor
/// knows only that it has handed the connection on.)
fn begin_download(server: &Server) -> Peer {
    let mut peer = Peer::connect_small_window(server.address()).unwrap();
    peer.set_wait(WAIT);
    peer.send(b"GET /10m.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    eventually("the download has begun", || {
        let status = server.status();
        status["workers"].as_array().unwrap().iter().any(|worker| {
            let connections = worker["connections"].as_array().unwrap();
            connections.iter().any(|connection| {
                let line = connection["request"].as_str().unwrap_or_default();
                worker["role"] == "acceptor" || line.contains("/10m.bin")
            })
        })
    });
    peer
}

#[test]
fn term_and_int_stop_at_once() {
    for end in [Signal::TERM, Signal::INT] {
        let site = Site::new();
        let mut server = Server::start(&[site.path().to_str().unwrap(), "--workers", "2"]);
        let mut download = begin_download(&server);
        let family = tree::descendants(server.pid());
        server.child.signal(end).unwrap();
        server.check_end(&family);
        let (bytes, _) = download.read_to_end().unwrap();
        assert!(bytes.len() < LARGE_BYTES, "{end:?}");
        assert!(Peer::connect(server.address()).is_err());
    }
}

#[test]
fn quit_lets_a_download_finish() {
    for model in ["prefork", "thread-per-core", "thread-per-connection"] {
        let site = Site::new();
        let root = site.path().to_str().unwrap();
        let mut server = Server::start(&[root, "--process-model", model]);
        let mut download = begin_download(&server);
        let family = tree::descendants(server.pid());
        server.child.signal(Signal::QUIT).unwrap();
        eventually("nobody new is accepted", || Peer::connect(server.address()).is_err());
        let response = download.read_response().unwrap();
        assert!(response.body == site.read("10m.bin"), "{model}: {} bytes", response.body.len());
        drop(download);
        server.check_end(&family);
        eprintln!("{model}: QUIT waited for {LARGE_BYTES} bytes");
    }
}

#[test]
fn hup_makes_a_new_generation() {
    let site = Site::new();
    let server = Server::start(&[site.path().to_str().unwrap(), "--workers", "2"]);
    let (old, before) = (server.workers(), generation(&server));
    server.child.signal(Signal::HUP).unwrap();
    eventually("the reload is done", || generation(&server) == before + 1);
    settle(&server);
    let new = server.workers();
    assert!(new.len() == 2 && !new.iter().any(|pid| old.contains(pid)), "{old:?} {new:?}");
}

#[test]
fn winch_drains_the_workers_and_keeps_the_sockets() {
    let site = Site::new();
    let server = Server::start(&[site.path().to_str().unwrap(), "--workers", "2"]);
    let mut download = begin_download(&server);
    server.child.signal(Signal::WINCH).unwrap();
    let response = download.read_response().unwrap();
    assert!(response.body == site.read("10m.bin"));
    drop(download);
    eventually("the workers are gone", || server.workers().is_empty());
    let mut waiting: Vec<Peer> = (0..20).map(|_| server.connect()).collect();
    for peer in &mut waiting {
        peer.send(b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    assert_eq!(server.status()["workers"].as_array().unwrap().len(), 0);
    server.child.signal(Signal::HUP).unwrap();
    for peer in &mut waiting {
        assert_eq!(peer.read_response().unwrap().body, site.read("small.txt"));
    }
    assert_eq!(server.workers().len(), 2);
}

/// Nobody is left to supervise, so the workers finish what they have and go.
#[test]
fn workers_do_not_outlive_a_killed_master() {
    for model in ["prefork", "thread-per-core", "fork-per-connection", "thread-per-connection"] {
        let site = Site::new();
        let folder = tempfile::tempdir().unwrap();
        let mut command = sockeye(&["serve", "--listen", "127.0.0.1:0", "--process-model", model]);
        command.arg("--control").arg(folder.path().join("control.sock")).arg(site.path());
        let mut child = Child::start(&mut command).unwrap();
        let address = child.wait_for_address(WAIT).unwrap();
        let mut idle = Peer::connect(&address).unwrap();
        assert_eq!(idle.get("/small.txt").unwrap().status, 200);
        let mut download = Peer::connect_small_window(&address).unwrap();
        download.set_wait(WAIT);
        download.send(b"GET /10m.bin HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let head = download.read_bytes(1000).unwrap();
        let family = tree::descendants(child.pid());
        child.signal(Signal::KILL).unwrap();
        assert!(!child.wait(WAIT).unwrap().success());
        let (rest, _) = download.read_to_end().unwrap();
        assert!(head.len() + rest.len() > LARGE_BYTES, "{model}: {} bytes", rest.len());
        drop(download);
        let what = format!("{model}: the family is gone: {family:?}");
        eventually(&what, || !family.iter().any(tree::Member::is_alive));
        assert!(Peer::connect(&address).is_err(), "{model}: somebody still listens");
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Renames the log under load and has it opened again: every request has one line in one of the
/// files, and nobody writes to an old one.
fn check_reopen(process_model: &str, reopen: impl Fn(&Server)) {
    const ROUNDS: usize = 5;
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().canonicalize().unwrap().join("access.log");
    let root = site.path().to_str().unwrap();
    let path = log.to_str().unwrap();
    let server = Server::start(&[root, "--access-log", path, "--process-model", process_model]);
    let load = Plan { connections: 8, rate: Some(500), ..plan(server.address(), &site) };
    let running = load::start(load);
    let mut files: Vec<PathBuf> = vec![log.clone()];
    for round in 1..=ROUNDS {
        eventually("the log is written", || lines(&log).len() > 50 || running.is_finished());
        let old = log.with_extension(format!("{round}"));
        fs::rename(&log, &old).unwrap();
        reopen(&server);
        expect_closed(&server, &old);
        files.push(old);
    }
    let report = running.stop().unwrap();
    assert_flawless("reopened logs", &report, &server);
    let family = tree::descendants(server.pid());
    server.stop();
    assert!(!family.iter().any(tree::Member::is_alive));
    let all: Vec<String> = files.iter().flat_map(|file| lines(file)).collect();
    let right = |line: &&String| line.contains("\"GET /1k.bin HTTP/1.1\" 200 1024 ");
    assert_eq!(all.iter().filter(right).count(), all.len());
    assert_eq!(all.len() as u64, report.ok, "{process_model}: a line for each request");
    eprintln!("{process_model}: {} lines in {} files", all.len(), files.len());
}

#[test]
fn logs_are_reopened_and_no_line_is_lost() {
    let usr1 = |server: &Server| server.child.signal(Signal::USR1).unwrap();
    let verb = |server: &Server| assert!(server.verb(&["reopen-logs"]).status.success());
    check_reopen("prefork", usr1);
    check_reopen("prefork", verb);
    check_reopen("thread-per-core", usr1);
    check_reopen("thread-per-connection", verb);
    check_reopen("fork-per-connection", usr1);
}

/// Requests on one connection each, and what the log must say of them: (request line, status,
/// bytes of content), after the responses have been read.
fn ask_for_everything(server: &Server, site: &Site) -> Vec<(String, u16, usize)> {
    let mut expected = Vec::new();
    let mut ask = |line: &str, headers: &str| {
        let mut peer = server.connect();
        let request = format!("{line}\r\nHost: localhost\r\n{headers}\r\n");
        peer.send(request.as_bytes()).unwrap();
        let head = line.starts_with("HEAD");
        let response = if head { peer.read_head_response() } else { peer.read_response() };
        let response = response.unwrap();
        expected.push((line.to_owned(), response.status, response.body.len()));
        response
    };
    let whole = ask("GET /small.txt HTTP/1.1", "User-Agent: te\"st\r\nReferer: http://x/\r\n");
    assert_eq!(whole.body, site.read("small.txt"));
    let tag = whole.header("etag").unwrap().to_owned();
    assert_eq!(ask("HEAD /1k.bin HTTP/1.1", "").status, 200);
    assert_eq!(ask("GET /missing HTTP/1.1", "").status, 404);
    assert_eq!(ask("POST /small.txt HTTP/1.1", "Content-Length: 0\r\n").status, 405);
    assert_eq!(ask("GET /1k.bin HTTP/1.1", "Range: bytes=10-19\r\n").status, 206);
    assert_eq!(ask("GET /1k.bin HTTP/1.0", "").status, 200);
    let unchanged = format!("If-None-Match: {tag}\r\n");
    assert_eq!(ask("GET /small.txt HTTP/1.1", &unchanged).status, 304);
    assert_eq!(ask("GET /100k.bin HTTP/1.1", "").body, site.read("100k.bin"));
    assert_eq!(ask("GET /bad path HTTP/1.1", "").status, 400);
    let mut peer = server.connect();
    let three = "GET /1k.bin HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(3);
    peer.send(three.as_bytes()).unwrap();
    for _ in 0..3 {
        assert_eq!(peer.read_response().unwrap().body, site.read("1k.bin"));
        expected.push(("GET /1k.bin HTTP/1.1".to_owned(), 200, 1024));
    }
    expected
}

/// A client that goes away in the middle; gives how many bytes of content it has read.
fn abort_download(server: &Server) -> usize {
    let mut peer = begin_download(server);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(peer.read_bytes(1).unwrap());
    }
    let read = peer.read_bytes(100_000).unwrap().len();
    peer.reset().unwrap();
    read
}

/// What a line says: request line, status, bytes.
type Logged = (String, u64, u64);

fn check_log(format: &str, parse: fn(&str) -> Logged) {
    let site = Site::new();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let (root, path) = (site.path().to_str().unwrap(), log.to_str().unwrap());
    let server = Server::start(&[root, "--access-log", path, "--log-format", format]);
    let expected = ask_for_everything(&server, &site);
    let read = abort_download(&server);
    eventually("every request has a line", || lines(&log).len() > expected.len());
    let found: Vec<Logged> = lines(&log).iter().map(|line| parse(line)).collect();
    for (line, status, bytes) in &expected {
        let wanted = (line.clone(), u64::from(*status), *bytes as u64);
        let count = |one: &[Logged]| one.iter().filter(|logged| **logged == wanted).count();
        let asked = expected.iter().filter(|one| *one == &(line.clone(), *status, *bytes)).count();
        assert_eq!(count(&found), asked, "{wanted:?} in\n{found:#?}");
    }
    let (_, status, bytes) = found.iter().find(|(line, ..)| line.contains("/10m.bin")).unwrap();
    eprintln!("{format}: {} lines; {read} bytes read of a download, {bytes} logged", found.len());
    assert!(*status == 200 && *bytes >= read as u64 && *bytes < LARGE_BYTES as u64);
    assert_eq!(found.len(), expected.len() + 1);
    if format == "combined" {
        // Each worker writes its own lines, so the first request's need not be the first line.
        let lines = lines(&log);
        let first = lines.iter().find(|line| line.contains("http://x/")).unwrap();
        assert!(first.starts_with("127.0.0.1 - - ["), "{first}");
        assert!(first.ends_with(" 200 12 \"http://x/\" \"te\\x22st\""), "{first}");
    }
}

/// `127.0.0.1 - - [time] "request" status bytes "referer" "agent"`.
fn parse_combined(line: &str) -> Logged {
    let parts: Vec<&str> = line.split('"').collect();
    let mut numbers = parts[2].split_whitespace().map(|number| number.parse().unwrap());
    (parts[1].to_owned(), numbers.next().unwrap(), numbers.next().unwrap())
}

fn parse_json(line: &str) -> Logged {
    let value: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(value["peer"], "127.0.0.1");
    let number = |name: &str| value[name].as_u64().unwrap();
    (value["request"].as_str().unwrap().to_owned(), number("status"), number("bytes_sent"))
}

#[test]
fn the_combined_log_is_true() {
    check_log("combined", parse_combined);
}

#[test]
fn the_json_log_is_true() {
    check_log("json", parse_json);
}

#[test]
fn a_full_disk_costs_only_the_log() {
    let site = Site::new();
    let root = site.path().to_str().unwrap();
    let server = Server::start(&[root, "--access-log", "/dev/full", "--workers", "1"]);
    let load = Plan { connections: 8, requests: 500, ..plan(server.address(), &site) };
    let report = load::run(&load).unwrap();
    assert_flawless("a full disk", &report, &server);
    let said = server.child.errors().matches("cannot write the access log").count();
    assert_eq!(said, 1, "{}", server.child.errors());
}
