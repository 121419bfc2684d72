//! The contract of a reload: nobody notices. No request fails, nothing is reset, and afterwards
//! the family has as many processes and descriptors as it had before.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use testkit::load::{Plan, Report};
use testkit::{Address, Peer, Signal, load};

use crate::contracts_kit::{
    assert_flawless, census, expect_census, freeze, generation, plan, refused_reload, reload,
    settle, signal,
};
use crate::harness::{Server, Site, WAIT, eventually};

/// Requests a second that the load is paced at.
const RATE: u32 = 4000;
/// What must be answered of them over two hundred reloads.
const RATE_MIN: f64 = 2000.0;

/// Two hundred reloads, each made while at least so many requests a second are answered, by the
/// count and the clock of the whole run.
fn check_two_hundred(process_model: &str) {
    let arguments = ["--process-model", process_model, "--workers", "2"];
    let report = check(&arguments, 200, RATE_MIN, |plan| plan);
    let rate = report.requests_per_second();
    assert!(rate >= RATE_MIN, "this machine is too slow for the promise: {rate:.0} requests/s");
}

/// Reloads so many times under load, every fourth time by SIGHUP, with these arguments.
fn check(
    arguments: &[&str],
    reloads: u64,
    rate_min: f64,
    shape: impl FnOnce(Plan) -> Plan,
) -> Report {
    let site = Site::new();
    let root = site.path().to_str().unwrap();
    let server = Server::start(&[&[root], arguments].concat());
    let first = reload(&server);
    settle(&server);
    let expected = census(&server);
    let running = load::start(shape(Plan { rate: Some(RATE), ..plan(server.address(), &site) }));
    let begin = Instant::now();
    let keeps_pace = || running.answered() as f64 >= rate_min * begin.elapsed().as_secs_f64();
    for round in 1..=reloads {
        // Each generation has work before it is replaced.
        let answered = running.answered();
        eventually(&format!("requests are answered, {rate_min} a second"), || {
            running.answered() > answered && keeps_pace() || running.is_finished()
        });
        if round % 4 == 0 {
            server.child.signal(Signal::HUP).unwrap();
            eventually("the reload is done", || generation(&server) == first + round);
        } else {
            assert_eq!(reload(&server), first + round, "{arguments:?}");
        }
    }
    eventually("the pace is kept to the end", || keeps_pace() || running.is_finished());
    let report = running.stop().unwrap();
    let words = arguments.join(" ");
    assert_flawless(&format!("{reloads} reloads, {words}"), &report, &server);
    settle(&server);
    expect_census(&server, &expected);
    server.stop();
    report
}

#[test]
fn two_hundred_reloads_of_prefork_epoll() {
    check_two_hundred("prefork");
}

#[test]
fn two_hundred_reloads_of_thread_per_core_epoll() {
    check_two_hundred("thread-per-core");
}

#[test]
fn reloads_with_one_shared_socket() {
    check(&["--set", "listeners=shared", "--workers", "3"], 20, 0.0, |plan| plan);
}

#[test]
fn reloads_of_prefork_io_uring() {
    if !has_io_uring() {
        return;
    }
    check(&["--io-model", "io_uring", "--workers", "2"], 20, 0.0, |plan| plan);
}

#[test]
fn reloads_of_prefork_sigio() {
    check(&["--io-model", "sigio", "--workers", "2"], 20, 0.0, |plan| plan);
}

/// A worker serves one connection at a time, so nobody may stay for ever.
#[test]
fn reloads_of_prefork_blocking() {
    let coming_and_going = |plan| Plan { reconnecting: 1.0, connections: 16, ..plan };
    check(&["--io-model", "blocking", "--workers", "8"], 20, 0.0, coming_and_going);
}

#[test]
fn reloads_of_fork_per_connection() {
    check(&["--process-model", "fork-per-connection"], 20, 0.0, fewer);
}

#[test]
fn reloads_of_thread_per_connection() {
    check(&["--process-model", "thread-per-connection"], 20, 0.0, fewer);
}

/// Every new connection is a new process or thread.
fn fewer(plan: Plan) -> Plan {
    Plan { connections: 16, ..plan }
}

fn has_io_uring() -> bool {
    let found = engine::Model::IoUring.probe();
    if let Err(error) = &found {
        eprintln!("skipped: {error}");
    }
    found.is_ok()
}

