//! The apps: carries out what [`process::supervisor`] decides, and tells it what happens.
//!
//! ```text
//! requests (control socket, jobs, reload, stop) ─┐
//! ends of children, READY, probes, the clock ────┴▶ Supervisor ──▶ spawn, signal, probe, say
//! ```
//! It has no loop: the master polls what [`Apps::watch`] names, calls [`Apps::on_ready`] and
//! [`Apps::on_time`], and tells each end of a child by [`Apps::on_exit`]. Nothing here waits.
//!
//! Sockets of an app belong to the master and outlive every instance, so that who comes while one
//! is replaced waits in a queue that its successor accepts from.

mod asking;
mod hand_over;
mod lines;
mod lower;
mod start;
mod view;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::control::AppOrder;
use process::notify::{self, NotifySocket};
use process::output::{LogFile, Pipe, Rotation};
use process::supervisor::{Action, Event, InstanceId, Notice, Outcome, Supervisor, Token, What};
use process::{Cgroup, Cgroups, Exit, Group, Signal, Snapshot};
use rustix::process::Pid;
use sys::poll::{IN, PollSet};

use super::listeners::Listener;
use crate::cli::output::{say, warn};
use crate::log::Log;
use crate::settings::{App, ListenAddress, ProgramOutput, Settings};
use asking::{Asking, Question};
use lines::Lines;

/// Between two looks at the memory of an instance that has a limit.
const MEMORY_EVERY: Duration = Duration::from_secs(5);

/// Who is told how a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker<T> {
    /// Nobody; a failure is still said.
    Nobody,
    /// The stop of the whole family.
    Stop,
    Someone(T),
}

/// An answer to somebody's request.
pub struct Answer<T> {
    pub asker: T,
    pub outcome: Outcome,
}

pub struct Apps<T> {
    machine: Supervisor,
    kept: BTreeMap<Arc<str>, Kept>,
    instances: BTreeMap<InstanceId, Instance>,
    pids: BTreeMap<u32, InstanceId>,
    /// Shells that answer a probe of the kind `exec:`.
    shells: BTreeMap<u32, InstanceId>,
    /// Outputs, by the instance's number; they may outlive it by a moment.
    taps: BTreeMap<u64, Tap>,
    /// Main processes that have ended and left others of their group.
    groups: Vec<InstanceId>,
    notify: Option<NotifySocket>,
    /// None where no writable cgroup v2 is: groups are then found by what /proc says.
    cgroups: Option<Cgroups>,
    asked: BTreeMap<Token, Asker<T>>,
    last_token: u64,
    answers: Vec<Answer<T>>,
    memory_next: Option<Instant>,
    stopped: bool,
}

/// Sockets opened for apps that are to be configured, by app.
pub type Fresh = Vec<(Arc<str>, Vec<Listener>)>;

/// What is kept of an app over the lives of its instances.
struct Kept {
    app: Arc<App>,
    sockets: Vec<Listener>,
    lines: Lines,
    file: Option<LogFile>,
}

/// A start of the program, from the spawn until nothing of it is left.
struct Instance {
    app: Arc<App>,
    slot: u32,
    pid: u32,
    /// In its environment and in that of all it starts, and in no other's.
    mark: String,
    cgroup: Option<Cgroup>,
    asking: Option<Asking>,
    /// STATUS= of sd_notify(3).
    status: Option<String>,
}

struct Tap {
    app: Arc<str>,
    slot: u32,
    pipe: Pipe,
}

/// Numbers of what is polled, within the master's range for apps.
mod tag {
    pub const NOTIFY: u64 = 0;
    pub const TAP: u64 = 1 << 32;
    pub const PROBE: u64 = 1 << 33;
}

/// Whether the supervisor takes these apps, and goes on from what another wrote of itself.
pub fn check(settings: &Settings, supervisor: Option<&str>) -> Result<(), String> {
    lower::check(&settings.apps)?;
    match supervisor.filter(|text| !text.is_empty()) {
        None => Ok(()),
        Some(text) => {
            let specs = settings.apps.iter().map(lower::spec).collect();
            Supervisor::resume(0, specs, text, crate::clock::now()).map(drop)
        }
    }
}

