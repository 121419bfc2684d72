//! An init: the first process of a container, or of any tree that must be left without a trace.
//! `sockeye run` keeps a program, `sockeye cron run` the jobs of crontabs, `run --crontab` both.
//!
//! One thread, one poll(2): on a signalfd(2) with every signal that can be caught, and on the pipes
//! of jobs. Nothing else waits, and nothing runs in a signal handler.
//!
//! ```text
//!   serving ---- the program has ended, or (without one) TERM, INT, QUIT ----> asked: TERM to all
//!      signals go on to the program                                               |  grace over
//!      HUP (without a program) reads the crontabs again                           v
//!                                            all gone: exit <---- killing: KILL, again and again
//! ```
//!
//! The end is there when wait(2) says that there is no child: orphans are ours by prctl(2)
//! `PR_SET_CHILD_SUBREAPER` or because this is PID 1 (pid_namespaces(7)), so then there is no
//! descendant either.

mod terminal;

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use process::{Exit, How, Program, Session, Signal, Snapshot, SpawnError, Stream, signal_process};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, getpid, set_child_subreaper, waitid};
use schedule::Now;
use sys::poll::{IN, OUT, PollSet};
use sys::signal::{self, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SignalFd, SignalSet};

use crate::cli::output::{complain_error, escaped, warn};
use crate::clock;
use crate::jobs::crontab::{Crontabs, Reading};
use crate::jobs::history::History;
use crate::jobs::{Event, Jobs};
use crate::log::Log;
use terminal::Terminal;

/// Exit statuses of a shell for a program that does not start.
const EXIT_NOT_FOUND: u8 = 127;
const EXIT_NOT_EXECUTABLE: u8 = 126;
/// What a shell adds to the number of a signal.
const EXIT_SIGNAL: i32 = 128;
/// Between two KILLs to what is left: what was forked meanwhile is met by the next.
const KILL_EVERY: Duration = Duration::from_millis(20);
/// How long processes are waited for that do not end by KILL: they sleep in the kernel.
const KILL_WAIT_MAX: Duration = Duration::from_secs(10);
/// Crontabs are looked at as often as cron does.
const LOOK_SECONDS: i64 = 60;

/// What the poll set's entries stand for; jobs' tags come behind.
const TAG_SIGNALS: u64 = 0;
const TAG_LOG: u64 = 1;
const TAG_JOBS: u64 = 2;

/// What to run.
#[derive(Debug)]
pub struct Options {
    /// Empty: only the crontabs.
    pub command: Vec<OsString>,
    pub crontabs: Vec<PathBuf>,
    pub reading: Reading,
    pub history: Option<PathBuf>,
    pub stop_timeout: Duration,
}

/// Runs it to its end and gives the exit status.
pub fn run(options: Options) -> ExitCode {
    match Init::new(options).and_then(Init::serve) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            complain_error(&failure.message);
            ExitCode::from(failure.code)
        }
    }
}

/// Why there was nothing to keep.
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn new(message: impl Into<String>) -> Failure {
        Failure { message: message.into(), code: 1 }
    }

    fn system(what: &str, cause: impl std::fmt::Display) -> Failure {
        Failure::new(format!("cannot {what}: {cause}"))
    }
}

struct Init {
    options: Options,
    signals: SignalFd,
    terminal: Terminal,
    log: Log,
    crontabs: Crontabs,
    jobs: Jobs,
    /// The minute of the wall clock in which the crontabs were last looked at.
    looked: i64,
    program: Option<u32>,
    stage: Stage,
    events: Vec<Event>,
}

/// How far this is, and with what status it will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// TERM was sent to all; KILL comes at this time of the monotonic clock.
    Asked {
        code: u8,
        until: Duration,
    },
    /// KILL is sent again at `next`, and nobody is waited for after `until`.
    Killing {
        code: u8,
        next: Duration,
        until: Duration,
    },
}

impl Init {
    fn new(options: Options) -> Result<Init, Failure> {
        let all = signals();
        signal::block(&all).map_err(|cause| Failure::system("block signals", cause))?;
        let signals = SignalFd::new(&all).map_err(|c| Failure::system("make a signalfd", c))?;
        set_child_subreaper(Some(getpid())).map_err(|c| Failure::system("adopt orphans", c))?;
        let history = match &options.history {
            Some(path) => History::open(path).map_err(Failure::new)?,
            None => History::in_memory(),
        };
        let now = clock::both();
        Ok(Init {
            signals,
            terminal: Terminal::new(),
            log: Log::new(options.command.is_empty()),
            crontabs: Crontabs::new(&options.crontabs, options.reading.clone()),
            jobs: Jobs::new(history, options.stop_timeout, options.reading.seed, now),
            looked: minute(now),
            program: None,
            stage: Stage::Serving,
            events: Vec::new(),
            options,
        })
    }

