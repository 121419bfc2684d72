//! `sim`: a network in memory, under the readiness discipline, with a clock that moves only when
//! nothing else can. Everything that a real network may do to a program it does by a seeded die:
//! short reads and writes, delays, small windows, resets, spurious wake-ups, `EMFILE`. The same
//! seed gives the same run, to the operation.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;

use super::Event;
use crate::clock::{Clock, Tick};
use crate::event::SimId;
use crate::slab::Slab;
use crate::slot::{Handle, Slot};

/// Lines of the trace that are kept to be shown with a failure.
const TRACE_LINES_KEPT: usize = 200;

/// How often each fault happens, in thousandths of the operations it could happen to.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    pub short_read: u32,
    pub short_write: u32,
    /// The connection is reset by an operation on it.
    pub reset: u32,
    /// A wake-up with nothing behind it.
    pub spurious: u32,
    /// Accept says `EMFILE`.
    pub no_descriptor: u32,
    /// Bytes in flight at once, at most; each connection rolls its own window up to this.
    pub window_bytes_max: usize,
    /// A packet's way takes up to so many milliseconds.
    pub delay_ms_max: u64,
}

impl Faults {
    /// A perfect network.
    pub const NONE: Faults = Faults {
        short_read: 0,
        short_write: 0,
        reset: 0,
        spurious: 0,
        no_descriptor: 0,
        window_bytes_max: 1 << 20,
        delay_ms_max: 0,
    };
}

enum Packet {
    Data(VecDeque<u8>),
    End,
    Reset,
}

/// One end: what is on its way to it, in order.
struct End {
    peer: SimId,
    incoming: VecDeque<(Tick, Packet)>,
    window: usize,
    closed: bool,
    sent_end: bool,
}

enum Thing {
    End(End),
    Listener(VecDeque<SimId>),
}

struct World {
    die: u64,
    faults: Faults,
    things: Vec<Thing>,
    now: Tick,
    trace: VecDeque<String>,
    trace_hash: u64,
    trace_length: u64,
}

/// The simulated network; clones are the same one.
#[derive(Clone)]
pub struct Sim(Rc<RefCell<World>>);

impl Sim {
    pub fn new(seed: u64, faults: Faults) -> Sim {
        Sim(Rc::new(RefCell::new(World {
            die: seed ^ 0x9e37_79b9_7f4a_7c15,
            faults,
            things: Vec::new(),
            now: Tick(0),
            trace: VecDeque::new(),
            trace_hash: 0xcbf2_9ce4_8422_2325,
            trace_length: 0,
        })))
    }

    pub(crate) fn listener(&self) -> SimId {
        self.0.borrow_mut().add(Thing::Listener(VecDeque::new()))
    }

    /// A connection: the client's end is returned, the server's end waits in the listener.
    pub(crate) fn connect(&self, listener: SimId) -> SimId {
        let mut world = self.0.borrow_mut();
        let server = SimId(world.things.len() + 1);
        let client = world.add_end(server);
        let server = world.add_end(client);
        if let Some(Thing::Listener(queue)) = world.things.get_mut(listener.0) {
            queue.push_back(server);
        }
        world.note(format_args!("connect {} {}", client.0, server.0));
        client
    }

    /// A number that is the same for two runs exactly when they did the same things.
    pub fn trace_digest(&self) -> (u64, u64) {
        let world = self.0.borrow();
        (world.trace_hash, world.trace_length)
    }

    /// The last lines of the trace, to show with a failure.
    pub fn trace_tail(&self) -> Vec<String> {
        self.0.borrow().trace.iter().cloned().collect()
    }

    /// A throw of the world's die, below `sides`.
    pub fn roll(&self, sides: u64) -> u64 {
        self.0.borrow_mut().roll(sides)
    }

    pub(crate) fn accept(&self, listener: SimId) -> io::Result<SimId> {
        let mut world = self.0.borrow_mut();
        if !world.can_read(listener) {
            return Err(Errno::AGAIN.into());
        }
        if world.happens(|faults| faults.no_descriptor) {
            world.note(format_args!("accept {} EMFILE", listener.0));
            return Err(Errno::MFILE.into());
        }
        let Some(Thing::Listener(queue)) = world.things.get_mut(listener.0) else {
            return Err(Errno::NOTSOCK.into());
        };
        let accepted = queue.pop_front().ok_or(Errno::AGAIN)?;
        world.note(format_args!("accept {}", accepted.0));
        Ok(accepted)
    }