impl<T: Copy> Apps<T> {
    pub fn new() -> Apps<T> {
        Apps {
            machine: Supervisor::new(u64::from(std::process::id())),
            kept: BTreeMap::new(),
            instances: BTreeMap::new(),
            pids: BTreeMap::new(),
            shells: BTreeMap::new(),
            taps: BTreeMap::new(),
            groups: Vec::new(),
            notify: None,
            cgroups: None,
            asked: BTreeMap::new(),
            last_token: 0,
            answers: Vec::new(),
            memory_next: None,
            stopped: false,
        }
    }

    /// Opens what these settings need beyond what there is. An error changes nothing.
    pub fn make_room(&self, settings: &Settings) -> Result<Fresh, String> {
        lower::check(&settings.apps)?;
        let mut fresh = Vec::new();
        for app in &settings.apps {
            let opened = self.open_missing(app, settings.backlog)?;
            fresh.push((app.name.as_str().into(), opened));
        }
        Ok(fresh)
    }

    /// Opens those of an app's sockets that there are not yet.
    fn open_missing(&self, app: &App, backlog: u32) -> Result<Vec<Listener>, String> {
        let kept = self.kept.get(app.name.as_str());
        let has = |asked: &ListenAddress| {
            kept.is_some_and(|kept| kept.sockets.iter().any(|socket| socket.asked == *asked))
        };
        let missing = app.listen.iter().filter(|asked| !has(asked));
        missing.map(|asked| Listener::open_shared(asked, backlog)).collect()
    }

    /// These apps from now on; what is new is started, what is missing stopped, what has changed
    /// replaced.
    pub fn configure(&mut self, settings: &Settings, fresh: Fresh, now: Instant) {
        self.prepare(settings, fresh);
        let specs = settings.apps.iter().map(lower::spec).collect();
        let token = self.token(Asker::Nobody);
        self.tell(Event::Configure { specs, token }, now);
        let names: Vec<&str> = settings.apps.iter().map(|app| app.name.as_str()).collect();
        self.kept.retain(|name, kept| {
            let stays = names.contains(&&**name);
            if !stays {
                kept.sockets.iter().for_each(Listener::remove_path);
            }
            stays
        });
    }

    /// What the apps of these settings need beside their processes.
    fn prepare(&mut self, settings: &Settings, fresh: Fresh) {
        for (app, (name, sockets)) in settings.apps.iter().zip(fresh) {
            let kept = self.kept.entry(name).or_insert_with(|| Kept::of(app));
            kept.app = Arc::new(app.clone());
            let stays = |socket: &mut Listener| app.listen.contains(&socket.asked);
            kept.sockets.extract_if(.., |socket| !stays(socket)).for_each(|s| s.remove_path());
            kept.sockets.extend(sockets);
            kept.sockets.sort_by_key(|s| app.listen.iter().position(|asked| *asked == s.asked));
            kept.open_file();
        }
        if self.cgroups.is_none() && !settings.apps.is_empty() {
            self.cgroups = Cgroups::open().ok();
        }
        if self.notify.is_none() && lower::any_notifies(&settings.apps) {
            match NotifySocket::open() {
                Ok(socket) => self.notify = Some(socket),
                Err(error) => warn(&format!("apps cannot say that they are ready: {error}")),
            }
        }
    }