    fn serve(mut self) -> Result<u8, Failure> {
        if !self.options.command.is_empty() {
            let pid = self.start_program();
            self.program = Some(pid.map_err(|error| not_started(&error))?);
        }
        let now = clock::both();
        self.read_crontabs(now);
        self.jobs.start(now, &mut self.events);
        loop {
            self.tell();
            if let Some(code) = self.over(clock::both()) {
                self.log.finish();
                return Ok(code);
            }
            self.turn();
        }
    }

    /// As this process's stand-in: its streams, folder, environment and terminal, but a process
    /// group of its own, so that the terminal's signals come once.
    fn start_program(&self) -> Result<u32, SpawnError> {
        let program = Program {
            environment: process::current_environment(),
            stdin: Stream::Inherit,
            stdout: Stream::Inherit,
            stderr: Stream::Inherit,
            session: Session::Group,
            foreground: self.terminal.to_give().map(Into::into),
            ..Program::new(self.options.command.iter().cloned())
        };
        Ok(process::spawn(&program.prepare()?)?.pid)
    }

    fn read_crontabs(&mut self, now: Now) {
        let found = self.crontabs.read();
        found.problems.iter().for_each(|problem| warn(&escaped(problem)));
        self.jobs.configure(found.jobs, now, &mut self.events);
        if self.options.command.is_empty() && !self.options.crontabs.is_empty() {
            self.log.say(&format!("{} jobs", self.jobs.len()));
        }
    }

    /// Waits once and deals with what has come.
    fn turn(&mut self) {
        let mut set = PollSet::default();
        set.push(self.signals.as_fd(), IN, TAG_SIGNALS);
        if let Some(fd) = self.log.wants() {
            set.push(fd, OUT, TAG_LOG);
        }
        for (fd, events, tag) in self.jobs.watches() {
            set.push(fd, events, TAG_JOBS + tag);
        }
        if set.wait(self.timeout(clock::both())).is_err() {
            // Out of memory for the call: what is due is done, and the next wait may succeed.
            self.reap();
        }
        for (tag, _) in set.ready() {
            match tag {
                TAG_SIGNALS => self.on_signals(),
                TAG_LOG => self.log.write(),
                tag => self.jobs.on_ready(tag - TAG_JOBS, &mut self.events),
            }
        }
        self.on_time(clock::both());
    }

    fn timeout(&self, now: Now) -> Option<Duration> {
        let stage = match self.stage {
            Stage::Serving => None,
            Stage::Asked { until, .. } => Some(until),
            Stage::Killing { next, .. } => Some(next),
        };
        let stage = stage.map(|at| at.saturating_sub(now.mono));
        let look = (!self.options.crontabs.is_empty()).then(|| until_next_look(now));
        [stage, look, self.jobs.wait(now)].into_iter().flatten().min()
    }

    fn on_time(&mut self, now: Now) {
        if self.stage == Stage::Serving && minute(now) != self.looked {
            self.looked = minute(now);
            if self.crontabs.changed() {
                self.read_crontabs(now);
            }
        }
        self.jobs.on_time(now, &mut self.events);
    }

    fn on_signals(&mut self) {
        let mut signals = Vec::new();
        while matches!(self.signals.read(&mut signals), Ok(1..)) {}
        let own = std::process::id();
        for signal in signals {
            match signal.number {
                SIGCHLD => self.reap(),
                // A pipe of our own that nobody reads is nobody else's business.
                _ if signal.pid == own => {}
                number => self.on_signal(number),
            }
        }
    }

    fn on_signal(&mut self, number: i32) {
        match (self.program, number) {
            (Some(pid), _) => {
                self.terminal.before_forward(number, pid);
                // It may have ended and not been reaped: then there is nobody to tell.
                let _ = signal::send(pid.cast_signed(), number);
            }
            (None, SIGTERM | SIGINT | SIGQUIT) => self.stop(0),
            (None, SIGHUP) if self.stage == Stage::Serving => self.read_crontabs(clock::both()),
            (None, _) => {}
        }
    }

