//! What the connections of one engine share, and what is kept of each for whoever asks.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use engine::{Engine, Tick, Watcher};
use http::date::{DATE_BYTES, DateCell};

use crate::access_log::AccessLog;
use crate::builtin::BuiltIn;
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
    pub fd: Option<u32>,
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
    pub fd: Option<u32>,
    pub state: Cell<ConnectionState>,
    pub requests: Cell<u64>,
    pub bytes_in: Cell<u64>,
    pub bytes_out: Cell<u64>,
    pub started: Tick,
    pub active: Cell<Tick>,
    pub request: RefCell<Option<Box<[u8]>>>,
}

/// Tells an operator something.
pub type Report = Box<dyn Fn(&str)>;

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
    pub report: Report,
    /// Whether running out of descriptors has been said.
    exhausted: Cell<bool>,
    /// Accept loops that have not ended.
    pub accepting: Cell<usize>,
    /// Wakes who waits for a connection, or everything, to end.
    waiting: RefCell<Vec<Waker>>,
}

#[derive(Default)]
struct Connections {
    records: Vec<Weak<Record>>,
    open: usize,
}

/// What the last turn has collected: the end of the last connection often is the end of the engine,
/// after which no turn ends any more.
impl Drop for Shared {
    fn drop(&mut self) {
        self.log.flush();
        self.stats.publish();
    }
}

impl Shared {
    pub fn new(
        engine: Engine,
        options: Options,
        site: Site,
        log: AccessLog,
        stats: Stats,
        report: Report,
    ) -> Shared {
        let second = engine.wall().as_secs();
        Shared {
            engine,
            options,
            site,
            log,
            stats,
            draining: Cell::new(false),
            date: RefCell::new(DateCell::new(second)),
            connections: RefCell::default(),
            report,
            exhausted: Cell::new(false),
            accepting: Cell::new(0),
            waiting: RefCell::default(),
        }
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.connections.borrow().open
    }

    /// Wakes this task when a connection ends or the server drains.
    pub fn wait(&self, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
    }

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

    pub fn records(&self) -> Vec<Rc<Record>> {
        self.connections.borrow().records.iter().filter_map(Weak::upgrade).collect()
    }

    pub fn wake_waiting(&self) {
        for waker in self.waiting.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    /// Waits until one more connection may be open, or until the server drains.
    pub async fn room(&self) {
        poll_fn(|cx| {
            let full = self.open() >= self.options.max_connections;
            if !full || self.draining.get() {
                return Poll::Ready(());
            }
            self.wait(cx);
            Poll::Pending
        })
        .await;
    }

    pub fn say_exhausted(&self, error: &io::Error) {
        if !self.exhausted.replace(true) {
            (self.report)(&format!(
                "cannot accept: {error}; {} connections are open. New ones are turned away until \
                 some end (raise the limit with `ulimit -n`, or lower max_connections)",
                self.open()
            ));
        }
    }
}

impl Record {
    pub fn info(&self, now: Tick) -> ConnectionInfo {
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
