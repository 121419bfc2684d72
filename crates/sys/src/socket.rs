//! What a listening socket knows of its queue (tcp(7), `TCP_INFO`).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

/// Connections that are complete and wait to be accepted from this listening TCP socket.
pub fn accept_queue(listener: impl AsFd) -> io::Result<u32> {
    let mut info = MaybeUninit::<libc::tcp_info>::zeroed();
    let mut length = size_of::<libc::tcp_info>() as libc::socklen_t;
    let fd = listener.as_fd().as_raw_fd();
    let (level, name) = (libc::IPPROTO_TCP, libc::TCP_INFO);
    // SAFETY: the pointers are to live values, and `length` is the size of the first.
    let result =
        unsafe { libc::getsockopt(fd, level, name, info.as_mut_ptr().cast(), &mut length) };
    crate::check(result)?;
    // SAFETY: the kernel filled in a prefix and the rest is zero, which all its integers may be.
    Ok(unsafe { info.assume_init() }.tcpi_unacked)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn counts_who_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(super::accept_queue(&listener).unwrap(), 0);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(super::accept_queue(&listener).unwrap(), 1);
    }
}
