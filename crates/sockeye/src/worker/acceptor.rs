//! The acceptor of fork-per-connection and thread-per-connection: it accepts, hands each
//! connection to a child process or a thread of its own, and serves none itself.
//!
//! It has no engine: an epoll instance or a ring must not exist when it forks, since a child would
//! inherit the one's registrations and share the other's memory. Between the fork and the child's
//! first step parent and child each close what is not theirs: the parent the connection, the child
//! the listeners, the master's channel and its siblings' channels.
//!
//! It ignores SIGCHLD, so that the kernel reaps its children the moment they end (wait(2)): how one
//! ended is of no use here, and that it ended is told by its channel. An acceptor that waited for
//! them could not while it forks, and on a machine without a free processor a fork was seen to hang
//! in the kernel for two seconds, behind a lock that one of its own children held.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use control::{
    ConnectionState, ConnectionView, FromWorker, ToWorker, WorkerRole, WorkerState, WorkerView,
};
use engine::Model;
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, getpeername};
use rustix::process::{
    Pid, PidfdFlags, Resource, Signal, getrlimit, pidfd_open, pidfd_send_signal,
};
use serve::Counter;
use std::sync::atomic::Ordering;
use sys::fork::Forked;
use sys::poll::{IN, OUT, PollSet};
use sys::socket::accept_queue;

use super::inquiry::Inquiries;
use super::unit::{About, Unit, Work, counters};
use super::{Plan, Seat};
use crate::channel::Channel;
use crate::cli::output::warn;
use crate::clock;

/// How long accepting rests when processes, threads, memory or descriptors have run out.
const REST: Duration = Duration::from_millis(100);
/// How long children that were told to stop may take.
const STOP_WAIT: Duration = Duration::from_secs(1);
/// The stack of a connection's thread.
const STACK_BYTES: usize = 512 * 1024;
/// Descriptors that the acceptor needs for itself, the listeners among them.
const DESCRIPTORS_OWN: u64 = 24;
/// For a child: this end of its channel.
const DESCRIPTORS_A_CHILD: u64 = 1;
/// For a thread: its connection, both ends of its channel, its engine's own, its log, its folder,
/// and what a request opens in it.
const DESCRIPTORS_A_THREAD: u64 = 12;
/// Accepted while draining beyond those that the kernel says wait (it does not for Unix sockets).
const LAST_ACCEPTS_MORE: usize = 64;
/// Connections listed in one status.
const LISTED_MAX: usize = 1000;

/// Forks for each connection.
pub fn forking(plan: &Plan, seats: Vec<Seat>, model: Model) -> Result<(), String> {
    sys::signal::ignore(sys::signal::SIGCHLD);
    run(plan, seats, model, Kind::Processes)
}

/// Makes a thread for each connection.
pub fn threading(plan: &Plan, seats: Vec<Seat>, model: Model) -> Result<(), String> {
    run(plan, seats, model, Kind::Threads)
}

fn run(plan: &Plan, seats: Vec<Seat>, model: Model, kind: Kind) -> Result<(), String> {
    let Some(seat) = seats.into_iter().next() else { return Ok(()) };
    match Acceptor::new(plan, seat, model, kind)?.work() {
        Fate::Ended => Ok(()),
        Fate::Child(unit) => {
            // This is the child. Everything of the acceptor's was dropped with it.
            sys::title::set("sockeye: connection");
            sys::fork::exit(i32::from(unit.run().is_err()))
        }
    }
}

/// What each connection is given.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Processes,
    Threads,
}

/// How the loop ends in the process it ends in.
enum Fate {
    Ended,
    Child(Box<Unit>),
}

enum Life {
    Process(u32),
    Thread(JoinHandle<()>),
}

struct Child {
    life: Life,
    channel: Channel<FromWorker>,
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
    fd: u32,
    since: Instant,
}

struct Acceptor {
    about: About,
    channel: Channel<ToWorker>,
    listeners: Vec<OwnedFd>,
    kind: Kind,
    children: HashMap<u64, Child>,
    next_child: u64,
    /// The children's questions to the master, by the id they were passed on with.
    questions: HashMap<u64, (u64, u64)>,
    next_question: u64,
    inquiries: Inquiries,
    started: Instant,
    /// Nobody new is waited for, but who is in a queue is accepted; then the listeners are closed.
    draining: bool,
    /// Connections that may still be accepted then: others may hold the sockets, too, and have a
    /// queue that never ends.
    last_accepts: usize,
    /// Children at most.
    limit: usize,
    /// Set by `Stop`: when what is left is killed.
    stop_at: Option<Instant>,
    rest_until: Option<Instant>,
    said_full: bool,
}

