//! The jobs of the configuration and of its crontabs, in the master's loop: [`crate::jobs`] decides
//! and runs, here its events are given to the log and its orders to the family.

use std::time::{Duration, Instant};

use ::control::{JobView, RunView};
use process::{Exit, How};
use schedule::{Dialect, Now, Policy, RunId};
use sys::poll::PollSet;

use crate::cli::output::{escaped, warn};
use crate::clock;
use crate::jobs::crontab::{Crontabs, Reading};
use crate::jobs::history::{History, Past};
use crate::jobs::spec::{JobSpec, What};
use crate::jobs::{Event, Jobs, View, configured};
use crate::log::Log;
use crate::settings::Settings;
use crate::zone;

/// Between TERM and KILL, for a run that is ended.
const GRACE: Duration = Duration::from_secs(10);
/// Crontabs are looked at as often as cron does.
const LOOK_SECONDS: i64 = 60;
/// Characters of a command that a list shows.
const WHAT_CHARS_MAX: usize = 200;

/// An order that a job gives.
pub struct Order {
    pub run: RunId,
    pub text: String,
}

pub struct Scheduled {
    jobs: Jobs,
    crontabs: Crontabs,
    configured: Vec<JobSpec>,
    /// What earlier masters have remembered has been read.
    remembers: bool,
    /// The minute of the wall clock in which the crontabs were last looked at.
    looked: i64,
    events: Vec<Event>,
    orders: Vec<Order>,
}

