//! Counters of one engine's server: plain cells while a turn runs, added to memory that the family
//! of processes shares when the turn ends.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted, and where in a row of shared counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counter {
    Accepted,
    Closed,
    AcceptsFailed,
    Requests,
    Responses4xx,
    Responses5xx,
    BytesIn,
    BytesOut,
}

/// Counters in a row.
pub const COUNTERS: usize = 8;

/// Counts of one engine.
pub struct Stats {
    pending: [Cell<u64>; COUNTERS],
    dirty: Cell<bool>,
    shared: &'static [AtomicU64],
}

impl Stats {
    /// # Panics
    /// When the row is shorter than [`COUNTERS`].
    pub fn new(shared: &'static [AtomicU64]) -> Stats {
        assert!(shared.len() >= COUNTERS, "a row holds {COUNTERS} counters");
        Stats { pending: Default::default(), dirty: Cell::new(false), shared }
    }

    pub fn add(&self, counter: Counter, n: u64) {
        let cell = &self.pending[counter as usize];
        cell.set(cell.get() + n);
        self.dirty.set(true);
    }

    /// Adds what the turn has counted to the shared row.
    pub fn publish(&self) {
        if !self.dirty.replace(false) {
            return;
        }
        for (pending, shared) in self.pending.iter().zip(self.shared) {
            let n = pending.take();
            if n > 0 {
                shared.fetch_add(n, Ordering::Relaxed);
            }
        }
    }
}
