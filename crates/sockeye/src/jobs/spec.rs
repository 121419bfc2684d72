//! What a job is: when, what, as whom, and where its output goes.

use std::ffi::OsString;
use std::path::PathBuf;

use process::{Account, Resource, Rlimit};
use schedule::{Policy, Schedule};

/// A job, from a `[[job]]` or from a line of a crontab.
#[derive(Clone, Debug)]
pub struct JobSpec {
    /// What tells the job from others over reloads and restarts; its history stands under it.
    pub identity: String,
    /// What people call it, in lists and logs and for `trigger`.
    pub name: String,
    pub schedule: Schedule,
    pub policy: Policy,
    pub what: What,
    /// What the command reads; nothing if none.
    pub stdin: Option<Vec<u8>>,
    /// The whole environment.
    pub environment: Vec<(OsString, OsString)>,
    pub directory: Option<PathBuf>,
    /// None: who the program runs as.
    pub account: Option<Account>,
    pub umask: Option<u32>,
    pub limits: Vec<(Resource, Rlimit)>,
    pub output: Output,
    /// cronie's `-` before the minutes: runs that go well are not told.
    pub quiet: bool,
    /// The line of a crontab that it comes from.
    pub source: Option<(PathBuf, u32)>,
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A program and its arguments.
    Command(Vec<OsString>),
    /// A text for a shell.
    Shell { shell: OsString, text: OsString },
    /// An order that the owner carries out, such as `restart nginx`.
    Verb(String),
}

/// Where what a job prints goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Line by line to the owner's log.
    Log,
    Null,
    /// To the end of a file. When it has `max` bytes at the start of a run it is renamed, and
    /// `keep` old ones stay.
    File {
        path: PathBuf,
        max: u64,
        keep: u32,
    },
}

impl JobSpec {
    /// Whether the scheduler need not know that this job has become `other`.
    pub fn same_times(&self, other: &JobSpec) -> bool {
        self.schedule.expr() == other.schedule.expr()
            && self.schedule.dialect() == other.schedule.dialect()
            && self.schedule.zone() == other.schedule.zone()
            && self.policy == other.policy
    }
}
