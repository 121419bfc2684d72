//! The client against masters that answer, refuse, keep silent, vanish or talk nonsense.

use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

use control::{FamilyView, encode};

use super::*;

const WAIT: Duration = Duration::from_secs(20);

/// A master for one connection: reads one command and does the rest as told.
fn master(
    folder: &Path,
    answer: impl FnOnce(UnixStream, Command) + Send + 'static,
) -> (PathBuf, JoinHandle<()>) {
    let path = folder.join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut decoder = Decoder::new();
        let mut buffer = [0; 1024];
        let command = loop {
            if let Some(command) = decoder.next_message().unwrap() {
                break command;
            }
            let length = stream.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "the client went away");
            decoder.push(&buffer[..length]);
        };
        answer(stream, command);
    });
    (path, thread)
}

/// What the client makes of a master that sends these bytes and closes.
fn ask(reply: Vec<u8>) -> Result<Reply, String> {
    let folder = tempfile::tempdir().unwrap();
    let (path, thread) = master(folder.path(), move |mut stream, command| {
        assert_eq!(command, Command::Status);
        stream.write_all(&reply).unwrap();
    });
    let answer = Client::connect(Some(&path)).unwrap().ask(&Command::Status, WAIT);
    thread.join().unwrap();
    answer.map_err(message)
}

fn message(failure: Failure) -> String {
    let Failure::Failed(message) = failure else { panic!("{failure:?}") };
    message
}

#[test]
fn replies_arrive() {
    fn check(reply: Reply) {
        assert_eq!(ask(encode(&reply)).unwrap(), reply);
    }
    check(Reply::Done);
    check(Reply::Reloaded { generation: 3 });
    check(Reply::Refused { message: "no".into() });
    let long = FamilyView { version: "v".repeat(1 << 20), ..FamilyView::default() };
    check(Reply::Status(Box::new(long)));
}

#[test]
fn bad_answers_are_named() {
    fn check(reply: &[u8], expected: &str) {
        let error = ask(reply.to_vec()).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    check(b"", "closed the connection without a reply");
    check(b"HTTP/1.1 400 Bad Request\r\n", "answered badly: not a Sockeye message");
    check(b"{\"version\":2}\n", "use the same sockeye on both ends");
}

#[test]
fn a_silent_master_is_not_waited_for_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let (let_go, held) = std::sync::mpsc::channel::<()>();
    let (path, thread) = master(folder.path(), move |_stream, _command| {
        let _ = held.recv();
    });
    let mut client = Client::connect(Some(&path)).unwrap();
    let error = client.ask(&Command::Reload, Duration::from_millis(20)).unwrap_err();
    assert!(message(error).contains("did not answer within"));
    drop(let_go);
    thread.join().unwrap();
}

#[test]
fn the_end_of_the_master_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let (path, thread) = master(folder.path(), |mut stream, _command| {
        stream.write_all(&encode(&Reply::Done)).unwrap();
    });
    let mut client = Client::connect(Some(&path)).unwrap();
    expect_done(client.ask(&Command::Stop { fast: true }, WAIT).unwrap()).unwrap();
    client.wait_for_end(WAIT).unwrap();
    thread.join().unwrap();
}

#[test]
fn who_cannot_be_reached_is_explained() {
    fn check(path: &Path, expected: &str) {
        let error = Client::connect(Some(path)).err().map(message).unwrap_or_default();
        assert!(error.contains(expected), "{error}");
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let stale = folder.join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    std::fs::write(folder.join("file"), "").unwrap();
    check(&folder.join("missing"), "is it running? Start one with `sockeye serve`");
    check(&stale, "no Sockeye is listening on");
    check(&folder.join("file/under"), "no Sockeye is listening on");
    check(&folder.join("file"), "no Sockeye is listening on");
    check(&folder.join("x".repeat(200)), "too long for a socket");
}
