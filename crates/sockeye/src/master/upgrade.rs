//! Upgrade in place (USR2): the master becomes the program that its file holds now, with the same
//! pid, listening sockets and children.
//!
//! ```text
//! asked ──▶ checking: the new program, as a child, reads the configuration and what it would be
//!   │           │                                                           handed (`check`)
//!   │           ├─ refuses, or is too slow ──▶ said to who asked; nothing has changed
//!   │           ▼
//!   │       checked: waits until no message is half read and nobody is being started
//!   │           ▼
//!   │       execve(2), with the numbers of the descriptors in a memfd (memfd_create(2))
//!   │           ▼
//!   └──▶    the new program takes them over and reloads: its workers become ready, the old drain
//! ```
//! Signals are blocked all the while and stay pending over execve, so none is lost.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::control::handover::HANDOVER_BYTES_MAX;
use ::control::{Handover, Reply};
use process::{Exit, Program, Stream};
use rustix::fs::MemfdFlags;
use rustix::io::FdFlags;

use super::control_socket::ClientId;
use super::{Ending, Master, apps};
use crate::cli::output::warn;
use crate::clock;
use crate::service_manager::VARIABLES;
use crate::settings::{ListenAddress, Settings};

/// How long the new program may check.
const CHECK_WAIT: Duration = Duration::from_secs(20);
/// How long it may take until nothing is under way.
const QUIET_WAIT: Duration = Duration::from_secs(60);
/// What is kept of what the check says.
const SAID_BYTES_MAX: usize = 16 << 10;
/// The flag that says which descriptor holds the [`Handover`].
pub const FLAG: &str = "--handover";

/// How this program was started, so that it can be started again.
#[derive(Clone, Debug)]
pub struct Itself {
    pub path: PathBuf,
    /// The name, the verb, and what followed.
    pub arguments: Vec<OsString>,
}

/// What tells that the configuration's file is another.
type Stamp = Option<(u64, i64, i64, u64)>;

pub struct Upgrade {
    itself: Itself,
    stage: Stage,
    asked_by: Vec<ClientId>,
}

enum Stage {
    Idle,
    Checking { pid: u32, output: File, said: Vec<u8>, until: Instant, stamp: Stamp },
    Checked { until: Instant, stamp: Stamp },
}

impl Itself {
    /// Read before the process title overwrites the arguments, and before the file may change.
    pub fn read() -> io::Result<Itself> {
        let mut arguments: Vec<OsString> = std::env::args_os().collect();
        if arguments.get(2).is_some_and(|argument| argument == FLAG) {
            arguments.drain(2..4.min(arguments.len()));
        }
        Ok(Itself { path: std::env::current_exe()?, arguments })
    }

    /// Addresses that the new program could not find out for itself.
    pub fn add_listen(&mut self, addresses: &[ListenAddress]) {
        for address in addresses {
            self.arguments.extend(["--listen".into(), address.to_string().into()]);
        }
    }

    /// The command line with another verb, and where the handover is.
    fn command(&self, verb: &str, handover: i32) -> Vec<OsString> {
        let mut words = vec![self.arguments.first().cloned().unwrap_or_default()];
        words.extend([verb.into(), FLAG.into(), handover.to_string().into()]);
        words.extend(self.arguments.iter().skip(2).cloned());
        words
    }
}

impl Upgrade {
    pub fn new(itself: Itself) -> Upgrade {
        Upgrade { itself, stage: Stage::Idle, asked_by: Vec::new() }
    }

    /// What to watch for reading.
    pub fn output(&self) -> Option<BorrowedFd<'_>> {
        match &self.stage {
            Stage::Checking { output, .. } => Some(output.as_fd()),
            Stage::Idle | Stage::Checked { .. } => None,
        }
    }

    pub fn next_time(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Idle => None,
            Stage::Checking { until, .. } | Stage::Checked { until, .. } => Some(*until),
        }
    }

    /// Reads what the check says. Its end is learned of by its exit.
    pub fn on_output(&mut self) {
        let Stage::Checking { output, said, .. } = &mut self.stage else { return };
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = output.read(&mut bytes) {
            let room = SAID_BYTES_MAX.saturating_sub(said.len());
            said.extend_from_slice(&bytes[..count.min(room)]);
        }
    }

    /// Starts the check.
    fn check(&mut self, handover: &Handover, stamp: Stamp, now: Instant) -> Result<(), String> {
        let memory = write_memory(handover).map_err(|e| format!("memfd: {e}"))?;
        let (output, theirs) = rustix::pipe::pipe_with(
            rustix::pipe::PipeFlags::CLOEXEC | rustix::pipe::PipeFlags::NONBLOCK,
        )
        .map_err(|e| format!("pipe: {e}"))?;
        let mut program = Program::new(self.itself.command("check", 0));
        program.arguments[0] = self.itself.path.clone().into();
        program.environment = process::current_environment();
        program.stdin = Stream::Fd(memory.into());
        program.stdout = Stream::Fd(theirs.as_fd().into());
        program.stderr = Stream::Fd(theirs.as_fd().into());
        let prepared = program.prepare().map_err(|error| error.to_string())?;
        let child = process::spawn(&prepared).map_err(|error| error.to_string())?;
        let until = now + CHECK_WAIT;
        let said = Vec::new();
        let output = File::from(output);
        self.stage = Stage::Checking { pid: child.pid, output, said, until, stamp };
        Ok(())
    }
}

