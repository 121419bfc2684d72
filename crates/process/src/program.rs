//! A program to start, as plain data: nothing reaches it that is not written here.
//!
//! Everything that can be looked up is looked up by [`Program::prepare`], before there is a child:
//! the path, the directory, the text of the environment. A mistake is then an error with a name,
//! not an exit status 127 of something that never ran.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, Signal};

use crate::error::SpawnError;
use crate::search;

pub use sys::spawn::Session;

/// Listening sockets that one program can be given.
pub const LISTENERS_MAX: usize = 256;
/// The longest name of one (sd_listen_fds_with_names(3)).
pub const LISTENER_NAME_BYTES_MAX: usize = 255;
/// The variables that say which descriptors were passed; those of our own parent are not the
/// program's.
const LISTEN_VARIABLES: [&str; 3] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What is to run, and all that it gets. Everything else of ours stays here: descriptors are
/// closed, ignored and blocked signals are not passed on.
#[derive(Debug)]
pub struct Program<'fd> {
    /// The program, then its arguments. Without a slash it is looked for in the `PATH` of
    /// `environment`; with one but relative, from `directory`.
    pub arguments: Vec<OsString>,
    /// The whole environment; see [`current_environment`].
    pub environment: Vec<(OsString, OsString)>,
    /// None: this process's.
    pub directory: Option<PathBuf>,
    /// None: this process's.
    pub account: Option<Account>,
    /// None: this process's. Bits of permission that new files do not get.
    pub umask: Option<u32>,
    pub limits: Vec<(Resource, Rlimit)>,
    /// -20 (first) to 19 (last).
    pub nice: Option<i32>,
    /// -1000 (never killed for memory) to 1000 (first).
    pub oom_score_adj: Option<i32>,
    pub stdin: Stream<'fd>,
    pub stdout: Stream<'fd>,
    pub stderr: Stream<'fd>,
    /// Sockets by name, from descriptor 3 up, as sd_listen_fds(3) says. Whether they block is left
    /// as it is, and is shared with all other holders: most programs expect that they do not care.
    pub listeners: Vec<(String, Descriptor<'fd>)>,
    pub session: Session,
    /// The terminal that becomes the program's, for one that runs in place of this process. Goes
    /// with `Session::Group`.
    pub foreground: Option<Descriptor<'fd>>,
    /// The cgroup to be born in; see [`crate::Cgroup`].
    pub cgroup: Option<Descriptor<'fd>>,
    /// Comes when the **thread** that starts the program ends: start it from the main thread.
    pub death_signal: Option<Signal>,
    pub no_new_privileges: bool,
}

/// Who the program runs as; looked up by the caller (initgroups(3) reads files, which must not be
/// done after the fork).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// Where one of the three standard streams leads.
#[derive(Debug)]
pub enum Stream<'fd> {
    Null,
    /// Where this process's own leads.
    Inherit,
    Fd(Descriptor<'fd>),
}

/// A descriptor that the program is given a copy of.
#[derive(Debug)]
pub enum Descriptor<'fd> {
    Owned(OwnedFd),
    Borrowed(BorrowedFd<'fd>),
}

impl AsFd for Descriptor<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Descriptor::Owned(fd) => fd.as_fd(),
            Descriptor::Borrowed(fd) => *fd,
        }
    }
}

impl From<OwnedFd> for Descriptor<'_> {
    fn from(fd: OwnedFd) -> Self {
        Descriptor::Owned(fd)
    }
}

impl<'fd> From<BorrowedFd<'fd>> for Descriptor<'fd> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Descriptor::Borrowed(fd)
    }
}

/// The environment of this process, to be passed on whole or in part.
pub fn current_environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

