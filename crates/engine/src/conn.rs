//! A connection: what protocol code reads from and writes to, whatever the I/O model.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use rustix::net::{Shutdown, SocketAddrAny, getpeername, getsockname, shutdown};

use crate::buffer::Inbox;
use crate::clock::Tick;
use crate::core::Core;
use crate::event::Fill;
use crate::outbox::OutBuf;
use crate::slab::Key;
use crate::slot::Handle;

/// A stream connection. Dropping it closes it.
pub struct Conn {
    core: Rc<Core>,
    key: Key,
    inbox: Inbox,
    out: OutBuf,
    received: u64,
}

impl Conn {
    pub(crate) fn adopt(core: Rc<Core>, handle: Handle) -> io::Result<Conn> {
        let key = match handle {
            Handle::Fd(fd) => core.io.borrow_mut().open(fd, false)?,
            Handle::Sim(id) => core.io.borrow_mut().open_sim(id, false),
        };
        Ok(Conn { core, key, inbox: Inbox::Empty, out: OutBuf::default(), received: 0 })
    }

    /// Receives at least one new byte behind [`Conn::data`]. Dropping the wait loses nothing.
    ///
    /// # Errors
    /// The socket's (`ECONNRESET`...), and `TimedOut` when the deadline is over.
    pub fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Fill>> {
        if !self.core.executor.may_go_on(cx) {
            return Poll::Pending;
        }
        let before = self.inbox.len();
        let mut io = self.core.io.borrow_mut();
        let result = io.fill(self.key, &mut self.inbox, cx);
        match result {
            Poll::Ready(Ok(Fill::Data)) => {
                self.received += (self.inbox.len() - before) as u64;
            }
            Poll::Ready(_) => {}
            // While it waits with nothing to send, a connection holds no buffer for sending.
            Poll::Pending => {
                if let Some(buffer) = self.out.take_buffer() {
                    io.pool.give_out(buffer);
                }
            }
        }
        result
    }

    /// [`Conn::poll_fill`] as a future.
    pub async fn fill(&mut self) -> io::Result<Fill> {
        poll_fn(|cx| self.poll_fill(cx)).await
    }

    /// What was received and not consumed.
    pub fn data(&self) -> &[u8] {
        self.inbox.bytes()
    }

    /// Forgets the first `n` bytes of [`Conn::data`]; at none left the buffer is given back.
    ///
    /// # Panics
    /// When there are fewer.
    pub fn consume(&mut self, n: usize) {
        self.inbox.consume(n, &mut self.core.io.borrow_mut().pool);
    }

    /// What is queued for sending, to append to. Nothing is sent before a flush.
    pub fn out(&mut self) -> &mut OutBuf {
        if self.out.has_no_buffer() {
            let buffer = self.core.io.borrow_mut().pool.take_out();
            self.out.give_buffer(buffer);
        }
        &mut self.out
    }

    /// What is received and what can be written to, at once: a protocol that answers from its
    /// input into its output needs both.
    pub fn data_and_out(&mut self) -> (&[u8], &mut OutBuf) {
        self.out();
        (self.inbox.bytes(), &mut self.out)
    }

