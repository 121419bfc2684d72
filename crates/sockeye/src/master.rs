//! The master: one thread that parses no byte from the network. It makes the listening sockets and
//! keeps them, forks the workers, learns of their ends, and replaces them.
//!
//! ```text
//! start ──▶ starting ──all READY──▶ serving ◀──────────────┐
//!               │ one fails            │ HUP, `reload`      │ new generation READY:
//!               ▼                      ▼                    │ the old one drains
//!             exit 1               reloading ───────────────┘
//!                                      │ one fails: the new one is stopped, the old one stays
//! TERM, INT: stop at once · QUIT: drain, then exit · WINCH: drain the workers, keep the sockets
//! USR1: reopen logs · USR2: become the new program, in place
//! CHLD: reap all that ended, start successors
//! ```
//! It waits in one poll(2) on a signalfd, the control socket and its clients, and the workers'
//! channels. Listening sockets outlive every worker, so a connection that waits in the queue of
//! one that died, or was replaced, is accepted by the next.

mod apps;
mod control_socket;
mod family;
mod greeting;
mod jobs;
mod listeners;
mod orders;
mod reload;
mod status;
mod upgrade;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::control::{FromWorker, Handover, Reply};
use rustix::fs::OFlags;
use sys::poll::{IN, OUT, PollSet};
use sys::signal::{
    SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SignalFd, SignalSet,
};

use crate::Start;
use crate::cli::output::{say, warn};
use crate::clock;
use crate::config::Source;
use crate::log::Log;
use crate::service_manager::Manager;
use crate::settings::{ListenAddress, Settings};
use crate::worker;
use apps::Apps;
use control_socket::{ClientId, ControlSocket};
use family::{Event, Family, Fork};
use jobs::Scheduled;
use listeners::Listeners;
use schedule::RunId;
use status::Questions;
use upgrade::Upgrade;
pub use upgrade::{Itself, check, read_from, read_handover};

/// The signals that the master reads as data.
const SIGNALS: [i32; 8] = [SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

/// After this long what is left of a fast stop is killed.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// How long killed processes are waited for at the end.
const END_WAIT: Duration = Duration::from_secs(5);

/// Starts the family, or goes on with one that was handed over, and tends it until it ends. In a
/// forked worker this never returns.
pub fn run(start: Start) -> ExitCode {
    let Start { lowered, source, itself, handed, sockets } = start;
    let begun = match handed {
        None => Master::begin(lowered.settings, source, itself, sockets),
        Some(handed) => Master::take_over(lowered.settings, source, itself, &handed),
    };
    match begun {
        Ok(master) => master.tend(),
        Err(message) => {
            crate::cli::output::complain_error(&message);
            ExitCode::FAILURE
        }
    }
}

/// Who has given an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asker {
    Client(ClientId),
    /// A run of a job.
    Job(RunId),
}

/// How the family ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// It does not, for now.
    None,
    /// When the last worker has drained.
    Drained,
    /// At once; what is left at this instant is killed.
    Stopped(Instant),
}

struct Master {
    source: Source,
    settings: Arc<Settings>,
    signals: SignalFd,
    listeners: Listeners,
    family: Family,
    apps: Apps<Asker>,
    /// Sockets for the apps of the configuration that is about to serve.
    apps_fresh: apps::Fresh,
    jobs: Scheduled,
    log: Log,
    control: Option<ControlSocket>,
    questions: Questions,
    started: Instant,
    ending: Ending,
    /// Who waits for the reload that is under way.
    reload_asked_by: Vec<Asker>,
    /// Asked for while one was under way or too many generations lived: done when it can be.
    reload_again: Option<Vec<Asker>>,
    /// The start has been told of.
    greeted: bool,
    exit_code: ExitCode,
    upgrade: Upgrade,
    manager: Manager,
}

/// What a descriptor of the poll set stands for.
mod tag {
    pub const SIGNALS: u64 = 0;
    pub const CONTROL: u64 = 1;
    pub const UPGRADE: u64 = 2;
    pub const CLIENT: u64 = 1 << 32;
    pub const WORKER: u64 = 1 << 33;
    /// And above: numbers of [`super::apps`].
    pub const APPS: u64 = 1 << 40;
    /// And above: numbers of [`super::jobs`].
    pub const JOBS: u64 = 1 << 41;
    pub const LOG: u64 = 3;
}

