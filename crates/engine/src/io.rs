//! Input and output of one engine: its slots, and the operations on them under each discipline.
//!
//! The data's way: a task calls [`Io::fill`], [`Io::flush`] or [`Io::accept`] through its `Conn`
//! or `Listener`; what would block leaves its waker in the slot; [`Io::wait`] sleeps in the
//! model's own manner and wakes whoever may go on.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use crate::buffer::{Inbox, Pool};
use crate::clock::{Clock, Tick};
use crate::event::{Event, Fill, Interest, SimId};
use crate::model::blocking::{self, Blocking};
use crate::model::epoll::Epoll;
use crate::model::io_uring::{self, Uring};
use crate::model::nonblocking::Nonblocking;
use crate::model::poll::Poll as PollModel;
use crate::model::select::Select;
use crate::model::sigio::Sigio;
use crate::model::sim::{self, Sim};
use crate::model::{Model, Options, Poller};
use crate::outbox::{FilePiece, Next, OutBuf};
use crate::slab::{Key, Slab};
use crate::slot::{Direction, Handle, Private, Slot, Watch};
use crate::timer::{Timed, Wheel};

/// The most of a file that one sendfile(2) is asked for, so that a fast reader's connection does
/// not hold up the others.
const SENDFILE_BYTES_MAX: usize = 2 * 1024 * 1024;

pub enum Driver {
    Ready(Box<dyn Poller>),
    Blocking(Blocking),
    Ring(Box<Uring>),
    Sim(Sim),
}

impl Driver {
    pub fn new(model: Model, options: &Options, progress: &Rc<Cell<bool>>) -> io::Result<Driver> {
        Ok(match model {
            Model::Blocking => Driver::Blocking(Blocking::new()?),
            Model::Nonblocking => Driver::Ready(Box::new(Nonblocking::new(progress.clone()))),
            Model::Select => Driver::Ready(Box::new(Select::default())),
            Model::Poll => Driver::Ready(Box::new(PollModel::default())),
            Model::Epoll => Driver::Ready(Box::new(Epoll::new()?)),
            Model::Sigio => Driver::Ready(Box::new(Sigio::new()?)),
            Model::IoUring => Driver::Ring(Box::new(Uring::new(options)?)),
        })
    }
}

struct SleepEntry {
    until: Tick,
    waker: Waker,
}

pub struct Io {
    slots: Slab<Slot>,
    pub pool: Pool,
    driver: Driver,
    wheel: Wheel,
    sleeps: Slab<SleepEntry>,
    /// Slots whose poller may have to be told of a change before the next wait.
    dirty: Vec<Key>,
    /// The engine's own wake-up descriptor, where the model waits on descriptors.
    wake: Option<Key>,
    /// Whether an operation has succeeded since the last wait (read by `nonblocking`).
    progress: Rc<Cell<bool>>,
    events: Vec<Event>,
    timed: Vec<Timed>,
}

impl Io {
    pub fn new(driver: Driver, progress: Rc<Cell<bool>>) -> Io {
        Io {
            slots: Slab::default(),
            pool: Pool::default(),
            driver,
            wheel: Wheel::default(),
            sleeps: Slab::default(),
            dirty: Vec::new(),
            wake: None,
            progress,
            events: Vec::new(),
            timed: Vec::new(),
        }
    }

    /// Watches the descriptor by which other threads end a wait.
    pub fn watch_wake(&mut self, fd: OwnedFd) -> io::Result<()> {
        let private = self.private(&fd, false)?;
        let key = self.slots.insert(Slot::new(Handle::Fd(fd), false, private));
        self.wake = Some(key);
        if let Driver::Ring(ring) = &mut self.driver {
            ring.wake = Some(key);
        }
        self.rest_wake(key)
    }