/// A server with a configuration file, and what is in it.
struct Configured {
    server: Server,
    file: PathBuf,
    folder: tempfile::TempDir,
}

impl Configured {
    fn start(workers: usize, listen: &str) -> Configured {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("who.txt"), name).unwrap();
        }
        let file = folder.path().join("sockeye.toml");
        write(&file, &folder.path().join("a"), workers, listen);
        let config = file.to_str().unwrap().to_owned();
        let server = Server::start(&["--config", config.as_str()]);
        Configured { server, file, folder }
    }

    fn write(&self, root: &str, workers: usize, listen: &str) {
        write(&self.file, &self.folder.path().join(root), workers, listen);
    }

    fn who(&self) -> String {
        self.server.connect().get("/who.txt").unwrap().text()
    }

    /// The addresses that `sockeye status` shows.
    fn listening(&self) -> Vec<String> {
        let status = self.server.status();
        let all = status["listeners"].as_array().unwrap();
        all.iter().map(|listener| listener["address"].as_str().unwrap().to_owned()).collect()
    }
}

fn write(file: &Path, root: &Path, workers: usize, listen: &str) {
    let root = root.display();
    let text = format!("[server]\nroot = \"{root}\"\nworkers = {workers}\nlisten = [{listen}]\n");
    fs::write(file, text).unwrap();
}

const ANY_PORT: &str = "\"127.0.0.1:0\"";

#[test]
fn a_broken_file_is_refused_and_changes_nothing() {
    let it = Configured::start(2, ANY_PORT);
    let workers = it.server.workers();
    let mut kept = it.server.connect();
    assert_eq!(kept.get("/who.txt").unwrap().text(), "a");
    fs::write(&it.file, "[server]\nworkers = 2\nworker = 3\n").unwrap();
    let said = refused_reload(&it.server);
    for words in ["nothing was changed", "sockeye.toml", "`worker`", "3"] {
        assert!(said.contains(words), "no {words:?} in:\n{said}");
    }
    it.server.child.signal(Signal::HUP).unwrap();
    let refused = |line: &str| line.contains("not reloaded");
    it.server.child.wait_for_error_line(WAIT, refused).unwrap();
    assert_eq!(it.server.workers(), workers);
    assert_eq!(kept.get("/who.txt").unwrap().text(), "a");
    assert_eq!(it.who(), "a");
    it.write("b", 2, ANY_PORT);
    reload(&it.server);
    eventually("the new generation answers", || it.who() == "b");
    assert_eq!(last_answer(&mut kept), "a");
}

/// What the old worker says when it closes a connection that was kept.
fn last_answer(peer: &mut Peer) -> String {
    let mut answer = String::new();
    eventually("the old worker drains", || {
        let response = peer.get("/who.txt").unwrap();
        answer = response.text();
        response.close
    });
    answer
}

/// The settings can be read, but no worker can begin with them.
#[test]
fn a_generation_that_cannot_begin_changes_nothing() {
    let it = Configured::start(2, "\"127.0.0.1:0\", \"127.0.0.2:0\"");
    let (addresses, workers) = (it.listening(), it.server.workers());
    it.write("missing", 3, "\"127.0.0.1:0\", \"127.0.0.3:0\"");
    let said = refused_reload(&it.server);
    assert!(said.contains("missing"), "{said}");
    eventually("the workers are the old ones", || it.server.workers() == workers);
    assert_eq!(it.listening(), addresses);
    // Their successors serve every address of old, too.
    workers.iter().for_each(|pid| signal(*pid, Signal::KILL));
    for address in it.server.addresses() {
        let mut peers: Vec<Peer> = (0..8).map(|_| Peer::connect(address).unwrap()).collect();
        peers.iter_mut().for_each(|peer| assert_eq!(peer.get("/who.txt").unwrap().text(), "a"));
    }
    it.write("b", 2, "\"127.0.0.1:0\", \"127.0.0.2:0\"");
    reload(&it.server);
    eventually("the new generation answers", || it.who() == "b");
}