    fn reap(&mut self) {
        let mut ended: Vec<Exit> = Vec::new();
        let jobs = &mut self.jobs;
        process::reap_each(|pid| jobs.before_reap(pid), |exit| ended.push(exit));
        let now = clock::both();
        for exit in ended {
            if self.program == Some(exit.pid) {
                self.program = None;
                self.terminal.take_back();
                self.stop(status(exit.how));
            } else {
                // Others are orphans, of which nobody asks how they ended.
                self.jobs.on_exit(exit.pid, exit.how, now, &mut self.events);
            }
        }
        if let Some(pid) = self.program {
            self.terminal.follow_stop(pid);
        }
    }

    /// Asks all that is left to end. Only the first call counts.
    fn stop(&mut self, code: u8) {
        if self.stage != Stage::Serving {
            return;
        }
        let now = clock::both();
        self.jobs.stop(now);
        signal_all(Signal::TERM);
        // What is stopped gets its signal when it goes on.
        signal_all(Signal::CONT);
        let until = now.mono.saturating_add(self.options.stop_timeout);
        self.stage = Stage::Asked { code, until };
    }

    /// The exit status, once nobody is left; sends the KILLs until then.
    fn over(&mut self, now: Now) -> Option<u8> {
        let code = match self.stage {
            Stage::Serving => return None,
            Stage::Asked { code, .. } | Stage::Killing { code, .. } => code,
        };
        self.reap();
        if !has_children() {
            return Some(code);
        }
        match self.stage {
            Stage::Asked { until, .. } if until <= now.mono => {
                let until = now.mono.saturating_add(KILL_WAIT_MAX);
                self.kill_all(code, now, until);
            }
            Stage::Killing { until, .. } if until <= now.mono => {
                let count = Snapshot::take().all().len();
                warn(&format!("{count} processes do not end, as they sleep in the kernel"));
                return Some(code);
            }
            Stage::Killing { next, until, .. } if next <= now.mono => {
                self.kill_all(code, now, until);
            }
            Stage::Serving | Stage::Asked { .. } | Stage::Killing { .. } => {}
        }
        None
    }

    fn kill_all(&mut self, code: u8, now: Now, until: Duration) {
        signal_all(Signal::KILL);
        self.stage = Stage::Killing { code, next: now.mono.saturating_add(KILL_EVERY), until };
    }

    /// Puts what has happened into the log.
    fn tell(&mut self) {
        let now = clock::both();
        for event in std::mem::take(&mut self.events) {
            match event {
                Event::Line { job, bytes } => self.log.line(&job, &bytes),
                Event::Said { job, text } => self.log.said(&job, &text),
                // A crontab has no verbs.
                Event::Verb { run, .. } => {
                    let no = Err("there is no family here".into());
                    self.jobs.finished(run, no, now, &mut self.events);
                }
            }
        }
    }
}

/// Every signal that can be caught and is not the answer to a fault of our own code, which must
/// end us (signal(7)).
fn signals() -> SignalSet {
    // ILL, TRAP, ABRT, BUS, FPE, KILL, SEGV, STOP, SYS.
    const NOT: [i32; 9] = [4, 5, 6, 7, 8, 9, 11, 19, 31];
    let plain = (1..=31).filter(|number| !NOT.contains(number));
    SignalSet::of(&plain.chain(signal::sigrtmin()..=signal::sigrtmax()).collect::<Vec<i32>>())
}

/// All descendants, or, as PID 1, everybody in its namespace (kill(2)).
fn signal_all(signal: Signal) {
    if getpid().is_init() {
        let _ = signal::send(-1, signal.as_raw());
        return;
    }
    for process in Snapshot::take().all() {
        signal_process(&process, signal);
    }
}

/// Whether there is a child, living or to be reaped.
fn has_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}

/// A shell's exit status for the end of a program.
fn status(how: How) -> u8 {
    let code = match how {
        How::Exit(code) => code,
        How::Signal { number, .. } => EXIT_SIGNAL + number,
    };
    u8::try_from(code & 0xff).unwrap_or(1)
}

fn not_started(error: &SpawnError) -> Failure {
    let not_found = match error {
        SpawnError::NotFound { .. } => true,
        SpawnError::NotExecutable { cause, .. } => cause.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    };
    let code = if not_found { EXIT_NOT_FOUND } else { EXIT_NOT_EXECUTABLE };
    Failure { message: error.to_string(), code }
}

fn minute(now: Now) -> i64 {
    now.wall.as_second().div_euclid(LOOK_SECONDS)
}

fn until_next_look(now: Now) -> Duration {
    let rest = LOOK_SECONDS - now.wall.as_second().rem_euclid(LOOK_SECONDS);
    Duration::from_secs(rest.unsigned_abs())
}