impl Scheduled {
    pub fn new() -> Scheduled {
        let now = clock::both();
        let seed = u64::from(std::process::id());
        Scheduled {
            jobs: Jobs::new(History::in_memory(), GRACE, seed, now),
            crontabs: Crontabs::new(&[], reading()),
            configured: Vec::new(),
            remembers: false,
            looked: minute(now),
            events: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// Before the first jobs: what earlier masters have remembered.
    fn remember(&mut self, settings: &Settings) {
        if self.remembers || settings.jobs.is_empty() && settings.crontab.is_empty() {
            return;
        }
        self.remembers = true;
        let history = History::open(&settings.history).unwrap_or_else(|problem| {
            warn(&format!("{problem}; runs of jobs are forgotten at the end"));
            History::in_memory()
        });
        let seed = u64::from(std::process::id());
        self.jobs = Jobs::new(history, GRACE, seed, clock::both());
    }

    /// These jobs from now on.
    pub fn configure(&mut self, settings: &Settings, log: &mut Log) {
        self.remember(settings);
        let specs = settings.jobs.iter().map(configured::job);
        let good = |spec: Result<JobSpec, String>| spec.map_err(|why| warn(&why)).ok();
        self.configured = specs.filter_map(good).collect();
        self.crontabs = Crontabs::new(&settings.crontab, reading());
        self.read(log);
    }

    /// Runs the `@reboot` jobs.
    pub fn start(&mut self, log: &mut Log) {
        self.jobs.start(clock::both(), &mut self.events);
        self.tell(log);
    }

    pub fn trigger(&mut self, name: &str, log: &mut Log) -> Result<(), String> {
        let triggered = self.jobs.trigger(name, clock::both(), &mut self.events);
        self.tell(log);
        triggered
    }

    /// The end of an order.
    pub fn finished(&mut self, run: RunId, result: Result<(), String>, log: &mut Log) {
        self.jobs.finished(run, result, clock::both(), &mut self.events);
        self.tell(log);
    }

    /// Starts nothing more and ends what runs.
    pub fn stop(&mut self) {
        self.jobs.stop(clock::both());
    }

    pub fn is_idle(&self) -> bool {
        self.jobs.is_idle()
    }

    pub fn watch(&self, set: &mut PollSet, base: u64) {
        for (fd, events, tag) in self.jobs.watches() {
            set.push(fd, events, base + tag);
        }
    }

    pub fn on_ready(&mut self, tag: u64, log: &mut Log) {
        self.jobs.on_ready(tag, &mut self.events);
        self.tell(log);
    }

    pub fn next_time(&self, now: Instant) -> Option<Instant> {
        let both = clock::both();
        let look = (!self.crontabs.is_empty()).then(|| until_next_look(both));
        let wait = [look, self.jobs.wait(both)].into_iter().flatten().min();
        wait.map(|wait| now + wait)
    }

    pub fn on_time(&mut self, log: &mut Log) {
        let now = clock::both();
        if minute(now) != self.looked {
            self.looked = minute(now);
            if self.crontabs.changed() {
                self.read(log);
            }
        }
        self.jobs.on_time(now, &mut self.events);
        self.tell(log);
    }

    pub fn before_reap(&mut self, pid: u32) {
        self.jobs.before_reap(pid);
    }

    /// Whether the child was a job's.
    pub fn on_exit(&mut self, exit: &Exit, log: &mut Log) -> bool {
        let ours = self.jobs.on_exit(exit.pid, exit.how, clock::both(), &mut self.events);
        self.tell(log);
        ours
    }

    /// Orders since the last call; each wants its [`Scheduled::finished`].
    pub fn take_orders(&mut self) -> Vec<Order> {
        std::mem::take(&mut self.orders)
    }

    pub fn view(&self) -> Vec<JobView> {
        self.jobs.view().map(|job| view(&job)).collect()
    }

    fn read(&mut self, log: &mut Log) {
        let found = self.crontabs.read();
        found.problems.iter().for_each(|problem| warn(&escaped(problem)));
        let all = self.configured.iter().cloned().chain(found.jobs).collect();
        self.jobs.configure(all, clock::both(), &mut self.events);
        self.tell(log);
    }

    fn tell(&mut self, log: &mut Log) {
        for event in self.events.drain(..) {
            match event {
                Event::Line { job, bytes } => log.line(&job, &bytes),
                Event::Said { job, text } => log.said(&job, &text),
                Event::Verb { run, text, .. } => self.orders.push(Order { run, text }),
            }
        }
    }
}

/// Crontabs as Debian's cron reads them, in the machine's time zone; what the master was started
/// with lies below the variables that cron gives.
fn reading() -> Reading {
    Reading {
        dialect: Dialect::Debian,
        zone: zone::of_system(),
        system: false,
        policy: Policy::default(),
        inherited: process::current_environment(),
        seed: u64::from(std::process::id()),
    }
}

fn view(job: &View) -> JobView {
    let zone = job.spec.schedule.zone();
    let at = |instant| zone::rfc3339(instant, zone);
    let run = |past: &Past| RunView {
        started: at(past.started),
        ended: at(past.started + past.took),
        took_ms: u64::try_from(past.took.as_millis()).unwrap_or(u64::MAX),
        how: how(past.exit),
        success: past.exit == schedule::Exit::Code(0),
        bytes: past.bytes,
    };
    JobView {
        name: job.name.clone(),
        schedule: job.schedule.clone(),
        what: what(&job.spec.what),
        source: job.spec.source.as_ref().map_or_else(
            || "configuration".to_owned(),
            |(path, line)| format!("{}:{line}", path.display()),
        ),
        next: job.next.map(at),
        running: job.running.iter().filter_map(|(pid, _)| *pid).collect(),
        last: job.last.as_ref().map(run),
        skipped: job.skipped + job.missed,
    }
}

fn how(exit: schedule::Exit) -> String {
    match exit {
        schedule::Exit::Code(code) => How::Exit(code).to_string(),
        schedule::Exit::Signal(number) => How::Signal { number, core_dumped: false }.to_string(),
        schedule::Exit::NotStarted => "not started".to_owned(),
    }
}

fn what(what: &What) -> String {
    let text = match what {
        What::Command(words) => {
            let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
            words.join(" ")
        }
        What::Shell { text, .. } => text.to_string_lossy().into_owned(),
        What::Verb(text) => text.clone(),
    };
    text.chars().take(WHAT_CHARS_MAX).collect()
}

fn minute(now: Now) -> i64 {
    now.wall.as_second().div_euclid(LOOK_SECONDS)
}

fn until_next_look(now: Now) -> Duration {
    let rest = LOOK_SECONDS - now.wall.as_second().rem_euclid(LOOK_SECONDS);
    Duration::from_secs(rest.unsigned_abs())
}