    pub(crate) fn receive(&self, id: SimId, room: &mut [u8]) -> io::Result<usize> {
        let mut world = self.0.borrow_mut();
        if world.happens(|faults| faults.reset) {
            world.reset(id);
        }
        let short = world.happens(|faults| faults.short_read);
        let limit = if short { 1 + world.roll(7) as usize } else { room.len() };
        let limit = limit.min(room.len());
        let result = world.take(id, &mut room[..limit]);
        world.note(format_args!("receive {} {:?}", id.0, result.as_ref().map_err(|e| e.kind())));
        result
    }

    pub(crate) fn send(&self, id: SimId, bytes: &[u8]) -> io::Result<usize> {
        let mut world = self.0.borrow_mut();
        if world.happens(|faults| faults.reset) {
            world.reset(id);
        }
        let short = world.happens(|faults| faults.short_write);
        let limit = if short { 1 + world.roll(13) as usize } else { bytes.len() };
        let result = world.put(id, &bytes[..limit.min(bytes.len())]);
        world.note(format_args!("send {} {:?}", id.0, result.as_ref().map_err(|e| e.kind())));
        result
    }

    /// Ends the sending direction (shutdown(2), `SHUT_WR`).
    pub(crate) fn end(&self, id: SimId) {
        self.0.borrow_mut().finish(id);
    }

    pub(crate) fn close(&self, id: SimId) {
        let mut world = self.0.borrow_mut();
        world.note(format_args!("close {}", id.0));
        world.close(id);
    }

    /// Events for whoever waits; when there are none, time goes on to the next packet or to
    /// `until`. An error means that nothing can ever happen again: the program is stuck.
    pub(crate) fn wait(
        &self,
        until: Option<Tick>,
        clock: &Clock,
        slots: &mut Slab<Slot>,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let mut world = self.0.borrow_mut();
        world.now = clock.now();
        world.collect(slots, events);
        if !events.is_empty() {
            return Ok(());
        }
        let next = [world.next_delivery(), until].into_iter().flatten().min();
        let Some(next) = next else {
            return Err(io::Error::other("the simulation is stuck: no packet, no timer, no event"));
        };
        clock.advance(next);
        world.now = clock.now();
        world.collect(slots, events);
        Ok(())
    }
}

impl World {
    fn add(&mut self, thing: Thing) -> SimId {
        self.things.push(thing);
        SimId(self.things.len() - 1)
    }

    fn add_end(&mut self, peer: SimId) -> SimId {
        let window = 1 + self.roll(self.faults.window_bytes_max as u64) as usize;
        self.add(Thing::End(End {
            peer,
            incoming: VecDeque::new(),
            window,
            closed: false,
            sent_end: false,
        }))
    }