/// What a descriptor of the poll set stands for.
mod tag {
    pub const MASTER: u64 = 1;
    pub const LISTENER: u64 = 2;
    pub const CHILD: u64 = 1 << 32;
}

impl Acceptor {
    fn new(plan: &Plan, seat: Seat, model: Model, kind: Kind) -> Result<Acceptor, String> {
        let channel = Channel::new(seat.channel).map_err(|e| format!("the channel: {e}"))?;
        if let Some(root) = &plan.settings.root {
            // What every child would fail by is better said once and now.
            let folder = serve::Folder::open(root, Default::default());
            folder.map_err(|e| format!("serve {}: {e}", root.display()))?;
        }
        Ok(Acceptor {
            about: About {
                settings: plan.settings.clone(),
                model,
                generation: plan.generation,
                role: WorkerRole::Child,
                counters: seat.counters,
            },
            channel,
            listeners: seat.listeners,
            kind,
            children: HashMap::new(),
            next_child: 0,
            questions: HashMap::new(),
            next_question: 0,
            inquiries: Inquiries::default(),
            started: clock::now(),
            draining: false,
            last_accepts: 0,
            limit: children_max(plan.settings.limits.max_children, kind),
            stop_at: None,
            rest_until: None,
            said_full: false,
        })
    }

    fn work(mut self) -> Fate {
        self.channel.send(&FromWorker::Ready);
        loop {
            let closing = self.is_closing();
            let ready = match self.wait(closing) {
                Ok(ready) => ready,
                Err(error) => {
                    warn(&format!("acceptor: poll: {error}"));
                    return Fate::Ended;
                }
            };
            let mut accepting = false;
            for tag in ready {
                match tag {
                    tag::MASTER => self.obey(),
                    child if child >= tag::CHILD => self.hear(child - tag::CHILD),
                    _ => accepting = true,
                }
            }
            self.forget_ended();
            self.answer();
            if accepting && let Some(unit) = self.accept() {
                drop(self);
                return Fate::Child(unit);
            }
            if closing && !accepting || self.draining && self.last_accepts == 0 {
                self.listeners.clear();
            }
            if self.is_over() {
                return Fate::Ended;
            }
        }
    }

    fn is_over(&mut self) -> bool {
        let Some(stop_at) = self.stop_at else {
            return self.draining && self.listeners.is_empty() && self.children.is_empty();
        };
        let late = clock::now() >= stop_at;
        if late {
            for child in self.children.values() {
                if let Life::Process(pid) = child.life {
                    kill(pid);
                }
            }
        }
        // Threads end with the process.
        self.kind == Kind::Threads || self.children.is_empty() || late
    }

    /// Whether the listeners are closed as soon as nobody waits in their queues.
    fn is_closing(&mut self) -> bool {
        let draining = self.draining && !self.listeners.is_empty();
        draining && self.rest().is_none() && self.has_room()
    }

    /// The tags of what is ready.
    fn wait(&mut self, closing: bool) -> io::Result<Vec<u64>> {
        let mut set = PollSet::default();
        if !self.channel.closed {
            let write = if self.channel.wants_to_write() { OUT } else { 0 };
            set.push(self.channel.as_fd(), IN | write, tag::MASTER);
        }
        for (id, child) in &self.children {
            if !child.channel.closed {
                let write = if child.channel.wants_to_write() { OUT } else { 0 };
                set.push(child.channel.as_fd(), IN | write, tag::CHILD + id);
            }
        }
        let until = self.stop_at.or(self.rest()).into_iter().chain(self.inquiries.next_time());
        let timeout = until.min().map(|at| at - clock::now().min(at));
        let timeout = if closing { Some(Duration::ZERO) } else { timeout };
        if self.rest_until.is_none() && self.has_room() {
            for listener in &self.listeners {
                set.push(listener.as_fd(), IN, tag::LISTENER);
            }
        }
        set.wait(timeout)?;
        Ok(set.ready().map(|(tag, _)| tag).collect())
    }

    /// The end of the rest, while it lasts.
    fn rest(&mut self) -> Option<Instant> {
        self.rest_until = self.rest_until.filter(|until| clock::now() < *until);
        self.rest_until
    }

    fn has_room(&mut self) -> bool {
        let limit = self.limit;
        let full = self.children.len() >= limit;
        if full && !std::mem::replace(&mut self.said_full, true) {
            warn(&format!(
                "{limit} connections are being served, the most allowed: further ones wait in the \
                 queue (raise max_children, or the descriptor limit with `ulimit -n`)"
            ));
        }
        !full
    }

