//! A load generator for HTTP/1.1: what a crowd of clients does to a server, with every way to
//! fail counted apart. One thread, one epoll set (epoll(7)), one send and one recv a request.
//!
//! A run is a `Plan`; `run` carries it out, `start` does so on a thread that can be asked and
//! stopped. When the end comes no new request is sent and those under way are awaited, so that a
//! failed request is always the server's doing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::address::Address;

mod client;
mod histogram;
mod hold;
mod report;
mod slot;
#[cfg(test)]
mod tests;

pub use histogram::Histogram;
pub use hold::{Held, hold};
pub use report::Report;

/// The most connections that one plan may have.
pub const CONNECTIONS_MAX: usize = 50_000;

/// What to do to a server. `Plan { connections: 64, ..Plan::new(address, "/") }`.
#[derive(Clone, Debug)]
pub struct Plan {
    pub address: Address,
    /// The request targets, asked for in turn.
    pub targets: Vec<String>,
    pub method: &'static str,
    /// More header lines, each ended by CRLF.
    pub headers: String,
    pub connections: usize,
    /// How many requests are sent at once on a connection.
    pub pipelined: u32,
    /// A connection is closed after so many requests (the last one says `Connection: close`) and
    /// opened anew.
    pub reconnect_every: Option<u64>,
    /// The share of the connections that `reconnect_every` holds for, 0.0 to 1.0.
    pub reconnecting: f64,
    /// The run ends after so many requests, or after `duration`, whichever is first.
    pub requests: u64,
    pub duration: Duration,
    /// Requests a second over all connections; as fast as it goes if absent.
    pub rate: Option<u32>,
    /// How long a whole response may take, and a connection to be made.
    pub timeout: Duration,
    pub expect: Expect,
    /// The run ends early after so many failures.
    pub failures_max: u64,
    /// The processor to stay on.
    pub processor: Option<usize>,
}

/// What each body must be; the framing is checked in any case.
#[derive(Clone, Debug)]
pub enum Expect {
    Anything,
    Length(u64),
    Bytes(Arc<[u8]>),
}

/// A plan that is being carried out on its own thread.
#[derive(Debug)]
pub struct Running {
    thread: Option<JoinHandle<io::Result<Report>>>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Plan {
    /// One connection, one request at a time, for a second.
    pub fn new(address: Address, target: &str) -> Plan {
        Plan {
            address,
            targets: vec![target.to_owned()],
            method: "GET",
            headers: String::new(),
            connections: 1,
            pipelined: 1,
            reconnect_every: None,
            reconnecting: 1.0,
            requests: u64::MAX,
            duration: Duration::from_secs(1),
            rate: None,
            timeout: Duration::from_secs(10),
            expect: Expect::Anything,
            failures_max: 100_000,
            processor: None,
        }
    }
}

/// Carries the plan out on this thread. An error is this side's (no descriptors, no memory); what
/// the server does wrong is in the report.
pub fn run(plan: &Plan) -> io::Result<Report> {
    run_shared(plan, &Shared::default())
}

/// Carries the plan out on a thread of its own.
pub fn start(plan: Plan) -> Running {
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    let thread = std::thread::spawn(move || run_shared(&plan, &theirs));
    Running { thread: Some(thread), shared }
}

impl Running {
    /// How many requests have been answered until now.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// How many requests have failed until now.
    pub fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }

    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Sends no new request, awaits those under way, and gives the account.
    pub fn stop(self) -> io::Result<Report> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.wait()
    }

    /// Waits for the plan's own end.
    pub fn wait(mut self) -> io::Result<Report> {
        let thread = self.thread.take().ok_or_else(|| io::Error::other("already waited for"))?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the load generator panicked")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }
}

fn run_shared(plan: &Plan, shared: &Shared) -> io::Result<Report> {
    if let Some(processor) = plan.processor {
        crate::processor::stay_on(processor)?;
    }
    client::Client::new(plan, shared)?.run()
}

impl Shared {
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn publish(&self, report: &Report) {
        self.answered.store(report.answered(), Ordering::Relaxed);
        self.failed.store(report.failed(), Ordering::Relaxed);
    }
}
