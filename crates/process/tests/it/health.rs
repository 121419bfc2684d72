//! Probes against real sockets, and messages from real processes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_process::notify::{DATAGRAM_BYTES_MAX, Message, Notice, NotifySocket};
use sockeye_process::probe::{Probe, ProbeSpec, Verdict};
use sockeye_process::{Program, spawn};

use crate::run::end;

const WAIT: Duration = Duration::from_secs(20);

/// Waits until the descriptor is ready or `wait` is over.
fn await_ready(fd: impl AsFd, events: PollFlags, wait: Duration) {
    let limit = Timespec::try_from(wait).unwrap();
    poll(&mut [PollFd::new(&fd, events)], Some(&limit)).unwrap();
}

/// Asks to the end, as a loop does.
fn ask(spec: &str, time: Duration) -> Verdict {
    let now = Instant::now();
    let probe = match ProbeSpec::from_text(spec).unwrap() {
        ProbeSpec::Tcp(address) => Probe::tcp(address, now, time),
        ProbeSpec::Http(http) => Probe::http(&http, now, time),
        other => panic!("{other:?}"),
    };
    let mut probe = match probe {
        Ok(probe) => probe,
        Err(reason) => return Verdict::Failed(reason),
    };
    loop {
        let events = PollFlags::from_bits_retain(probe.wanted().cast_unsigned());
        await_ready(&probe, events, probe.deadline() - Instant::now());
        let verdict = match probe.on_time(Instant::now()) {
            Verdict::Waiting => probe.on_ready(),
            over => over,
        };
        if verdict != Verdict::Waiting {
            return verdict;
        }
    }
}

/// Asks a server that answers each connection with the next text, and returns what it was asked.
fn ask_http(answer: &'static str) -> (Verdict, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            asked.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8(asked).unwrap()
    });
    let verdict = ask(&format!("http://{address}/health"), WAIT);
    (verdict, server.join().unwrap())
}

#[test]
fn a_probe_passes_when_the_program_is_well() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(ask(&format!("tcp:{address}"), WAIT), Verdict::Passed);
    let (verdict, asked) = ask_http("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(verdict, Verdict::Passed);
    assert!(asked.starts_with("GET /health HTTP/1.1\r\nHost: 127.0.0.1:"), "{asked}");
    assert_eq!(ask_http("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 302 F\r\n\r\n").0, Verdict::Passed);
}

#[test]
fn a_probe_fails_with_its_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let check = |found: Verdict, expected: &str| {
        let Verdict::Failed(reason) = found else { panic!("{found:?} instead of {expected}") };
        assert!(reason.contains(expected), "{reason} instead of {expected}");
    };
    check(ask_http("HTTP/1.1 503 S\r\n\r\n").0, "answers with status 503");
    check(ask_http("hello, I am not HTTP").0, "not HTTP");
    check(ask_http("").0, "closed before an answer");
    let silent = ask(&format!("http://{address}/"), Duration::from_millis(30));
    check(silent, "no answer from 127.0.0.1");
    drop(listener);
    check(ask(&format!("tcp:{address}"), WAIT), "refused");
}

fn receive(socket: &NotifySocket) -> Vec<Message> {
    await_ready(socket, PollFlags::IN, WAIT);
    let mut messages = Vec::new();
    socket.receive(&mut messages).unwrap();
    messages
}

#[test]
fn a_message_names_its_sender() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    for socket in [NotifySocket::open().unwrap(), NotifySocket::open_at(&path).unwrap()] {
        let script = "import os, socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
                      n = os.environ['NOTIFY_SOCKET']; n = '\\0' + n[1:] if n[0] == '@' else n; \
                      s.sendto(b'STATUS=long' + b'x' * 9000, n); s.sendto(b'X=1', n); \
                      s.sendto(b'READY=1\\nMAINPID=%d' % os.getpid(), n)";
        let mut program = Program::new(["python3", "-c", script]);
        program.environment = vec![
            ("PATH".into(), std::env::var_os("PATH").unwrap()),
            ("NOTIFY_SOCKET".into(), socket.name().into()),
        ];
        let child = spawn(&program.prepare().unwrap()).unwrap();
        end(&child);
        let found = receive(&socket);
        assert_eq!(found.len(), 1, "{DATAGRAM_BYTES_MAX} bytes are the limit: {found:?}");
        let notices = [Notice::Ready, Notice::MainPid(child.pid)];
        assert_eq!((found[0].pid, &found[0].notices[..]), (child.pid, &notices[..]));
        assert_eq!(found[0].uid, rustix::process::getuid().as_raw());
    }
    assert!(!path.exists());
}

#[test]
fn what_stands_at_the_path_is_replaced_only_if_it_is_a_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let first = NotifySocket::open_at(&path).unwrap();
    std::mem::forget(first);
    drop(NotifySocket::open_at(&path).unwrap());
    std::fs::write(&path, "precious").unwrap();
    let error = NotifySocket::open_at(&path).unwrap_err().to_string();
    assert!(error.contains("bind the notify socket"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}
