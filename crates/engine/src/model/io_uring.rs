//! `io_uring`: completions instead of readiness. One multishot accept a listener, one multishot
//! receive a connection, into buffers of the ring that are parsed where they are.
//!
//! A ring buffer is held only from its completion to the turn of the task that waits for it. What
//! comes while nobody waits is copied out, and so is an unfinished head (by the connection): slow
//! peers cannot use up the ring. Sends are plain send(2) at once, which has no lifetime, ordering
//! or partial-send problem and was measured equal to sends through the ring.

use std::io;
use std::time::Duration;

use rustix::io::Errno;
use sys::uring::{BufferPlan, Completion, Event, Ring};

use super::Options;
use crate::slab::{Key, Slab};
use crate::slot::{Private, RingState, Slot};

/// Bytes kept for a connection whose task does not read; then its receive is cancelled until it
/// does. (Up to a ring's worth more may arrive before the cancellation takes hold.)
const SPILL_BYTES_MAX: usize = 64 * 1024;

pub struct Uring {
    ring: Ring,
    /// Waiting to receive, and turned away because the ring had no buffer (`ENOBUFS`).
    starved: Vec<Key>,
    completions: Vec<Completion>,
    /// The slot of the engine's own wake-up descriptor.
    pub wake: Option<Key>,
}

/// Whether a ring can be made at all, and how it is refused otherwise.
pub fn probe() -> io::Result<()> {
    Uring::new(&Options { ring_buffers: 2, ring_buffer_bytes: 64 }).map(drop)
}

impl Uring {
    pub fn new(options: &Options) -> io::Result<Uring> {
        let plan = BufferPlan { count: options.ring_buffers, size: options.ring_buffer_bytes };
        let ring = Ring::new(plan).map_err(explain)?;
        Ok(Uring { ring, starved: Vec::new(), completions: Vec::new(), wake: None })
    }

    /// Makes sure that the kernel is accepting or receiving for the slot.
    pub fn arm_read(&mut self, key: Key, slot: &mut Slot) -> io::Result<()> {
        let Private::Ring(state) = &mut slot.private else { return Ok(()) };
        if state.read_armed || state.cancelling {
            return Ok(());
        }
        let fd = slot.handle.fd()?;
        if self.wake == Some(key) {
            self.ring.poll_once(fd, sys::poll::IN as u32, key.pack())?;
        } else if slot.listener {
            self.ring.accept_multishot(fd, key.pack())?;
        } else if self.ring.has_free_buffer() {
            self.ring.receive_multishot(fd, key.pack())?;
        } else {
            self.starved.push(key);
            return Ok(());
        }
        state.read_armed = true;
        Ok(())
    }

    /// Makes sure that the kernel tells when the slot can be written to.
    pub fn arm_write(&mut self, key: Key, slot: &mut Slot) -> io::Result<()> {
        let Private::Ring(state) = &mut slot.private else { return Ok(()) };
        if !std::mem::replace(&mut state.poll_armed, true) {
            self.ring.poll_once(slot.handle.fd()?, sys::poll::OUT as u32, key.pack())?;
        }
        Ok(())
    }

    /// Asks the kernel to let go of the slot's descriptor.
    pub fn cancel(&mut self, slot: &mut Slot) -> io::Result<()> {
        let Private::Ring(state) = &mut slot.private else { return Ok(()) };
        if state.in_kernel() && !std::mem::replace(&mut state.cancelling, true) {
            self.ring.cancel(slot.handle.fd()?)?;
        }
        Ok(())
    }

    pub fn wait(&mut self, timeout: Option<Duration>, slots: &mut Slab<Slot>) -> io::Result<()> {
        self.feed_starved(slots)?;
        let mut completions = std::mem::take(&mut self.completions);
        self.ring.wait(timeout, &mut completions)?;
        for completion in completions.drain(..) {
            self.complete(completion, slots)?;
        }
        self.completions = completions;
        Ok(())
    }

    fn feed_starved(&mut self, slots: &mut Slab<Slot>) -> io::Result<()> {
        if self.starved.is_empty() || !self.ring.has_free_buffer() {
            return Ok(());
        }
        for key in std::mem::take(&mut self.starved) {
            if let Some(slot) = slots.get_mut(key).filter(|slot| !slot.closing) {
                self.arm_read(key, slot)?;
            }
        }
        Ok(())
    }

    fn complete(&mut self, completion: Completion, slots: &mut Slab<Slot>) -> io::Result<()> {
        let key = Key::unpack(completion.key);
        // A slot stays until its last completion, so this finds one; and if it did not, dropping
        // the completion closes an accepted descriptor and returns a buffer.
        let Some(slot) = slots.get_mut(key) else { return Ok(()) };
        let Private::Ring(state) = &mut slot.private else { return Ok(()) };
        let is_poll = matches!(completion.event, Event::Poll(_));
        if !completion.more {
            if is_poll && self.wake != Some(key) {
                state.poll_armed = false;
            } else {
                state.read_armed = false;
            }
            state.cancelling &= state.in_kernel();
        }
        if slot.closing {
            if !state.in_kernel() {
                slots.remove(key);
            }
            return Ok(());
        }
        self.deliver(completion.event, key, slot)
    }

    fn deliver(&mut self, event: Event, key: Key, slot: &mut Slot) -> io::Result<()> {
        let Private::Ring(state) = &mut slot.private else { return Ok(()) };
        match event {
            Event::Poll(_) if self.wake == Some(key) => slot.read.wake(),
            Event::Poll(_) => {
                slot.write.ready = true;
                slot.write.wake();
            }
            Event::Accept(Err(error)) if is(&error, Errno::CANCELED) => slot.read.wake(),
            Event::Accept(accepted) => {
                state.rare().accepted.push_back(accepted);
                slot.read.wake();
            }
            Event::Receive(Ok(Some(bytes))) => {
                if slot.read.waiter.is_some() && state.received.is_none() && state.spilled() == 0 {
                    state.received = Some(bytes);
                } else {
                    state.rare().spilled.extend_from_slice(&bytes);
                }
                let too_much = state.spilled() > SPILL_BYTES_MAX;
                slot.read.wake();
                if too_much {
                    self.cancel(slot)?;
                }
            }
            Event::Receive(Ok(None)) => {
                slot.read_closed = true;
                slot.read.wake();
            }
            Event::Receive(Err(error)) if is(&error, Errno::NOBUFS) => self.starved.push(key),
            Event::Receive(Err(error)) if is(&error, Errno::CANCELED) => {
                if slot.read.wanted() {
                    self.arm_read(key, slot)?;
                }
            }
            Event::Receive(Err(error)) => {
                state.rare().error = Some(error);
                slot.read.wake();
            }
        }
        Ok(())
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

/// Says what a refusal usually means: the kernel's number alone sends people the wrong way.
fn explain(error: io::Error) -> io::Error {
    let why = match Errno::from_io_error(&error) {
        Some(Errno::NOSYS) => "this kernel or sandbox has no io_uring (ENOSYS)",
        Some(Errno::PERM) => {
            "io_uring is forbidden (EPERM): see sysctl kernel.io_uring_disabled, or the \
             container's seccomp profile"
        }
        Some(Errno::INVAL) => "this kernel's io_uring is too old: 6.1 is needed (EINVAL)",
        Some(Errno::NOMEM) => "no memory may be locked for a ring (ENOMEM): raise RLIMIT_MEMLOCK",
        _ => return error,
    };
    io::Error::new(error.kind(), why)
}

/// The state of a new connection or listener.
pub fn adopt() -> RingState {
    RingState::default()
}
