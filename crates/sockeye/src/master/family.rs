//! The workers and their generations.
//!
//! A generation is the workers of one reading of the configuration. One is starting or serving;
//! older ones drain, and are bounded in number and time. Each generation has posts, one for each
//! worker process; a post whose worker has ended gets a new one, for as long as its generation
//! serves. A process has one seat (unit, channel, row of counters), or one for each thread.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ::control::handover::{Handover, Worker};
use ::control::{ExitView, FromWorker, ToWorker, WorkerRole};
use process::{Backoff, Exit, Pace};
use rustix::process::Signal;
use serve::COUNTERS;
use sys::fork::{Forked, fork};
use sys::shared::SharedCounters;

use super::listeners::Listeners;
use super::upgrade::{keep_open, take_inherited};
use crate::channel::Channel;
use crate::settings::{ProcessModel, Settings};
use crate::worker::{Plan, Seat};

/// Generations alive at once: a further reload waits until one has gone.
const GENERATIONS_MAX: usize = 8;
/// Rows of counters, one for each seat of every generation alive.
const ROWS: usize = 8 * 1024;
/// How long a worker may take to say that it is ready.
const READY_WAIT: Duration = Duration::from_secs(30);
/// Ends of processes that are remembered for the status.
const EXITS_KEPT: usize = 20;

/// What the master has to know of.
pub enum Event {
    GenerationReady(u64),
    GenerationFailed {
        generation: u64,
        reason: String,
    },
    /// A seat has ended and will answer nothing more.
    WorkerGone(u64),
    Said(String),
}

/// A worker to be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fork {
    pub generation: u64,
    pub index: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Starting,
    Serving,
    Draining { until: Instant },
}

struct Generation {
    number: u64,
    settings: Arc<Settings>,
    state: State,
    posts: Vec<Post>,
    /// Why a worker said that it cannot begin.
    failure: Option<String>,
}

/// The place of one worker process.
struct Post {
    /// Of ends after its worker had become ready, and of ends before: many of the one kind say
    /// nothing about the other, whose waits are far longer.
    backoff: Backoff,
    unready: Backoff,
    /// When to start the next one; none while one lives or none is wanted.
    due: Option<Instant>,
}

struct Process {
    fork: Fork,
    started: Instant,
    seats: Vec<u64>,
    unready: usize,
    /// It was late, and its end is to come.
    killed: bool,
}

struct OpenSeat {
    pid: u32,
    channel: Channel<FromWorker>,
    row: usize,
}

struct EndRecord {
    pid: u32,
    generation: u64,
    how: String,
    role: WorkerRole,
    at: Instant,
}

pub struct Family {
    generations: Vec<Generation>,
    processes: BTreeMap<u32, Process>,
    seats: BTreeMap<u64, OpenSeat>,
    next_generation: u64,
    next_seat: u64,
    counters: &'static SharedCounters,
    free_rows: Vec<usize>,
    ends: VecDeque<EndRecord>,
}

impl Post {
    /// With nobody to be started.
    fn vacant() -> Post {
        Post { backoff: Backoff::default(), unready: Backoff::default(), due: None }
    }

    /// How long to wait after an end, and how many quick ones in a row it was the last of.
    fn wait_after(&mut self, lived: Duration, was_ready: bool) -> (Duration, u32) {
        let (backoff, pace) = if was_ready {
            self.unready = Backoff::default();
            (&mut self.backoff, Pace::READY)
        } else {
            (&mut self.unready, Pace::UNREADY)
        };
        (backoff.after(lived, pace), backoff.quick_ends())
    }
}

impl Family {
    pub fn new(settings: &Settings) -> Result<Family, String> {
        let counters = SharedCounters::new(ROWS * COUNTERS)
            .map_err(|error| format!("memory for the workers' counters: {error}"))?;
        let family = Family {
            generations: Vec::new(),
            processes: BTreeMap::new(),
            seats: BTreeMap::new(),
            next_generation: 1,
            next_seat: 0,
            counters: Box::leak(Box::new(counters)),
            free_rows: (0..ROWS).rev().collect(),
            ends: VecDeque::new(),
        };
        family.make_room(settings)?;
        Ok(family)
    }