    fn note(&mut self, line: std::fmt::Arguments<'_>) {
        let line = format!("{} {line}", self.now.0);
        for byte in line.bytes() {
            self.trace_hash = (self.trace_hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        self.trace_length += 1;
        self.trace.push_back(line);
        if self.trace.len() > TRACE_LINES_KEPT {
            self.trace.pop_front();
        }
    }

    /// SplitMix64.
    fn roll(&mut self, sides: u64) -> u64 {
        self.die = self.die.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.die;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides.max(1)
    }

    fn happens(&mut self, which: impl Fn(&Faults) -> u32) -> bool {
        let thousandths = which(&self.faults);
        thousandths > 0 && self.roll(1000) < u64::from(thousandths)
    }

    fn end(&mut self, id: SimId) -> Option<&mut End> {
        match self.things.get_mut(id.0) {
            Some(Thing::End(end)) => Some(end),
            _ => None,
        }
    }

    fn can_read(&self, id: SimId) -> bool {
        match self.things.get(id.0) {
            Some(Thing::Listener(queue)) => !queue.is_empty(),
            Some(Thing::End(end)) => end.incoming.front().is_some_and(|(at, _)| *at <= self.now),
            None => false,
        }
    }

    fn room(&self, id: SimId) -> usize {
        let Some(Thing::End(end)) = self.things.get(id.0) else { return 0 };
        let Some(Thing::End(peer)) = self.things.get(end.peer.0) else { return 0 };
        let in_flight: usize = peer.incoming.iter().map(|(_, packet)| data_length(packet)).sum();
        end.window.saturating_sub(in_flight)
    }

    fn can_write(&self, id: SimId) -> bool {
        let Some(Thing::End(end)) = self.things.get(id.0) else { return false };
        let was_reset = end.incoming.iter().any(|(_, packet)| matches!(packet, Packet::Reset));
        let peer_gone = matches!(self.things.get(end.peer.0), Some(Thing::End(p)) if p.closed);
        was_reset || peer_gone || self.room(id) > 0
    }

    fn take(&mut self, id: SimId, room: &mut [u8]) -> io::Result<usize> {
        if !self.can_read(id) {
            return Err(Errno::AGAIN.into());
        }
        let end = self.end(id).ok_or(Errno::NOTSOCK)?;
        match end.incoming.front_mut().map(|(_, packet)| packet) {
            Some(Packet::Data(bytes)) => {
                let n = room.len().min(bytes.len());
                bytes.drain(..n).zip(&mut *room).for_each(|(byte, place)| *place = byte);
                if bytes.is_empty() {
                    end.incoming.pop_front();
                }
                Ok(n)
            }
            Some(Packet::End) => Ok(0),
            Some(Packet::Reset) => Err(Errno::CONNRESET.into()),
            None => Err(Errno::AGAIN.into()),
        }
    }

    fn put(&mut self, id: SimId, bytes: &[u8]) -> io::Result<usize> {
        let end = self.end(id).ok_or(Errno::NOTSOCK)?;
        let peer = end.peer;
        if end.incoming.iter().any(|(_, packet)| matches!(packet, Packet::Reset)) {
            return Err(Errno::CONNRESET.into());
        }
        if end.sent_end {
            return Err(Errno::PIPE.into());
        }
        if self.end(peer).is_none_or(|peer| peer.closed) {
            self.reset(id);
            return Err(Errno::PIPE.into());
        }
        let n = self.room(id).min(bytes.len());
        if n == 0 {
            return Err(Errno::AGAIN.into());
        }
        self.deliver(peer, Packet::Data(bytes[..n].iter().copied().collect()));
        Ok(n)
    }

    fn deliver(&mut self, to: SimId, packet: Packet) {
        let delay = self.roll(self.faults.delay_ms_max + 1);
        let at = Tick(self.now.0 + delay);
        if let Some(end) = self.end(to) {
            let after_last = end.incoming.back().map_or(at, |(last, _)| at.max(*last));
            end.incoming.push_back((after_last, packet));
        }
    }

    fn finish(&mut self, id: SimId) {
        let Some(end) = self.end(id) else { return };
        let peer = end.peer;
        if !std::mem::replace(&mut end.sent_end, true) {
            self.deliver(peer, Packet::End);
        }
    }

    /// Both ends lose what was on its way.
    fn reset(&mut self, id: SimId) {
        let Some(peer) = self.end(id).map(|end| end.peer) else { return };
        let now = self.now;
        for end in [id, peer] {
            if let Some(end) = self.end(end) {
                end.incoming.clear();
                end.incoming.push_back((now, Packet::Reset));
            }
        }
        self.note(format_args!("reset {}", id.0));
    }

    /// As the kernel closes: unread input makes it a reset, otherwise the stream just ends.
    fn close(&mut self, id: SimId) {
        let Some(end) = self.end(id) else { return };
        let unread = end.incoming.iter().any(|(_, packet)| data_length(packet) > 0);
        end.closed = true;
        if unread {
            self.reset(id);
        } else {
            self.finish(id);
        }
    }

    fn next_delivery(&self) -> Option<Tick> {
        let fronts = self.things.iter().filter_map(|thing| match thing {
            Thing::End(end) if !end.closed => end.incoming.front().map(|(at, _)| *at),
            _ => None,
        });
        fronts.filter(|at| *at > self.now).min()
    }

    fn collect(&mut self, slots: &mut Slab<Slot>, events: &mut Vec<Event>) {
        for (key, slot) in slots.iter_mut() {
            let Handle::Sim(id) = slot.handle else { continue };
            let wants = (slot.read.wanted(), slot.write.wanted());
            let spurious = wants != (false, false) && self.happens(|faults| faults.spurious);
            let read = wants.0 && (spurious || self.can_read(id));
            let write = wants.1 && (spurious || self.can_write(id));
            if read || write {
                events.push(Event { key, read, write, read_closed: false, drain: true });
            }
        }
        for i in (1..events.len()).rev() {
            let j = self.roll(i as u64 + 1) as usize;
            events.swap(i, j);
        }
    }
}

fn data_length(packet: &Packet) -> usize {
    match packet {
        Packet::Data(bytes) => bytes.len(),
        Packet::End | Packet::Reset => 0,
    }
}

/// The wait as an instant, for [`Sim::wait`].
pub(crate) fn until(now: Tick, timeout: Option<Duration>) -> Option<Tick> {
    timeout.map(|timeout| now.after(timeout))
}