    fn rest_wake(&mut self, key: Key) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(key) else { return Ok(()) };
        slot.read.ready = false;
        slot.read.wait(Waker::noop());
        self.blocked(key, Direction::Read)
    }

    /// Takes a socket in.
    pub fn open(&mut self, fd: OwnedFd, listener: bool) -> io::Result<Key> {
        let private = self.private(&fd, listener)?;
        Ok(self.slots.insert(Slot::new(Handle::Fd(fd), listener, private)))
    }

    pub fn open_sim(&mut self, id: SimId, listener: bool) -> Key {
        let private = Private::Readiness(Watch::default());
        self.slots.insert(Slot::new(Handle::Sim(id), listener, private))
    }

    fn private(&self, fd: &OwnedFd, listener: bool) -> io::Result<Private> {
        use std::os::fd::AsFd;
        Ok(match &self.driver {
            Driver::Ready(_) | Driver::Sim(_) => Private::Readiness(Watch::default()),
            Driver::Ring(_) => Private::Ring(io_uring::adopt()),
            Driver::Blocking(_) if listener => Private::Blocking(Default::default()),
            Driver::Blocking(_) => Private::Blocking(blocking::adopt(fd.as_fd())?),
        })
    }

    pub fn slot(&mut self, key: Key) -> Option<&mut Slot> {
        self.slots.get_mut(key)
    }

    /// Has input on this connection interrupt the blocking model's sleep in another's.
    pub fn set_urgent(&mut self, key: Key) -> io::Result<()> {
        if let (Driver::Blocking(blocking), Some(slot)) = (&mut self.driver, self.slots.get(key)) {
            blocking.set_urgent(slot.handle.fd()?, key)?;
        }
        Ok(())
    }

    /// Receives into the inbox at least one new byte, or notes who waits for it.
    pub fn fill(
        &mut self,
        key: Key,
        inbox: &mut Inbox,
        cx: &Context<'_>,
    ) -> Poll<io::Result<Fill>> {
        let Some(slot) = self.slots.get_mut(key) else { return Poll::Ready(Err(gone())) };
        if let Some(error) = slot.refusal() {
            return Poll::Ready(Err(error));
        }
        if slot.at_end {
            return Poll::Ready(Ok(Fill::End));
        }
        let result = match &self.driver {
            Driver::Ready(_) => fill_ready(slot, inbox, &mut self.pool, None),
            Driver::Sim(sim) => fill_ready(slot, inbox, &mut self.pool, Some(sim)),
            Driver::Blocking(_) => fill_blocking(slot, inbox, &mut self.pool),
            Driver::Ring(_) => fill_ring(slot, inbox, &mut self.pool),
        };
        match result {
            Ok(Some(fill)) => {
                self.progress.set(true);
                slot.at_end = fill == Fill::End;
                Poll::Ready(Ok(fill))
            }
            Ok(None) => {
                slot.read.wait(cx.waker());
                if matches!(inbox, Inbox::Ring(_)) {
                    inbox.make_pool(&mut self.pool);
                }
                if inbox.len() == 0 {
                    inbox.release(&mut self.pool);
                }
                match self.blocked(key, Direction::Read) {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Sends until at most `low_water` bytes are queued, or notes who waits for that.
    pub fn flush(
        &mut self,
        key: Key,
        out: &mut OutBuf,
        low_water: u64,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(slot) = self.slots.get_mut(key) else { return Poll::Ready(Err(gone())) };
        if let Some(error) = slot.refusal() {
            return Poll::Ready(Err(error));
        }
        // A sendfile(2) that sleeps and is interrupted, or was woken before its end, goes on only
        // after the next wait: the master may have something to say, or the time be over.
        let sleeps = matches!(self.driver, Driver::Blocking(_));
        while slot.write.ready && !out.is_empty() {
            let sent = match out.next() {
                Next::Nothing => break,
                Next::Bytes { bytes, more } => {
                    let (length, sent) = (bytes.len(), send_now(&self.driver, slot, bytes, more));
                    sent.map(|n| {
                        out.sent_bytes(n);
                        slot.write.ready = n == length;
                    })
                }
                Next::File(piece) => {
                    let step = file_step(piece) as u64;
                    let sent = send_file_now(&self.driver, slot, piece);
                    sent.map(|n| {
                        slot.write.ready = !sleeps || n == step;
                        out.sent_file(n);
                    })
                }
            };
            match sent {
                Ok(()) => self.progress.set(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => slot.write.ready = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    slot.write.ready = !sleeps;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if let Some(buffer) = out.take_buffer() {
            self.pool.give_out(buffer);
        }
        if out.is_empty() || out.queued() <= low_water {
            return Poll::Ready(Ok(()));
        }
        slot.write.wait(cx.waker());
        match self.blocked(key, Direction::Write) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Whether a flush may take as long as the client does.
    pub fn sleeps_in_flush(&self) -> bool {
        matches!(self.driver, Driver::Blocking(_))
    }

    /// Accepts one connection, or notes who waits for one.
    pub fn accept(&mut self, key: Key, cx: &Context<'_>) -> Poll<io::Result<Handle>> {
        let Some(slot) = self.slots.get_mut(key) else { return Poll::Ready(Err(gone())) };
        if let Some(error) = slot.refusal() {
            return Poll::Ready(Err(error));
        }
        loop {
            let result = match (&self.driver, &mut slot.private) {
                (_, Private::Ring(state)) => state.next_accepted().map(|a| a.map(Handle::Fd)),
                _ if !slot.read.ready => None,
                (driver, _) => Some(accept_now(driver, slot)),
            };
            match result {
                Some(Ok(handle)) => {
                    self.progress.set(true);
                    return Poll::Ready(Ok(handle));
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                    slot.read.ready = false;
                }
                Some(Err(error)) if is_passing(&error) => {}
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => break,
            }
        }
        slot.read.wait(cx.waker());
        match self.blocked(key, Direction::Read) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Accepts one connection at once and without waiting, to close it (see `Listener`).
    pub fn accept_directly(&mut self, key: Key) -> io::Result<OwnedFd> {
        let slot = self.slots.get_mut(key).ok_or_else(gone)?;
        Ok(accept_with(slot.handle.fd()?, SocketFlags::CLOEXEC)?)
    }

    /// Accepts what waits in the queue of a listener that has been stopped.
    pub fn accept_last(&mut self, key: Key) -> io::Result<Handle> {
        let slot = self.slots.get_mut(key).ok_or_else(gone)?;
        loop {
            match accept_now(&self.driver, slot) {
                Err(error) if is_passing(&error) => {}
                result => return result,
            }
        }
    }

    /// Ends accepting. `true`: nothing accepted is left to be picked up.
    pub fn stop_accepting(&mut self, key: Key) -> io::Result<bool> {
        let Some(slot) = self.slots.get_mut(key) else { return Ok(true) };
        match (&mut self.driver, &mut slot.private) {
            (Driver::Ready(poller), Private::Readiness(watch)) => {
                if std::mem::take(watch).added {
                    poller.remove(slot.handle.fd()?, key);
                }
                Ok(true)
            }
            (Driver::Ring(ring), Private::Ring(_)) => {
                ring.cancel(slot)?;
                let Private::Ring(state) = &slot.private else { return Ok(true) };
                let left = state.rare.as_ref().map_or(0, |rare| rare.accepted.len());
                Ok(!state.in_kernel() && left == 0)
            }
            _ => Ok(true),
        }
    }

    /// Notes the waker for the end of [`Io::stop_accepting`], or hands out what was accepted.
    pub fn accepted_while_stopping(
        &mut self,
        key: Key,
        cx: &Context<'_>,
    ) -> Option<io::Result<Handle>> {
        let slot = self.slots.get_mut(key)?;
        slot.read.wait(cx.waker());
        let Private::Ring(state) = &mut slot.private else { return None };
        state.next_accepted().map(|accepted| accepted.map(Handle::Fd))
    }

    /// Stores a deadline. The wheel learns of it only when it would look at the slot too late.
    pub fn set_deadline(&mut self, key: Key, deadline: Tick) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.deadline = deadline;
        slot.timed_out = false;
        if deadline < slot.filed {
            slot.filed = self.wheel.insert(deadline, Timed::Slot(key));
        }
    }

    pub fn sleep(&mut self, key: Option<Key>, until: Tick, waker: &Waker) -> Key {
        if let Some(key) = key
            && let Some(entry) = self.sleeps.get_mut(key)
        {
            entry.waker = waker.clone();
            return key;
        }
        let key = self.sleeps.insert(SleepEntry { until, waker: waker.clone() });
        self.wheel.insert(until, Timed::Sleep(key));
        key
    }

    pub fn end_sleep(&mut self, key: Key) {
        self.sleeps.remove(key);
    }

    /// Lets go of a connection or listener.
    pub fn close(&mut self, key: Key) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        slot.read.waiter = None;
        slot.write.waiter = None;
        match (&mut self.driver, &mut slot.private) {
            (Driver::Ready(poller), Private::Readiness(watch)) => {
                if let (true, Ok(fd)) = (watch.added, slot.handle.fd()) {
                    poller.remove(fd, key);
                }
            }
            (Driver::Blocking(blocking), _) => blocking.forget(key),
            (Driver::Ring(ring), Private::Ring(state)) => {
                state.received = None;
                state.rare = None;
                slot.closing = state.in_kernel();
                // A failed cancellation leaves the slot to its operations' own end.
                let _ = ring.cancel(slot);
            }
            (Driver::Sim(sim), _) => {
                if let Handle::Sim(id) = slot.handle {
                    sim.close(id);
                }
            }
            _ => {}
        }
        if !self.slots.get(key).is_some_and(|slot| slot.closing) {
            self.slots.remove(key);
        }
    }

    /// A task waits: sees to it that the model will tell.
    fn blocked(&mut self, key: Key, direction: Direction) -> io::Result<()> {
        let Some(slot) = self.slots.get_mut(key) else { return Ok(()) };
        match (&mut self.driver, &slot.private) {
            (Driver::Ready(poller), Private::Readiness(watch)) => {
                if !(watch.added && poller.edge_triggered()) {
                    self.dirty.push(key);
                }
                Ok(())
            }
            (Driver::Blocking(blocking), _) => {
                blocking.note(key, direction);
                Ok(())
            }
            (Driver::Ring(ring), _) if direction == Direction::Read => ring.arm_read(key, slot),
            (Driver::Ring(ring), _) => ring.arm_write(key, slot),
            _ => Ok(()),
        }
    }

    /// Sleeps as the model does until something has happened or the time is over, and wakes.
    pub fn wait(&mut self, timeout: Option<Duration>, clock: &Clock) -> io::Result<()> {
        self.tell_poller();
        let mut events = std::mem::take(&mut self.events);
        let result = match &mut self.driver {
            Driver::Ready(poller) => poller.wait(timeout, &mut events),
            Driver::Blocking(blocking) => {
                let now = clock.now();
                blocking.wait(now, timeout, &mut self.slots, &mut self.pool, &mut events)
            }
            Driver::Ring(ring) => ring.wait(timeout, &mut self.slots),
            Driver::Sim(sim) => {
                sim.wait(sim::until(clock.now(), timeout), clock, &mut self.slots, &mut events)
            }
        };
        for event in events.drain(..) {
            self.on_event(&event);
        }
        self.events = events;
        self.rearm_wake()?;
        result
    }

    fn on_event(&mut self, event: &Event) {
        let Some(slot) = self.slots.get_mut(event.key) else { return };
        let unwanted_listener = slot.listener && !slot.read.wanted();
        slot.on_event(event);
        let Driver::Ready(poller) = &mut self.driver else { return };
        let Private::Readiness(watch) = &mut slot.private else { return };
        if unwanted_listener && watch.added {
            // Level-triggered and nobody accepts now: it would be reported at every wait.
            if let Ok(fd) = slot.handle.fd() {
                poller.remove(fd, event.key);
            }
            *watch = Watch::default();
        } else if !poller.edge_triggered() {
            self.dirty.push(event.key);
        }
    }

    /// The wake-up descriptor is read empty and watched again.
    fn rearm_wake(&mut self) -> io::Result<()> {
        let Some(key) = self.wake else { return Ok(()) };
        let Some(slot) = self.slots.get_mut(key).filter(|slot| !slot.read.wanted()) else {
            return Ok(());
        };
        // Empty already is as good as read.
        let _ = rustix::io::read(slot.handle.fd()?, &mut [0u8; 8]);
        self.rest_wake(key)
    }

    /// Brings what the poller knows up to what is wanted and not ready.
    fn tell_poller(&mut self) {
        let Driver::Ready(poller) = &mut self.driver else { return self.dirty.clear() };
        for key in self.dirty.drain(..) {
            let Some(slot) = self.slots.get_mut(key) else { continue };
            let wanted = Interest {
                read: slot.read.wanted(),
                write: slot.write.wanted(),
                listener: slot.listener,
            };
            let Private::Readiness(watch) = &mut slot.private else { continue };
            let target = Watch { added: true, read: wanted.read, write: wanted.write };
            let Ok(fd) = slot.handle.fd() else { continue };
            let told = match *watch {
                now if now == target => Ok(()),
                Watch { added: false, .. } if wanted.read || wanted.write => {
                    poller.add(fd, key, wanted)
                }
                Watch { added: false, .. } => continue,
                Watch { .. } => poller.modify(fd, key, wanted),
            };
            match told {
                Ok(()) => *watch = target,
                Err(error) => {
                    slot.failed = Some(error);
                    slot.read.wake();
                    slot.write.wake();
                }
            }
        }
    }

    /// When the wheel wants to be looked at next.
    pub fn next_due(&self) -> Option<Tick> {
        self.wheel.next_due()
    }

    /// Times out whoever is due.
    pub fn expire(&mut self, now: Tick) {
        let mut timed = std::mem::take(&mut self.timed);
        self.wheel.advance(now, &mut timed);
        for whose in timed.drain(..) {
            match whose {
                Timed::Slot(key) => self.expire_slot(key, now),
                Timed::Sleep(key) => self.expire_sleep(key, now),
            }
        }
        self.timed = timed;
    }

    fn expire_slot(&mut self, key: Key, now: Tick) {
        let Some(slot) = self.slots.get_mut(key) else { return };
        if slot.filed > now {
            return; // An older entry than the one that counts.
        }
        slot.filed = Tick::NEVER;
        if slot.deadline <= now {
            slot.timed_out = true;
            slot.read.wake();
            slot.write.wake();
        } else if slot.deadline != Tick::NEVER {
            slot.filed = self.wheel.insert(slot.deadline, Timed::Slot(key));
        }
    }

    fn expire_sleep(&mut self, key: Key, now: Tick) {
        let Some(entry) = self.sleeps.get_mut(key) else { return };
        if entry.until <= now {
            entry.waker.wake_by_ref();
        } else {
            self.wheel.insert(entry.until, Timed::Sleep(key));
        }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the connection is closed")
}

/// Errors of accept(2) that concern one connection which is no more, not the listener.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::PROTO
                | Errno::INTR
                | Errno::PERM
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NONET
        )
    )
}

fn accept_now(driver: &Driver, slot: &Slot) -> io::Result<Handle> {
    if let (Driver::Sim(sim), Handle::Sim(id)) = (driver, &slot.handle) {
        return sim.accept(*id).map(Handle::Sim);
    }
    let flags = match driver {
        Driver::Blocking(_) => SocketFlags::CLOEXEC,
        _ => SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
    };
    Ok(Handle::Fd(accept_with(slot.handle.fd()?, flags)?))
}

fn fill_ready(
    slot: &mut Slot,
    inbox: &mut Inbox,
    pool: &mut Pool,
    sim: Option<&Sim>,
) -> io::Result<Option<Fill>> {
    if !slot.read.ready {
        return Ok(None);
    }
    let room = inbox.room(pool);
    if room.is_empty() {
        return Ok(Some(Fill::Full));
    }
    let length = room.len();
    let received = loop {
        let received = match (&slot.handle, sim) {
            (Handle::Sim(id), Some(sim)) => sim.receive(*id, room),
            (handle, _) => recv(handle.fd()?, &mut *room, RecvFlags::empty())
                .map(|(n, _)| n)
                .map_err(io::Error::from),
        };
        match received {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other,
        }
    };
    match received {
        Ok(0) => Ok(Some(Fill::End)),
        Ok(n) => {
            // A short read means that nothing is left, which saves the call that would say so,
            // unless the peer has ended: no further event will come, so read on to the end.
            slot.read.ready = n == length || slot.read_closed || slot.drain;
            inbox.filled(n);
            Ok(Some(Fill::Data))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            slot.read.ready = false;
            slot.drain = false;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn fill_blocking(slot: &mut Slot, inbox: &mut Inbox, pool: &mut Pool) -> io::Result<Option<Fill>> {
    let Private::Blocking(state) = &mut slot.private else { return Ok(None) };
    if let Some((buffer, result)) = state.received.take() {
        slot.read.ready = false;
        let n = result?;
        if n == 0 {
            pool.give_read(buffer);
            return Ok(Some(Fill::End));
        }
        if inbox.len() == 0 {
            inbox.release(pool);
            *inbox = Inbox::Pool { buffer, start: 0, end: n as u32 };
            return Ok(Some(Fill::Data));
        }
        let taken = inbox.append(&buffer[..n], pool);
        if taken < n {
            let mut rest = pool.take_read();
            rest[..n - taken].copy_from_slice(&buffer[taken..n]);
            state.received = Some((rest, Ok(n - taken)));
        }
        pool.give_read(buffer);
        return Ok(Some(if taken == 0 { Fill::Full } else { Fill::Data }));
    }
    // An event of poll(2), when more than one thing was waited for: receive without sleeping.
    if !std::mem::take(&mut slot.read.ready) {
        return Ok(None);
    }
    let room = inbox.room(pool);
    if room.is_empty() {
        return Ok(Some(Fill::Full));
    }
    match recv(slot.handle.fd()?, &mut *room, RecvFlags::DONTWAIT) {
        Ok((0, _)) => Ok(Some(Fill::End)),
        Ok((n, _)) => {
            inbox.filled(n);
            Ok(Some(Fill::Data))
        }
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn fill_ring(slot: &mut Slot, inbox: &mut Inbox, pool: &mut Pool) -> io::Result<Option<Fill>> {
    let Private::Ring(state) = &mut slot.private else { return Ok(None) };
    if let Some(bytes) = state.received.take() {
        if inbox.len() == 0 {
            inbox.release(pool);
            *inbox = Inbox::Ring(bytes);
            return Ok(Some(Fill::Data));
        }
        let taken = inbox.append(&bytes, pool);
        if taken < bytes.len() {
            state.rare().spilled.splice(0..0, bytes[taken..].iter().copied());
        }
        return Ok(Some(if taken == 0 { Fill::Full } else { Fill::Data }));
    }
    let Some(rare) = &mut state.rare else { return Ok(slot.read_closed.then_some(Fill::End)) };
    if !rare.spilled.is_empty() {
        let taken = inbox.append(&rare.spilled, pool);
        rare.spilled.drain(..taken);
        return Ok(Some(if taken == 0 { Fill::Full } else { Fill::Data }));
    }
    if let Some(error) = rare.error.take() {
        return Err(error);
    }
    if !slot.listener {
        state.rare = None;
    }
    Ok(slot.read_closed.then_some(Fill::End))
}

fn send_now(driver: &Driver, slot: &Slot, bytes: &[u8], more: bool) -> io::Result<usize> {
    if let (Driver::Sim(sim), Handle::Sim(id)) = (driver, &slot.handle) {
        return sim.send(*id, bytes);
    }
    let mut flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    flags.set(SendFlags::MORE, more);
    Ok(send(slot.handle.fd()?, bytes, flags)?)
}

/// How much of a piece one sendfile(2) is asked for.
fn file_step(piece: &FilePiece) -> usize {
    let length = usize::try_from(piece.range.end - piece.range.start).unwrap_or(usize::MAX);
    length.min(SENDFILE_BYTES_MAX)
}

/// sendfile(2) at the piece's own offset (the descriptor's is shared). The end of the file before
/// the end of the piece means that it was cut short under us: the promised length cannot be kept.
fn send_file_now(driver: &Driver, slot: &Slot, piece: &FilePiece) -> io::Result<u64> {
    let length = file_step(piece);
    let sent = if let (Driver::Sim(sim), Handle::Sim(id)) = (driver, &slot.handle) {
        let mut bytes = vec![0; length.min(64 * 1024)];
        let n = rustix::io::pread(&piece.file, &mut bytes, piece.range.start)?;
        if n == 0 { 0 } else { sim.send(*id, &bytes[..n])? }
    } else {
        let mut offset = piece.range.start;
        sendfile(slot.handle.fd()?, &piece.file, Some(&mut offset), length)?
    };
    if sent == 0 {
        let why = "the file was cut short while it was being sent";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
    }
    Ok(sent as u64)
}
