//! The client of the control socket: one command out, one reply in, every wait bounded.
//!
//! Unix sockets: unix(7). The owner of the other end is checked (SO_PEERCRED), because the socket
//! may lie in a folder that others can write to.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use control::{Command, Decoder, Reply};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::cli::output::Failure;
use crate::config::Surroundings;

/// Waits of the kernel for a place in the master's queue, and for it to take a command.
const SEND_WAIT: Duration = Duration::from_secs(5);

const READ_BYTES: usize = 64 << 10;

/// A connection to a running master.
pub struct Client {
    stream: UnixStream,
    path: PathBuf,
}

impl Client {
    /// Connects to the socket named, or to the one where a master of this user would be.
    pub fn connect(path: Option<&Path>) -> Result<Self, Failure> {
        let surroundings = Surroundings::of_this_process();
        let path = path.map_or_else(|| surroundings.control(), Path::to_owned);
        let stream = open(&path).map_err(|cause| unreachable_master(&path, cause))?;
        check_owner(&stream, &path, surroundings.uid)?;
        Ok(Self { stream, path })
    }

    /// Sends a command and waits for its reply.
    pub fn ask(&mut self, command: &Command, wait: Duration) -> Result<Reply, Failure> {
        let failed = |cause| self.broken(&cause, wait);
        self.stream.set_read_timeout(Some(wait)).map_err(failed)?;
        let sent = self.stream.write_all(&control::encode(command));
        sent.map_err(|cause| self.broken(&cause, SEND_WAIT))?;
        self.reply(wait)
    }

    /// Waits until the master has closed the connection, which it does by exiting.
    pub fn wait_for_end(&mut self, wait: Duration) -> Result<(), Failure> {
        let failed = |cause| self.broken(&cause, wait);
        self.stream.set_read_timeout(Some(wait)).map_err(failed)?;
        let mut rest = [0; 256];
        loop {
            match self.stream.read(&mut rest) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(cause) if cause.kind() == ErrorKind::Interrupted => {}
                Err(cause) if cause.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(cause) => return Err(self.broken(&cause, wait)),
            }
        }
    }

    fn reply(&mut self, wait: Duration) -> Result<Reply, Failure> {
        let mut decoder = Decoder::new();
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.failure("closed the connection without a reply")),
                Ok(length) => decoder.push(&buffer[..length]),
                Err(cause) if cause.kind() == ErrorKind::Interrupted => continue,
                Err(cause) => return Err(self.broken(&cause, wait)),
            }
            match decoder.next_message() {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(cause) => return Err(self.failure(&format!("answered badly: {cause}"))),
            }
        }
    }

    fn broken(&self, cause: &std::io::Error, wait: Duration) -> Failure {
        match cause.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                let seconds = wait.as_secs();
                self.failure(&format!(
                    "did not answer within {seconds} s: it may be stopped or very busy; \
                     see what `ps` says about it"
                ))
            }
            _ => self.failure(&format!("cannot be talked to: {cause}")),
        }
    }

    fn failure(&self, what: &str) -> Failure {
        Failure::Failed(format!("the master at {} {what}", self.path.display()))
    }
}

/// The reply to a command that should simply have been done.
pub fn expect_done(reply: Reply) -> Result<(), Failure> {
    match reply {
        Reply::Done => Ok(()),
        other => Err(unexpected(other)),
    }
}

/// A refusal in the master's words, or a reply that does not belong to the command.
pub fn unexpected(reply: Reply) -> Failure {
    Failure::Failed(match reply {
        Reply::Refused { message } | Reply::Failed { message } => message,
        Reply::Done | Reply::Reloaded { .. } | Reply::Status(_) | Reply::Lines { .. } => {
            "the master answered another question than was asked: use the same sockeye on both \
             ends"
                .into()
        }
    })
}

/// Like `UnixStream::connect`, but a full queue is waited for only so long: SO_SNDTIMEO bounds
/// connect(2) too, if it is set before.
fn open(path: &Path) -> rustix::io::Result<UnixStream> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(SEND_WAIT))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

fn unreachable_master(path: &Path, cause: rustix::io::Errno) -> Failure {
    use rustix::io::Errno;
    let path = path.display();
    Failure::Failed(match cause {
        Errno::NOENT | Errno::CONNREFUSED | Errno::NOTDIR => format!(
            "no Sockeye is listening on {path}: is it running? Start one with `sockeye serve`, or \
             give the path it printed at its start with --control PATH"
        ),
        Errno::ACCESS | Errno::PERM => format!(
            "the control socket {path} belongs to another user: run this as that user or as root"
        ),
        Errno::AGAIN | Errno::TIMEDOUT => format!(
            "the master at {path} accepts no connection: it may be stopped or very busy; \
             see what `ps` says about it"
        ),
        Errno::NAMETOOLONG => {
            format!("the path {path} is too long for a socket: the limit is 107 bytes")
        }
        Errno::PROTOTYPE | Errno::NOTSOCK => {
            format!("{path} is not a control socket: give the path the master printed at its start")
        }
        other => format!("cannot connect to {path}: {other}"),
    })
}

/// Refuses a socket that somebody else put where ours should be.
fn check_owner(stream: &UnixStream, path: &Path, own_uid: u32) -> Result<(), Failure> {
    let peer = sockopt::socket_peercred(stream).map_err(|cause| {
        Failure::Failed(format!("cannot tell who owns {}: {cause}", path.display()))
    })?;
    let uid = peer.uid.as_raw();
    if uid == own_uid || uid == 0 || own_uid == 0 {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "the process at {} runs as user {uid}, not as you (user {own_uid}): nothing was sent to it",
        path.display()
    )))
}

#[cfg(test)]
mod tests;