impl Master {
    fn begin(
        settings: Settings,
        source: Source,
        itself: Itself,
        sockets: Vec<(ListenAddress, OwnedFd)>,
    ) -> Result<Master, String> {
        let mut master = Master::prepare(settings, source, itself)?;
        master.listeners = Listeners::bind(&master.settings, sockets)?;
        master.apps_fresh = master.apps.make_room(&master.settings)?;
        master.control = ControlSocket::bind(&master.settings.control).unwrap_or_else(|message| {
            warn(&message);
            None
        });
        prepare_log(&master.settings);
        sys::title::set("sockeye: master");
        let events = master.family.begin_generation(master.settings.clone(), clock::now());
        master.on_events(events);
        Ok(master)
    }

    /// Goes on where the program stopped whose place this one has taken, and reloads.
    fn take_over(
        settings: Settings,
        source: Source,
        itself: Itself,
        handed: &Handover,
    ) -> Result<Master, String> {
        let mut master = Master::prepare(settings, source, itself)?;
        let now = clock::now();
        master.greeted = true;
        master.started =
            now.checked_sub(Duration::from_millis(handed.uptime_ms)).unwrap_or(master.started);
        master.listeners = Listeners::take_over(&handed.listeners)?;
        master.family.take_over(handed, &master.settings, now)?;
        master.apps.take_over(handed, &master.settings, now)?;
        // A reload that is refused would leave the jobs behind.
        master.jobs.configure(&master.settings, &mut master.log);
        let mut clients = Vec::new();
        if let Some(number) = handed.control {
            let mut control = ControlSocket::take_over(&master.settings.control, number)?;
            for number in &handed.asked_by {
                clients.push(Asker::Client(control.take_over_client(*number)?));
            }
            master.control = Some(control);
        }
        sys::title::set("sockeye: master");
        let version = env!("CARGO_PKG_VERSION");
        say(&format!("upgraded in place from {} to {version}", handed.version));
        master.reload(clients);
        // Ends that came between the two programs have been signalled, and the signal is pending.
        master.on_signals();
        Ok(master)
    }

    fn prepare(mut settings: Settings, source: Source, itself: Itself) -> Result<Master, String> {
        raise_descriptor_limit();
        fall_back(&mut settings)?;
        if settings.user.is_some() && !rustix::process::geteuid().is_root() {
            warn("only root can become another user: the workers keep this one");
            settings.user = None;
        }
        let set = SignalSet::of(&SIGNALS);
        sys::signal::block(&set).map_err(|e| format!("block signals: {e}"))?;
        let signals = SignalFd::new(&set).map_err(|e| format!("signalfd: {e}"))?;
        // Children of a worker that dies become ours to reap, instead of nobody's.
        let me = rustix::process::getpid();
        rustix::process::set_child_subreaper(Some(me))
            .map_err(|e| format!("become a subreaper: {e}"))?;
        Ok(Master {
            family: Family::new(&settings)?,
            settings: Arc::new(settings),
            source,
            signals,
            listeners: Listeners::default(),
            apps: Apps::new(),
            apps_fresh: Vec::new(),
            jobs: Scheduled::new(),
            log: Log::new(true),
            control: None,
            questions: Questions::default(),
            started: clock::now(),
            ending: Ending::None,
            reload_asked_by: Vec::new(),
            reload_again: None,
            greeted: false,
            exit_code: ExitCode::SUCCESS,
            upgrade: Upgrade::new(itself),
            manager: Manager::of_this_process(clock::now()),
        })
    }

    fn tend(mut self) -> ExitCode {
        loop {
            while let Some(fork) = self.family.next_start(clock::now()) {
                if let Some(plan) = self.start(fork) {
                    // This is the worker: the master's descriptors go, its files stay.
                    drop(self);
                    worker::main(plan);
                }
            }
            if self.is_over() {
                return self.end();
            }
            let ready = match self.wait() {
                Ok(ready) => ready,
                Err(error) => {
                    warn(&format!("poll: {error}"));
                    return self.end();
                }
            };
            for tag in ready {
                self.on_ready(tag);
            }
            self.on_time();
            self.continue_upgrade();
        }
    }

    /// Forks one worker. `Some`: this is it.
    fn start(&mut self, fork: Fork) -> Option<worker::Plan> {
        match self.family.fork(&fork, &self.listeners) {
            Ok(plan) => plan,
            Err(error) => {
                warn(&format!("start worker {}: {error}", fork.index + 1));
                let events = self.family.could_not_start(&fork, clock::now());
                self.on_events(events);
                None
            }
        }
    }

