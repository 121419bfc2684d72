//! Asking a program whether it is well: a TCP connection that is accepted, or an HTTP request that
//! is answered with a status of 200 to 399. Nothing here waits: a [`Probe`] is a descriptor to
//! poll, and is told when it is ready or when its time is over.

mod http;
mod spec;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, getpeername,
    getsockname, recv, send, socket_with, sockopt,
};

use http::Answer;
pub use spec::{HttpSpec, ProbeSpec};

/// One question under way.
#[derive(Debug)]
pub struct Probe {
    fd: OwnedFd,
    address: SocketAddr,
    http: Option<HttpSpec>,
    state: State,
    deadline: Instant,
}

#[derive(Debug)]
enum State {
    Connecting,
    /// The bytes of the request that are still to be sent.
    Sending(Vec<u8>),
    Reading(Answer),
}

/// What is known by now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Poll [`Probe::as_fd`] for [`Probe::wanted`], until [`Probe::deadline`].
    Waiting,
    Passed,
    /// Why, as a sentence without a full stop.
    Failed(String),
}

impl Probe {
    /// Begins to ask. An error is a failed probe.
    pub fn tcp(address: SocketAddr, now: Instant, time: Duration) -> Result<Probe, String> {
        Probe::begin(address, None, now + time).map_err(|e| format!("connect to {address}: {e}"))
    }

    /// Begins to ask. An error is a failed probe.
    pub fn http(spec: &HttpSpec, now: Instant, time: Duration) -> Result<Probe, String> {
        let address = spec.address;
        Probe::begin(address, Some(spec.clone()), now + time)
            .map_err(|e| format!("connect to {address}: {e}"))
    }

    fn begin(address: SocketAddr, http: Option<HttpSpec>, deadline: Instant) -> io::Result<Probe> {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let fd = socket_with(family, SocketType::STREAM, flags, None)?;
        match connect(&fd, &address) {
            Ok(()) | Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(Probe { fd, address, http, state: State::Connecting, deadline })
    }

    /// What to poll for: `sys::poll::IN` or `OUT`.
    pub fn wanted(&self) -> i16 {
        match self.state {
            State::Connecting | State::Sending(_) => sys::poll::OUT,
            State::Reading(_) => sys::poll::IN,
        }
    }

    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The descriptor is ready, or may be.
    pub fn on_ready(&mut self) -> Verdict {
        self.advance().unwrap_or_else(Verdict::Failed)
    }

    /// The time has passed on.
    pub fn on_time(&self, now: Instant) -> Verdict {
        let what = match self.state {
            State::Connecting => "no connection",
            State::Sending(_) | State::Reading(_) => "no answer",
        };
        if now < self.deadline {
            Verdict::Waiting
        } else {
            Verdict::Failed(format!("{what} from {} in time", self.address))
        }
    }

    fn advance(&mut self) -> Result<Verdict, String> {
        loop {
            match &mut self.state {
                State::Connecting => {
                    if !self.is_connected()? {
                        return Ok(Verdict::Waiting);
                    }
                    let Some(http) = &self.http else { return Ok(Verdict::Passed) };
                    self.state = State::Sending(http.request());
                }
                State::Sending(left) => match send(&self.fd, left, SendFlags::NOSIGNAL) {
                    Ok(sent) if sent < left.len() => _ = left.drain(..sent),
                    Ok(_) => self.state = State::Reading(Answer::default()),
                    Err(Errno::AGAIN | Errno::INTR) => return Ok(Verdict::Waiting),
                    Err(errno) => return Err(format!("send to {}: {errno}", self.address)),
                },
                State::Reading(answer) => {
                    let mut buffer = [0; 1024];
                    return match recv(&self.fd, &mut buffer, RecvFlags::DONTWAIT) {
                        Ok((_, n)) => match answer.push(&buffer[..n])? {
                            Some(status) => judge(status, self.address),
                            None => continue,
                        },
                        Err(Errno::AGAIN | Errno::INTR) => Ok(Verdict::Waiting),
                        Err(errno) => Err(format!("read from {}: {errno}", self.address)),
                    };
                }
            }
        }
    }

    /// A connection to a free port of this machine can meet itself (tcp(7), simultaneous open),
    /// which says nothing of the program.
    fn is_connected(&self) -> Result<bool, String> {
        let address = self.address;
        let failed = |errno: Errno| format!("connect to {address}: {}", io::Error::from(errno));
        sockopt::socket_error(&self.fd).map_err(failed)?.map_err(failed)?;
        match getpeername(&self.fd) {
            Err(Errno::NOTCONN) => Ok(false),
            Err(errno) => Err(failed(errno)),
            Ok(peer) if peer == getsockname(&self.fd).ok() => Err(failed(Errno::CONNREFUSED)),
            Ok(_) => Ok(true),
        }
    }
}

impl AsFd for Probe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn judge(status: u16, address: SocketAddr) -> Result<Verdict, String> {
    match status {
        200..=399 => Ok(Verdict::Passed),
        _ => Err(format!("{address} answers with status {status}")),
    }
}
