//! The web server: HTTP/1.1 connections over the engine, static files, the built-in site, the
//! access log.
//!
//! Who calls it: the program's workers, in whatever process model. What it may know: the engine's
//! connections and the `http` crate's bytes. It knows no processes, no configuration and no I/O
//! model, reads no clock, and has no lock: one [`Server`] belongs to one engine on one thread.
//!
//! The data's way: [`Server::listen`] accepts, [`connection`] parses and answers in the
//! connection's own buffers, [`files`] or [`builtin`] supply what is answered with.
#![forbid(unsafe_code)]

pub mod access_log;
pub mod builtin;
mod connection;
pub mod files;
mod options;
mod reply;
mod server;
mod shared;
mod stats;

pub use access_log::{AccessLog, Format};
pub use builtin::{BuiltIn, StatusSource};
pub use files::Folder;
pub use options::{Options, Timeouts};
pub use server::Server;
pub use shared::{ConnectionInfo, ConnectionState, Site};
pub use stats::{COUNTERS, Counter, Stats};