    fn wait(&mut self) -> io::Result<Vec<u64>> {
        let mut set = PollSet::default();
        set.push(self.signals.as_fd(), IN, tag::SIGNALS);
        if let Some(control) = &self.control {
            set.push(control.as_fd(), IN, tag::CONTROL);
            for (id, client) in control.clients() {
                let write = if client.wants_to_write() { OUT } else { 0 };
                set.push(client.as_fd(), IN | write, tag::CLIENT + id.0);
            }
        }
        self.apps.watch(&mut set, tag::APPS);
        self.jobs.watch(&mut set, tag::JOBS);
        if let Some(output) = self.log.wants() {
            set.push(output, OUT, tag::LOG);
        }
        for (id, channel) in self.family.channels() {
            let write = if channel.wants_to_write() { OUT } else { 0 };
            set.push(channel.as_fd(), IN | write, tag::WORKER + id);
        }
        if let Some(output) = self.upgrade.output() {
            set.push(output, IN, tag::UPGRADE);
        }
        let now = clock::now();
        let next = [
            self.family.next_time(),
            self.questions.next_time(),
            self.ending.next_time(),
            self.upgrade.next_time(),
            self.apps.next_time(),
            self.manager.next_time(),
            self.jobs.next_time(now),
        ];
        let timeout = next.into_iter().flatten().min().map(|at| at.saturating_duration_since(now));
        set.wait(timeout)?;
        Ok(set.ready().map(|(tag, _)| tag).collect())
    }

    fn on_ready(&mut self, tag: u64) {
        match tag {
            tag::SIGNALS => self.on_signals(),
            tag::UPGRADE => self.upgrade.on_output(),
            tag::CONTROL => {
                if let Some(control) = &mut self.control {
                    control.accept();
                }
            }
            tag::LOG => self.log.write(),
            job if job >= tag::JOBS => self.jobs.on_ready(job - tag::JOBS, &mut self.log),
            app if app >= tag::APPS => {
                self.apps.on_ready(app - tag::APPS, clock::now(), &mut self.log);
            }
            worker if worker >= tag::WORKER => self.on_worker(worker - tag::WORKER),
            client => self.on_client(ClientId(client - tag::CLIENT)),
        }
    }

    fn on_time(&mut self) {
        let now = clock::now();
        let events = self.family.on_time(now);
        self.on_events(events);
        self.manager.on_time(now);
        self.jobs.on_time(&mut self.log);
        self.apps.on_time(now, &mut self.log);
        self.carry_out_orders();
        self.tell_askers();
        for finished in self.questions.overdue(now) {
            self.answer_status(finished);
        }
        if let Ending::Stopped(at) = self.ending
            && now >= at
        {
            self.family.kill_all();
            self.ending = Ending::Stopped(now + STOP_WAIT);
        }
        if self.family.may_begin_generation()
            && self.ending == Ending::None
            && let Some(clients) = self.reload_again.take()
        {
            self.reload(clients);
        }
    }

    fn on_signals(&mut self) {
        let mut signals = Vec::new();
        while self.signals.read(&mut signals).is_ok_and(|n| n > 0) {}
        for signal in signals {
            match signal.number {
                SIGCHLD => {}
                SIGHUP => self.reload(Vec::new()),
                SIGUSR1 => self.reopen_logs(),
                SIGWINCH => {
                    let events = self.family.drain_all(clock::now());
                    self.on_events(events);
                }
                SIGQUIT => self.stop(false),
                SIGTERM | SIGINT => self.stop(true),
                SIGUSR2 => self.upgrade(None),
                _ => {}
            }
        }
        // Who says something and ends has said it before.
        self.apps.on_notify(clock::now());
        let mut exits = Vec::new();
        process::reap_each(|pid| self.jobs.before_reap(pid), |exit| exits.push(exit));
        for exit in exits {
            let now = clock::now();
            let known = self.on_upgrade_exit(&exit)
                || self.apps.on_exit(&exit, now, &mut self.log)
                || self.jobs.on_exit(&exit, &mut self.log);
            if known {
                continue;
            }
            let events = self.family.on_exit(exit, now);
            self.on_events(events);
        }
    }

    fn on_worker(&mut self, id: u64) {
        let (messages, error) = self.family.receive(id);
        if let Some(error) = error {
            warn(&format!("a worker sent what is no message: {error}"));
        }
        for message in messages {
            match message {
                FromWorker::Ready => {
                    let events = self.family.on_ready(id, clock::now());
                    self.on_events(events);
                }
                FromWorker::Failed { message } => self.family.on_failed(id, message),
                FromWorker::Status { id: question, view } => {
                    if let Some(finished) = self.questions.answered(question, id, *view) {
                        self.answer_status(finished);
                    }
                }
                FromWorker::AskStatus { id: question } => {
                    self.ask_status(status::Asker::Worker { id, question });
                }
            }
        }
    }

