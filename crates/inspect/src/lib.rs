//! Everything a host's network services are made of, listed: processes, their descriptors, their
//! sockets with both ends and states, and what is wrong with them.
//!
//! A `Source` (the live /proc and netlink, or a recorded tree) is read by a collector into plain
//! data (`model`), which the renderers print as lsof, netstat, ss and ps do. No renderer reads.
#![forbid(unsafe_code)]

pub mod addr;
pub mod bytes;
pub mod cgroup;
pub mod collect;
pub mod counters;
pub mod doctor;
pub mod family;
pub mod holders;
pub mod json;
pub mod model;
pub mod names;
pub mod parse;
pub mod references;
pub mod source;
mod spread;
pub mod tool;
pub mod users;

pub use holders::{Holder, listener_holders};
pub use references::{Counted, References};
pub use tool::{Tool, main};
