//! A client that does exactly what a test tells it: send these bytes, this slowly, close half,
//! reset, stop reading. Each read has a bounded wait, so that a silent server fails a test and
//! never hangs it. (tcp(7), shutdown(2), SO_LINGER in socket(7).)

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};

use crate::address::Address;
use crate::clock;
use crate::response::{Known, Reader};

/// How long a read or a write waits unless told otherwise.
const WAIT: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 * 1024;
/// A small SO_RCVBUF (socket(7)); one that was asked for does not grow. The smallest, 2304 bytes,
/// takes 10 MiB in 18 000 segments, each of which waits for a processor: half a second on an idle
/// machine, and 10 s where twelve others want its two.
const SMALL_WINDOW_BYTES: usize = 16 * 1024;
/// The longest body a peer keeps, in bytes.
const BODY_BYTES_MAX: usize = 256 * 1024 * 1024;

#[derive(Debug)]
pub struct Peer {
    socket: OwnedFd,
    /// Read, but not yet asked for.
    unread: Vec<u8>,
    wait: Duration,
    name: String,
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, in the order of the wire.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The server said that it will close.
    pub close: bool,
    /// The head as it came, with the empty line.
    pub head: Vec<u8>,
}

/// How a stream came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Closed,
    Reset,
}

impl Response {
    /// The first value of a header, named in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Peer {
    pub fn connect(address: &Address) -> io::Result<Peer> {
        Peer::from_socket(address.connect(None)?, address)
    }

    /// A peer whose receive window is small and stays so: while it does not read, the server's
    /// sends soon meet a window of zero.
    pub fn connect_small_window(address: &Address) -> io::Result<Peer> {
        Peer::from_socket(address.connect(Some(SMALL_WINDOW_BYTES))?, address)
    }

    fn from_socket(socket: OwnedFd, address: &Address) -> io::Result<Peer> {
        Ok(Peer { socket, unread: Vec::new(), wait: WAIT, name: address.to_string() })
    }

    /// Changes how long each later read or write may wait.
    pub fn set_wait(&mut self, wait: Duration) {
        self.wait = wait;
    }

