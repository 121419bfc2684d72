//! Waking: from the engine's own thread straight into its run queue, from any other through an
//! injector and something that ends the engine's wait.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use sys::waker::PackedWake;

use crate::slab::{Key, PACKED_BITS};

/// Which engine of this process. At most 65,536 at once: what fits beside a task's packed key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct EngineId(u16);

/// How to end an engine's wait from another thread.
pub enum Interrupt {
    /// Writing to it makes it readable, which the engine watches.
    EventFd(OwnedFd),
    /// A signal to the engine's thread, for models whose wait is not on descriptors.
    Signal { thread: u32, number: i32 },
    /// Nothing waits outside the thread (the simulated network).
    None,
}

/// The part of an engine that other threads may touch.
pub struct Shared {
    pub id: EngineId,
    interrupt: Interrupt,
    woken: Mutex<Vec<Key>>,
    /// Set when `woken` may have something; cleared by the engine before it looks.
    pub flag: AtomicBool,
}

impl Shared {
    fn wake(&self, key: Option<Key>) {
        lock(&self.woken).extend(key);
        if self.flag.swap(true, Ordering::SeqCst) {
            return;
        }
        // The engine is alive (it deregisters before it goes); should the interrupt fail all the
        // same, its next event or timer finds the flag.
        let _ = match &self.interrupt {
            Interrupt::EventFd(fd) => {
                rustix::io::write(fd, &1u64.to_ne_bytes()).map(drop).map_err(io::Error::from)
            }
            Interrupt::Signal { thread, number } => sys::signal::signal_thread(*thread, *number),
            Interrupt::None => Ok(()),
        };
    }

    pub fn take(&self, out: &mut Vec<Key>) {
        if self.flag.swap(false, Ordering::SeqCst) {
            out.append(&mut lock(&self.woken));
        }
    }
}

/// Ends the wait of an engine from any thread, so that its turn hooks run.
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

impl Remote {
    pub(crate) fn new(shared: Arc<Shared>) -> Remote {
        Remote(shared)
    }

    pub fn wake(&self) {
        self.0.wake(None);
    }
}

static NEXT_ID: AtomicU16 = AtomicU16::new(0);
static ENGINES: Mutex<Option<HashMap<EngineId, Arc<Shared>>>> = Mutex::new(None);

thread_local! {
    static CURRENT: RefCell<Option<(EngineId, Weak<dyn RunQueue>)>> = const { RefCell::new(None) };
}

/// Registers an engine of this thread.
pub fn register(interrupt: Interrupt) -> io::Result<Arc<Shared>> {
    let mut engines = lock(&ENGINES);
    let engines = engines.get_or_insert_default();
    let candidates = (0..=u16::MAX).map(|_| NEXT_ID.fetch_add(1, Ordering::Relaxed));
    let free = candidates.map(EngineId).find(|id| !engines.contains_key(id));
    let id = free.ok_or_else(|| io::Error::other("65,536 engines already run in this process"))?;
    let shared =
        Arc::new(Shared { id, interrupt, woken: Mutex::default(), flag: AtomicBool::new(false) });
    engines.insert(id, shared.clone());
    Ok(shared)
}

pub fn deregister(id: EngineId) {
    lock(&ENGINES).get_or_insert_default().remove(&id);
}

/// What a wake on the engine's own thread goes to.
pub trait RunQueue {
    fn wake(&self, key: Key);
}

/// Makes this thread's wakes of the engine go straight to its queue. Ends with the guard.
pub fn enter(id: EngineId, queue: Rc<dyn RunQueue>) -> Entered {
    let previous = CURRENT.replace(Some((id, Rc::downgrade(&queue))));
    Entered(previous)
}

pub struct Entered(Option<(EngineId, Weak<dyn RunQueue>)>);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.replace(self.0.take());
    }
}

/// The waker of a task.
pub fn waker(engine: EngineId, key: Key) -> Waker {
    sys::waker::packed::<TaskWake>(u64::from(engine.0) << PACKED_BITS | key.pack())
}

struct TaskWake;

impl PackedWake for TaskWake {
    fn wake(packed: u64) {
        let id = EngineId((packed >> PACKED_BITS) as u16);
        let key = Key::unpack(packed);
        let here = CURRENT.with_borrow(|current| match current {
            Some((current, queue)) if *current == id => queue.upgrade(),
            _ => None,
        });
        if let Some(queue) = here {
            return queue.wake(key);
        }
        let shared = lock(&ENGINES).as_ref().and_then(|engines| engines.get(&id).cloned());
        if let Some(shared) = shared {
            shared.wake(Some(key));
        }
    }
}

/// A lock of which no holder can panic half-way, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
