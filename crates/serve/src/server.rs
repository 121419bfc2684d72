//! One engine's server: it accepts, and it ends gracefully.

use std::fs::File;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use engine::{Accepted, Conn, Engine, Listener};

use crate::access_log::AccessLog;
use crate::connection;
use crate::options::Options;
use crate::shared::{ConnectionInfo, ConnectionState, Shared, Site};
use crate::stats::{Counter, Stats};

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
        let shared =
            Rc::new(Shared::new(engine.clone(), options, site, log, stats, Box::new(report)));
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
            self.0.wait(cx);
            Poll::Pending
        })
        .await;
    }

    pub fn is_draining(&self) -> bool {
        self.0.draining.get()
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.0.open()
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

async fn accept(shared: &Rc<Shared>, mut listener: Listener) -> io::Result<()> {
    loop {
        shared.room().await;
        let accepted = poll_fn(|cx| {
            if shared.draining.get() {
                listener.stop();
            } else {
                // So that a drain finds this future, too.
                shared.wait(cx);
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
