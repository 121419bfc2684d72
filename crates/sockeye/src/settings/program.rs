//! Programs to keep running (`[[app]]`) and to run at times (`[[job]]`): every choice made, every
//! path absolute. What a name stands for on this machine (an account, a program on the PATH) is
//! looked up when it is started, so that a program installed later is found then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use process::probe::ProbeSpec;
use schedule::{Dialect, Missed, Overlap};

use super::{ListenAddress, Named};

/// Names people type and logs repeat.
pub const NAME_CHARS_MAX: usize = 64;
/// More instances of one program than this are a slip.
pub const INSTANCES_MAX: usize = 1024;

/// A program that is kept running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub name: String,
    /// The program and its arguments; not empty.
    pub command: Vec<String>,
    /// Sockets that the master opens and the program inherits (sd_listen_fds(3)).
    pub listen: Vec<ListenAddress>,
    pub instances: usize,
    pub place: Place,
    pub restart: Restart,
    pub restart_delay: Duration,
    pub restart_delay_max: Duration,
    pub ready: Readiness,
    pub ready_timeout: Duration,
    pub alive: Option<ProbeSpec>,
    pub alive_interval: Duration,
    /// Checks that may fail in a row.
    pub alive_failures: u32,
    pub stop_signal: i32,
    pub stop_timeout: Duration,
    /// An instance that uses more is replaced.
    pub memory_max: Option<u64>,
    /// An instance that is older is replaced.
    pub lifetime_max: Option<Duration>,
    pub output: ProgramOutput,
    /// Started after these are ready.
    pub after: Vec<String>,
    /// The same, and stopped when one of these is.
    pub requires: Vec<String>,
    /// Started with the master, and not only when asked for.
    pub autostart: bool,
}

/// What a program finds when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// None: where the master stands.
    pub directory: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
    /// Nothing of the master's own environment is passed on.
    pub clear_environment: bool,
    pub user: Option<String>,
    pub umask: Option<u32>,
    /// Soft and hard limits alike, by their names in setrlimit(2), in lower case.
    pub limits: Vec<(String, u64)>,
}

/// When a program that has ended is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    Always,
    OnFailure,
    Never,
}

/// Where what a program prints goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramOutput {
    /// Line by line to the master's own output, with the name in front.
    Log,
    Null,
    File {
        path: PathBuf,
        /// Bytes from which on a new file is begun.
        max: u64,
        /// Old files that are kept.
        keep: u32,
    },
}

/// A command at times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub name: String,
    /// A crontab's five fields or a nickname; it has been parsed once without error.
    pub schedule: String,
    pub dialect: Dialect,
    /// A name of the time zone database; none: the machine's.
    pub time_zone: Option<String>,
    pub task: Task,
    pub place: Place,
    pub output: ProgramOutput,
    pub overlap: Overlap,
    pub jitter: Duration,
    pub timeout: Option<Duration>,
    pub missed: Missed,
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// An order to this family.
    Run(Order),
    Command(Vec<String>),
    Shell(String),
}

/// What a job can tell the family to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Restart(String),
    Start(String),
    Stop(String),
    Reload,
    ReopenLogs,
}

impl Order {
    /// `restart NAME`, `start NAME`, `stop NAME`, `reload`, `reopen-logs`.
    pub fn from_text(text: &str) -> Result<Order, String> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        match words[..] {
            ["restart", app] => Ok(Order::Restart(app.into())),
            ["start", app] => Ok(Order::Start(app.into())),
            ["stop", app] => Ok(Order::Stop(app.into())),
            ["reload"] => Ok(Order::Reload),
            ["reopen-logs"] => Ok(Order::ReopenLogs),
            _ => Err("is no order: write \"restart NAME\", \"start NAME\", \"stop NAME\", \
                      \"reload\" or \"reopen-logs\"; a program is run by `command` or `shell`"
                .into()),
        }
    }

    /// The app it is about.
    pub fn app(&self) -> Option<&str> {
        match self {
            Order::Restart(app) | Order::Start(app) | Order::Stop(app) => Some(app),
            Order::Reload | Order::ReopenLogs => None,
        }
    }
}

