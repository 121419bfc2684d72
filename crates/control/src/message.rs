//! The four kinds of message, one for each direction of the two channels.
//!
//! ```text
//! sockeye reload ──Command──▶ master ──ToWorker──▶ worker
//!                ◀──Reply────        ◀─FromWorker─
//! ```
//! A closed enum for each direction means that a message sent the wrong way cannot be decoded, and
//! that adding one makes the compiler name every place that must answer it.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::view::{FamilyView, WorkerView};

/// What can be encoded and decoded: the four enums below and nothing else.
pub trait Message: Serialize + DeserializeOwned + sealed::Sealed {
    /// What the errors call it.
    const NAME: &'static str;
}

/// What a command asks of the master. Each is answered by exactly one [`Reply`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// Answered by [`Reply::Status`].
    Status,
    /// Read the configuration again; answered by [`Reply::Reloaded`] when the new workers are
    /// ready.
    Reload,
    /// Open the log files again, after they were renamed.
    ReopenLogs,
    /// End the family. The master keeps the caller's connection open until it exits, so that the
    /// caller sees the end as an end of file.
    Stop {
        /// Close connections at once instead of letting requests finish.
        fast: bool,
    },
    /// Answered by [`Reply::Done`] when it is done, or by what came of it.
    App { name: String, order: AppOrder },
    /// What an app has printed lately; answered by [`Reply::Lines`].
    AppLines {
        name: String,
        /// Only lines of this number and above.
        from: u64,
    },
    /// Run a job now; answered by [`Reply::Done`] when it has been started.
    Trigger { job: String },
    /// Become the program that the file of this one holds now, in place; answered by
    /// [`Reply::Reloaded`] when its workers are ready.
    Upgrade,
}

/// What can be done to an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum AppOrder {
    /// Done when its instances are ready.
    Start,
    /// Done when none of its processes is left.
    Stop,
    /// Done when all instances have been replaced and are ready.
    Restart,
    /// Sent to the main process of each instance (signal(7)).
    Signal { number: i32 },
}

/// The master's answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    Status(Box<FamilyView>),
    /// The workers of this generation are ready and the older ones are draining.
    Reloaded {
        generation: u64,
    },
    Done,
    /// Lines of an app, the first of which has the number `first`.
    Lines {
        first: u64,
        /// Bytes that are not UTF-8 are replaced.
        lines: Vec<String>,
    },
    /// It was tried; the message says what came of it.
    Failed {
        message: String,
    },
    /// Nothing was changed; the message says why and what would help.
    Refused {
        message: String,
    },
}

/// What the master sends down a worker's channel.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToWorker {
    /// "What are you doing?", answered by [`FromWorker::Status`] with the same id.
    AskStatus {
        id: u64,
    },
    /// The answer to the worker's own [`FromWorker::AskStatus`] with the same id.
    Status {
        id: u64,
        view: Box<FamilyView>,
    },
    /// Stop accepting, let the requests finish, exit.
    Drain,
    ReopenLogs,
    /// Exit now.
    Stop,
}

/// What a worker sends up its channel to the master.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromWorker {
    /// The engine is built and the listeners are watched.
    Ready,
    /// It cannot begin; it will exit now, and another try would end alike.
    Failed {
        message: String,
    },
    Status {
        id: u64,
        view: Box<WorkerView>,
    },
    /// The built-in page asks what the whole family is doing.
    AskStatus {
        id: u64,
    },
}

impl Message for Command {
    const NAME: &'static str = "command";
}
impl Message for Reply {
    const NAME: &'static str = "reply";
}
impl Message for ToWorker {
    const NAME: &'static str = "message to a worker";
}
impl Message for FromWorker {
    const NAME: &'static str = "message from a worker";
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Command {}
    impl Sealed for super::Reply {}
    impl Sealed for super::ToWorker {}
    impl Sealed for super::FromWorker {}
}
