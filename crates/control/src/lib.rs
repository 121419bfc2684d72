//! The messages between the `sockeye` commands, a running master and its workers.
//!
//! One message is one line of JSON: `{"version":1,"message":...}` and a line feed. Lines can be
//! read by eye, sent by hand (`socat`) and written by any language; the version stands in front of
//! every one of them, so that a command and a master of different ages refuse each other by name
//! instead of guessing. Nothing here opens a socket or reads a clock: bytes go in and out as
//! slices, times are numbers of milliseconds that the sender measured. JSON is RFC 8259.
#![forbid(unsafe_code)]

mod codec;
pub mod handover;
mod message;
mod view;

pub use codec::{Decoder, Error, LINE_BYTES_MAX, VERSION, encode, fuzz};
pub use handover::Handover;
pub use message::{AppOrder, Command, FromWorker, Message, Reply, ToWorker};
pub use view::{
    AppView, ConnectionState, ConnectionView, Counters, ExitView, FamilyView, InstanceView,
    JobView, ListenerView, RunView, Sharing, WorkerRole, WorkerState, WorkerView,
};

#[cfg(test)]
mod tests;
