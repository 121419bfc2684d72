//! The loop of the load generator. Every socket is added to the epoll set once, edge-triggered
//! for both directions, so that a request costs one send, one recv and a share of a wait; a recv
//! that comes back short has drained the socket, unless the peer has ended its side (epoll(7)).
//!
//! The rest of a long body is dropped inside the kernel with MSG_TRUNC (tcp(7)), which keeps this
//! side cheaper than any server.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};

use super::report::{Failure, Report};
use super::slot::{Batch, BatchKey, Session, Slot, State};
use super::{CONNECTIONS_MAX, Expect, Plan, Shared};
use crate::address::{Address, Started};
use crate::clock;
use crate::response::{Finished, Known};

/// How much one recv may take while a head can be in it, in bytes.
const HEAD_READ_BYTES: usize = 64 * 1024;
/// How much one recv may drop of a body, in bytes.
const BODY_READ_BYTES: usize = 1024 * 1024;
const EVENTS_PER_TURN: usize = 512;
/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(10);
/// How long a client waits after its connection failed.
const REST: Duration = Duration::from_millis(10);
/// How many connections are begun in one turn, so that a listen queue is not overrun at once.
const CONNECTS_PER_TURN: usize = 256;
/// The most requests that a paced run sends in one turn.
const RELEASES_PER_TURN: u64 = 4096;

pub(super) struct Client<'a> {
    plan: &'a Plan,
    shared: &'a Shared,
    epoll: OwnedFd,
    /// Prepared requests: two a target, the second saying `Connection: close`.
    batches: Vec<[Batch; 2]>,
    slots: Vec<Slot>,
    /// Clients that wait for their turn in a paced run.
    waiting: VecDeque<(usize, u32)>,
    known: Known,
    scratch: Vec<u8>,
    report: Report,
    started: Instant,
    now: Instant,
    /// Requests handed out; never more than `plan.requests`.
    issued: u64,
    /// Connections that are open or being made.
    live: usize,
    ending: bool,
}

/// What happened to a connection while it was read.
enum Gone {
    Ended,
    Failed(Failure, String),
    Renew,
}

impl<'a> Client<'a> {
    pub fn new(plan: &'a Plan, shared: &'a Shared) -> io::Result<Client<'a>> {
        let valid = (1..=CONNECTIONS_MAX).contains(&plan.connections) && plan.pipelined >= 1;
        if !valid || plan.targets.is_empty() {
            let text = format!("a plan needs 1 to {CONNECTIONS_MAX} connections and a target");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let now = clock::now();
        let reconnecting = (plan.connections as f64 * plan.reconnecting).round() as usize;
        let slots = (0..plan.connections).map(|index| Slot {
            generation: 0,
            reconnects: index < reconnecting,
            state: State::Resting { until: now },
        });
        Ok(Client {
            plan,
            shared,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            batches: plan.targets.iter().map(|target| prepare(plan, target)).collect(),
            slots: slots.collect(),
            waiting: VecDeque::new(),
            known: Known::default(),
            scratch: vec![0; BODY_READ_BYTES],
            report: Report::default(),
            started: now,
            now,
            issued: 0,
            live: 0,
            ending: false,
        })
    }

    pub fn run(mut self) -> io::Result<Report> {
        let mut events = Vec::with_capacity(EVENTS_PER_TURN);
        let mut next_tick = self.now;
        loop {
            self.notice_end();
            if self.now >= next_tick {
                self.tick()?;
                self.shared.publish(&self.report);
                next_tick = self.now + TICK;
            }
            self.release()?;
            if self.ending && self.live == 0 {
                break;
            }
            events.clear();
            let timeout = Timespec { tv_sec: 0, tv_nsec: self.wait_nanoseconds() };
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.set_now();
            for event in &events {
                self.handle(event.data.u64(), event.flags)?;
            }
        }
        self.shared.publish(&self.report);
        Ok(self.report)
    }

    fn set_now(&mut self) {
        self.now = clock::now();
        self.report.elapsed = self.now - self.started;
    }

    fn notice_end(&mut self) {
        let ending = self.shared.stopped()
            || self.report.elapsed >= self.plan.duration
            || self.issued >= self.plan.requests
            || self.report.failed() >= self.plan.failures_max;
        if ending && !self.ending {
            self.ending = true;
            self.waiting.clear();
            for index in 0..self.slots.len() {
                if !matches!(&self.slots[index].state, State::Open(s) if s.outstanding > 0) {
                    self.drop_connection(index, State::Done);
                }
            }
        }
    }