    /// Everything was asked to stop and is gone.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    pub fn order(&mut self, name: &str, order: AppOrder, asker: Asker<T>, now: Instant) {
        let app: Arc<str> = name.into();
        if !self.kept.contains_key(&app) {
            let names: Vec<&str> = self.kept.keys().map(|name| &**name).collect();
            let message = if names.is_empty() {
                format!("there is no app {name}: the configuration has none")
            } else {
                format!("there is no app {name}; the apps are {}", names.join(", "))
            };
            return self.answer(asker, Outcome::Refused(message));
        }
        let token = match order {
            AppOrder::Signal { number } => {
                let outcome = self.signal(&app, number);
                return self.answer(asker, outcome);
            }
            AppOrder::Start | AppOrder::Stop | AppOrder::Restart => self.token(asker),
        };
        let event = match order {
            AppOrder::Start => Event::Start { app, token },
            AppOrder::Stop => Event::Stop { app, token },
            AppOrder::Restart | AppOrder::Signal { .. } => Event::Restart { app, token },
        };
        self.tell(event, now);
    }

    /// Asks everything to stop, in order; starts nothing any more.
    pub fn shutdown(&mut self, now: Instant) {
        let token = self.token(Asker::Stop);
        self.tell(Event::Shutdown { token }, now);
    }

    /// Kills everything now.
    pub fn kill_all(&self) {
        self.instances.keys().for_each(|id| self.kill(*id));
    }

    fn kill(&self, id: InstanceId) {
        self.with(id, |one| {
            one.group().kill(|pid| self.pids.contains_key(&pid));
        });
    }

    fn is_gone(&self, id: InstanceId) -> bool {
        let is_leader = |pid| self.pids.contains_key(&pid);
        self.instances.get(&id).is_none_or(|one| one.group().is_gone(is_leader))
    }

    /// Nothing of any app is left, and nothing will be.
    pub fn close(&mut self) {
        self.kept.values().flat_map(|kept| &kept.sockets).for_each(Listener::remove_path);
        if let Some(Err(error)) = self.cgroups.take().map(Cgroups::close) {
            warn(&format!("the control group of the apps stays behind: {error}"));
        }
    }

    /// What has been answered since the last call.
    pub fn take_answers(&mut self) -> Vec<Answer<T>> {
        std::mem::take(&mut self.answers)
    }

    pub fn watch(&self, set: &mut PollSet, base: u64) {
        if let Some(notify) = &self.notify {
            set.push(notify.as_fd(), IN, base + tag::NOTIFY);
        }
        for (key, tap) in &self.taps {
            set.push(tap.pipe.as_fd(), IN, base + tag::TAP + key);
        }
        for (id, instance) in &self.instances {
            if let Some(Question::Probe(probe)) = instance.asking.as_ref().map(|a| &a.question) {
                set.push(probe.as_fd(), probe.wanted(), base + tag::PROBE + id.0);
            }
        }
    }

    pub fn on_ready(&mut self, tag: u64, now: Instant, log: &mut Log) {
        match tag {
            tag::NOTIFY => self.on_notify(now),
            probe if probe >= tag::PROBE => self.on_probe(InstanceId(probe - tag::PROBE), now),
            tap => self.on_output(tap - tag::TAP, now, log),
        }
    }

    pub fn next_time(&self) -> Option<Instant> {
        let probes = self.instances.values().filter_map(|one| Some(one.asking.as_ref()?.until));
        let taps = self.taps.values().filter_map(|tap| tap.pipe.deadline());
        let own = [self.machine.next_time(), self.memory_next];
        own.into_iter().flatten().chain(probes).chain(taps).min()
    }

    pub fn on_time(&mut self, now: Instant, log: &mut Log) {
        let over = self.taps.iter().filter(|(_, tap)| tap.pipe.is_over(now)).map(|(key, _)| *key);
        for key in over.collect::<Vec<_>>() {
            self.close_tap(key, log);
        }
        let late = self.instances.iter().filter(|(_, one)| one.is_asked_too_long(now));
        for id in late.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.on_late_probe(id, now);
        }
        if self.memory_next.is_some_and(|at| at <= now) {
            self.look_at_memory(now);
        }
        self.machine.tick(now);
        self.act(now);
    }

    /// Whether the child was an app's, or asked on behalf of one.
    pub fn on_exit(&mut self, exit: &Exit, now: Instant, log: &mut Log) -> bool {
        self.look_at_groups(now);
        if let Some(id) = self.shells.remove(&exit.pid) {
            self.on_shell_exit(id, exit, now);
            return true;
        }
        let Some(id) = self.pids.remove(&exit.pid) else { return false };
        if let Some(tap) = self.taps.get_mut(&id.0) {
            tap.pipe.program_ended(now);
        }
        self.on_output(id.0, now, log);
        let group_left = !self.is_gone(id);
        if group_left {
            self.groups.push(id);
        }
        self.tell(Event::Exited { id, how: exit.how, group_left }, now);
        if !group_left {
            self.forget(id);
        }
        true
    }

    /// Opens output files again, after they were renamed.
    pub fn reopen_logs(&mut self) {
        for kept in self.kept.values_mut() {
            if let Some(file) = &mut kept.file
                && let Err(error) = file.reopen()
            {
                warn(&format!("app {}: {error}", kept.app.name));
            }
        }
    }

    /// Lines that an app has printed, from this number on.
    pub fn lines(&self, name: &str, from: u64) -> Option<(u64, Vec<String>)> {
        self.kept.get(name).map(|kept| kept.lines.since(from))
    }

    fn tell(&mut self, event: Event, now: Instant) {
        self.machine.handle(event, now);
        self.act(now);
    }

    fn act(&mut self, now: Instant) {
        while let Some(action) = self.machine.next_action() {
            match action {
                Action::Spawn { id, app, slot } => {
                    let event = self.spawn(id, &app, slot);
                    self.machine.handle(event, now);
                }
                Action::Stop { id } => self.with(id, Instance::ask_to_stop),
                Action::Kill { id } => self.kill(id),
                Action::Probe { id, purpose } => self.probe(id, purpose, now),
                Action::Report(report) => self.report(&report.app, report.slot, &report.what),
                Action::Answer { token, outcome } => {
                    if let Some(asker) = self.asked.remove(&token) {
                        self.answer(asker, outcome);
                    }
                }
            }
        }
        self.schedule_memory(now);
    }

    fn with(&self, id: InstanceId, act: impl FnOnce(&Instance)) {
        if let Some(instance) = self.instances.get(&id) {
            act(instance);
        }
    }

    fn report(&self, app: &str, slot: u32, what: &What) {
        let many = self.kept.get(app).is_some_and(|kept| kept.app.instances > 1);
        let name = if many { format!("{app}/{}", slot + 1) } else { app.to_owned() };
        let text = format!("app {name}: {what}");
        if is_trouble(what) { warn(&text) } else { say(&text) }
    }

    fn answer(&mut self, asker: Asker<T>, outcome: Outcome) {
        match (asker, outcome) {
            (Asker::Stop, _) => self.stopped = true,
            (Asker::Someone(asker), outcome) => self.answers.push(Answer { asker, outcome }),
            (Asker::Nobody, Outcome::Done) => {}
            (Asker::Nobody, Outcome::Refused(words) | Outcome::Failed(words)) => {
                warn(&format!("apps: {words}"));
            }
        }
    }

    fn token(&mut self, asker: Asker<T>) -> Token {
        self.last_token += 1;
        self.asked.insert(Token(self.last_token), asker);
        Token(self.last_token)
    }

    fn signal(&self, app: &str, number: i32) -> Outcome {
        let mut sent = 0;
        for (pid, id) in &self.pids {
            let is_of_app = self.instances.get(id).is_some_and(|one| one.app.name == app);
            if let (true, Some(signal)) = (is_of_app, Signal::from_named_raw(number)) {
                process::kill(*pid, signal);
                sent += 1;
            }
        }
        if sent > 0 { Outcome::Done } else { Outcome::Refused(format!("{app} is not running")) }
    }

    /// Reads what apps say of themselves.
    pub fn on_notify(&mut self, now: Instant) {
        let mut messages = Vec::new();
        let Some(notify) = &self.notify else { return };
        if let Err(error) = notify.receive(&mut messages) {
            warn(&format!("apps' notifications: {error}"));
        }
        for message in messages {
            let Some(id) = self.sender(message.pid) else { continue };
            for notice in message.notices {
                self.on_notice(id, notice, now);
            }
        }
    }

    /// The instance whose main process, or a process of whose group, this is.
    fn sender(&self, pid: u32) -> Option<InstanceId> {
        let of_group = || {
            let pid = Pid::from_raw(pid.cast_signed())?;
            let group = rustix::process::getpgid(Some(pid)).ok()?;
            self.pids.get(&group.as_raw_nonzero().get().cast_unsigned())
        };
        self.pids.get(&pid).or_else(of_group).copied()
    }

    fn on_notice(&mut self, id: InstanceId, notice: notify::Notice, now: Instant) {
        let notice = match notice {
            notify::Notice::Ready => return self.tell(Event::Ready { id }, now),
            notify::Notice::Status(text) => {
                if let Some(instance) = self.instances.get_mut(&id) {
                    instance.status = Some(text);
                }
                return;
            }
            notify::Notice::WatchdogTrigger => {
                let reason = "it says that it is broken (WATCHDOG=trigger)".to_owned();
                return self.tell(Event::ProbeFailed { id, reason }, now);
            }
            // Another main process would not be our child to reap, and the word of any process of
            // the group is no reason to believe in one.
            notify::Notice::MainPid(_) => return,
            notify::Notice::Reloading | notify::Notice::Errno(_) => return,
            notify::Notice::Watchdog => Notice::WatchdogPing,
            notify::Notice::WatchdogTime(every) => Notice::WatchdogEvery(every),
            notify::Notice::ExtendTimeout(time) => Notice::ExtendTimeout(time),
            notify::Notice::Stopping => Notice::Stopping,
        };
        self.tell(Event::Notified { id, notice }, now);
    }

    fn on_output(&mut self, key: u64, now: Instant, log: &mut Log) {
        let Some(tap) = self.taps.get_mut(&key) else { return };
        let kept = self.kept.get_mut(&tap.app);
        let mut sink = lines::Sink::new(kept, log, &tap.app, tap.slot);
        tap.pipe.read(|piece| sink.take(piece));
        drop(sink);
        if tap.pipe.is_over(now) {
            self.close_tap(key, log);
        }
    }

    fn close_tap(&mut self, key: u64, log: &mut Log) {
        let Some(tap) = self.taps.remove(&key) else { return };
        let kept = self.kept.get_mut(&tap.app);
        let mut sink = lines::Sink::new(kept, log, &tap.app, tap.slot);
        tap.pipe.finish(|piece| sink.take(piece));
    }

    /// Tells of groups that have gone, now that somebody has ended.
    fn look_at_groups(&mut self, now: Instant) {
        for id in std::mem::take(&mut self.groups) {
            if self.is_gone(id) {
                self.tell(Event::GroupGone { id }, now);
                self.forget(id);
            } else {
                self.groups.push(id);
            }
        }
    }

    fn forget(&mut self, id: InstanceId) {
        self.end_question(id);
        let gone = self.instances.remove(&id);
        self.groups.retain(|group| *group != id);
        if let Some(cgroup) = gone.and_then(|one| one.cgroup) {
            self.remove_cgroup(&cgroup);
        }
    }

    fn remove_cgroup(&self, cgroup: &Cgroup) {
        if let Some(cgroups) = &self.cgroups {
            // One that is left behind keeps the folder, which is said at the end.
            let _ = cgroups.remove(cgroup);
        }
    }

    fn schedule_memory(&mut self, now: Instant) {
        let limited = self.instances.values().any(|one| one.app.memory_max.is_some());
        self.memory_next = limited.then(|| self.memory_next.unwrap_or(now + MEMORY_EVERY));
    }

    fn look_at_memory(&mut self, now: Instant) {
        self.memory_next = None;
        let snapshot = Snapshot::take();
        let is_leader = |pid| self.pids.contains_key(&pid);
        let limited = self.instances.iter().filter(|(_, one)| one.app.memory_max.is_some());
        let size = |one: &Instance| one.group().memory(&snapshot, is_leader);
        let sizes: Vec<_> = limited.map(|(id, one)| (*id, size(one))).collect();
        for (id, bytes) in sizes {
            self.tell(Event::MemoryAt { id, bytes }, now);
        }
        self.schedule_memory(now);
    }
}