/// Clients wait in the queues of four sockets; two workers are left to serve them all.
#[test]
fn fewer_workers_serve_the_queues_of_those_that_went() {
    const CLIENTS: usize = 64;
    let it = Configured::start(4, ANY_PORT);
    let old = it.server.workers();
    assert_eq!(old.len(), 4);
    old.iter().for_each(|pid| freeze(*pid));
    let mut peers: Vec<Peer> = (0..CLIENTS).map(|_| it.server.connect()).collect();
    for peer in &mut peers {
        peer.send(b"GET /who.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    it.write("b", 2, ANY_PORT);
    reload(&it.server);
    for peer in &mut peers {
        assert_eq!(peer.read_response().unwrap().text(), "b");
    }
    old.iter().for_each(|pid| signal(*pid, Signal::CONT));
    settle(&it.server);
    assert_eq!(it.server.workers().len(), 2);
    eprintln!("{CLIENTS} clients in the queues of 4 sockets were served by 2 workers");
    it.write("a", 4, ANY_PORT);
    reload(&it.server);
    settle(&it.server);
    assert_eq!((it.server.workers().len(), it.who().as_str()), (4, "a"));
}

/// Each port 0 is a port of its own, and stays what it is while as many are asked for.
#[test]
fn any_port_can_be_asked_for_twice() {
    let it = Configured::start(2, &format!("{ANY_PORT}, {ANY_PORT}"));
    let first = it.listening();
    assert!(first.len() == 2 && first[0] != first[1], "{first:?}");
    for (count, root) in [(3, "a"), (1, "b"), (2, "a")] {
        it.write(root, 2, &vec![ANY_PORT; count].join(", "));
        reload(&it.server);
        settle(&it.server);
        let now = it.listening();
        assert_eq!((now.len(), &now[0]), (count, &first[0]));
        for address in &now {
            let address = Address::find_in(&format!("http://{address}/")).unwrap();
            assert_eq!(Peer::connect(&address).unwrap().get("/who.txt").unwrap().text(), root);
        }
    }
}

#[test]
fn addresses_come_and_go() {
    let it = Configured::start(2, ANY_PORT);
    let path = it.folder.path().join("site.sock");
    let unix = format!("\"unix:{}\"", path.display());
    let first = it.listening();
    let running = load::start(Plan {
        connections: 4,
        rate: Some(500),
        reconnect_every: Some(1),
        duration: WAIT,
        ..Plan::new(it.server.address().clone(), "/who.txt")
    });
    it.write("a", 2, &format!("{ANY_PORT}, \"127.0.0.2:0\", {unix}"));
    reload(&it.server);
    let all = it.listening();
    assert_eq!(all.len(), 3);
    assert_eq!(all[0], first[0]);
    let second = Address::find_in(&format!("http://{}/", all[1])).unwrap();
    let mut kept = Peer::connect(&second).unwrap();
    let mut local = Peer::connect(&Address::Unix(path.clone())).unwrap();
    assert_eq!(kept.get("/who.txt").unwrap().text(), "a");
    assert_eq!(local.get("/who.txt").unwrap().text(), "a");
    it.write("b", 2, ANY_PORT);
    reload(&it.server);
    // What was open there ends well; nobody comes anew.
    assert_eq!(last_answer(&mut kept), "a");
    assert_eq!(last_answer(&mut local), "a");
    settle(&it.server);
    assert_eq!(it.listening(), first);
    assert!(Peer::connect(&second).is_err() && !path.exists());
    assert_eq!(it.who(), "b");
    let report = running.stop().unwrap();
    assert_flawless("addresses added and removed", &report, &it.server);
}

/// One family becomes another on the same sockets.
#[test]
fn the_process_model_can_change() {
    let it = Configured::start(3, ANY_PORT);
    let site = Site::new();
    let text = |model: &str| {
        let root = site.path().display();
        format!("[server]\nroot = \"{root}\"\nlisten = {ANY_PORT}\nprocess_model = \"{model}\"\n")
    };
    fs::write(&it.file, text("prefork")).unwrap();
    reload(&it.server);
    settle(&it.server);
    let load = Plan { connections: 8, rate: Some(500), ..plan(it.server.address(), &site) };
    let running = load::start(load);
    for model in ["thread-per-core", "fork-per-connection", "prefork", "thread-per-connection"] {
        fs::write(&it.file, text(model)).unwrap();
        reload(&it.server);
        let enough = running.answered() + 50;
        eventually("requests are answered", || {
            running.answered() > enough || running.is_finished()
        });
    }
    let report = running.stop().unwrap();
    assert_flawless("four process models in turn", &report, &it.server);
}