impl Master {
    pub(super) fn upgrade(&mut self, client: Option<ClientId>) {
        if self.ending != Ending::None {
            return self.refuse_upgrade(client.into_iter().collect(), "the server is stopping");
        }
        self.upgrade.asked_by.extend(client);
        if !matches!(self.upgrade.stage, Stage::Idle) {
            return; // Who asks meanwhile is answered with the others.
        }
        let now = clock::now();
        let handover = self.handover(now).map_err(|error| error.to_string());
        let stamp = self.stamp();
        let begun = handover.and_then(|handover| self.upgrade.check(&handover, stamp, now));
        if let Err(message) = begun {
            self.give_up_upgrade(&message);
        }
        self.close_all_on_exec();
    }

    /// Whether the end of this child was an upgrade's business.
    pub(super) fn on_upgrade_exit(&mut self, exit: &Exit) -> bool {
        self.upgrade.on_output();
        let Stage::Checking { pid, said, stamp, .. } = &mut self.upgrade.stage else {
            return false;
        };
        if *pid != exit.pid {
            return false;
        }
        if exit.how.is_success() {
            let stamp = *stamp;
            self.upgrade.stage = Stage::Checked { until: clock::now() + QUIET_WAIT, stamp };
        } else {
            let said = String::from_utf8_lossy(said).trim().to_owned();
            let path = self.upgrade.itself.path.display();
            let message = format!("{path} says that it could not go on ({}): {said}", exit.how);
            self.give_up_upgrade(&message);
        }
        true
    }

    /// Called at every turn of the loop. Returns if the time has not come, or it failed.
    pub(super) fn continue_upgrade(&mut self) {
        if self.ending != Ending::None {
            return;
        }
        let now = clock::now();
        let is_late = self.upgrade.next_time().is_some_and(|until| until <= now);
        match &self.upgrade.stage {
            Stage::Idle => {}
            Stage::Checking { .. } if !is_late => {}
            Stage::Checking { .. } => {
                self.cancel_upgrade(&format!("its check took more than {CHECK_WAIT:?}"));
            }
            // What was checked is not what would be read.
            Stage::Checked { stamp, .. } if *stamp != self.stamp() => {
                self.upgrade.stage = Stage::Idle;
                self.upgrade(None);
            }
            Stage::Checked { .. } if self.is_quiet() => {
                self.log.finish();
                let error = self.become_the_new_program(now);
                self.close_all_on_exec();
                self.give_up_upgrade(&error);
            }
            Stage::Checked { .. } if is_late => {
                self.give_up_upgrade(&format!(
                    "a job, an order to an app or a reload was under way for {QUIET_WAIT:?}"
                ));
            }
            Stage::Checked { .. } => {}
        }
    }

    /// Gives up what has not become an execve yet.
    pub(super) fn cancel_upgrade(&mut self, why: &str) {
        if let Stage::Checking { pid, .. } = &self.upgrade.stage {
            process::kill(*pid, rustix::process::Signal::KILL);
        }
        if !matches!(self.upgrade.stage, Stage::Idle) {
            self.give_up_upgrade(why);
        }
    }

    fn is_quiet(&self) -> bool {
        self.family.is_quiet()
            && self.jobs.is_idle()
            && self.apps.is_quiet()
            && self.questions.next_time().is_none()
            && self.control.as_ref().is_none_or(|control| control.is_quiet())
    }