impl Kept {
    fn of(app: &App) -> Kept {
        let app = Arc::new(app.clone());
        Kept { app, sockets: Vec::new(), lines: Lines::default(), file: None }
    }

    /// Opens the output file, if there is to be one and it is not open.
    fn open_file(&mut self) {
        let ProgramOutput::File { path, max, keep } = &self.app.output else {
            self.file = None;
            return;
        };
        if self.file.as_ref().is_some_and(|file| file.path() == path) {
            return;
        }
        let rotation = (*keep > 0).then_some(Rotation { bytes_max: *max, keep: *keep });
        self.file = LogFile::open(path, rotation).map_or_else(
            |error| {
                warn(&format!("app {}: {error}; its output is lost", self.app.name));
                None
            },
            Some,
        );
    }
}

impl Instance {
    fn group(&self) -> Group<'_> {
        let mark = Some(self.mark.as_bytes());
        Group { leader: self.pid, mark, cgroup: self.cgroup.as_ref() }
    }

    fn ask_to_stop(&self) {
        if let Some(signal) = Signal::from_named_raw(self.app.stop_signal) {
            self.group().ask_to_stop(signal);
        }
    }

    /// Resident bytes of the main process (proc(5), `statm`).
    fn memory(&self) -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.pid)).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    fn is_asked_too_long(&self, now: Instant) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.until <= now)
    }
}

/// What somebody should look at.
fn is_trouble(what: &What) -> bool {
    match what {
        What::Started { .. }
        | What::Ready { .. }
        | What::Stopped { .. }
        | What::Ending(_)
        | What::NextStart { .. }
        | What::Recovered
        | What::Finished { success: true }
        | What::Adopted { .. } => false,
        What::Ended { how, .. } => !how.is_success(),
        _ => true,
    }
}

fn shell_failed(error: &io::Error) -> String {
    format!("the probe's shell: {error}")
}
