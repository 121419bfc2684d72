//! The lives of programs: how one is started, what it prints and says of itself, how its end is
//! learned of, and that nothing of it is left.
//!
//! Who calls it: the master, for its workers and apps; the driver of scheduled jobs; `sockeye run`;
//! and a fork-per-connection acceptor, for its children. Each is one thread with one poll(2), so
//! nothing here waits: what takes time is a descriptor to poll and a method to call when it is
//! ready. (The one exception, [`spawn()`], says so.) What it may know: processes, and time as an
//! argument. It knows no engine, no configuration and no HTTP but a probe's line. The parts that
//! decide ([`Backoff`], [`supervisor`], [`notify::parse`]) are pure; the parts that touch the
//! kernel decide nothing.
//!
//! The types at the edge:
//!
//! - [`Program`], plain data, becomes [`Prepared`] (all looked up, all laid out), and by
//!   [`spawn()`] a [`Child`], or by [`begin`] a [`Starting`]; else there is a [`SpawnError`] and no
//!   process.
//! - [`reap_each`] is the one place that reaps: each end is an [`Exit`].
//! - [`Group`] is a program with all that it has started, found in a [`Snapshot`] of /proc and,
//!   where there is one, held by a [`Cgroup`].
//! - [`output::Pipe`] and [`output::LogFile`] carry what it prints; [`notify::NotifySocket`] what
//!   it says by sd_notify(3); [`probe::Probe`] asks it.
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
