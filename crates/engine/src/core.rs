//! What an engine is made of; connections, listeners and timers hold on to it.

use std::cell::RefCell;
use std::sync::Arc;

use crate::clock::Clock;
use crate::executor::Executor;
use crate::io::Io;
use crate::model::sim::Sim;
use crate::slab::Key;
use crate::wake::{RunQueue, Shared};

pub struct Core {
    pub clock: Clock,
    pub executor: Executor,
    pub io: RefCell<Io>,
    pub shared: Arc<Shared>,
    pub sim: Option<Sim>,
    /// Called at the end of each turn, before the wait.
    pub hooks: RefCell<Vec<Box<dyn FnMut()>>>,
}

impl RunQueue for Core {
    fn wake(&self, key: Key) {
        self.executor.wake(key);
    }
}