    /// A paced run wakes for its next request, any other for its deadlines.
    fn wait_nanoseconds(&self) -> i64 {
        let tick = TICK.as_nanos() as i64;
        match self.plan.rate {
            Some(rate) if !self.waiting.is_empty() => {
                tick.min(500_000_000 / i64::from(rate.max(1)))
            }
            _ => tick,
        }
    }

    /// Connects the clients that have rested and ends what took too long.
    fn tick(&mut self) -> io::Result<()> {
        let mut connects = 0;
        for index in 0..self.slots.len() {
            match &self.slots[index].state {
                State::Resting { until } if *until <= self.now && connects < CONNECTS_PER_TURN => {
                    connects += 1;
                    self.connect(index)?;
                }
                State::Connecting { since, .. } if self.is_late(*since) => {
                    self.report.fail(Failure::Connect, 1, "no answer to the handshake in time");
                    self.rest(index);
                }
                State::Open(session)
                    if session.outstanding > 0 && self.is_late(session.asked_at) =>
                {
                    let lost = u64::from(session.outstanding);
                    let words = format!("no whole response within {:?}", self.plan.timeout);
                    self.report.fail(Failure::Timeout, lost, words);
                    self.rest(index);
                }
                State::Resting { .. } | State::Connecting { .. } | State::Open(_) | State::Done => {
                }
            }
        }
        Ok(())
    }

    fn is_late(&self, since: Instant) -> bool {
        self.now.saturating_duration_since(since) > self.plan.timeout
    }

    /// In a paced run: hands out what the clock has earned.
    fn release(&mut self) -> io::Result<()> {
        let Some(rate) = self.plan.rate else { return Ok(()) };
        let earned = (self.report.elapsed.as_secs_f64() * f64::from(rate)) as u64;
        let mut due = earned.saturating_sub(self.issued).min(RELEASES_PER_TURN);
        while due > 0
            && let Some((index, generation)) = self.waiting.pop_front()
        {
            if self.slots[index].generation == generation {
                due = due.saturating_sub(u64::from(self.plan.pipelined));
                self.ask(index)?;
            }
        }
        Ok(())
    }

    fn connect(&mut self, index: usize) -> io::Result<()> {
        if self.ending {
            self.slots[index].state = State::Done;
            return Ok(());
        }
        let slot = &mut self.slots[index];
        slot.generation = slot.generation.wrapping_add(1);
        let key = (u64::from(slot.generation) << 32) | index as u64;
        let connected = match self.plan.address.start_connect() {
            Ok(Started::Connected(socket)) => (socket, true),
            Ok(Started::Pending(socket)) => (socket, false),
            Err(error) if is_ours(&error) => return Err(error),
            Err(error) => {
                self.report.fail(Failure::Connect, 1, error);
                self.slots[index].state = State::Resting { until: self.now + REST };
                return Ok(());
            }
        };
        let (socket, done) = connected;
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        epoll::add(&self.epoll, &socket, EventData::new_u64(key), flags)?;
        self.live += 1;
        if done {
            self.report.connections += 1;
            self.slots[index].state = State::Open(Session::new(socket, self.now));
            self.begin(index)
        } else {
            self.slots[index].state = State::Connecting { socket, since: self.now };
            Ok(())
        }
    }

    fn handle(&mut self, key: u64, flags: EventFlags) -> io::Result<()> {
        let (index, generation) = ((key & 0xffff_ffff) as usize, (key >> 32) as u32);
        if self.slots[index].generation != generation {
            return Ok(());
        }
        match &self.slots[index].state {
            State::Connecting { socket, .. } => match sockopt::socket_error(socket)? {
                Ok(()) if flags.contains(EventFlags::OUT) => self.connected(index)?,
                Ok(()) => return Ok(()),
                Err(error) => {
                    let words = format!("connect to {}: {error}", self.plan.address);
                    self.report.fail(Failure::Connect, 1, words);
                    self.rest(index);
                    return Ok(());
                }
            },
            State::Open(session) if session.unsent > 0 => self.flush(index)?,
            State::Open(_) => {}
            State::Resting { .. } | State::Done => return Ok(()),
        }
        let ended = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        if flags.intersects(ended | EventFlags::IN) {
            self.read(index, flags.intersects(ended))?;
        }
        Ok(())
    }

    fn connected(&mut self, index: usize) -> io::Result<()> {
        let state = std::mem::replace(&mut self.slots[index].state, State::Done);
        if let State::Connecting { socket, .. } = state {
            self.report.connections += 1;
            self.slots[index].state = State::Open(Session::new(socket, self.now));
            self.begin(index)?;
        }
        Ok(())
    }