impl std::fmt::Display for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Order::Restart(app) => write!(f, "restart {app}"),
            Order::Start(app) => write!(f, "start {app}"),
            Order::Stop(app) => write!(f, "stop {app}"),
            Order::Reload => f.write_str("reload"),
            Order::ReopenLogs => f.write_str("reopen-logs"),
        }
    }
}

impl Named for Restart {
    const ALL: &'static [Self] = &[Self::Always, Self::OnFailure, Self::Never];

    fn name(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnFailure => "on-failure",
            Self::Never => "never",
        }
    }
}

impl Named for Dialect {
    const ALL: &'static [Self] = &[Self::Debian, Self::Cronie];

    fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Cronie => "cronie",
        }
    }
}

impl Named for Overlap {
    const ALL: &'static [Self] = &[Self::Skip, Self::Queue, Self::Kill, Self::Allow];

    fn name(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Kill => "kill",
            Self::Allow => "allow",
        }
    }
}

impl Named for Missed {
    const ALL: &'static [Self] = &[Self::Cron, Self::Skip, Self::Once];

    fn name(self) -> &'static str {
        match self {
            Self::Cron => "cron",
            Self::Skip => "skip",
            Self::Once => "once",
        }
    }
}

impl ProgramOutput {
    /// `log`, `/dev/null`, or a file.
    pub fn from_text(text: &str) -> ProgramOutput {
        match text {
            "log" => ProgramOutput::Log,
            "/dev/null" => ProgramOutput::Null,
            path => ProgramOutput::File { path: path.into(), max: 10 << 20, keep: 5 },
        }
    }

    pub(crate) fn seen_from(&mut self, base: &Path) {
        if let ProgramOutput::File { path, .. } = self {
            *path = base.join(&*path);
        }
    }
}

impl App {
    /// What a written `[[app]]` begins with.
    pub fn unwritten() -> App {
        App {
            name: String::new(),
            command: Vec::new(),
            listen: Vec::new(),
            instances: 1,
            place: Place::default(),
            restart: Restart::Always,
            restart_delay: Duration::from_millis(100),
            restart_delay_max: Duration::from_secs(30),
            ready: Readiness::None,
            ready_timeout: Duration::from_secs(30),
            alive: None,
            alive_interval: Duration::from_secs(10),
            alive_failures: 3,
            stop_signal: 15,
            stop_timeout: Duration::from_secs(10),
            memory_max: None,
            lifetime_max: None,
            output: ProgramOutput::Log,
            after: Vec::new(),
            requires: Vec::new(),
            autostart: true,
        }
    }
}

/// The number of a signal by its name, with or without `SIG` (signal(7)).
pub fn signal_number(name: &str) -> Result<i32, String> {
    let upper = name.to_ascii_uppercase();
    let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    (1..=31).find(|number| process::signal_name(*number) == full).ok_or_else(|| {
        "is no signal: write a name such as \"TERM\", \"QUIT\", \"INT\", \"HUP\"".to_owned()
    })
}

/// How it is known that an instance can work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is taken for ready a moment after its start.
    None,
    /// It says so (sd_notify(3)).
    Notify,
    Probe(ProbeSpec),
}

impl Readiness {
    pub fn from_text(text: &str) -> Result<Readiness, String> {
        Ok(match ProbeSpec::from_text(text)? {
            ProbeSpec::None => Readiness::None,
            ProbeSpec::Notify => Readiness::Notify,
            probe => Readiness::Probe(probe),
        })
    }
}

/// A probe that is a question; the error says what would be right.
pub fn question(text: &str) -> Result<ProbeSpec, String> {
    match ProbeSpec::from_text(text)? {
        ProbeSpec::None | ProbeSpec::Notify => {
            Err("is no question: write tcp:PORT, http://ADDRESS:PORT/PATH or exec:COMMAND".into())
        }
        probe => Ok(probe),
    }
}
