//! A listening socket: connections come out of it, and it knows what to do when descriptors run
//! out.

use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;

use crate::conn::Conn;
use crate::core::Core;
use crate::slab::Key;
use crate::sleep::Sleep;
use crate::slot::Handle;

/// How long a listener rests when descriptors or memory have run out.
const REST: Duration = Duration::from_millis(100);
/// Connections accepted a turn by one listener, so that those being served get theirs.
const ACCEPTS_A_TURN: u32 = 64;

/// Connections taken out of the queue after [`Listener::stop`], at most: as many as a queue holds
/// by the kernel's own default (somaxconn in listen(2)).
const LAST_ACCEPTS_MAX: u32 = 4096;

/// What [`Listener::accept`] came to.
pub enum Accepted {
    Connection(Conn),
    /// Descriptors or memory have run out (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`). The client
    /// was given a clean close where possible, and the listener rests for a tenth of a second.
    Exhausted(io::Error),
    /// After [`Listener::stop`]: there is and will be nothing more.
    Stopped,
}

/// A listening socket that belongs to an engine. Dropping it closes this descriptor of it.
pub struct Listener {
    core: Rc<Core>,
    key: Key,
    /// An open descriptor to give up when there is none left: closing it makes room to accept a
    /// client and close properly, instead of leaving it waiting.
    reserve: Option<File>,
    rest: Option<Pin<Box<Sleep>>>,
    stopping: bool,
    /// Connections still to be taken out of the queue once it stops.
    last_accepts: u32,
    in_a_row: u32,
}

impl Listener {
    pub(crate) fn adopt(core: Rc<Core>, handle: Handle) -> io::Result<Listener> {
        let key = match handle {
            Handle::Fd(fd) => core.io.borrow_mut().open(fd, true)?,
            Handle::Sim(id) => core.io.borrow_mut().open_sim(id, true),
        };
        let reserve = File::open("/dev/null").ok();
        Ok(Listener {
            core,
            key,
            reserve,
            rest: None,
            stopping: false,
            last_accepts: LAST_ACCEPTS_MAX,
            in_a_row: 0,
        })
    }

    /// The next connection.
    pub async fn accept(&mut self) -> io::Result<Accepted> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// # Errors
    /// Those of accept(2) that concern the listener itself.
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        if self.stopping {
            return self.poll_stopped(cx);
        }
        if let Some(rest) = &mut self.rest {
            if rest.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.rest = None;
        }
        if self.in_a_row >= ACCEPTS_A_TURN {
            self.in_a_row = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let accepted = self.core.io.borrow_mut().accept(self.key, cx);
        self.in_a_row = if accepted.is_ready() { self.in_a_row + 1 } else { 0 };
        match accepted {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(handle)) => Poll::Ready(self.connection(handle)),
            Poll::Ready(Err(error)) if is_exhaustion(&error) => {
                Poll::Ready(Ok(self.exhausted(error)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        }
    }

    /// Ends accepting: from now on [`Listener::accept`] hands out what the kernel had accepted for
    /// us already, and what waits in the queue, then `Stopped`. Where nobody else holds the socket,
    /// whoever is in the queue when it is closed would be reset.
    pub fn stop(&mut self) {
        self.stopping = true;
        self.rest = None;
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        let mut io = self.core.io.borrow_mut();
        if io.stop_accepting(self.key)? {
            drop(io);
            return Poll::Ready(self.last_accept());
        }
        let accepted = io.accepted_while_stopping(self.key, cx);
        drop(io);
        match accepted {
            Some(Ok(handle)) => Poll::Ready(self.connection(handle)),
            // The connection is gone, and the listener is going.
            Some(Err(_)) => self.poll_stopped(cx),
            None => Poll::Pending,
        }
    }

    fn last_accept(&mut self) -> io::Result<Accepted> {
        self.last_accepts = self.last_accepts.saturating_sub(1);
        let accepted = self.core.io.borrow_mut().accept_last(self.key);
        match accepted {
            Ok(handle) if self.last_accepts > 0 => self.connection(handle),
            // The queue is empty, or as good as: what else could be done about it now?
            Ok(_) | Err(_) => Ok(Accepted::Stopped),
        }
    }

    fn connection(&self, handle: Handle) -> io::Result<Accepted> {
        Conn::adopt(self.core.clone(), handle).map(Accepted::Connection)
    }

    fn exhausted(&mut self, error: io::Error) -> Accepted {
        if self.reserve.take().is_some() {
            // Accepted and dropped at once: the client sees the end of the stream.
            drop(self.core.io.borrow_mut().accept_directly(self.key));
            self.reserve = File::open("/dev/null").ok();
        }
        let until = self.core.clock.now().after(REST);
        self.rest = Some(Box::pin(Sleep::new(self.core.clone(), until)));
        Accepted::Exhausted(error)
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM))
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.core.io.borrow_mut().close(self.key);
    }
}
