//! `blocking`: the wait is the system call itself. When no task can run and one of them waits to
//! receive, that recv(2) is made here, on a socket without `O_NONBLOCK`, and sleeps in the kernel:
//! two system calls a request.
//!
//! It is made at the park point and not inside a task's poll, because a task may have more to do
//! than to read (a protocol that reads before it writes would wait for ever with its reply
//! unsent). Where more than one thing is waited for, poll(2) finds out which comes first.
//!
//! Control must still get through to a process asleep in recv(2). A descriptor marked *urgent* (the
//! channel to the master) sends a signal whose handler does nothing, so recv returns `EINTR`; and
//! since a signal may come just before the call, each sleep ends after [`TICK`] at the latest.
//! Where a busy client lets no call sleep so long, they are looked at every [`URGENT_LOOK`].

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, recv};
use sys::poll::{IN, OUT, PollSet};

use super::Event;
use crate::INBOX_BYTES;
use crate::buffer::Pool;
use crate::clock::Tick;
use crate::slab::{Key, Slab};
use crate::slot::{BlockingState, Direction, Private, Slot};

/// The longest sleep in one system call.
pub const TICK: Duration = Duration::from_secs(1);

/// The signal that interrupts a sleep.
pub fn wake_signal() -> i32 {
    sys::signal::sigrtmin() + 4
}

/// How long urgent descriptors go without a look, however many receives there are meanwhile.
const URGENT_LOOK: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Blocking {
    waits: Vec<(Key, Direction)>,
    urgent: Vec<Key>,
    looked: Tick,
}

impl Blocking {
    pub fn new() -> io::Result<Blocking> {
        sys::signal::interrupt_only(wake_signal())?;
        sys::signal::unblock(&sys::signal::SignalSet::of(&[wake_signal()]))?;
        Ok(Blocking::default())
    }

    pub fn note(&mut self, key: Key, direction: Direction) {
        if !self.waits.contains(&(key, direction)) {
            self.waits.push((key, direction));
        }
    }

    /// Has the descriptor's input interrupt a sleep in another's system call.
    pub fn set_urgent(&mut self, fd: BorrowedFd<'_>, key: Key) -> io::Result<()> {
        sys::sigio::arm(fd, wake_signal(), sys::signal::gettid())?;
        self.urgent.push(key);
        Ok(())
    }

    pub fn forget(&mut self, key: Key) {
        self.waits.retain(|(waiting, _)| *waiting != key);
        self.urgent.retain(|urgent| *urgent != key);
    }

    /// Sleeps in whatever system call the tasks wait for. `now` is the time of the last turn.
    pub fn wait(
        &mut self,
        now: Tick,
        timeout: Option<Duration>,
        slots: &mut Slab<Slot>,
        pool: &mut Pool,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        self.waits.retain(|(key, direction)| {
            slots.get_mut(*key).is_some_and(|slot| slot.side(*direction).wanted())
        });
        let timeout = timeout.unwrap_or(TICK).min(TICK);
        let mut calm = self.waits.iter().filter(|(key, _)| !self.urgent.contains(key));
        let alone = calm.next().filter(|_| calm.next().is_none()).copied();
        if let Some((key, Direction::Read)) = alone
            && !timeout.is_zero()
            && let Some(slot) = slots.get_mut(key)
            && !slot.listener
        {
            let interrupted = receive(slot, pool)?;
            // A busy client's bytes are there before each sleep, and no signal is then noticed.
            let look = interrupted || now.since(self.looked) >= URGENT_LOOK;
            if !look || self.urgent.is_empty() {
                return Ok(());
            }
            self.looked = now;
            return self.poll(Duration::ZERO, slots, events);
        }
        self.poll(timeout, slots, events)
    }

    fn poll(
        &self,
        timeout: Duration,
        slots: &Slab<Slot>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let mut set = PollSet::default();
        for (key, direction) in &self.waits {
            let Some(slot) = slots.get(*key) else { continue };
            let bits = if *direction == Direction::Read { IN } else { OUT };
            set.push(slot.handle.fd()?, bits, key.pack());
        }
        if set.wait(Some(timeout))? > 0 {
            events.extend(
                set.ready().map(|(tag, found)| super::poll::event(Key::unpack(tag), found)),
            );
        }
        Ok(())
    }
}

/// Receives for the task that waits, which is then woken. `true`: interrupted or out of time.
fn receive(slot: &mut Slot, pool: &mut Pool) -> io::Result<bool> {
    let Private::Blocking(state) = &mut slot.private else { return Ok(false) };
    let fd = slot.handle.fd()?;
    if !std::mem::replace(&mut state.timeout_set, true) {
        set_socket_timeout(fd, Timeout::Recv, Some(TICK))?;
    }
    let mut buffer = pool.take_read();
    let result = match recv(fd, &mut buffer[..INBOX_BYTES], RecvFlags::empty()) {
        Ok((n, _)) => Ok(n),
        Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {
            pool.give_read(buffer);
            return Ok(true);
        }
        Err(error) => Err(error.into()),
    };
    state.received = Some((buffer, result));
    slot.read.wake();
    Ok(false)
}

/// A blocking connection's state; sendfile(2) on it must not sleep for ever either.
pub fn adopt(fd: BorrowedFd<'_>) -> io::Result<BlockingState> {
    rustix::io::ioctl_fionbio(fd, false)?;
    set_socket_timeout(fd, Timeout::Send, Some(TICK))?;
    Ok(BlockingState::default())
}