    /// The connection is idle: asks at once, or takes its place in a paced run.
    fn begin(&mut self, index: usize) -> io::Result<()> {
        if self.ending {
            self.drop_connection(index, State::Done);
            return Ok(());
        }
        if self.plan.rate.is_some() {
            self.waiting.push_back((index, self.slots[index].generation));
            return Ok(());
        }
        self.ask(index)
    }

    fn ask(&mut self, index: usize) -> io::Result<()> {
        if self.issued >= self.plan.requests {
            self.drop_connection(index, State::Done);
            return Ok(());
        }
        let slot = &mut self.slots[index];
        let State::Open(session) = &mut slot.state else { return Ok(()) };
        let target = (self.issued % self.batches.len() as u64) as usize;
        let after = session.asked + u64::from(self.plan.pipelined);
        let last = slot.reconnects && self.plan.reconnect_every.is_some_and(|every| after >= every);
        let batch = &self.batches[target][usize::from(last)];
        session.batch = BatchKey { target, last };
        session.unsent = batch.bytes.len();
        session.outstanding = batch.requests;
        session.asked = after;
        session.asked_at = self.now;
        self.issued += u64::from(batch.requests);
        self.flush(index)
    }

    fn flush(&mut self, index: usize) -> io::Result<()> {
        let State::Open(session) = &mut self.slots[index].state else { return Ok(()) };
        let bytes = &self.batches[session.batch.target][usize::from(session.batch.last)].bytes;
        while session.unsent > 0 {
            let rest = &bytes[bytes.len() - session.unsent..];
            match send(&session.socket, rest, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
                Ok(sent) => session.unsent -= sent,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                // The response to what was sent, or the reset, is found by reading.
                Err(Errno::PIPE | Errno::CONNRESET) => session.unsent = 0,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads until the socket is drained.
    fn read(&mut self, index: usize, ended: bool) -> io::Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let gone = self.read_into(index, ended, &mut scratch);
        self.scratch = scratch;
        match gone? {
            None => Ok(()),
            Some(Gone::Renew) => self.renew(index),
            Some(Gone::Ended) => self.ended(index),
            Some(Gone::Failed(failure, words)) => self.failed(index, failure, &words),
        }
    }

    fn read_into(
        &mut self,
        index: usize,
        ended: bool,
        scratch: &mut [u8],
    ) -> io::Result<Option<Gone>> {
        loop {
            let State::Open(session) = &mut self.slots[index].state else { return Ok(None) };
            let ahead = usize::try_from(session.reader.body_ahead()).unwrap_or(usize::MAX);
            let drops = ahead > 0 && !matches!(self.plan.expect, Expect::Bytes(_));
            let (want, flags) = match drops {
                true => (ahead.min(BODY_READ_BYTES), RecvFlags::TRUNC | RecvFlags::DONTWAIT),
                false => (HEAD_READ_BYTES, RecvFlags::DONTWAIT),
            };
            let bytes = match recv(&session.socket, &mut scratch[..want], flags) {
                Ok((_, 0)) => return Ok(Some(Gone::Ended)),
                Ok((_, bytes)) => bytes.min(want),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => continue,
                Err(error) => {
                    return Ok(Some(Gone::Failed(Failure::Reset, format!("recv: {error}"))));
                }
            };
            self.report.bytes_received += bytes as u64;
            let gone = match drops {
                true => self.dropped(index, bytes as u64)?,
                false => self.feed(index, &scratch[..bytes])?,
            };
            if gone.is_some() || (bytes < want && !ended) {
                return Ok(gone);
            }
        }
    }

    fn dropped(&mut self, index: usize, bytes: u64) -> io::Result<Option<Gone>> {
        let State::Open(session) = &mut self.slots[index].state else { return Ok(None) };
        match session.reader.skip_body(bytes) {
            Some(finished) => self.answered(index, finished),
            None => Ok(None),
        }
    }

    /// Takes the responses out of `input`, one after another.
    fn feed(&mut self, index: usize, mut input: &[u8]) -> io::Result<Option<Gone>> {
        while !input.is_empty() {
            let State::Open(session) = &mut self.slots[index].state else { return Ok(None) };
            if session.outstanding == 0 {
                let words = format!("{} bytes nobody asked for", input.len());
                return Ok(Some(Gone::Failed(Failure::Malformed, words)));
            }
            let head_only = self.plan.method == "HEAD";
            let step = match session.reader.step(input, &mut self.known, head_only) {
                Ok(step) => step,
                Err(malformed) => {
                    let words = malformed.0.to_owned();
                    return Ok(Some(Gone::Failed(Failure::Malformed, words)));
                }
            };
            if let Expect::Bytes(expected) = &self.plan.expect {
                let body = &input[step.body];
                let found = expected.get(session.compared..session.compared + body.len());
                session.body_differs |= found != Some(body);
                session.compared += body.len();
            }
            input = &input[step.consumed..];
            if let Some(finished) = step.finished
                && let Some(gone) = self.answered(index, finished)?
            {
                return Ok(Some(gone));
            }
        }
        Ok(None)
    }

    /// A whole response; asks again when it was the last of its batch.
    fn answered(&mut self, index: usize, finished: Finished) -> io::Result<Option<Gone>> {
        let State::Open(session) = &mut self.slots[index].state else { return Ok(None) };
        let wrong = match &self.plan.expect {
            Expect::Anything => false,
            Expect::Length(bytes) => self.plan.method != "HEAD" && finished.body_bytes != *bytes,
            Expect::Bytes(bytes) => session.body_differs || session.compared != bytes.len(),
        };
        session.compared = 0;
        session.body_differs = false;
        session.outstanding -= 1;
        if !(200..300).contains(&finished.status) {
            self.report.fail(Failure::Status, 1, format!("status {}", finished.status));
        } else if wrong {
            let words = format!("a body of {} bytes is not the one expected", finished.body_bytes);
            self.report.fail(Failure::WrongBody, 1, words);
        } else {
            self.report.ok += 1;
        }
        self.report.latency.record(self.now.saturating_duration_since(session.asked_at));
        if finished.close || (session.outstanding == 0 && session.batch.last) {
            return Ok(Some(Gone::Renew));
        }
        if session.outstanding == 0 {
            self.begin(index)?;
        }
        Ok(None)
    }

    /// The server said that it closes: what it left unanswered of a pipelined batch may be asked
    /// again elsewhere and is no failure (RFC 9112 section 9.6).
    fn renew(&mut self, index: usize) -> io::Result<()> {
        if let State::Open(session) = &self.slots[index].state {
            self.issued = self.issued.saturating_sub(u64::from(session.outstanding));
        }
        self.drop_connection(index, State::Resting { until: self.now });
        self.connect(index)
    }

    fn ended(&mut self, index: usize) -> io::Result<()> {
        let State::Open(session) = &mut self.slots[index].state else { return Ok(()) };
        if let Some(finished) = session.reader.end() {
            self.answered(index, finished)?;
            return self.renew(index);
        }
        let lost = u64::from(session.outstanding);
        let asked = session.asked;
        if lost == 0 {
            self.report.closed_idle += 1;
            return self.renew(index);
        }
        let failure = match session.reader.is_fresh() {
            true => Failure::Unanswered,
            false => Failure::CutShort,
        };
        let words = format!("end of stream, {lost} of {asked} requests not answered");
        self.report.fail(failure, lost, words);
        self.rest(index);
        Ok(())
    }

    fn failed(&mut self, index: usize, failure: Failure, words: &str) -> io::Result<()> {
        let State::Open(session) = &self.slots[index].state else { return Ok(()) };
        let lost = u64::from(session.outstanding);
        if lost == 0 && failure == Failure::Reset {
            self.report.closed_idle += 1;
            return self.renew(index);
        }
        self.report.fail(failure, lost.max(1), words);
        self.rest(index);
        Ok(())
    }

    fn rest(&mut self, index: usize) {
        let state = match self.ending {
            true => State::Done,
            false => State::Resting { until: self.now + REST },
        };
        self.drop_connection(index, state);
    }

    /// Closes the connection, if there is one; a closed socket leaves the epoll set by itself.
    fn drop_connection(&mut self, index: usize, next: State) {
        let slot = &mut self.slots[index];
        if matches!(slot.state, State::Connecting { .. } | State::Open(_)) {
            self.live -= 1;
            slot.generation = slot.generation.wrapping_add(1);
        }
        slot.state = next;
    }
}

/// Whether a connection failed for want of something on this side.
fn is_ours(error: &io::Error) -> bool {
    let ours = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::NOBUFS];
    ours.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

fn prepare(plan: &Plan, target: &str) -> [Batch; 2] {
    let host = match &plan.address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    };
    let one = |extra: &str| {
        let (method, headers) = (plan.method, &plan.headers);
        format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}{extra}\r\n").into_bytes()
    };
    let many = one("").repeat(plan.pipelined as usize);
    let mut last = one("").repeat(plan.pipelined as usize - 1);
    last.extend_from_slice(&one("Connection: close\r\n"));
    [
        Batch { requests: plan.pipelined, bytes: many },
        Batch { requests: plan.pipelined, bytes: last },
    ]
}