    /// Whether the settings' workers can all have counters.
    pub fn make_room(&self, settings: &Settings) -> Result<(), String> {
        let wanted = processes_of(settings) * seats_of(settings);
        if wanted > self.free_rows.len() {
            return Err(format!(
                "{wanted} workers are too many while {} others live",
                ROWS - self.free_rows.len()
            ));
        }
        Ok(())
    }

    /// No other is starting, and not too many are draining.
    pub fn may_begin_generation(&self) -> bool {
        let starting = self.generations.iter().any(|g| g.state == State::Starting);
        !starting && self.generations.len() < GENERATIONS_MAX
    }

    /// One without workers serves, in its way, at once.
    pub fn begin_generation(&mut self, settings: Arc<Settings>, now: Instant) -> Vec<Event> {
        let post = || Post { due: Some(now), ..Post::vacant() };
        let posts = (0..processes_of(&settings)).map(|_| post()).collect();
        self.generations.push(Generation {
            number: self.next_generation,
            settings,
            state: State::Starting,
            posts,
            failure: None,
        });
        let number = self.next_generation;
        self.next_generation += 1;
        self.serve_if_complete(number, now)
    }

    /// The next worker whose time to start has come.
    pub fn next_start(&self, now: Instant) -> Option<Fork> {
        self.generations.iter().find_map(|generation| {
            let due = |post: &Post| post.due.is_some_and(|due| due <= now);
            let index = generation.posts.iter().position(due)?;
            Some(Fork { generation: generation.number, index })
        })
    }

    /// Forks it. `Some`: this is the worker.
    pub fn fork(&mut self, which: &Fork, listeners: &Listeners) -> io::Result<Option<Plan>> {
        let mut rows = Vec::new();
        let forked = self.try_fork(which, listeners, &mut rows);
        if forked.is_err() {
            self.free_rows.extend(rows);
        }
        forked
    }

    /// Leaves in `rows` the counters that it has taken.
    fn try_fork(
        &mut self,
        which: &Fork,
        listeners: &Listeners,
        rows: &mut Vec<usize>,
    ) -> io::Result<Option<Plan>> {
        assert_fork_safe()?;
        let generation = self
            .generation(which.generation)
            .ok_or_else(|| io::Error::other(format!("generation {} is gone", which.generation)))?;
        let settings = generation.settings.clone();
        generation.posts[which.index].due = None;
        let count = seats_of(&settings);
        let units = processes_of(&settings) * count;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for seat in 0..count {
            let (mine, channel) = UnixStream::pair()?;
            let listeners = listeners.of_unit(&settings, which.index * count + seat, units)?;
            let row = self.take_row().ok_or_else(|| io::Error::other("no counters left"))?;
            rows.push(row);
            ours.push((Channel::new(mine)?, row));
            theirs.push(Seat { channel, listeners, counters: self.row(row) });
        }
        // What is buffered would be written twice.
        io::stdout().flush()?;
        match fork()? {
            Forked::Child => {
                let (generation, index) = (which.generation, which.index);
                Ok(Some(Plan { settings, generation, index, seats: theirs }))
            }
            Forked::Parent { child } => {
                self.note_started(*which, child, ours);
                Ok(None)
            }
        }
    }

    fn note_started(&mut self, fork: Fork, pid: u32, channels: Vec<(Channel<FromWorker>, usize)>) {
        let unready = channels.len();
        let mut seats = Vec::with_capacity(unready);
        for (channel, row) in channels {
            self.next_seat += 1;
            seats.push(self.next_seat);
            self.seats.insert(self.next_seat, OpenSeat { pid, channel, row });
        }
        let started = crate::clock::now();
        self.processes.insert(pid, Process { fork, started, seats, unready, killed: false });
    }

