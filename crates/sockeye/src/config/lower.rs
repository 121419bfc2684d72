//! From what was written to what can run: defaults, limits that depend on each other, and warnings.
//!
//! Pure: what the machine offers comes in as [`Surroundings`], so that the tests choose it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Low;
use super::error::{Contradiction, quoted};
use crate::grid::{self, Verdict};
use crate::settings::{
    AccessLog, IoModel, Limits, ListenAddress, ListenerSharing, LogFormat, Named, ProcessModel,
    SOCKET_PATH_BYTES_MAX, Settings, Timeouts, Workers,
};

const PORT_DEFAULT: u16 = 8080;
const BACKLOG_DEFAULT: u32 = 1024;
const DRAIN_DEFAULT: Duration = Duration::from_secs(30);
const HEAD_DEFAULT: Duration = Duration::from_secs(10);
const IDLE_DEFAULT: Duration = Duration::from_secs(75);
const BODY_DEFAULT: Duration = Duration::from_secs(30);
const WRITE_DEFAULT: Duration = Duration::from_secs(30);
const CONNECTIONS_DEFAULT: usize = 65_536;
const CHILDREN_DEFAULT: usize = 512;
const HEAD_BYTES_DEFAULT: usize = 16 << 10;
const BODY_BYTES_DEFAULT: u64 = 1 << 20;
const CACHE_BYTES_DEFAULT: usize = 64 << 20;
const HISTORY_NAME: &str = "history.jsonl";

/// A worker that blocks serves one connection at a time, and most of a connection's life is waiting
/// for its client, so `auto` gives this model more workers than CPUs.
const BLOCKING_WORKERS_PER_CPU: usize = 16;

/// select(2) watches descriptors below 1024; a worker needs some of them for files and logs.
pub const SELECT_CONNECTIONS_MAX: usize = 1024 - 64;

/// Beyond this, looking at every connection in turn costs more than the requests.
const SCAN_CONNECTIONS: usize = 64;

/// Settings, and what should be said about them before they are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowered {
    pub settings: Settings,
    pub warnings: Vec<String>,
}

/// What the defaults depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The CPUs of the affinity mask, sched_getaffinity(2).
    pub cpus: usize,
    pub uid: u32,
    /// `$XDG_RUNTIME_DIR`.
    pub runtime_folder: Option<PathBuf>,
}

impl Surroundings {
    pub fn of_this_process() -> Self {
        let mask = rustix::thread::sched_getaffinity(None);
        Self {
            cpus: mask.map_or(1, |cpus| (cpus.count() as usize).max(1)),
            uid: rustix::process::geteuid().as_raw(),
            runtime_folder: std::env::var_os("XDG_RUNTIME_DIR")
                .map(PathBuf::from)
                .filter(|path| path.is_absolute()),
        }
    }

    /// Where the control socket is unless `--control` says otherwise. Without a runtime folder of
    /// the user's own it is a folder in /tmp; both ends then check who owns the other.
    pub fn control(&self) -> PathBuf {
        match &self.runtime_folder {
            _ if self.uid == 0 => PathBuf::from("/run/sockeye/control.sock"),
            Some(folder) => folder.join("sockeye/control.sock"),
            None => PathBuf::from(format!("/tmp/sockeye-{}/control.sock", self.uid)),
        }
    }
}

pub(super) fn lower(
    low: Low,
    config_file: Option<PathBuf>,
    surroundings: &Surroundings,
) -> Result<Lowered, Contradiction> {
    let settings = with_defaults(low.clone(), config_file, surroundings);
    check(&settings)?;
    let (settings, warnings) = adjust(settings, &low)?;
    Ok(Lowered { settings, warnings })
}

fn with_defaults(low: Low, config_file: Option<PathBuf>, surroundings: &Surroundings) -> Settings {
    let process_model = low.process_model.unwrap_or(ProcessModel::Prefork);
    let io_model = low.io_model.unwrap_or_else(|| default_io_model(process_model));
    let workers = low.workers.unwrap_or(Workers::Auto);
    let control = low.control.clone().unwrap_or_else(|| surroundings.control());
    let web = low.web.unwrap_or(true);
    Settings {
        config_file,
        timeouts: timeouts(&low),
        limits: limits(&low, io_model),
        history: low.history.clone().unwrap_or_else(|| control.with_file_name(HISTORY_NAME)),
        control,
        web,
        listen: if web { low.listen.unwrap_or_else(default_listen) } else { Vec::new() },
        listeners: low.listeners.unwrap_or(ListenerSharing::PerWorker),
        backlog: low.backlog.unwrap_or(BACKLOG_DEFAULT),
        root: low.root,
        list_directories: low.list_directories.unwrap_or(false),
        process_model,
        io_model,
        strict: low.strict.unwrap_or(false),
        workers: count_workers(workers, process_model, io_model, surroundings.cpus),
        user: low.user,
        access_log: low.access_log.unwrap_or(AccessLog::Off),
        log_format: low.log_format.unwrap_or(LogFormat::Combined),
        drain_timeout: low.drain_timeout.unwrap_or(DRAIN_DEFAULT),
        apps: low.apps.unwrap_or_default(),
        jobs: low.jobs.unwrap_or_default(),
        crontab: low.crontab.unwrap_or_default(),
    }
}

/// Who asks for a process or a thread for each connection, or for one after the other, means the
/// classic server, which blocks.
fn default_io_model(process_model: ProcessModel) -> IoModel {
    match process_model {
        ProcessModel::Prefork | ProcessModel::ThreadPerCore => IoModel::Epoll,
        ProcessModel::Iterative
        | ProcessModel::ForkPerConnection
        | ProcessModel::ThreadPerConnection => IoModel::Blocking,
    }
}

