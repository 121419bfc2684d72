//! What was written, in the file or on the command line: typed, but with anything missing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::settings::{
    AccessLog, App, IoModel, Job, ListenAddress, ListenerSharing, LogFormat, Place, ProcessModel,
    Workers,
};

/// Declares [`Low`] and how one lies over another, so that a new setting cannot be forgotten there.
macro_rules! low {
    ($($field:ident: $type:ty,)*) => {
        /// One field for each setting; none where nothing was written.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Low {
            $(pub $field: Option<$type>,)*
        }

        impl Low {
            /// These settings, and where they say nothing, those below.
            pub fn over(self, below: Self) -> Self {
                Self { $($field: self.$field.or(below.$field),)* }
            }
        }
    };
}

low! {
    control: PathBuf,
    listen: Vec<ListenAddress>,
    listeners: ListenerSharing,
    backlog: u32,
    root: PathBuf,
    list_directories: bool,
    process_model: ProcessModel,
    io_model: IoModel,
    strict: bool,
    workers: Workers,
    user: String,
    access_log: AccessLog,
    log_format: LogFormat,
    drain_timeout: Duration,
    head_timeout: Duration,
    idle_timeout: Duration,
    body_timeout: Duration,
    write_timeout: Duration,
    max_connections: usize,
    max_children: usize,
    head_bytes: usize,
    body_bytes: u64,
    cache_bytes: usize,
    web: bool,
    apps: Vec<App>,
    jobs: Vec<Job>,
    crontab: Vec<PathBuf>,
    history: PathBuf,
}

impl Low {
    /// With every relative path seen from this folder.
    pub fn seen_from(mut self, base: &Path) -> Self {
        self.control = self.control.map(|path| base.join(path));
        self.root = self.root.map(|path| base.join(path));
        self.history = self.history.map(|path| base.join(path));
        for path in self.crontab.iter_mut().flatten() {
            *path = base.join(&*path);
        }
        for app in self.apps.iter_mut().flatten() {
            app.listen = all_seen_from(std::mem::take(&mut app.listen), base);
            place_seen_from(&mut app.place, base);
            app.output.seen_from(base);
        }
        for job in self.jobs.iter_mut().flatten() {
            place_seen_from(&mut job.place, base);
            job.output.seen_from(base);
        }
        self.listen = self.listen.map(|list| all_seen_from(list, base));
        self.access_log = self.access_log.map(|log| match log {
            AccessLog::File(path) => AccessLog::File(base.join(path)),
            AccessLog::Off | AccessLog::Stdout => log,
        });
        self
    }
}

fn all_seen_from(list: Vec<ListenAddress>, base: &Path) -> Vec<ListenAddress> {
    list.into_iter().map(|address| address.seen_from(base)).collect()
}

fn place_seen_from(place: &mut Place, base: &Path) {
    if let Some(folder) = &mut place.directory {
        *folder = base.join(&*folder);
    }
}
