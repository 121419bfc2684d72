//! The lives of child processes: how each end is learned of, told in words, and followed by a new
//! start.
//!
//! Who calls it: the master, for its workers, and a fork-per-connection acceptor, for its children.
//! What it may know: processes and time as an argument. It knows no engine, no configuration and
//! no HTTP. The parts that decide ([`supervisor`], [`Backoff`]) are pure; the parts that touch the
//! kernel ([`spawn`], [`reap`], [`Group`]) decide nothing.
#![forbid(unsafe_code)]

mod backoff;
mod cgroup;
mod error;
mod group;
pub mod notify;
pub mod output;
pub mod probe;
mod program;
mod reap;
mod search;
mod spawn;
pub mod supervisor;
mod tree;

pub use backoff::{Backoff, Pace};
pub use cgroup::{Cgroup, Cgroups};
pub use error::SpawnError;
pub use group::{Group, KILL_ROUNDS_MAX, Killed, signal_group, signal_process};
pub use program::{
    Account, Descriptor, LISTENER_NAME_BYTES_MAX, LISTENERS_MAX, Prepared, Program, Session,
    Stream, current_environment,
};
pub use reap::{Exit, How, Usage, children, kill, reap, reap_each, signal_name, wait_one};
pub use rustix::process::{Resource, Rlimit, Signal};
pub use spawn::{Child, EXEC_WAIT, Progress, Starting, begin, spawn};
pub use sys::spawn::Stage;
pub use tree::{Process, Snapshot};