fn default_listen() -> Vec<ListenAddress> {
    vec![ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT)))]
}

fn count_workers(
    workers: Workers,
    process_model: ProcessModel,
    io_model: IoModel,
    cpus: usize,
) -> usize {
    let wanted = match workers {
        Workers::Count(count) => count,
        Workers::Auto if io_model == IoModel::Blocking => cpus * BLOCKING_WORKERS_PER_CPU,
        Workers::Auto => cpus,
    };
    if process_model.has_workers() { wanted.min(crate::settings::WORKERS_MAX) } else { 1 }
}

fn timeouts(low: &Low) -> Timeouts {
    Timeouts {
        head: low.head_timeout.unwrap_or(HEAD_DEFAULT),
        idle: low.idle_timeout.unwrap_or(IDLE_DEFAULT),
        body: low.body_timeout.unwrap_or(BODY_DEFAULT),
        write: low.write_timeout.unwrap_or(WRITE_DEFAULT),
    }
}

fn limits(low: &Low, io_model: IoModel) -> Limits {
    let connections = match io_model {
        IoModel::Select => SELECT_CONNECTIONS_MAX,
        _ => CONNECTIONS_DEFAULT,
    };
    Limits {
        max_connections: low.max_connections.unwrap_or(connections),
        max_children: low.max_children.unwrap_or(CHILDREN_DEFAULT),
        head_bytes: low.head_bytes.unwrap_or(HEAD_BYTES_DEFAULT),
        body_bytes: low.body_bytes.unwrap_or(BODY_BYTES_DEFAULT),
        cache_bytes: low.cache_bytes.unwrap_or(CACHE_BYTES_DEFAULT),
    }
}

/// What no choice of defaults can repair.
fn check(settings: &Settings) -> Result<(), Contradiction> {
    if let Verdict::Refused(reason) = grid::verdict(settings.process_model, settings.io_model) {
        return Err(Contradiction {
            key: "io_model",
            message: format!("{} cannot work: {reason}", pair(settings)),
            help: "`sockeye models` shows what fits".into(),
        });
    }
    check_socket_path("control", &settings.control)?;
    let of_apps = settings.apps.iter().flat_map(|app| &app.listen);
    let listen: Vec<&ListenAddress> = settings.listen.iter().chain(of_apps).collect();
    for (index, address) in listen.iter().enumerate() {
        if let ListenAddress::Unix(path) = address {
            check_socket_path("listen", path)?;
        }
        if is_fixed(address) && listen[..index].contains(address) {
            return Err(Contradiction {
                key: "listen",
                message: format!("`listen` names {address} twice"),
                help: "leave one out".into(),
            });
        }
    }
    Ok(())
}

/// Whether the address names one socket; port 0 is another port each time.
fn is_fixed(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Tcp(address) => address.port() != 0,
        ListenAddress::Unix(_) => true,
    }
}

fn check_socket_path(key: &'static str, path: &Path) -> Result<(), Contradiction> {
    let length = path.as_os_str().len();
    if length <= SOCKET_PATH_BYTES_MAX {
        return Ok(());
    }
    let path = quoted(&path.to_string_lossy());
    Err(Contradiction {
        key,
        message: format!("`{key}`: the socket path {path} has {length} bytes"),
        help: format!("choose a shorter one: the kernel takes {SOCKET_PATH_BYTES_MAX}, unix(7)"),
    })
}

/// Choices that work, but not as they read: said, and where `strict` forbids it, refused.
fn adjust(mut settings: Settings, low: &Low) -> Result<(Settings, Vec<String>), Contradiction> {
    let mut warnings = Vec::new();
    if let Verdict::Pointless(reason) = grid::verdict(settings.process_model, settings.io_model) {
        warnings.push(format!("{} is pointless: {reason}", pair(&settings)));
    }
    if let (Some(Workers::Count(count)), false) =
        (low.workers, settings.process_model.has_workers())
        && count != 1
    {
        let model = settings.process_model.name();
        warnings.push(format!("workers = {count} has no effect: {model} is one process"));
    }
    limit_select(&mut settings, &mut warnings)?;
    for job in &settings.jobs {
        let notes = schedule::Expr::notes(&job.schedule, job.dialect);
        let words = |note: &schedule::ParseError| {
            format!("job {}: schedule: {}; {}", job.name, note.what(), note.remedy())
        };
        warnings.extend(notes.iter().map(words));
    }
    if settings.io_model == IoModel::Nonblocking && low.max_connections.is_none() {
        warnings.push(format!(
            "nonblocking looks at every connection in turn and never sleeps: above about \
             {SCAN_CONNECTIONS} connections poll or epoll do better"
        ));
    }
    Ok((settings, warnings))
}

fn limit_select(settings: &mut Settings, warnings: &mut Vec<String>) -> Result<(), Contradiction> {
    let wanted = settings.limits.max_connections;
    if settings.io_model != IoModel::Select || wanted <= SELECT_CONNECTIONS_MAX {
        return Ok(());
    }
    let message = format!(
        "`max_connections` = {wanted} is more than select can watch: descriptors end at 1023, \
         which leaves {SELECT_CONNECTIONS_MAX} connections a worker"
    );
    if settings.strict {
        let help = "lower it, or use poll or epoll".into();
        return Err(Contradiction { key: "max_connections", message, help });
    }
    settings.limits.max_connections = SELECT_CONNECTIONS_MAX;
    warnings.push(format!("{message}; it is lowered to that"));
    Ok(())
}

fn pair(settings: &Settings) -> String {
    format!("{} with {}", settings.process_model.name(), settings.io_model.name())
}
