//! The tasks of one engine, on one thread. A task is a boxed future in a slab; its waker is its
//! packed key, so neither waking nor polling counts a reference.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use crate::slab::{Key, Slab};
use crate::wake::{self, EngineId};

/// Tasks polled a turn before the engine looks for events again.
const POLLS_A_TURN: usize = 256;
/// Input and output operations of one task a turn; then it must wait for the next.
const OPERATIONS_A_TURN: u32 = 32;

type Task = Pin<Box<dyn Future<Output = ()>>>;

struct Entry {
    /// `None` while it is being polled.
    task: Option<Task>,
    queued: bool,
    waker: Waker,
}

pub struct Executor {
    engine: EngineId,
    tasks: RefCell<Slab<Entry>>,
    ready: RefCell<VecDeque<Key>>,
    budget: Cell<u32>,
}

impl Executor {
    pub fn new(engine: EngineId) -> Executor {
        Executor {
            engine,
            tasks: RefCell::default(),
            ready: RefCell::default(),
            budget: Cell::new(OPERATIONS_A_TURN),
        }
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let entry =
            Entry { task: Some(Box::pin(future)), queued: true, waker: Waker::noop().clone() };
        let mut tasks = self.tasks.borrow_mut();
        let key = tasks.insert(entry);
        if let Some(entry) = tasks.get_mut(key) {
            entry.waker = wake::waker(self.engine, key);
        }
        self.ready.borrow_mut().push_back(key);
    }

    /// Makes the task run again; a key whose task has ended is ignored.
    pub fn wake(&self, key: Key) {
        if let Some(entry) = self.tasks.borrow_mut().get_mut(key)
            && !entry.queued
        {
            entry.queued = true;
            self.ready.borrow_mut().push_back(key);
        }
    }

    pub fn has_ready(&self) -> bool {
        !self.ready.borrow().is_empty()
    }

    pub fn task_count(&self) -> usize {
        self.tasks.borrow().len()
    }

    /// Polls ready tasks, at most a turn's worth.
    pub fn run_turn(&self) {
        for _ in 0..POLLS_A_TURN {
            let Some(key) = self.ready.borrow_mut().pop_front() else { return };
            self.poll(key);
        }
    }

    fn poll(&self, key: Key) {
        let taken = self.tasks.borrow_mut().get_mut(key).and_then(|entry| {
            entry.queued = false;
            entry.task.take().map(|task| (task, entry.waker.clone()))
        });
        let Some((mut task, waker)) = taken else { return };
        self.budget.set(OPERATIONS_A_TURN);
        let done = task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if done {
            // The task is dropped after its slot is free and nothing is borrowed: its destructors
            // may close connections and wake others.
            self.tasks.borrow_mut().remove(key);
        } else if let Some(entry) = self.tasks.borrow_mut().get_mut(key) {
            entry.task = Some(task);
        }
    }

    /// Takes one operation from the running task's budget. `false`: it has had its share of this
    /// turn, is queued for the next, and must return `Pending`.
    pub fn may_go_on(&self, cx: &Context<'_>) -> bool {
        let left = self.budget.get();
        if left == 0 {
            cx.waker().wake_by_ref();
            return false;
        }
        self.budget.set(left - 1);
        true
    }

    /// Drops every task.
    pub fn clear(&self) {
        loop {
            let taken: Vec<Task> =
                self.tasks.borrow_mut().iter_mut().filter_map(|(_, e)| e.task.take()).collect();
            if taken.is_empty() {
                break;
            }
        }
        *self.tasks.borrow_mut() = Slab::default();
        self.ready.borrow_mut().clear();
    }
}
