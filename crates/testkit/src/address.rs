//! Where a test connects to: a TCP address or a Unix path, with one connect for both. The sockets
//! are made with rustix because options such as SO_RCVBUF must be set before connect(2) to shape
//! the window that the handshake offers (tcp(7), unix(7)).

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use rustix::fd::OwnedFd;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How far a nonblocking connect(2) came.
#[derive(Debug)]
pub enum Started {
    Connected(OwnedFd),
    Pending(OwnedFd),
}

impl Address {
    /// The first `http://ADDRESS:PORT` of a text, such as the line a server prints at start.
    pub fn find_in(text: &str) -> Option<Address> {
        let (_, rest) = text.split_once("http://")?;
        let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c)));
        let authority = &rest[..end.unwrap_or(rest.len())];
        authority.parse().ok().map(Address::Tcp)
    }

    /// Begins a connection that never blocks the caller.
    pub fn start_connect(&self) -> io::Result<Started> {
        let socket = self.socket(SocketFlags::NONBLOCK).map_err(|error| self.describe(error))?;
        match self.connect_socket(&socket) {
            Ok(()) => Ok(Started::Connected(socket)),
            Err(rustix::io::Errno::INPROGRESS) => Ok(Started::Pending(socket)),
            Err(error) => Err(self.describe(error)),
        }
    }

    /// Connects, blocking; `receive_buffer` is SO_RCVBUF in bytes, the kernel's choice if absent.
    pub fn connect(&self, receive_buffer: Option<usize>) -> io::Result<OwnedFd> {
        let socket = self.socket(SocketFlags::empty()).map_err(|error| self.describe(error))?;
        if let Some(bytes) = receive_buffer {
            sockopt::set_socket_recv_buffer_size(&socket, bytes)?;
        }
        self.connect_socket(&socket).map_err(|error| self.describe(error))?;
        Ok(socket)
    }

    fn socket(&self, flags: SocketFlags) -> rustix::io::Result<OwnedFd> {
        let family = match self {
            Address::Tcp(SocketAddr::V4(_)) => AddressFamily::INET,
            Address::Tcp(SocketAddr::V6(_)) => AddressFamily::INET6,
            Address::Unix(_) => AddressFamily::UNIX,
        };
        let flags = flags | SocketFlags::CLOEXEC;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        if matches!(self, Address::Tcp(_)) {
            sockopt::set_tcp_nodelay(&socket, true)?;
        }
        Ok(socket)
    }

    fn connect_socket(&self, socket: &OwnedFd) -> rustix::io::Result<()> {
        match self {
            Address::Tcp(address) => net::connect(socket, address),
            Address::Unix(path) => net::connect(socket, &SocketAddrUnix::new(path.as_path())?),
        }
    }

    fn describe(&self, error: rustix::io::Errno) -> io::Error {
        let error = io::Error::from(error);
        io::Error::new(error.kind(), format!("connect to {self}: {error}"))
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "{address}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn the_address_is_found_in_what_a_server_prints() {
        let check = |text: &str, expected: Option<&str>| {
            let found = Address::find_in(text).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        };
        check("listening on http://127.0.0.1:8080/ (epoll)", Some("127.0.0.1:8080"));
        check("http://[::1]:80", Some("[::1]:80"));
        check("http://127.0.0.1:99999/", None);
        check("https only", None);
        check("", None);
    }
}