    /// Takes every child that has ended off the list. A process's last descriptor is closed when it
    /// has given up its memory; a thread closes its channel last, so joining it waits for nothing.
    fn forget_ended(&mut self) {
        for (_, child) in self.children.extract_if(|_, child| child.channel.closed) {
            if let Life::Thread(thread) = child.life {
                // A panic was printed; it concerned that connection alone.
                let _ = thread.join();
            }
        }
    }

    fn obey(&mut self) {
        self.channel.flush();
        let (messages, error) = self.channel.receive();
        for message in messages {
            match message {
                ToWorker::AskStatus { id } => self.inquire(id),
                ToWorker::Status { id, view } => {
                    if let Some((child, id)) = self.questions.remove(&id)
                        && let Some(child) = self.children.get_mut(&child)
                    {
                        child.channel.send(&ToWorker::Status { id, view });
                    }
                }
                ToWorker::Drain => self.drain(),
                ToWorker::ReopenLogs => self.tell_children(&ToWorker::ReopenLogs),
                ToWorker::Stop => {
                    self.drain();
                    self.listeners.clear();
                    self.tell_children(&ToWorker::Stop);
                    self.stop_at = Some(clock::now() + STOP_WAIT);
                }
            }
        }
        if self.channel.closed || error.is_some() {
            self.drain();
        }
    }

    /// Asks the children what they do; without any the answer is known.
    fn inquire(&mut self, id: u64) {
        let asked: Vec<u64> = self.listed().collect();
        if !self.inquiries.begin(id, asked.iter().copied().collect(), clock::now()) {
            return self.tell(id, &HashMap::new());
        }
        for child in asked {
            if let Some(child) = self.children.get_mut(&child) {
                child.channel.send(&ToWorker::AskStatus { id });
            }
        }
    }

    /// Answers what the children have answered.
    fn answer(&mut self) {
        let children = &self.children;
        let finished = self.inquiries.finished(clock::now(), |id| children.contains_key(&id));
        for (id, answers) in finished {
            self.tell(id, &answers);
        }
    }

    fn tell(&mut self, id: u64, answers: &HashMap<u64, ConnectionView>) {
        let view = Box::new(self.view(answers));
        self.channel.send(&FromWorker::Status { id, view });
    }

    /// The children that one status has room for, the oldest first.
    fn listed(&self) -> impl Iterator<Item = u64> + use<> {
        let mut ids: Vec<u64> = self.children.keys().copied().collect();
        ids.sort_unstable();
        ids.into_iter().take(LISTED_MAX)
    }

    fn drain(&mut self) {
        if !std::mem::replace(&mut self.draining, true) {
            let queues = self.listeners.iter().map(|l| accept_queue(l).unwrap_or(0) as usize);
            self.last_accepts = queues.sum::<usize>() + LAST_ACCEPTS_MORE;
            self.tell_children(&ToWorker::Drain);
        }
    }

    fn tell_children(&mut self, message: &ToWorker) {
        self.children.values_mut().for_each(|child| child.channel.send(message));
    }

    fn hear(&mut self, id: u64) {
        let Some(child) = self.children.get_mut(&id) else { return };
        child.channel.flush();
        for message in child.channel.receive().0 {
            match message {
                FromWorker::AskStatus { id: question } => {
                    self.next_question += 1;
                    self.questions.insert(self.next_question, (id, question));
                    self.channel.send(&FromWorker::AskStatus { id: self.next_question });
                }
                FromWorker::Failed { message } => warn(&format!("a connection's child: {message}")),
                FromWorker::Status { id: question, view } => {
                    let connection = view.connections.into_iter().next();
                    self.inquiries.answered(question, id, connection);
                }
                FromWorker::Ready => {}
            }
        }
    }

