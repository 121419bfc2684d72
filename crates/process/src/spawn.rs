//! Starting a prepared program.
//!
//! The mechanism is [`sys::spawn`]; here its numbers get the names of what they stand for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use sys::spawn::{Failure, Plan, Stage};

pub use sys::spawn::EXEC_WAIT;

use crate::error::SpawnError;
use crate::program::{Descriptor, Prepared};

/// A child that runs its program. It is the caller's to reap, by [`crate::reap`].
#[derive(Debug)]
pub struct Child {
    pub pid: u32,
    /// Readable from the end of the child on, and good for signals for ever (pidfd_open(2)).
    pub pidfd: OwnedFd,
}

/// Starts the program and returns when it runs. When it cannot be executed there is no child.
///
/// May be called beside other threads. Waits for the child's execve(2): a fraction of a millisecond
/// on a machine at rest, the scheduler's time slices on a busy one, 10 s at most where a file
/// system hangs. [`begin`] does not wait.
pub fn spawn(prepared: &Prepared<'_>) -> Result<Child, SpawnError> {
    let spawned = with_plan(prepared, sys::spawn::spawn);
    spawned.map(Child::from).map_err(|failure| told(prepared, failure))
}

/// Starts the program and returns at once; whether it can be executed is learned later.
pub fn begin(prepared: Prepared<'_>) -> Result<Starting<'_>, SpawnError> {
    match with_plan(&prepared, sys::spawn::begin) {
        Ok(started) => Ok(Starting { prepared: Box::new(prepared), started }),
        Err(failure) => Err(told(&prepared, failure)),
    }
}

/// A child on its way to its program. It is the caller's to reap from now on: if it fails, its end
/// may come before the reason, and is an exit with 127.
#[derive(Debug)]
pub struct Starting<'fd> {
    prepared: Box<Prepared<'fd>>,
    started: sys::spawn::Started,
}

/// How far it has come.
#[derive(Debug)]
pub enum Progress<'fd> {
    /// Poll it for reading; give it up after [`EXEC_WAIT`].
    Starting(Starting<'fd>),
    Running(Child),
    /// There is no child any more.
    Failed(SpawnError),
}

impl<'fd> Starting<'fd> {
    pub fn pid(&self) -> u32 {
        self.started.child.pid
    }

    /// Looks whether it runs. Never waits.
    pub fn progress(self) -> Progress<'fd> {
        match self.started.outcome() {
            None => Progress::Starting(self),
            Some(Ok(())) => Progress::Running(self.started.child.into()),
            Some(Err(failure)) => Progress::Failed(told(&self.prepared, failure)),
        }
    }

    /// Kills it, for it hangs. Its end comes to the reaper.
    pub fn give_up(self) -> SpawnError {
        told(&self.prepared, self.started.give_up())
    }
}

impl AsFd for Starting<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.started.as_fd()
    }
}

impl From<sys::spawn::Spawned> for Child {
    fn from(spawned: sys::spawn::Spawned) -> Child {
        Child { pid: spawned.pid, pidfd: spawned.pidfd }
    }
}

fn with_plan<T>(prepared: &Prepared<'_>, start: impl FnOnce(&Plan<'_>) -> T) -> T {
    let program = &prepared.program;
    let descriptors = prepared.descriptors();
    start(&Plan {
        path: &prepared.path,
        arguments: &prepared.arguments,
        environment: &prepared.environment,
        listen_pid: !program.listeners.is_empty(),
        descriptors: &descriptors,
        session: program.session,
        foreground: program.foreground.as_ref().map(Descriptor::as_fd),
        cgroup: program.cgroup.as_ref().map(Descriptor::as_fd),
        oom_score_adj: program.oom_score_adj,
        nice: program.nice,
        umask: program.umask,
        limits: &program.limits,
        account: program.account.as_ref().map(|account| sys::spawn::Account {
            uid: account.uid,
            gid: account.gid,
            groups: &account.groups,
        }),
        directory: prepared.directory.as_deref(),
        death_signal: program.death_signal,
        no_new_privileges: program.no_new_privileges,
    })
}

fn told(prepared: &Prepared<'_>, failure: Failure) -> SpawnError {
    SpawnError::Failed {
        path: prepared.path().to_owned(),
        step: step(prepared, failure),
        stage: failure.stage,
        cause: io::Error::from_raw_os_error(failure.errno),
    }
}

/// What the child was about when it failed: the operation and its object.
fn step(prepared: &Prepared<'_>, failure: Failure) -> String {
    let program = &prepared.program;
    let index = failure.index as usize;
    match failure.stage {
        Stage::Clone => "start a process".to_owned(),
        Stage::Signals => "reset the signals".to_owned(),
        Stage::Session => "begin a session".to_owned(),
        Stage::Foreground => "take the terminal".to_owned(),
        Stage::Cgroup => "enter its cgroup".to_owned(),
        Stage::OomScore => {
            format!("set oom_score_adj to {}", program.oom_score_adj.unwrap_or_default())
        }
        Stage::Nice => format!("set the nice value to {}", program.nice.unwrap_or_default()),
        Stage::Descriptor => match index.checked_sub(3).map(|at| program.listeners.get(at)) {
            Some(Some((name, _))) => format!("pass the listener {name:?}"),
            _ => format!("pass descriptor {index}"),
        },
        Stage::Limit => {
            let name = program.limits.get(index).map(|(resource, _)| format!("{resource:?}"));
            format!("set the limit {}", name.unwrap_or_default())
        }
        Stage::Account => {
            let ids = program.account.as_ref().map(|account| (account.uid, account.gid));
            let (uid, gid) = ids.unwrap_or_default();
            format!("become uid {uid} gid {gid}")
        }
        Stage::Directory => {
            let directory = program.directory.as_deref().unwrap_or(Path::new(""));
            format!("change to directory {}", directory.display())
        }
        Stage::DeathSignal => "ask for the death signal".to_owned(),
        Stage::NoNewPrivileges => "give up new privileges".to_owned(),
        Stage::Exec => format!("execute {}", prepared.path().display()),
    }
}
