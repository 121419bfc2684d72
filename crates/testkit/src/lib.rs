//! What the tests and the bench are made with: a load generator, scripted peers, guarded child
//! processes, and the counts of what a family of processes uses. Nothing of the product imports
//! it, and it imports nothing of the product, so that it judges from outside.
//!
//! Everything here is bounded: waits have deadlines, counts have limits, addresses are loopback.

#![forbid(unsafe_code)]

pub mod address;
pub mod child;
mod clock;
pub mod hostile;
pub mod load;
pub mod peer;
pub mod processor;
mod reaping;
pub mod response;
pub mod trace;
pub mod tree;
mod watch;

pub use address::Address;
pub use child::Child;
pub use peer::{End, Peer, Response};
pub use reaping::{NEGLECT_MAX, Reaped, Reaping};
pub use rustix::process::Signal;
pub use watch::{Watch, Watched};
