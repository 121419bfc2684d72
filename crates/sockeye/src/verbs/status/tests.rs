//! The page of `status`, and its numbers in words.

use control::{Counters, ExitView};

use super::*;

#[test]
fn lengths_of_time() {
    fn check(milliseconds: u64, expected: &str) {
        assert_eq!(age(milliseconds), expected);
    }
    check(0, "0ms");
    check(999, "999ms");
    check(1_900, "1.9s");
    check(61_000, "1m01s");
    check(3_600_000, "1h00m");
    check(90_000_000, "1d01h");
    check(u64::MAX, "213503982334d14h");
}

#[test]
fn sizes() {
    fn check(bytes: u64, expected: &str) {
        assert_eq!(size(bytes), expected);
    }
    check(0, "0");
    check(1023, "1023");
    check(1024, "1.0K");
    check(1_500_000, "1.4M");
    check(200 << 20, "200M");
    check(1 << 50, "1.0P");
}

#[test]
fn a_page() {
    let mut bytes = Vec::new();
    print(&mut Output::plain(&mut bytes), &sample()).unwrap();
    let page = String::from_utf8(bytes).unwrap();
    assert_eq!(page, PAGE, "\n{page}");
}

fn sample() -> FamilyView {
    let connection = ConnectionView {
        fd: 9,
        served_by: None,
        silent: false,
        peer: "[::1]:50112".into(),
        local: "127.0.0.1:8080".into(),
        state: ConnectionState::Responding,
        requests: 3,
        bytes_in: 400,
        bytes_out: 90_000,
        age_ms: 1200,
        idle_ms: 4,
        request: Some("GET /\u{1b}[2J".into()),
    };
    let counters = Counters {
        connections_open: 13,
        connections_accepted: 40,
        requests: 120,
        responses_4xx: 2,
        bytes_in: 9_000,
        bytes_out: 3 << 20,
        ..Counters::default()
    };
    let worker = WorkerView {
        pid: 102,
        state: WorkerState::Serving,
        generation: 2,
        uptime_ms: 65_000,
        counters,
        connections: vec![connection],
        connections_left_out: 12,
        ..WorkerView::default()
    };
    let listener = ListenerView {
        address: "127.0.0.1:8080".into(),
        fd: 5,
        sharing: Sharing::PerWorker,
        queue: Some(0),
    };
    let exit = ExitView {
        pid: 101,
        generation: 1,
        how: "signal 9 (SIGKILL)".into(),
        age_ms: 7_000,
        ..ExitView::default()
    };
    FamilyView {
        version: "0.1.0".into(),
        master_pid: 100,
        uptime_ms: 3_723_000,
        process_model: "prefork".into(),
        io_model: "epoll".into(),
        root: Some("/srv/site".into()),
        control: "/run/sockeye/control.sock".into(),
        generation: 2,
        generations: vec![1, 2],
        listeners: vec![listener],
        workers: vec![worker],
        silent_workers: vec![99],
        last_exits: vec![exit],
        ..FamilyView::default()
    }
}

const PAGE: &str = r"Sockeye 0.1.0, master 100, up 1h02m
  config      none
  root        /srv/site
  models      prefork + epoll
  control     /run/sockeye/control.sock
  generation  2 (alive: 1, 2)

  LISTENER        FD  SHARING     QUEUE
  127.0.0.1:8080   5  per worker      0

  PID  ROLE    STATE    GEN     UP  OPEN  ACCEPTED  REQUESTS  4XX  5XX    IN   OUT
  102  worker  serving    2  1m05s    13        40       120    2    0  8.7K  3.0M
  no answer in time from: 99

  PID  FD  PEER         LOCAL           STATE       REQUESTS   IN    OUT   AGE  IDLE  REQUEST
  102   9  [::1]:50112  127.0.0.1:8080  responding         3  400  87.8K  1.2s   4ms  GET /\u{1b}[2J
  and 12 more

  EXITED  ROLE    GEN   AGO  HOW
     101  worker    1  7.0s  signal 9 (SIGKILL)
";