    /// Accepts one connection and hands it on. `Some`: this is the child.
    fn accept(&mut self) -> Option<Box<Unit>> {
        for at in 0..self.listeners.len() {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            match accept_with(&self.listeners[at], flags) {
                Ok(connection) => return self.hand_on(connection),
                Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    self.about.counters[Counter::AcceptsFailed as usize]
                        .fetch_add(1, Ordering::Relaxed);
                    self.rest_until = Some(clock::now() + REST);
                }
                // Nothing there after all, or gone again.
                Err(_) => {}
            }
        }
        None
    }

    fn hand_on(&mut self, connection: OwnedFd) -> Option<Box<Unit>> {
        let begun = UnixStream::pair().and_then(|(ours, theirs)| {
            let unit = Unit {
                about: self.about.clone(),
                channel: theirs,
                work: Work::Serve(connection.try_clone()?),
            };
            Ok((Channel::new(ours)?, unit))
        });
        let (channel, unit) = match begun {
            Ok(begun) => begun,
            Err(error) => return self.cannot(&error),
        };
        let life = match self.kind {
            Kind::Processes => match sys::fork::fork() {
                Ok(Forked::Child) => return Some(Box::new(unit)),
                Ok(Forked::Parent { child }) => Ok(Life::Process(child)),
                Err(error) => Err(error),
            },
            Kind::Threads => {
                let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
                thread.spawn(move || drop(unit.run())).map(Life::Thread)
            }
        };
        match life {
            Ok(life) => self.note(life, channel, &connection),
            Err(error) => return self.cannot(&error),
        }
        None
    }

    /// The connection's descriptor here is dropped when this returns.
    fn note(&mut self, life: Life, channel: Channel<FromWorker>, connection: &OwnedFd) {
        self.about.counters[Counter::Accepted as usize].fetch_add(1, Ordering::Relaxed);
        let address = |any: rustix::net::SocketAddrAny| SocketAddr::try_from(any).ok();
        let peer = getpeername(connection).ok().flatten().and_then(address);
        let local = rustix::net::getsockname(connection).ok().and_then(address);
        let fd = sys::fd::number(connection);
        let child = Child { life, channel, peer, local, fd, since: clock::now() };
        self.next_child += 1;
        let child = self.children.entry(self.next_child).or_insert(child);
        if self.draining {
            self.last_accepts = self.last_accepts.saturating_sub(1);
            child.channel.send(&ToWorker::Drain);
        }
    }

    fn cannot(&mut self, error: &io::Error) -> Option<Box<Unit>> {
        warn(&format!("cannot serve a connection of its own: {error}; accepting rests a moment"));
        self.rest_until = Some(clock::now() + REST);
        None
    }

    fn view(&self, answers: &HashMap<u64, ConnectionView>) -> WorkerView {
        let mut counters = counters(self.about.counters);
        counters.connections_open = self.children.len() as u64;
        let listed = self
            .listed()
            .filter_map(|id| Some(child_view(self.children.get(&id)?, answers.get(&id))));
        WorkerView {
            pid: std::process::id(),
            tid: None,
            role: WorkerRole::Acceptor,
            state: if self.draining { WorkerState::Draining } else { WorkerState::Serving },
            generation: self.about.generation,
            uptime_ms: self.started.elapsed().as_millis() as u64,
            counters,
            connections: listed.collect(),
            connections_left_out: self.children.len().saturating_sub(LISTED_MAX) as u64,
        }
    }
}

/// Kills a child whose channel is open. It may end by itself meanwhile, and is reaped by the kernel
/// then, so the number is used only through a descriptor of a process that is still our child.
fn kill(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return };
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if process::children().contains(&(pid.as_raw_nonzero().get() as u32)) {
        // Ended already is as good.
        let _ = pidfd_send_signal(process, Signal::KILL);
    }
}

/// As many children as there are descriptors for. A connection that were accepted with the last one
/// could only be closed; in the queue it waits for its turn.
fn children_max(wanted: usize, kind: Kind) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let each = match kind {
        Kind::Threads => DESCRIPTORS_A_THREAD,
        Kind::Processes => DESCRIPTORS_A_CHILD,
    };
    let room = limit.saturating_sub(DESCRIPTORS_OWN) / each;
    wanted.min(usize::try_from(room).unwrap_or(usize::MAX)).max(1)
}

/// What the child said of its connection, or what the acceptor knows of it.
fn child_view(child: &Child, answer: Option<&ConnectionView>) -> ConnectionView {
    let text = |address: Option<SocketAddr>| match address {
        Some(address) => address.to_string(),
        None => "unix:".to_owned(),
    };
    let pid = match child.life {
        Life::Process(pid) => Some(pid),
        Life::Thread(_) => None,
    };
    if let Some(answer) = answer {
        return ConnectionView { served_by: pid, ..answer.clone() };
    }
    ConnectionView {
        fd: child.fd,
        silent: true,
        served_by: pid,
        peer: text(child.peer),
        local: text(child.local),
        state: ConnectionState::Responding,
        age_ms: child.since.elapsed().as_millis() as u64,
        ..ConnectionView::default()
    }
}