    fn stamp(&self) -> Stamp {
        let found = std::fs::metadata(self.source.file.as_ref()?).ok()?;
        Some((found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
    }

    fn give_up_upgrade(&mut self, message: &str) {
        self.upgrade.stage = Stage::Idle;
        let clients = std::mem::take(&mut self.upgrade.asked_by);
        warn(&format!("not upgraded: {message}"));
        self.refuse_upgrade(clients, message);
    }

    fn refuse_upgrade(&mut self, clients: Vec<ClientId>, message: &str) {
        for client in clients {
            self.reply(client, &Reply::Refused { message: message.to_owned() });
        }
    }

    /// A failure to say so would leave descriptors to the next program that is started, which
    /// closes all but its own anyway.
    fn close_all_on_exec(&self) {
        if let Err(error) = sys::fd::close_all_on_exec() {
            warn(&format!("close_range: {error}"));
        }
    }

    /// What is handed over; the descriptors named stay open over an execve from now on.
    fn handover(&self, now: Instant) -> io::Result<Handover> {
        let control = self.control.as_ref();
        let asked_by = self.upgrade.asked_by.iter();
        let clients = asked_by.filter_map(|id| control.and_then(|control| control.client(*id)));
        let mut handover = Handover {
            format: ::control::handover::FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: now.saturating_duration_since(self.started).as_millis() as u64,
            next_generation: self.family.next_generation(),
            control: control.map(keep_open).transpose()?,
            asked_by: clients.map(keep_open).collect::<io::Result<_>>()?,
            listeners: self.listeners.hand_over()?,
            workers: self.family.hand_over(now)?,
            ..Handover::default()
        };
        self.apps.hand_over(&mut handover, now)?;
        Ok(handover)
    }

    /// Returns only when it failed.
    fn become_the_new_program(&self, now: Instant) -> String {
        let exec = || -> io::Result<io::Error> {
            let memory = write_memory(&self.handover(now)?)?;
            let words = self.upgrade.itself.command("serve", keep_open(&memory)?);
            let path = CString::new(self.upgrade.itself.path.as_os_str().as_bytes())?;
            let arguments = words.into_iter().map(|word| CString::new(word.into_vec()));
            let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
            io::stdout().flush()?;
            Ok(sys::exec::exec(&path, &arguments, &environment()?))
        };
        let path = self.upgrade.itself.path.display();
        match exec() {
            Ok(error) | Err(error) => format!("execute {path}: {error}"),
        }
    }
}

fn environment() -> io::Result<Vec<CString>> {
    let entry = |(name, value): (OsString, OsString)| {
        CString::new([name.as_bytes(), b"=", value.as_bytes()].concat())
    };
    // By now these numbers are others.
    let is_stale = |name: &OsString| VARIABLES.iter().any(|variable| name == variable);
    let all = std::env::vars_os().filter(|(name, _)| !is_stale(name));
    Ok(all.map(entry).collect::<Result<_, _>>()?)
}

fn write_memory(handover: &Handover) -> io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("handover", MemfdFlags::CLOEXEC)?;
    let mut file = File::from(memory);
    file.write_all(&handover.encode())?;
    file.rewind()?;
    Ok(file.into())
}

/// Leaves a descriptor open over an execve, and gives its number.
pub fn keep_open(fd: &impl AsFd) -> io::Result<i32> {
    rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
    Ok(sys::fd::number(fd).cast_signed())
}

/// The other side of that, for each number once.
pub fn take_inherited(number: i32) -> Result<OwnedFd, String> {
    sys::fork::take_inherited(number)
        .ok_or_else(|| format!("descriptor {number} was to be handed over and is not open"))
}

/// Reads what was handed over, from a descriptor that is taken for it.
pub fn read_handover(number: i32) -> Result<Handover, String> {
    read_from(File::from(take_inherited(number)?))
}

/// Whether this program could go on with what is handed over, and with these settings.
pub fn check(settings: &Settings, handed: Option<&Handover>) -> Result<(), String> {
    apps::check(settings, handed.map(|handed| handed.supervisor.as_str()))?;
    let of_apps = handed.into_iter().flat_map(|handed| &handed.app_sockets);
    let of_apps = of_apps.flat_map(|app| &app.sockets);
    for listening in handed.into_iter().flat_map(|handed| &handed.listeners).chain(of_apps) {
        ListenAddress::from_text(&listening.asked)?;
        ListenAddress::from_text(&listening.address)?;
    }
    Ok(())
}

/// For a check: from standard input.
pub fn read_from(source: impl Read) -> Result<Handover, String> {
    let mut bytes = Vec::new();
    let limit = HANDOVER_BYTES_MAX as u64;
    source.take(limit).read_to_end(&mut bytes).map_err(|e| format!("read the handover: {e}"))?;
    Handover::decode(&bytes)
}
