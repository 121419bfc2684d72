//! The scripted peers against servers that are scripted too: what a peer does must reach the other
//! side as that, and what it expects must be found or refused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::Duration;

use sockeye_testkit::{Address, End, Peer};

/// Starts a server that has one conversation, and a peer that is connected to it.
fn talk<T: Send + 'static>(
    server: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (Peer, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || server(listener.accept().unwrap().0));
    (Peer::connect(&address).unwrap(), thread)
}

fn read_all(mut stream: TcpStream) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|error| error.kind())?;
    Ok(bytes)
}

#[test]
fn bytes_arrive_dribbled_and_half_closed() {
    let (mut peer, server) = talk(read_all);
    peer.dribble(b"dribbled", 3, Duration::ZERO).unwrap();
    peer.half_close().unwrap();
    assert_eq!(server.join().unwrap().unwrap(), b"dribbled");
    assert_eq!(peer.expect_end().unwrap(), End::Closed);
}

#[test]
fn a_reset_arrives_as_a_reset() {
    let (mut peer, server) = talk(read_all);
    peer.send(b"lost").unwrap();
    peer.reset().unwrap();
    assert_eq!(server.join().unwrap(), Err(ErrorKind::ConnectionReset));
}

#[test]
fn responses_are_read_one_after_another() {
    let (mut peer, server) = talk(|mut stream| {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA-B: c d\r\n\r\nhi").unwrap();
        stream.write_all(b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        stream.write_all(b"3\r\nabc\r\n0\r\n\r\nrest").unwrap();
    });
    let first = peer.read_response().unwrap();
    assert_eq!((first.status, first.text().as_str(), first.close), (200, "hi", false));
    assert_eq!(first.header("a-b"), Some("c d"));
    let second = peer.read_response().unwrap();
    assert_eq!((second.status, second.text().as_str()), (404, "abc"));
    peer.expect_bytes(b"re").unwrap();
    assert!(peer.expect_bytes(b"xx").is_err());
    assert!(!peer.is_open(Duration::from_secs(10)).unwrap());
    server.join().unwrap();
}

#[test]
fn a_head_response_has_a_length_and_no_body() {
    let (mut peer, server) = talk(|mut stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").unwrap();
        stream
    });
    let response = peer.read_head_response().unwrap();
    assert_eq!((response.status, response.header("content-length")), (200, Some("9")));
    assert!(peer.is_open(Duration::ZERO).unwrap());
    drop(server.join().unwrap());
}

#[test]
fn a_silent_server_fails_and_never_hangs() {
    let (mut peer, server) = talk(|stream| stream);
    peer.set_wait(Duration::from_millis(20));
    assert_eq!(peer.read_response().unwrap_err().kind(), ErrorKind::TimedOut);
    drop(server.join().unwrap());
    assert_eq!(peer.read_response().unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn a_peer_that_does_not_read_closes_its_window() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(listener.local_addr().unwrap());
    let mut peer = Peer::connect_small_window(&address).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let blocked = loop {
        match stream.write(&[7; 65536]) {
            Ok(bytes) => sent += bytes,
            Err(error) => break error.kind(),
        }
    };
    assert_eq!(blocked, ErrorKind::WouldBlock);
    drop(stream);
    assert_eq!(peer.read_bytes(sent).unwrap().len(), sent);
    assert_eq!(peer.expect_end().unwrap(), End::Closed);
}

#[test]
fn a_unix_path_is_an_address_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut peer = Peer::connect(&Address::Unix(path)).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    assert_eq!(peer.read_response().unwrap().status, 204);
}
