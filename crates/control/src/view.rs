//! What a running family looks like from outside: the data behind `sockeye status`.
//!
//! Views are copies made for the reader; the server's own types stay free to change. They hold no
//! instants, only ages in milliseconds, because the reader's clock is another one. Unknown fields
//! are allowed here, and every field a later version may add has a default, so that an older
//! `sockeye status` still reads a newer master of the same message version.

use serde::{Deserialize, Serialize};

/// The master and everything below it. `sockeye status --json` prints exactly this.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FamilyView {
    /// The version of this structure; equal to the message version it came in.
    pub format: u32,
    /// The program's version, as `sockeye --version` prints it.
    pub version: String,
    pub master_pid: u32,
    pub uptime_ms: u64,
    pub config_file: Option<String>,
    /// The control socket this was asked through.
    pub control: String,
    pub process_model: String,
    pub io_model: String,
    /// What is served: the folder, or none for the built-in site.
    pub root: Option<String>,
    /// The newest generation; it grows by one with each reload.
    pub generation: u64,
    /// Generations that still have a process, oldest first.
    pub generations: Vec<u64>,
    pub listeners: Vec<ListenerView>,
    pub workers: Vec<WorkerView>,
    pub apps: Vec<AppView>,
    pub jobs: Vec<JobView>,
    /// Workers that were asked and did not answer in time, so are not among `workers`.
    pub silent_workers: Vec<u32>,
    /// The latest ends of processes, newest first.
    pub last_exits: Vec<ExitView>,
}

/// One listening socket held by the master.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ListenerView {
    /// `127.0.0.1:8080`, `[::]:80` or `unix:/run/site.sock`.
    pub address: String,
    /// The descriptor's number in the master.
    pub fd: u32,
    pub sharing: Sharing,
    /// Connections complete and waiting to be accepted, where the kernel says.
    pub queue: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// One socket that all workers accept from.
    #[default]
    Shared,
    /// One socket for each worker (SO_REUSEPORT, socket(7)).
    PerWorker,
}

/// One serving process, or one thread of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerView {
    pub pid: u32,
    /// The thread, where several engines share a process.
    pub tid: Option<u32>,
    pub role: WorkerRole,
    pub state: WorkerState,
    pub generation: u64,
    pub uptime_ms: u64,
    pub counters: Counters,
    /// The connections open now, at most as many as the worker was willing to list.
    pub connections: Vec<ConnectionView>,
    /// How many more are open than are listed.
    pub connections_left_out: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerRole {
    /// Accepts and serves.
    #[default]
    Worker,
    /// Accepts and forks (fork-per-connection).
    Acceptor,
    /// Serves one connection and exits (fork-per-connection).
    Child,
}

/// ```text
/// starting ──Ready──▶ serving ──Drain──▶ draining ──▶ (exit)
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerState {
    #[default]
    Starting,
    Serving,
    Draining,
}

/// Totals since the worker began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    pub connections_open: u64,
    pub connections_accepted: u64,
    /// Accepts that failed for want of descriptors or memory.
    pub accepts_failed: u64,
    pub requests: u64,
    pub responses_4xx: u64,
    pub responses_5xx: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// One open connection and what is on it now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionView {
    /// The descriptor's number in the worker.
    pub fd: u32,
    /// The process or thread that serves it, where that is not the worker itself.
    pub served_by: Option<u32>,
    /// Who serves it did not answer in time: requests, bytes, idle time and request are not known.
    pub silent: bool,
    /// The client's address; `unix:` for a Unix socket.
    pub peer: String,
    pub local: String,
    pub state: ConnectionState,
    pub requests: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub age_ms: u64,
    /// Since the last byte in either direction.
    pub idle_ms: u64,
    /// The request line being served. It is the client's text: escape it before a terminal.
    pub request: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionState {
    /// Between requests.
    #[default]
    Idle,
    /// Part of a request's head has come.
    ReadingHead,
    ReadingBody,
    Responding,
    /// The reply is sent; late bytes are read and dropped so that it is not lost to a reset.
    Lingering,
}

/// The end of one process of the family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExitView {
    pub pid: u32,
    pub role: WorkerRole,
    pub generation: u64,
    /// In words: `exit 0`, `signal 9 (SIGKILL)`.
    pub how: String,
    pub age_ms: u64,
}

/// A program that is kept running.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppView {
    pub name: String,
    pub command: Vec<String>,
    /// Sockets that the master keeps for it, as they are: a port 0 has become a number.
    pub listen: Vec<String>,
    /// How many are wanted.
    pub instances_wanted: u32,
    pub instances: Vec<InstanceView>,
}

/// One process of an app, or the place where one is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceView {
    /// From 1.
    pub number: u32,
    pub pid: Option<u32>,
    /// In a word: `starting`, `running`, `stopping`, `waiting`, `stopped`, `finished`.
    pub state: String,
    /// Since it is in this state.
    pub age_ms: u64,
    /// Starts after the first.
    pub restarts: u64,
    pub next_start_ms: Option<u64>,
    /// In words, as [`ExitView::how`].
    pub last_exit: Option<String>,
    /// What it last said of itself (STATUS= of sd_notify(3)). It is the program's text: escape it.
    pub status: Option<String>,
    /// Resident memory of all its processes.
    pub memory_bytes: Option<u64>,
}

/// A command at times.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobView {
    pub name: String,
    /// As written.
    pub schedule: String,
    /// The command, the shell's line or the order.
    pub what: String,
    /// Where it stands: `sockeye.toml`, or `FILE:LINE` of a crontab.
    pub source: String,
    /// Instants are of RFC 3339, with the offset of the job's time zone.
    pub next: Option<String>,
    pub running: Vec<u32>,
    pub last: Option<RunView>,
    /// Times that passed without a run.
    pub skipped: u64,
}

/// A run that has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunView {
    pub started: String,
    pub ended: String,
    pub took_ms: u64,
    /// In words, as [`ExitView::how`].
    pub how: String,
    pub success: bool,
    pub bytes: u64,
}
