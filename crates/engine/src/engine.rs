//! The engine itself: the loop that runs tasks, waits, and runs them again.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use crate::clock::{Clock, Tick};
use crate::conn::Conn;
use crate::core::Core;
use crate::event::SimId;
use crate::executor::Executor;
use crate::io::{Driver, Io};
use crate::listener::Listener;
use crate::model::sim::Sim;
use crate::model::{Model, Options, blocking, sigio};
use crate::slab::Key;
use crate::sleep::Sleep;
use crate::slot::Handle;
use crate::wake::{self, Interrupt, Remote, Shared};

/// A handle on the engine of this thread.
#[derive(Clone)]
pub struct Engine(Rc<Core>);

/// Runs `main` and everything it spawns over the model, on this thread, until `main` ends.
///
/// # Errors
/// What setting up the model says (`io_uring` may be forbidden here), and errors of its waiting
/// call that no retry mends.
pub fn run<F, M>(model: Model, options: &Options, main: F) -> io::Result<()>
where
    F: FnOnce(Engine) -> M,
    M: Future<Output = ()> + 'static,
{
    let progress = Rc::new(Cell::new(false));
    let driver = Driver::new(model, options, &progress)?;
    let (interrupt, wake_fd) = interrupt(model)?;
    let shared = wake::register(interrupt)?;
    let mut io = Io::new(driver, progress);
    if let Some(fd) = wake_fd {
        io.watch_wake(fd)?;
    }
    Engine::new(Clock::real(), io, shared, None).run(main)
}

/// How other threads end this model's wait.
fn interrupt(model: Model) -> io::Result<(Interrupt, Option<OwnedFd>)> {
    let thread = sys::signal::gettid();
    let signal = |number| (Interrupt::Signal { thread, number }, None);
    Ok(match model {
        Model::Blocking => signal(blocking::wake_signal()),
        Model::Sigio => signal(sigio::wake_signal()),
        Model::Nonblocking | Model::Select | Model::Poll | Model::Epoll | Model::IoUring => {
            let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
            (Interrupt::EventFd(fd.try_clone()?), Some(fd))
        }
    })
}

impl Sim {
    /// Runs `main` over this simulated network, with a simulated clock, until it ends.
    ///
    /// # Errors
    /// When nothing can happen any more and `main` has not ended: it is stuck.
    pub fn run<F, M>(&self, main: F) -> io::Result<()>
    where
        F: FnOnce(Engine) -> M,
        M: Future<Output = ()> + 'static,
    {
        let shared = wake::register(Interrupt::None)?;
        let io = Io::new(Driver::Sim(self.clone()), Rc::default());
        Engine::new(Clock::simulated(), io, shared, Some(self.clone())).run(main)
    }
}

impl Engine {
    fn new(clock: Clock, io: Io, shared: Arc<Shared>, sim: Option<Sim>) -> Engine {
        Engine(Rc::new(Core {
            clock,
            executor: Executor::new(shared.id),
            io: RefCell::new(io),
            shared,
            sim,
            hooks: RefCell::default(),
        }))
    }

    fn run<F, M>(self, main: F) -> io::Result<()>
    where
        F: FnOnce(Engine) -> M,
        M: Future<Output = ()> + 'static,
    {
        let _entered = wake::enter(self.0.shared.id, self.0.clone());
        let done = Rc::new(Cell::new(false));
        let main = main(self.clone());
        let ended = done.clone();
        self.spawn(async move {
            main.await;
            ended.set(true);
        });
        let result = self.turn_until(&done);
        self.0.executor.clear();
        self.0.hooks.borrow_mut().clear();
        wake::deregister(self.0.shared.id);
        result
    }

    fn turn_until(&self, done: &Cell<bool>) -> io::Result<()> {
        let core = &*self.0;
        let mut woken: Vec<Key> = Vec::new();
        loop {
            core.executor.run_turn();
            core.hooks.borrow_mut().iter_mut().for_each(|hook| hook());
            if done.get() {
                return Ok(());
            }
            let timeout = self.timeout();
            core.io.borrow_mut().wait(timeout, &core.clock)?;
            let now = core.clock.read();
            core.io.borrow_mut().expire(now);
            core.shared.take(&mut woken);
            woken.drain(..).for_each(|key| core.executor.wake(key));
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if self.0.executor.has_ready() || self.0.shared.flag.load(Ordering::SeqCst) {
            return Some(Duration::ZERO);
        }
        let due = self.0.io.borrow().next_due()?;
        Some(due.since(self.0.clock.now()))
    }

    /// Runs the future beside the others.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.0.executor.spawn(future);
    }

    /// The time of this turn.
    pub fn now(&self) -> Tick {
        self.0.clock.now()
    }

    /// Time since 1970 in UTC, as of this turn (up to 50 ms old).
    pub fn wall(&self) -> Duration {
        self.0.clock.wall()
    }

    /// Completes at the tick.
    pub fn sleep_until(&self, until: Tick) -> Sleep {
        Sleep::new(self.0.clone(), until)
    }

    /// Completes after the time, rounded up to the wheel's next bucket.
    pub fn sleep(&self, time: Duration) -> Sleep {
        self.sleep_until(self.now().after(time))
    }

    /// Takes in a listening socket, which must be nonblocking.
    pub fn listen(&self, fd: OwnedFd) -> io::Result<Listener> {
        Listener::adopt(self.0.clone(), Handle::Fd(fd))
    }

    /// Takes in a connected stream socket, which must be nonblocking (the blocking model makes it
    /// blocking again).
    pub fn connection(&self, fd: OwnedFd) -> io::Result<Conn> {
        Conn::adopt(self.0.clone(), Handle::Fd(fd))
    }

    /// A listener in the simulated network, and the address to connect to it by.
    pub fn sim_listen(&self, sim: &Sim) -> io::Result<(Listener, SimId)> {
        let id = sim.listener();
        Ok((Listener::adopt(self.0.clone(), Handle::Sim(id))?, id))
    }

    /// The client's end of a new simulated connection.
    pub fn sim_connect(&self, sim: &Sim, listener: SimId) -> io::Result<Conn> {
        Conn::adopt(self.0.clone(), Handle::Sim(sim.connect(listener)))
    }

    /// Calls the function at the end of every turn, before the engine waits.
    pub fn at_turn_end(&self, hook: impl FnMut() + 'static) {
        self.0.hooks.borrow_mut().push(Box::new(hook));
    }

    /// What other threads can end this engine's wait by.
    pub fn remote(&self) -> Remote {
        Remote::new(self.0.shared.clone())
    }

    /// Tasks that have not ended.
    pub fn task_count(&self) -> usize {
        self.0.executor.task_count()
    }
}
