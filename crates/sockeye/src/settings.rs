//! What can run: every choice made, every path absolute, every number within its limits.
//!
//! Text from the command line and the file becomes a [`crate::config::Low`], where anything may be
//! missing; lowering fills in the defaults and gives [`Settings`], where nothing is. Who holds a
//! `Settings` need not check it again. The types know their names in both directions, so that help,
//! errors, the configuration reference and the status all spell a model alike.

mod address;
mod program;

pub use address::{ListenAddress, SOCKET_PATH_BYTES_MAX};
/// The engine's own list, so that a model is named once.
pub use engine::Model as IoModel;
pub use program::{
    App, INSTANCES_MAX, Job, NAME_CHARS_MAX, Order, Place, ProgramOutput, Readiness, Restart, Task,
    question, signal_number,
};

use std::path::PathBuf;
use std::time::Duration;

/// A closed set of choices that people write by name.
pub trait Named: Copy + PartialEq + 'static {
    const ALL: &'static [Self];

    fn name(self) -> &'static str;

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|choice| choice.name() == name)
    }
}

/// Everything the server needs to know to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The file these came from, if any.
    pub config_file: Option<PathBuf>,
    pub control: PathBuf,
    /// There are workers; a file that names only programs starts no web server.
    pub web: bool,
    /// At least one where there are workers, else none.
    pub listen: Vec<ListenAddress>,
    pub listeners: ListenerSharing,
    pub backlog: u32,
    /// None: the built-in site.
    pub root: Option<PathBuf>,
    pub list_directories: bool,
    pub process_model: ProcessModel,
    pub io_model: IoModel,
    /// Where the kernel refuses the model, fail instead of falling back.
    pub strict: bool,
    /// Processes of `prefork`, threads of `thread-per-core`, one for the other models.
    pub workers: usize,
    /// The account the workers run as; the master keeps its own.
    pub user: Option<String>,
    pub access_log: AccessLog,
    pub log_format: LogFormat,
    /// How long a draining worker may take; zero: it stops at once.
    pub drain_timeout: Duration,
    pub timeouts: Timeouts,
    pub limits: Limits,
    /// By name, each once.
    pub apps: Vec<App>,
    pub jobs: Vec<Job>,
    /// Files of crontab(5).
    pub crontab: Vec<PathBuf>,
    /// Where the runs of jobs are remembered over a restart.
    pub history: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the first byte of a request's head to its last.
    pub head: Duration,
    /// Between two requests of a connection.
    pub idle: Duration,
    /// Without a byte of a request's body.
    pub body: Duration,
    /// Without the client taking a byte of the response.
    pub write: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections of one worker.
    pub max_connections: usize,
    /// Live children of fork-per-connection, live threads of thread-per-connection.
    pub max_children: usize,
    pub head_bytes: usize,
    pub body_bytes: u64,
    /// Memory of one worker for small files.
    pub cache_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessModel {
    Iterative,
    ForkPerConnection,
    Prefork,
    ThreadPerConnection,
    ThreadPerCore,
}

impl ProcessModel {
    /// Whether `workers` means anything: the others are one process by definition.
    pub fn has_workers(self) -> bool {
        matches!(self, Self::Prefork | Self::ThreadPerCore)
    }
}

impl Named for ProcessModel {
    const ALL: &'static [Self] = &[
        Self::Iterative,
        Self::ForkPerConnection,
        Self::Prefork,
        Self::ThreadPerConnection,
        Self::ThreadPerCore,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Iterative => "iterative",
            Self::ForkPerConnection => "fork-per-connection",
            Self::Prefork => "prefork",
            Self::ThreadPerConnection => "thread-per-connection",
            Self::ThreadPerCore => "thread-per-core",
        }
    }
}

impl Named for IoModel {
    const ALL: &'static [Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

/// How workers share a listening address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerSharing {
    /// A socket for each worker (SO_REUSEPORT).
    PerWorker,
    /// One socket that all accept from (EPOLLEXCLUSIVE).
    Shared,
}

impl Named for ListenerSharing {
    const ALL: &'static [Self] = &[Self::PerWorker, Self::Shared];

    fn name(self) -> &'static str {
        match self {
            Self::PerWorker => "per-worker",
            Self::Shared => "shared",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Combined,
    Json,
}

impl Named for LogFormat {
    const ALL: &'static [Self] = &[Self::Combined, Self::Json];

    fn name(self) -> &'static str {
        match self {
            Self::Combined => "combined",
            Self::Json => "json",
        }
    }
}

/// Where a line for each request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLog {
    Off,
    Stdout,
    File(PathBuf),
}

impl AccessLog {
    /// `off`, `-`, or a file.
    pub fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("is empty: give a file, \"-\" for standard output, or \"off\"".into()),
            "off" => Ok(Self::Off),
            "-" => Ok(Self::Stdout),
            path => Ok(Self::File(path.into())),
        }
    }
}

/// How many workers, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// One for each CPU this process may run on.
    Auto,
    Count(usize),
}

/// More processes or threads than this is a slip of the finger, not a wish.
pub const WORKERS_MAX: usize = 1024;

impl Workers {
    /// `auto` or a number.
    pub fn from_text(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "auto" => Ok(Self::Auto),
            Ok(count) if (1..=WORKERS_MAX).contains(&count) => Ok(Self::Count(count)),
            _ => Err(format!("is neither \"auto\" nor a number from 1 to {WORKERS_MAX}")),
        }
    }
}