    /// The fork itself was refused.
    pub fn could_not_start(&mut self, which: &Fork, now: Instant) -> Vec<Event> {
        let how = "the system would not start another process".to_owned();
        self.after_end(*which, Duration::ZERO, false, how, now)
    }

    fn take_row(&mut self) -> Option<usize> {
        let row = self.free_rows.pop()?;
        self.row(row).iter().for_each(|counter| counter.store(0, Ordering::Relaxed));
        Some(row)
    }

    fn row(&self, row: usize) -> &'static [std::sync::atomic::AtomicU64] {
        &self.counters[row * COUNTERS..(row + 1) * COUNTERS]
    }

    fn generation(&mut self, number: u64) -> Option<&mut Generation> {
        self.generations.iter_mut().find(|generation| generation.number == number)
    }

    /// The unit in this seat accepts.
    pub fn on_ready(&mut self, seat: u64, now: Instant) -> Vec<Event> {
        let Some(pid) = self.seats.get(&seat).map(|seat| seat.pid) else { return Vec::new() };
        let Some(process) = self.processes.get_mut(&pid) else { return Vec::new() };
        process.unready = process.unready.saturating_sub(1);
        let number = process.fork.generation;
        self.serve_if_complete(number, now)
    }

    /// When all of a starting generation are ready, it serves, and its predecessors drain.
    fn serve_if_complete(&mut self, number: u64, now: Instant) -> Vec<Event> {
        let ready = |p: &&Process| p.fork.generation == number && p.unready == 0;
        let count = self.processes.values().filter(ready).count();
        let Some(generation) = self.generation(number) else { return Vec::new() };
        if generation.state != State::Starting || count < generation.posts.len() {
            return Vec::new();
        }
        generation.state = State::Serving;
        let older: Vec<u64> =
            self.generations.iter().map(|g| g.number).filter(|n| *n < number).collect();
        let mut events = vec![Event::GenerationReady(number)];
        events.extend(older.into_iter().filter_map(|older| self.drain(older, now)));
        events
    }

    pub fn on_failed(&mut self, seat: u64, message: String) {
        let Some(pid) = self.seats.get(&seat).map(|seat| seat.pid) else { return };
        let Some(number) = self.processes.get(&pid).map(|p| p.fork.generation) else { return };
        if let Some(generation) = self.generation(number) {
            generation.failure = Some(message);
        }
    }

    /// A child has been reaped. One that is not a worker was adopted, and is nothing to us.
    pub fn on_exit(&mut self, exit: Exit, now: Instant) -> Vec<Event> {
        // Why a worker could not begin is in its channel, if anywhere.
        self.read_last_words(exit.pid);
        let Some(process) = self.processes.remove(&exit.pid) else { return Vec::new() };
        let mut events = Vec::new();
        for id in &process.seats {
            if let Some(seat) = self.seats.remove(id) {
                self.free_rows.push(seat.row);
            }
            events.push(Event::WorkerGone(*id));
        }
        self.remember(&exit, &process, now);
        let lived = now.saturating_duration_since(process.started);
        let how =
            format!("worker {} (pid {}) ended: {}", process.fork.index + 1, exit.pid, exit.how);
        events.extend(self.after_end(process.fork, lived, process.unready == 0, how, now));
        events
    }

    fn read_last_words(&mut self, pid: u32) {
        let seats = self.processes.get(&pid).map(|process| process.seats.clone());
        for id in seats.unwrap_or_default() {
            for message in self.receive(id).0 {
                if let FromWorker::Failed { message } = message {
                    self.on_failed(id, message);
                }
            }
        }
    }

    fn remember(&mut self, exit: &Exit, process: &Process, now: Instant) {
        let acceptor = self.generation(process.fork.generation).is_some_and(|generation| {
            let model = generation.settings.process_model;
            matches!(model, ProcessModel::ForkPerConnection | ProcessModel::ThreadPerConnection)
        });
        let role = if acceptor { WorkerRole::Acceptor } else { WorkerRole::Worker };
        let (pid, generation) = (exit.pid, process.fork.generation);
        self.ends.push_front(EndRecord {
            pid,
            generation,
            how: exit.how.to_string(),
            role,
            at: now,
        });
        self.ends.truncate(EXITS_KEPT);
    }

    fn after_end(
        &mut self,
        fork: Fork,
        lived: Duration,
        was_ready: bool,
        how: String,
        now: Instant,
    ) -> Vec<Event> {
        let number = fork.generation;
        let others = self.processes.values().any(|p| p.fork.generation == number);
        let Some(generation) = self.generation(number) else { return Vec::new() };
        let failure = generation.failure.take();
        match generation.state {
            State::Starting => {
                self.give_up(number);
                vec![Event::GenerationFailed { generation: number, reason: failure.unwrap_or(how) }]
            }
            State::Draining { .. } => {
                if !others {
                    self.generations.retain(|generation| generation.number != number);
                }
                Vec::new()
            }
            State::Serving => {
                let post = &mut generation.posts[fork.index];
                let (wait, quick_ends) = post.wait_after(lived, was_ready);
                post.due = Some(now + wait);
                let why = failure.map(|failure| format!(" ({failure})")).unwrap_or_default();
                let next = match wait {
                    Duration::ZERO => "its successor is started".to_owned(),
                    wait => format!(
                        "its successor is started in {} ms, after {} quick ends in a row",
                        wait.as_millis(),
                        quick_ends
                    ),
                };
                vec![Event::Said(format!("{how}{why}; {next}"))]
            }
        }
    }

    /// Ends a generation that could not start.
    fn give_up(&mut self, number: u64) {
        for (pid, process) in &self.processes {
            if process.fork.generation == number {
                process::kill(*pid, Signal::KILL);
            }
        }
        if self.processes.values().any(|process| process.fork.generation == number) {
            if let Some(generation) = self.generation(number) {
                generation.posts.iter_mut().for_each(|post| post.due = None);
                generation.state = State::Draining { until: crate::clock::now() };
            }
        } else {
            self.generations.retain(|generation| generation.number != number);
        }
    }

    fn drain(&mut self, number: u64, now: Instant) -> Option<Event> {
        let generation = self.generation(number)?;
        match generation.state {
            State::Draining { .. } => return None,
            State::Starting => {
                self.give_up(number);
                let reason = "it was told to drain before it was ready".to_owned();
                return Some(Event::GenerationFailed { generation: number, reason });
            }
            State::Serving => {}
        }
        let timeout = generation.settings.drain_timeout;
        generation.state = State::Draining { until: now + timeout };
        generation.posts.iter_mut().for_each(|post| post.due = None);
        let order = if timeout.is_zero() { ToWorker::Stop } else { ToWorker::Drain };
        for (_, process) in self.processes.iter().filter(|(_, p)| p.fork.generation == number) {
            for seat in &process.seats {
                if let Some(seat) = self.seats.get_mut(seat) {
                    seat.channel.send(&order);
                }
            }
        }
        if !self.processes.values().any(|process| process.fork.generation == number) {
            self.generations.retain(|generation| generation.number != number);
        }
        None
    }

    pub fn drain_all(&mut self, now: Instant) -> Vec<Event> {
        let all: Vec<u64> = self.generations.iter().map(|g| g.number).collect();
        all.into_iter().filter_map(|number| self.drain(number, now)).collect()
    }

    /// Tells everyone to end at once, and starts nobody any more.
    pub fn stop_all(&mut self) {
        let until = crate::clock::now() + READY_WAIT;
        for generation in &mut self.generations {
            generation.posts.iter_mut().for_each(|post| post.due = None);
            generation.state = State::Draining { until };
        }
        self.tell_all(&ToWorker::Stop);
        let living: Vec<u64> = self.processes.values().map(|p| p.fork.generation).collect();
        self.generations.retain(|generation| living.contains(&generation.number));
    }

    pub fn kill_all(&self) {
        self.processes.keys().for_each(|pid| process::kill(*pid, Signal::KILL));
    }

    /// Kills who takes too long to become ready or to drain.
    pub fn on_time(&mut self, now: Instant) -> Vec<Event> {
        let mut events = Vec::new();
        for (pid, process) in self.processes.iter_mut().filter(|(_, process)| !process.killed) {
            let generation = self.generations.iter().find(|g| g.number == process.fork.generation);
            let Some(generation) = generation else { continue };
            let late = match generation.state {
                State::Draining { until } => now >= until,
                _ => process.unready > 0 && now >= process.started + READY_WAIT,
            };
            if late {
                process::kill(*pid, Signal::KILL);
                process.killed = true;
                let what = if process.unready > 0 { "become ready" } else { "finish" };
                let index = process.fork.index + 1;
                events.push(Event::Said(format!(
                    "worker {index} (pid {pid}) did not {what} in time and was killed"
                )));
            }
        }
        for generation in &mut self.generations {
            if let State::Draining { until } = &mut generation.state
                && now >= *until
            {
                *until = now + READY_WAIT; // Killed; their ends come next.
            }
        }
        events
    }

    /// When [`Family::on_time`] or [`Family::next_start`] has something to do next.
    pub fn next_time(&self) -> Option<Instant> {
        let drains = self.generations.iter().filter_map(|generation| match generation.state {
            State::Draining { until } => Some(until),
            State::Starting | State::Serving => None,
        });
        let starts = self.generations.iter().flat_map(|g| g.posts.iter().filter_map(|p| p.due));
        let unready = self.processes.values().filter(|one| one.unready > 0 && !one.killed);
        drains.chain(starts).chain(unready.map(|process| process.started + READY_WAIT)).min()
    }

    pub fn channels(&self) -> impl Iterator<Item = (u64, &Channel<FromWorker>)> {
        let open = self.seats.iter().filter(|(_, seat)| !seat.channel.closed);
        open.map(|(id, seat)| (*id, &seat.channel))
    }

    pub fn receive(&mut self, seat: u64) -> (Vec<FromWorker>, Option<::control::Error>) {
        match self.seats.get_mut(&seat) {
            Some(seat) => {
                seat.channel.flush();
                seat.channel.receive()
            }
            None => (Vec::new(), None),
        }
    }

    pub fn tell(&mut self, seat: u64, message: &ToWorker) {
        if let Some(seat) = self.seats.get_mut(&seat) {
            seat.channel.send(message);
        }
    }

    pub fn tell_all(&mut self, message: &ToWorker) {
        self.seats.values_mut().for_each(|seat| seat.channel.send(message));
    }

    /// Asks every seat what it is doing, each by a number of its own: (number, seat, pid).
    pub fn ask_all_status(&mut self, mut number: impl FnMut(u64) -> u64) -> Vec<(u64, u64, u32)> {
        let mut asked = Vec::new();
        for (id, seat) in self.seats.iter_mut().filter(|(_, seat)| !seat.channel.closed) {
            let number = number(*id);
            seat.channel.send(&ToWorker::AskStatus { id: number });
            asked.push((number, *id, seat.pid));
        }
        asked
    }

    /// No message is half read or half sent, and nobody is being started.
    pub fn is_quiet(&self) -> bool {
        let starting = self.generations.iter().any(|g| g.state == State::Starting);
        !starting && self.seats.values().all(|seat| seat.channel.is_quiet())
    }

    /// The workers, for the program that takes this one's place.
    pub fn hand_over(&self, now: Instant) -> io::Result<Vec<Worker>> {
        let mut workers = Vec::new();
        for (pid, process) in &self.processes {
            let number = process.fork.generation;
            let state = self.generations.iter().find(|g| g.number == number).map(|g| g.state);
            let channels = process.seats.iter().filter_map(|seat| self.seats.get(seat));
            workers.push(Worker {
                pid: *pid,
                generation: number,
                index: process.fork.index,
                age_ms: millis(now.saturating_duration_since(process.started)),
                draining_ms: match state {
                    Some(State::Draining { until }) => {
                        Some(millis(until.saturating_duration_since(now)))
                    }
                    _ => None,
                },
                unready: process.unready,
                channels: channels
                    .map(|seat| keep_open(&seat.channel))
                    .collect::<Result<_, _>>()?,
            });
        }
        Ok(workers)
    }

    /// The other side of that: old generations that serve or drain, tended with these settings.
    pub fn take_over(
        &mut self,
        handed: &Handover,
        settings: &Arc<Settings>,
        now: Instant,
    ) -> Result<(), String> {
        self.next_generation = handed.next_generation.max(1);
        for worker in &handed.workers {
            self.take_over_generation(worker, settings, now);
            let mut channels = Vec::new();
            for number in &worker.channels {
                let stream = UnixStream::from(take_inherited(*number)?);
                let channel = Channel::new(stream).map_err(|e| format!("a channel: {e}"))?;
                let row = self.take_row().ok_or("too many workers: no counters left")?;
                channels.push((channel, row));
            }
            let fork = Fork { generation: worker.generation, index: worker.index };
            self.note_started(fork, worker.pid, channels);
            if let Some(process) = self.processes.get_mut(&worker.pid) {
                let age = Duration::from_millis(worker.age_ms);
                process.started = now.checked_sub(age).unwrap_or(now);
                process.unready = worker.unready;
            }
        }
        Ok(())
    }

    fn take_over_generation(&mut self, worker: &Worker, settings: &Arc<Settings>, now: Instant) {
        let number = worker.generation;
        let state = match worker.draining_ms {
            Some(left) => State::Draining { until: now + Duration::from_millis(left) },
            None => State::Serving,
        };
        if self.generation(number).is_none() {
            self.generations.push(Generation {
                number,
                settings: settings.clone(),
                state,
                posts: Vec::new(),
                failure: None,
            });
            self.generations.sort_by_key(|generation| generation.number);
        }
        let Some(generation) = self.generation(number) else { return };
        while generation.posts.len() <= worker.index {
            generation.posts.push(Post::vacant());
        }
    }

    pub fn next_generation(&self) -> u64 {
        self.next_generation
    }

    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// The settings of the generation that serves.
    pub fn serving_settings(&self) -> Option<Arc<Settings>> {
        let serving = self.generations.iter().rev().find(|g| g.state == State::Serving);
        serving.map(|generation| generation.settings.clone())
    }

    pub fn generations(&self) -> Vec<u64> {
        self.generations.iter().map(|generation| generation.number).collect()
    }

    pub fn newest_generation(&self) -> u64 {
        self.next_generation - 1
    }

    /// Workers' pids, in the order of their posts.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<_> = self.processes.iter().map(|(pid, p)| (p.fork.index, *pid)).collect();
        pids.sort_unstable();
        pids.into_iter().map(|(_, pid)| pid).collect()
    }

    pub fn last_exits(&self, now: Instant) -> Vec<ExitView> {
        let view = |end: &EndRecord| ExitView {
            pid: end.pid,
            role: end.role,
            generation: end.generation,
            how: end.how.clone(),
            age_ms: now.saturating_duration_since(end.at).as_millis() as u64,
        };
        self.ends.iter().map(view).collect()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Worker processes of a generation.
fn processes_of(settings: &Settings) -> usize {
    match settings.process_model {
        _ if !settings.web => 0,
        ProcessModel::Prefork => settings.workers,
        _ => 1,
    }
}

/// Units the master talks to in each.
fn seats_of(settings: &Settings) -> usize {
    if settings.process_model == ProcessModel::ThreadPerCore { settings.workers } else { 1 }
}

/// A child would inherit an epoll instance's registrations and share a ring's memory, so the
/// master must have neither when it forks.
fn assert_fork_safe() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let Ok(target) = std::fs::read_link(entry?.path()) else { continue };
        let text = target.to_string_lossy();
        if text.contains("[eventpoll]") || text.contains("[io_uring]") {
            return Err(io::Error::other(format!("the master holds {text} and may not fork")));
        }
    }
    Ok(())
}