impl<'fd> Program<'fd> {
    /// With an empty environment, no streams, a session of its own, and all else as it is here.
    pub fn new<A: Into<OsString>>(arguments: impl IntoIterator<Item = A>) -> Program<'fd> {
        Program {
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: Vec::new(),
            directory: None,
            account: None,
            umask: None,
            limits: Vec::new(),
            nice: None,
            oom_score_adj: None,
            stdin: Stream::Null,
            stdout: Stream::Null,
            stderr: Stream::Null,
            listeners: Vec::new(),
            session: Session::New,
            foreground: None,
            cgroup: None,
            death_signal: None,
            no_new_privileges: false,
        }
    }

    /// Looks up and lays out everything that the child needs. The result can be started any number
    /// of times.
    pub fn prepare(self) -> Result<Prepared<'fd>, SpawnError> {
        let name = self.arguments.first().filter(|name| !name.is_empty());
        let name = name.ok_or(SpawnError::Empty)?;
        let arguments = self.arguments.iter().map(|argument| c_string(argument.as_bytes()));
        let arguments = arguments.collect::<Result<Vec<CString>, _>>()?;
        let directory = self.directory.as_deref().map(absolute).transpose()?;
        let path = search::find(name, self.path_variable(), directory.as_deref())?;
        let null = self.needs_null().then(open_null).transpose()?;
        let environment = self.environment()?;
        Ok(Prepared {
            path: c_string(path.as_os_str().as_bytes())?,
            arguments,
            environment,
            directory: directory.map(|path| c_string(path.as_os_str().as_bytes())).transpose()?,
            null,
            program: self,
        })
    }

    fn path_variable(&self) -> Option<&OsStr> {
        let path = self.environment.iter().rev().find(|(name, _)| name == "PATH");
        path.map(|(_, value)| value.as_os_str())
    }

    fn needs_null(&self) -> bool {
        [&self.stdin, &self.stdout, &self.stderr].iter().any(|s| matches!(s, Stream::Null))
    }

    fn environment(&self) -> Result<Vec<CString>, SpawnError> {
        let mut texts = Vec::with_capacity(self.environment.len() + LISTEN_VARIABLES.len());
        for (name, value) in &self.environment {
            if LISTEN_VARIABLES.iter().any(|listen| name == listen) {
                continue;
            }
            if name.is_empty() || name.as_bytes().contains(&b'=') {
                return Err(SpawnError::VariableName(name.clone()));
            }
            texts.push(c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat())?);
        }
        if !self.listeners.is_empty() {
            texts.push(c_string(format!("LISTEN_FDS={}", self.listeners.len()).as_bytes())?);
            let names = self.listener_names()?;
            texts.push(c_string(format!("LISTEN_FDNAMES={names}").as_bytes())?);
        }
        Ok(texts)
    }

    fn listener_names(&self) -> Result<String, SpawnError> {
        if self.listeners.len() > LISTENERS_MAX {
            let count = self.listeners.len();
            return Err(SpawnError::TooManyListeners { count, max: LISTENERS_MAX });
        }
        let names: Vec<&str> = self.listeners.iter().map(|(name, _)| name.as_str()).collect();
        let is_bad = |name: &&&str| {
            let fits = (1..=LISTENER_NAME_BYTES_MAX).contains(&name.len());
            !fits || name.bytes().any(|byte| !(b' '..=b'~').contains(&byte) || byte == b':')
        };
        match names.iter().find(is_bad) {
            Some(bad) => Err(SpawnError::ListenerName {
                name: (*bad).to_owned(),
                bytes_max: LISTENER_NAME_BYTES_MAX,
            }),
            None => Ok(names.join(":")),
        }
    }
}

/// A program laid out for its start.
#[derive(Debug)]
pub struct Prepared<'fd> {
    pub(crate) program: Program<'fd>,
    pub(crate) path: CString,
    pub(crate) arguments: Vec<CString>,
    pub(crate) environment: Vec<CString>,
    pub(crate) directory: Option<CString>,
    /// /dev/null, where a stream leads there.
    null: Option<OwnedFd>,
}

impl Prepared<'_> {
    /// The file that will be executed.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path.to_bytes()))
    }

    /// The child's descriptors from 0 up.
    pub(crate) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        let program = &self.program;
        let streams = [
            (&program.stdin, rustix::stdio::stdin()),
            (&program.stdout, rustix::stdio::stdout()),
            (&program.stderr, rustix::stdio::stderr()),
        ];
        let streams = streams.into_iter().map(|(stream, own)| match stream {
            Stream::Null => self.null.as_ref().map_or(own, AsFd::as_fd),
            Stream::Inherit => own,
            Stream::Fd(descriptor) => descriptor.as_fd(),
        });
        streams.chain(program.listeners.iter().map(|(_, socket)| socket.as_fd())).collect()
    }
}

fn absolute(path: &Path) -> Result<PathBuf, SpawnError> {
    std::path::absolute(path).map_err(|cause| SpawnError::WorkingDirectory { cause })
}

fn open_null() -> Result<OwnedFd, SpawnError> {
    rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| SpawnError::Null { cause: errno.into() })
}

fn c_string(bytes: &[u8]) -> Result<CString, SpawnError> {
    CString::new(bytes).map_err(|error| SpawnError::Nul(OsString::from_vec(error.into_vec())))
}
