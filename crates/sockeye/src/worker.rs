//! A worker: the process that a fork of the master becomes, in each of the process models.
//!
//! A *unit* is one engine with its server, a channel to whoever made it, and the sockets it
//! accepts from or the one connection it serves. The process models differ only in who makes the
//! units and where:
//!
//! | process model | units |
//! |---|---|
//! | iterative | one, serving one connection at a time |
//! | prefork | one a process, as many processes as workers |
//! | thread-per-core | one a thread, all in one process |
//! | fork-per-connection | one a child of the acceptor, for one connection |
//! | thread-per-connection | one a thread of the acceptor, for one connection |
//!
//! So the last two have an acceptor without an engine ([`acceptor`]), which relays between its
//! units and the master.

mod acceptor;
mod inquiry;
mod unit;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use control::{FromWorker, encode};
use engine::Model;

use crate::cli::output::warn;
use crate::config::account;
use crate::settings::{ProcessModel, Settings};
use unit::Unit;

/// The exit status of a worker that could not begin.
const EXIT_CANNOT_BEGIN: i32 = 1;
/// The exit status of a worker that was broken by a bug.
const EXIT_PANIC: i32 = 70;

/// What a worker process is given.
pub struct Plan {
    pub settings: Arc<Settings>,
    pub generation: u64,
    pub index: usize,
    /// One for each unit the master talks to: one, but for the threads of thread-per-core.
    pub seats: Vec<Seat>,
}

/// What one unit is given by the master.
pub struct Seat {
    pub channel: UnixStream,
    pub listeners: Vec<OwnedFd>,
    pub counters: &'static [AtomicU64],
}

/// Lives the worker's life; never returns. (The master's destructors are not ours to run.)
pub fn main(plan: Plan) -> ! {
    let code = catch_unwind(AssertUnwindSafe(|| begin(plan)));
    // What the panic was has been printed by then.
    sys::fork::exit(code.unwrap_or(EXIT_PANIC))
}

fn begin(mut plan: Plan) -> i32 {
    match prepare(&plan.settings) {
        Ok(model) => live(plan, model),
        Err(message) => {
            fail(&mut plan, &message);
            EXIT_CANNOT_BEGIN
        }
    }
}

/// Tells the master why this worker cannot begin, so that it is said once and in the right place.
fn fail(plan: &mut Plan, message: &str) {
    let failed = encode(&FromWorker::Failed { message: message.to_owned() });
    if let Some(seat) = plan.seats.first_mut() {
        // Without a master there is nobody to tell.
        let _ = std::io::Write::write_all(&mut seat.channel, &failed);
    }
}

/// Gives up what is not needed, and finds out which I/O model this process may have.
fn prepare(settings: &Settings) -> Result<Model, String> {
    sys::signal::reset_for_exec().map_err(|e| format!("reset signals: {e}"))?;
    sys::signal::ignore(sys::signal::SIGPIPE);
    // A terminal's Ctrl-C reaches the whole group; it is the master that decides what it means.
    for signal in [sys::signal::SIGINT, sys::signal::SIGHUP, sys::signal::SIGQUIT] {
        sys::signal::ignore(signal);
    }
    if let Some(limit) = settings.io_model.descriptor_limit() {
        lower_descriptor_limit(limit as u64)?;
    }
    if let Some(name) = &settings.user {
        drop_privileges(name)?;
    }
    choose_model(settings)
}

/// Accept then says `EMFILE` instead of handing out a descriptor that select(2) cannot watch.
fn lower_descriptor_limit(limit: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let current = getrlimit(Resource::Nofile);
    let soft = current.maximum.map_or(limit, |hard| hard.min(limit));
    setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: current.maximum })
        .map_err(|e| format!("set the descriptor limit to {soft}: {e}"))
}

fn drop_privileges(name: &str) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(()); // Said by the master, once.
    }
    let account = account(name)?;
    sys::credentials::become_user(account.uid, account.gid, &account.groups)
        .map_err(|e| format!("become user {name}: {e}"))
}

fn choose_model(settings: &Settings) -> Result<Model, String> {
    match settings.io_model.probe() {
        Ok(()) => Ok(settings.io_model),
        Err(error) if settings.strict => {
            Err(format!("I/O model {}: {error}", settings.io_model.name()))
        }
        Err(error) => {
            warn(&format!("{}: {error}; using epoll instead", settings.io_model.name()));
            Ok(Model::Epoll)
        }
    }
}

fn live(mut plan: Plan, model: Model) -> i32 {
    let name = match plan.settings.process_model {
        ProcessModel::ForkPerConnection | ProcessModel::ThreadPerConnection => "acceptor",
        _ => "worker",
    };
    sys::title::set(&format!("sockeye: {name} {}", plan.index + 1));
    let seats = std::mem::take(&mut plan.seats);
    let result = match plan.settings.process_model {
        ProcessModel::ForkPerConnection => acceptor::forking(&plan, seats, model),
        ProcessModel::ThreadPerConnection => acceptor::threading(&plan, seats, model),
        ProcessModel::ThreadPerCore => threads(&plan, seats, model),
        ProcessModel::Iterative | ProcessModel::Prefork => alone(&plan, seats, model),
    };
    match result {
        Ok(()) => 0,
        Err(message) => {
            warn(&format!("{name} {}: {message}", plan.index + 1));
            EXIT_CANNOT_BEGIN
        }
    }
}

/// One unit on the only thread.
fn alone(plan: &Plan, seats: Vec<Seat>, model: Model) -> Result<(), String> {
    for seat in seats {
        Unit::accepting(plan, seat, model).run()?;
    }
    Ok(())
}

/// A thread for each unit; the process ends when all have.
fn threads(plan: &Plan, seats: Vec<Seat>, model: Model) -> Result<(), String> {
    let threads: Vec<_> = seats
        .into_iter()
        .map(|seat| {
            let unit = Unit::accepting(plan, seat, model);
            std::thread::spawn(move || unit.run())
        })
        .collect();
    let mut outcome = Ok(());
    for thread in threads {
        let ended = thread.join();
        outcome = outcome.and(ended.unwrap_or_else(|_| Err("a thread was broken by a bug".into())));
    }
    outcome
}
