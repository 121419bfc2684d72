//! recvmsg(2) of one datagram with its sender's credentials (unix(7), `SO_PASSCRED`).
//!
//! `rustix` has this too, but takes the sender's number for one that is never zero; it is zero when
//! the sender is outside of our PID namespace.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// A datagram that was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// Bytes in the buffer.
    pub length: usize,
    /// It was longer than the buffer; the rest is gone.
    pub is_cut: bool,
    pub sender: Option<Sender>,
    /// Descriptors that came with it, which are closed by now.
    pub closed: usize,
}

/// Who sent a datagram, vouched for by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// None: outside of our PID namespace.
    pub pid: Option<u32>,
    pub uid: u32,
    pub gid: u32,
}

/// As many descriptors as one message can carry (`SCM_MAX_FD`), with room for the credentials.
const CONTROL_WORDS: usize = 160;

/// Receives one datagram; `None` when there is none. Never waits.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<Datagram>> {
    let mut control = [0u64; CONTROL_WORDS];
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut message = MaybeUninit::<libc::msghdr>::zeroed();
    // SAFETY: all zero is a valid msghdr: null pointers with no length.
    let message = unsafe { message.assume_init_mut() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the message points to live buffers of the lengths that it says.
    let length = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), message, flags) };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        let quiet = matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR));
        return if quiet { Ok(None) } else { Err(error) };
    };
    let is_cut = message.msg_flags & libc::MSG_TRUNC != 0;
    let mut datagram = Datagram { length, is_cut, sender: None, closed: 0 };
    // SAFETY: the kernel has filled in the message that it was just given.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !header.is_null() {
        read_control(header, &mut datagram);
        // SAFETY: the header is one of this message's.
        header = unsafe { libc::CMSG_NXTHDR(message, header) };
    }
    Ok(Some(datagram))
}

#[allow(clippy::unnecessary_cast, reason = "the type of lengths differs between C libraries")]
fn read_control(header: *const libc::cmsghdr, datagram: &mut Datagram) {
    // SAFETY: the caller's header is a live control message, aligned as the buffer is.
    let fields = unsafe { &*header };
    let (level, kind, length) = (fields.cmsg_level, fields.cmsg_type, fields.cmsg_len as usize);
    // SAFETY: as above; the data lies behind the header within the buffer.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: the length of an empty message is a constant.
    let room = length.saturating_sub(unsafe { libc::CMSG_LEN(0) } as usize);
    match (level, kind) {
        (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if room >= size_of::<libc::ucred>() => {
            // SAFETY: the kernel wrote a ucred of three integers there.
            let sender = unsafe { data.cast::<libc::ucred>().read_unaligned() };
            let pid = u32::try_from(sender.pid).ok().filter(|pid| *pid > 0);
            datagram.sender = Some(Sender { pid, uid: sender.uid, gid: sender.gid });
        }
        (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
            for at in 0..room / size_of::<libc::c_int>() {
                // SAFETY: within the data, whose length in whole integers is the loop's bound.
                let number = unsafe { data.cast::<libc::c_int>().add(at) };
                // SAFETY: as above; the kernel wrote an integer there.
                let number = unsafe { number.read_unaligned() };
                // SAFETY: the kernel has just made this descriptor for us and nobody else has it.
                drop(unsafe { OwnedFd::from_raw_fd(number) });
                datagram.closed += 1;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{
        RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt,
    };
    use std::io::IoSlice;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn the_sender_is_known_and_descriptors_are_closed() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        sockopt::set_socket_passcred(&ours, true).unwrap();
        let (kept, passed) = UnixDatagram::pair().unwrap();
        let fds = [passed.as_fd(), passed.as_fd()];
        let mut space = [MaybeUninit::uninit(); 64];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&theirs, &[IoSlice::new(b"hello")], &mut control, SendFlags::empty()).unwrap();
        drop(passed);
        let mut buffer = [0; 4];
        let found = receive(&ours, &mut buffer).unwrap().unwrap();
        assert_eq!((&buffer, found.length, found.is_cut, found.closed), (b"hell", 4, true, 2));
        let sender = found.sender.unwrap();
        assert_eq!(sender.pid, Some(std::process::id()));
        assert_eq!(sender.uid, rustix::process::getuid().as_raw());
        // Its peer is gone: the copies that came were the last.
        let mut nothing = [0];
        let flags = RecvFlags::DONTWAIT;
        assert!(rustix::net::recv(&kept, &mut nothing, flags).is_err());
        assert!(kept.send(b"x").is_err());
        assert_eq!(receive(&ours, &mut buffer).unwrap(), None);
    }
}
