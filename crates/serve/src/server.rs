//! One engine's server: what its connections share, who they are, and how they end.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use engine::{Accepted, Conn, Engine, Listener, Tick, Watcher};
use http::date::{DATE_BYTES, DateCell};

use crate::access_log::AccessLog;
use crate::builtin::BuiltIn;
use crate::connection;
use crate::files::Folder;
use crate::options::Options;
use crate::stats::{Counter, Stats};

/// What is served.
pub enum Site {
    Folder(Folder),
    BuiltIn(BuiltIn),
}

/// What a connection is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionState {
    /// Between requests.
    Idle,
    /// Part of a request's head has come.
    ReadingHead,
    ReadingBody,
    Responding,
    /// The last response is sent; late bytes are read and dropped.
    Lingering,
}

/// An open connection, as it is shown to people.
pub struct ConnectionInfo {
    pub fd: Option<i32>,
    pub peer: Option<SocketAddr>,
    pub local: Option<SocketAddr>,
    pub state: ConnectionState,
    pub requests: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub age_ms: u64,
    pub idle_ms: u64,
    /// The request line, while its response waits for something.
    pub request: Option<Vec<u8>>,
}

/// What is kept of a connection for whoever asks; the connection writes it as it goes.
pub(crate) struct Record {
    pub watcher: Watcher,
    pub fd: Option<i32>,
    pub state: Cell<ConnectionState>,
    pub requests: Cell<u64>,
    pub bytes_in: Cell<u64>,
    pub bytes_out: Cell<u64>,
    pub started: Tick,
    pub active: Cell<Tick>,
    pub request: RefCell<Option<Box<[u8]>>>,
}

/// What the connections of one engine share.
pub(crate) struct Shared {
    pub engine: Engine,
    pub options: Options,
    pub site: Site,
    pub log: AccessLog,
    pub stats: Stats,
    pub draining: Cell<bool>,
    date: RefCell<DateCell>,
    connections: RefCell<Connections>,
    report: Box<dyn Fn(&str)>,
    /// Whether running out of descriptors has been said.
    exhausted: Cell<bool>,
    /// Accept loops that have not ended.
    accepting: Cell<usize>,
    /// Wakes who waits for a connection, or everything, to end.
    waiting: RefCell<Vec<Waker>>,
}

#[derive(Default)]
struct Connections {
    records: Vec<Weak<Record>>,
    open: usize,
}

/// A server of one engine; clones are the same one.
#[derive(Clone)]
pub struct Server(Rc<Shared>);

impl Server {
    /// `report` is told what an operator should know: a log that cannot be written, descriptors
    /// that have run out. Counters go to the log of `stats` at the end of each turn.
    pub fn new(
        engine: Engine,
        options: Options,
        site: Site,
        log: AccessLog,
        stats: Stats,
        report: impl Fn(&str) + 'static,
    ) -> Server {
        let second = engine.wall().as_secs();
        let shared = Rc::new(Shared {
            engine: engine.clone(),
            options,
            site,
            log,
            stats,
            draining: Cell::new(false),
            date: RefCell::new(DateCell::new(second)),
            connections: RefCell::default(),
            report: Box::new(report),
            exhausted: Cell::new(false),
            accepting: Cell::new(0),
            waiting: RefCell::default(),
        });
        let weak = Rc::downgrade(&shared);
        engine.at_turn_end(move || {
            if let Some(shared) = weak.upgrade() {
                shared.log.flush();
                shared.stats.publish();
            }
        });
        Server(shared)
    }

    /// Accepts from the listener and serves what comes, beside everything else, until drained.
    pub fn listen(&self, listener: Listener) {
        let shared = self.0.clone();
        shared.accepting.set(shared.accepting.get() + 1);
        self.0.engine.spawn(async move {
            if let Err(error) = accept(&shared, listener).await {
                (shared.report)(&format!("accepting connections has ended: {error}"));
            }
            shared.accepting.set(shared.accepting.get() - 1);
            shared.wake_waiting();
        });
    }

    /// Serves one connection to its end.
    pub async fn serve(&self, conn: Conn) {
        connection::serve(conn, self.0.clone()).await;
    }

