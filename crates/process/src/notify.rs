//! The receiving side of sd_notify(3): what programs say of themselves, on one datagram socket for
//! all of them.
//!
//! Anybody who can reach the socket can write to it; who it was, the kernel says (unix(7),
//! `SO_PASSCRED`). It is for the caller to look the number up among its programs, or its session
//! by [`crate::Process::of`] for a helper that a program has started. Descriptors that come along
//! (`FDSTORE=1`, and `BARRIER=1`, which waits for exactly that) are closed at once.

mod message;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, getsockname, socket_with, sockopt,
};

pub use message::{NOTICES_MAX, Notice, TEXT_BYTES_MAX, parse};

/// A longer message is left out; systemd's own limit.
pub const DATAGRAM_BYTES_MAX: usize = 4096;
/// Messages that one call of [`NotifySocket::receive`] takes, so that one program that never stops
/// talking does not keep the caller.
pub const DATAGRAMS_MAX: usize = 64;
/// What the queue may hold: room for a thousand programs that all say READY at once.
const QUEUE_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub struct NotifySocket {
    fd: OwnedFd,
    /// To be removed with the socket.
    path: Option<PathBuf>,
    name: String,
}

/// What one program said at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The process that sent it: a child, or any other that reaches the socket.
    pub pid: u32,
    pub uid: u32,
    pub notices: Vec<Notice>,
}

impl NotifySocket {
    /// Under a name that the kernel chooses in the abstract namespace: no file is left behind, and
    /// every process of this network namespace can write to it.
    pub fn open() -> io::Result<NotifySocket> {
        let fd = socket()?;
        let failed = |errno: rustix::io::Errno| named("bind a notify socket", errno.into());
        bind(&fd, &SocketAddrUnix::new_unnamed()).map_err(failed)?;
        let address = getsockname(&fd).map_err(failed)?;
        let address = SocketAddrUnix::try_from(address).map_err(failed)?;
        let bytes = address.abstract_name().unwrap_or_default();
        let name = std::str::from_utf8(bytes).map_err(io::Error::other)?;
        Ok(NotifySocket { name: format!("@{name}"), fd, path: None })
    }

    /// At a path, for programs in a network namespace of their own. What stands there is replaced
    /// if it is a socket.
    pub fn open_at(path: &Path) -> io::Result<NotifySocket> {
        use std::os::unix::fs::FileTypeExt;
        let failed = |error| named(&format!("bind the notify socket {}", path.display()), error);
        if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
            std::fs::remove_file(path).map_err(failed)?;
        }
        let fd = socket()?;
        let address = SocketAddrUnix::new(path).map_err(|errno| failed(errno.into()))?;
        bind(&fd, &address).map_err(|errno| failed(errno.into()))?;
        let name = path.to_str().ok_or_else(|| failed(io::Error::other("it is not UTF-8")))?;
        Ok(NotifySocket { fd, path: Some(path.to_owned()), name: name.to_owned() })
    }

    /// Takes over a socket that a predecessor has left open (an upgrade in place).
    pub fn adopt(fd: OwnedFd, name: String) -> NotifySocket {
        let path = name.starts_with('/').then(|| PathBuf::from(&name));
        NotifySocket { fd, path, name }
    }

    /// The value of `NOTIFY_SOCKET`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends what has come, [`DATAGRAMS_MAX`] messages at most. Those without a known sender, too
    /// long ones, and those that say nothing known are left out.
    pub fn receive(&self, out: &mut Vec<Message>) -> io::Result<()> {
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        for _ in 0..DATAGRAMS_MAX {
            let Some(datagram) = sys::datagram::receive(&self.fd, &mut buffer)? else { break };
            let Some(sender) = datagram.sender.filter(|_| !datagram.is_cut) else { continue };
            let notices = parse(&buffer[..datagram.length]);
            if let Some(pid) = sender.pid.filter(|_| !notices.is_empty()) {
                out.push(Message { pid, uid: sender.uid, notices });
            }
        }
        Ok(())
    }
}

impl AsFd for NotifySocket {
    /// To be polled for reading.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // If it stays as a dead socket, open_at replaces it.
            let _ = std::fs::remove_file(path);
        }
    }
}

fn socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
    sockopt::set_socket_passcred(&fd, true)?;
    // A smaller queue only makes senders wait.
    let _ = sockopt::set_socket_recv_buffer_size(&fd, QUEUE_BYTES);
    Ok(fd)
}

fn named(operation: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{operation}: {error}"))
}

/// A message of any bytes is understood or not, within its limits.
pub fn fuzz(data: &[u8]) {
    let notices = parse(data);
    assert!(notices.len() <= NOTICES_MAX);
    for notice in &notices {
        if let Notice::Status(text) = notice {
            assert!(text.len() <= TEXT_BYTES_MAX && !text.contains(char::is_control));
        }
    }
    // Lines that are unknown change nothing.
    let mut longer = data.to_vec();
    longer.extend_from_slice(b"\nX_UNKNOWN=1\n");
    assert_eq!(parse(&longer), notices);
}