    /// Sends until at most `low_water` bytes are left.
    ///
    /// # Errors
    /// The socket's; `TimedOut`; `UnexpectedEof` when a queued file has become shorter.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>, low_water: u64) -> Poll<io::Result<()>> {
        if !self.core.executor.may_go_on(cx) {
            return Poll::Pending;
        }
        let mut io = self.core.io.borrow_mut();
        let result = io.flush(self.key, &mut self.out, low_water, cx);
        if io.sleeps_in_flush() {
            // The turn's time is old by now, and a deadline reckoned from it may have passed.
            self.core.clock.read();
        }
        result
    }

    /// Sends everything that is queued.
    pub async fn flush(&mut self) -> io::Result<()> {
        poll_fn(|cx| self.poll_flush(cx, 0)).await
    }

    /// From this tick on, waiting operations fail with `TimedOut`. Costs a store.
    pub fn set_deadline(&mut self, deadline: Tick) {
        self.core.io.borrow_mut().set_deadline(self.key, deadline);
    }

    /// What somebody else can look at this connection by, for as long as it lives.
    pub fn watcher(&self) -> Watcher {
        Watcher { core: Rc::downgrade(&self.core), key: self.key }
    }

    /// Tells the peer that nothing more will be sent; receiving goes on.
    pub fn shutdown_write(&mut self) -> io::Result<()> {
        let mut io = self.core.io.borrow_mut();
        let Some(slot) = io.slot(self.key) else { return Ok(()) };
        match &slot.handle {
            Handle::Fd(fd) => Ok(shutdown(fd, Shutdown::Write)?),
            Handle::Sim(id) => {
                if let Some(sim) = &self.core.sim {
                    sim.end(*id);
                }
                Ok(())
            }
        }
    }

    /// In the blocking model: input here interrupts the sleep in another connection's recv(2). For
    /// a channel of control beside the one connection that is served.
    pub fn set_urgent(&mut self) -> io::Result<()> {
        self.core.io.borrow_mut().set_urgent(self.key)
    }

    /// Bytes received in the connection's life.
    pub fn total_received(&self) -> u64 {
        self.received
    }

    /// Bytes sent in the connection's life.
    pub fn total_sent(&self) -> u64 {
        self.out.total_sent()
    }

    /// The peer's address, asked of the kernel; `None` for Unix sockets and simulated ones.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.with_fd(|fd| getpeername(fd).ok().flatten()).flatten().and_then(ip)
    }

    /// Our own address of the connection; `None` for Unix sockets and simulated ones.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.with_fd(|fd| getsockname(fd).ok()).flatten().and_then(ip)
    }

    /// The descriptor's number, to be shown to people.
    pub fn fd_number(&self) -> Option<u32> {
        self.with_fd(sys::fd::number)
    }

    /// A second descriptor of the same socket, for handing it on.
    pub fn duplicate(&self) -> io::Result<OwnedFd> {
        let duplicate = self.with_fd(|fd| fd.as_fd().try_clone_to_owned());
        duplicate.unwrap_or_else(|| Err(io::Error::other("the connection has no descriptor")))
    }

    fn with_fd<T>(&self, f: impl FnOnce(&OwnedFd) -> T) -> Option<T> {
        with_fd(&self.core, self.key, f)
    }
}

/// Looks at a connection that a task of its own is serving, and sets its deadline. Once the
/// connection is gone it sees and does nothing.
#[derive(Clone)]
pub struct Watcher {
    core: Weak<Core>,
    key: Key,
}

impl Watcher {
    pub fn set_deadline(&self, deadline: Tick) {
        if let Some(core) = self.core.upgrade() {
            core.io.borrow_mut().set_deadline(self.key, deadline);
        }
    }

    /// As [`Conn::peer_addr`].
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        with_fd(&*self.core.upgrade()?, self.key, |fd| getpeername(fd).ok().flatten())
            .flatten()
            .and_then(ip)
    }

    /// As [`Conn::local_addr`].
    pub fn local_addr(&self) -> Option<SocketAddr> {
        with_fd(&*self.core.upgrade()?, self.key, |fd| getsockname(fd).ok()).flatten().and_then(ip)
    }
}

fn with_fd<T>(core: &Core, key: Key, f: impl FnOnce(&OwnedFd) -> T) -> Option<T> {
    match &core.io.borrow_mut().slot(key)?.handle {
        Handle::Fd(fd) => Some(f(fd)),
        Handle::Sim(_) => None,
    }
}

fn ip(address: SocketAddrAny) -> Option<SocketAddr> {
    SocketAddr::try_from(address).ok()
}

impl Drop for Conn {
    fn drop(&mut self) {
        let mut io = self.core.io.borrow_mut();
        self.inbox.release(&mut io.pool);
        if let Some(buffer) = self.out.take_buffer() {
            io.pool.give_out(buffer);
        }
        io.close(self.key);
    }
}