    /// Ends gracefully: nothing more is accepted, requests are finished, responses say that the
    /// connection closes, and idle connections get a moment in case a request is on its way.
    pub fn drain(&self) {
        self.0.draining.set(true);
        self.0.wake_waiting();
        let soon = self.0.engine.now().after(self.0.options.timeouts.drain_idle);
        for record in self.0.records() {
            if record.state.get() == ConnectionState::Idle {
                record.watcher.set_deadline(soon);
            }
        }
    }

    /// Completes when nothing is accepted and no connection is open any more.
    pub async fn finished(&self) {
        poll_fn(|cx| {
            if self.0.accepting.get() == 0 && self.open() == 0 {
                return Poll::Ready(());
            }
            self.0.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub fn is_draining(&self) -> bool {
        self.0.draining.get()
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.0.connections.borrow().open
    }

    /// Logs to another file from now on.
    pub fn reopen_log(&self, file: File) {
        self.0.log.reopen(file);
    }

    /// The connections open now, at most `limit` of them.
    pub fn connections(&self, limit: usize) -> Vec<ConnectionInfo> {
        let now = self.0.engine.now();
        self.0.records().iter().take(limit).map(|record| record.info(now)).collect()
    }
}

impl Shared {
    /// The date of this second.
    pub fn date(&self) -> (u64, [u8; DATE_BYTES]) {
        let second = self.engine.wall().as_secs();
        (second, *self.date.borrow_mut().at(second))
    }

    pub fn add(&self, record: &Rc<Record>) {
        let mut connections = self.connections.borrow_mut();
        connections.open += 1;
        // Those that have ended are swept out when they could be half of the list.
        if connections.records.len() >= 2 * connections.open + 16 {
            connections.records.retain(|record| record.strong_count() > 0);
        }
        connections.records.push(Rc::downgrade(record));
    }

    pub fn removed(&self) {
        self.connections.borrow_mut().open -= 1;
        self.stats.add(Counter::Closed, 1);
        self.wake_waiting();
    }

    fn records(&self) -> Vec<Rc<Record>> {
        self.connections.borrow().records.iter().filter_map(Weak::upgrade).collect()
    }

    fn wake_waiting(&self) {
        for waker in self.waiting.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    /// Waits until one more connection may be open, or until the server drains.
    async fn room(&self) {
        poll_fn(|cx| {
            let full = self.connections.borrow().open >= self.options.max_connections;
            if !full || self.draining.get() {
                return Poll::Ready(());
            }
            self.waiting.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn say_exhausted(&self, error: &io::Error) {
        if !self.exhausted.replace(true) {
            (self.report)(&format!(
                "cannot accept: {error}; {} connections are open. New ones are turned away until \
                 some end (raise the limit with `ulimit -n`, or lower max_connections)",
                self.connections.borrow().open
            ));
        }
    }
}

async fn accept(shared: &Rc<Shared>, mut listener: Listener) -> io::Result<()> {
    loop {
        shared.room().await;
        let accepted = poll_fn(|cx| {
            if shared.draining.get() {
                listener.stop();
            } else {
                // So that a drain finds this future, too.
                let mut waiting = shared.waiting.borrow_mut();
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
            }
            listener.poll_accept(cx)
        })
        .await?;
        match accepted {
            Accepted::Connection(conn) => {
                shared.stats.add(Counter::Accepted, 1);
                shared.engine.spawn(connection::serve(conn, shared.clone()));
            }
            Accepted::Exhausted(error) => {
                shared.stats.add(Counter::AcceptsFailed, 1);
                shared.say_exhausted(&error);
            }
            Accepted::Stopped => return Ok(()),
        }
    }
}

impl Record {
    fn info(&self, now: Tick) -> ConnectionInfo {
        let request = self.request.borrow();
        ConnectionInfo {
            fd: self.fd,
            peer: self.watcher.peer_addr(),
            local: self.watcher.local_addr(),
            state: self.state.get(),
            requests: self.requests.get(),
            bytes_in: self.bytes_in.get(),
            bytes_out: self.bytes_out.get(),
            age_ms: now.since(self.started).as_millis() as u64,
            idle_ms: now.since(self.active.get()).as_millis() as u64,
            request: request.as_deref().map(<[u8]>::to_vec),
        }
    }
}