    /// The socket, for tests that look at its options or its address.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    pub fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let deadline = clock::now() + self.wait;
        while !bytes.is_empty() {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN) => self.ready(PollFlags::OUT, deadline, "room to send")?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.describe("send", error)),
            }
        }
        Ok(())
    }

    /// Sends as much as goes without waiting and says how much that was.
    pub fn send_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match send(&self.socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) => Ok(sent),
            Err(Errno::AGAIN) => Ok(0),
            Err(error) => Err(self.describe("send", error)),
        }
    }

    /// Sends in pieces with a pause after each; the slowness is the point of the test.
    pub fn dribble(&mut self, bytes: &[u8], piece: usize, pause: Duration) -> io::Result<()> {
        bytes.chunks(piece.max(1)).try_for_each(|part| {
            self.send(part)?;
            std::thread::sleep(pause);
            Ok(())
        })
    }

    /// Ends the sending half; the server sees end of file and may still answer.
    pub fn half_close(&mut self) -> io::Result<()> {
        shutdown(&self.socket, Shutdown::Write).map_err(|error| self.describe("half-close", error))
    }

    /// Closes with a reset instead of an end.
    pub fn reset(self) -> io::Result<()> {
        sockopt::set_socket_linger(&self.socket, Some(Duration::ZERO))
            .map_err(|error| self.describe("reset", error))
    }

    /// Sends a GET for `target` on this connection and reads the response.
    pub fn get(&mut self, target: &str) -> io::Result<Response> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        self.read_response()
    }

    /// Reads one whole response; interim (1xx) ones are passed over.
    pub fn read_response(&mut self) -> io::Result<Response> {
        self.read_response_as(false)
    }

    /// Reads the response to a HEAD request, which has no body.
    pub fn read_head_response(&mut self) -> io::Result<Response> {
        self.read_response_as(true)
    }

    fn read_response_as(&mut self, head_only: bool) -> io::Result<Response> {
        let deadline = clock::now() + self.wait;
        let (mut reader, mut known, mut body) = (Reader::default(), Known::default(), Vec::new());
        loop {
            while !self.unread.is_empty() {
                let step = reader
                    .step(&self.unread, &mut known, head_only)
                    .map_err(|malformed| self.wrong(malformed.0))?;
                body.extend_from_slice(&self.unread[step.body]);
                self.unread.drain(..step.consumed);
                if let Some(finished) = step.finished {
                    return Ok(response(known.head(), finished.status, finished.close, body));
                }
            }
            if body.len() > BODY_BYTES_MAX {
                return Err(self.wrong("a body longer than a test keeps"));
            }
            if self.fill(deadline, "a whole response")? == 0 {
                return match reader.end() {
                    Some(finished) => Ok(response(known.head(), finished.status, true, body)),
                    None => Err(self.early_end(&body)),
                };
            }
        }
    }

    /// Reads exactly as many bytes as `expected` has and compares them.
    pub fn expect_bytes(&mut self, expected: &[u8]) -> io::Result<()> {
        let found = self.read_bytes(expected.len())?;
        if found == expected {
            return Ok(());
        }
        let (found, expected) = (found.escape_ascii(), expected.escape_ascii());
        Err(self.wrong(&format!("\"{found}\" came where \"{expected}\" was expected")))
    }

    /// Reads exactly `count` bytes.
    pub fn read_bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let deadline = clock::now() + self.wait;
        while self.unread.len() < count {
            if self.fill(deadline, "the bytes expected")? == 0 {
                return Err(self.early_end(&self.unread));
            }
        }
        Ok(self.unread.drain(..count).collect())
    }

    /// Reads to the end of the stream and gives what came before it.
    pub fn read_to_end(&mut self) -> io::Result<(Vec<u8>, End)> {
        let deadline = clock::now() + self.wait;
        loop {
            match self.fill(deadline, "the end of the stream") {
                Ok(0) => return Ok((std::mem::take(&mut self.unread), End::Closed)),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return Ok((std::mem::take(&mut self.unread), End::Reset));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Nothing more may come but the end, by a close or a reset.
    pub fn expect_end(&mut self) -> io::Result<End> {
        match self.read_to_end()? {
            (bytes, end) if bytes.is_empty() => Ok(end),
            (bytes, _) => Err(self.wrong(&format!("\"{}\" before the end", bytes.escape_ascii()))),
        }
    }

    /// Whether the stream has not ended within `wait`; what arrives meanwhile is kept.
    pub fn is_open(&mut self, wait: Duration) -> io::Result<bool> {
        let deadline = clock::now() + wait;
        loop {
            match self.fill(deadline, "an end that should not come") {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(true),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads once; 0 is the end of the stream.
    fn fill(&mut self, deadline: Instant, what: &str) -> io::Result<usize> {
        let mut buffer = [0_u8; READ_BYTES];
        loop {
            match recv(&self.socket, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((bytes, _)) => {
                    self.unread.extend_from_slice(&buffer[..bytes]);
                    return Ok(bytes);
                }
                Err(Errno::AGAIN) => self.ready(PollFlags::IN, deadline, what)?,
                Err(Errno::INTR) => {}
                Err(error) => return Err(self.describe("recv", error)),
            }
        }
    }

    fn ready(&self, flags: PollFlags, deadline: Instant, what: &str) -> io::Result<()> {
        let left = clock::remaining(deadline).ok_or_else(|| self.late(what))?;
        let timeout = Timespec::try_from(left).map_err(|_| self.late(what))?;
        let mut fds = [PollFd::new(&self.socket, flags)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => Err(self.late(what)),
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(self.describe("poll", error)),
        }
    }

    fn late(&self, what: &str) -> io::Error {
        let text = format!("{}: waited in vain for {what}", self.name);
        io::Error::new(ErrorKind::TimedOut, text)
    }

    fn wrong(&self, what: &str) -> io::Error {
        io::Error::new(ErrorKind::InvalidData, format!("{}: {what}", self.name))
    }

    fn early_end(&self, so_far: &[u8]) -> io::Error {
        let shown = so_far[..so_far.len().min(200)].escape_ascii();
        let text = format!("{}: the stream ended early, after \"{shown}\"", self.name);
        io::Error::new(ErrorKind::UnexpectedEof, text)
    }

    fn describe(&self, operation: &str, error: Errno) -> io::Error {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("{operation} with {}: {error}", self.name))
    }
}

fn response(head: &[u8], status: u16, close: bool, body: Vec<u8>) -> Response {
    let text = String::from_utf8_lossy(head);
    let headers = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    Response { status, headers: headers.collect(), body, close, head: head.to_vec() }
}