    fn on_events(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::GenerationReady(generation) => self.on_generation_ready(generation),
                Event::GenerationFailed { generation, reason } => {
                    self.on_generation_failed(generation, reason);
                }
                Event::WorkerGone(id) => {
                    for finished in self.questions.gone(id) {
                        self.answer_status(finished);
                    }
                }
                Event::Said(message) => warn(&message),
            }
        }
    }

    fn reopen_logs(&mut self) {
        prepare_log(&self.settings);
        self.apps.reopen_logs();
        self.family.tell_all(&::control::ToWorker::ReopenLogs);
    }

    fn stop(&mut self, fast: bool) {
        let now = clock::now();
        self.listeners.close();
        if self.ending == Ending::None {
            self.manager.stopping();
            self.cancel_upgrade("the server is stopping");
            let waiting = std::mem::take(&mut self.reload_asked_by);
            let waiting = waiting.into_iter().chain(self.reload_again.take().unwrap_or_default());
            self.refuse(waiting.collect(), "the server is stopping".to_owned());
            self.apps.shutdown(now);
            self.jobs.stop();
        } else if fast && matches!(self.ending, Ending::Stopped(_)) {
            // Asked again: nobody is waited for any more.
            self.apps.kill_all();
        }
        if fast {
            if !matches!(self.ending, Ending::Stopped(_)) {
                self.ending = Ending::Stopped(now + STOP_WAIT);
                self.family.stop_all();
            }
        } else if self.ending == Ending::None {
            self.ending = Ending::Drained;
            let events = self.family.drain_all(now);
            self.on_events(events);
        }
    }

    fn is_over(&self) -> bool {
        self.ending != Ending::None
            && self.family.is_empty()
            && self.apps.is_stopped()
            && self.jobs.is_idle()
    }

    fn end(mut self) -> ExitCode {
        self.log.finish();
        // Connections' children whose acceptor was killed are ours now: nobody is left behind.
        for pid in process::children() {
            process::kill(pid, rustix::process::Signal::KILL);
        }
        self.reap_the_last();
        self.apps.close();
        self.listeners.remove_paths();
        if let Some(control) = self.control.take() {
            control.remove();
        }
        self.exit_code
    }

    /// Waits for the ends of those that were killed, but not for who sleeps in the kernel.
    fn reap_the_last(&mut self) {
        let until = clock::now() + END_WAIT;
        loop {
            process::reap(&mut Vec::new());
            let left = process::children();
            let rest = until.saturating_duration_since(clock::now());
            if left.is_empty() {
                return;
            }
            if rest.is_zero() {
                return warn(&format!(
                    "processes {left:?} sleep in the kernel and are left behind"
                ));
            }
            let mut set = PollSet::default();
            set.push(self.signals.as_fd(), IN, tag::SIGNALS);
            let _ = set.wait(Some(rest));
            while self.signals.read(&mut Vec::new()).is_ok_and(|n| n > 0) {}
        }
    }

    fn ask_status(&mut self, asker: status::Asker) {
        let workers = self.family.ask_all_status(|id| self.questions.next_id(id));
        if let Some(finished) = self.questions.begin(asker, workers, clock::now()) {
            self.answer_status(finished);
        }
    }

    fn answer_status(&mut self, finished: status::Finished) {
        let view = Box::new(status::view(self, finished.views, finished.silent));
        match finished.asker {
            status::Asker::Client(client) => self.reply(client, &Reply::Status(view)),
            status::Asker::Worker { id, question } => {
                self.family.tell(id, &::control::ToWorker::Status { id: question, view });
            }
        }
    }
}

impl Ending {
    fn next_time(self) -> Option<Instant> {
        match self {
            Ending::Stopped(at) => Some(at),
            Ending::None | Ending::Drained => None,
        }
    }
}

/// As many descriptors as the hard limit allows, for as many connections.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // A refusal leaves the limit as it is, and accept says so when it is reached.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Uses epoll where the kernel refuses the chosen model, unless that is forbidden.
fn fall_back(settings: &mut Settings) -> Result<(), String> {
    let Err(error) = settings.io_model.probe() else { return Ok(()) };
    let name = settings.io_model.name();
    if settings.strict {
        return Err(format!("I/O model {name}: {error} (without --strict, epoll would be used)"));
    }
    warn(&format!("{name}: {error}; using epoll instead"));
    settings.io_model = engine::Model::Epoll;
    Ok(())
}

/// Makes the log file while we may, for workers that will be another user.
fn prepare_log(settings: &Settings) {
    let crate::settings::AccessLog::File(path) = &settings.access_log else { return };
    // A FIFO without a reader is an error instead of a wait (fifo(7)).
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let made = std::fs::File::options().append(true).create(true).custom_flags(flags).open(path);
    if let (Ok(file), Some(Ok(user))) = (made, settings.user.as_deref().map(crate::config::account))
    {
        // Not ours to give away: the workers will say that they cannot open it.
        let _ = std::os::unix::fs::fchown(&file, Some(user.uid), Some(user.gid));
    }
}
