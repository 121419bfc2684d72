//! The table of keys of `[server]`: name, what it takes, default, meaning, and how it is read.
//! Those of `[[app]]` and `[[job]]`, of the same shape, are in `programs`.
//!
//! Everything that lists the keys walks these tables: the reader of the file, `--set`, the
//! suggestions for mistyped names, the reference page and the man page. A new key is one entry here
//! and one field of [`Low`].

use std::time::Duration;

use super::Low;
use super::error::Problem;
use super::programs::{APP_KEYS, JOB_KEYS};
use super::value::Value;
use crate::settings::{AccessLog, IoModel, ListenerSharing, LogFormat, Named, ProcessModel};

/// A key of a section that is read into a `T`.
pub struct Key<T: 'static> {
    pub name: &'static str,
    pub takes: Takes,
    /// As it would stand in the file, or words where it depends.
    pub default: &'static str,
    pub about: &'static str,
    pub set: fn(&mut T, &Value<'_>) -> Result<(), Problem>,
}

/// What a key accepts, in words for the reference.
pub enum Takes {
    Words(&'static str),
    OneOf(fn() -> Vec<&'static str>),
}

pub(super) const DURATION: Takes =
    Takes::Words("a duration: `\"500ms\"`, `\"30s\"`, `\"2m\"`, `\"1h\"`");
pub(super) const SIZE: Takes = Takes::Words("bytes: `16384` or `\"16KiB\"`");
pub(super) const TRUTH: Takes = Takes::Words("`true` or `false`");

pub const KEYS: &[Key<Low>] = &[
    Key {
        name: "listen",
        takes: Takes::Words(
            "an address or a list: `\"127.0.0.1:8080\"`, `\"[::]:80\"`, \
                             `\"unix:/run/site.sock\"`",
        ),
        default: "`\"127.0.0.1:8080\"`",
        about: "Where to accept connections. Port 0 takes a free port and prints it.",
        set: |low, value| value.addresses().map(|it| low.listen = Some(it)),
    },
    Key {
        name: "root",
        takes: Takes::Words("a folder"),
        default: "the built-in site",
        about: "The folder to serve. Without it the server shows its own processes, sockets and \
                connections.",
        set: |low, value| value.path().map(|it| low.root = Some(it.into())),
    },
    Key {
        name: "list_directories",
        takes: TRUTH,
        default: "`false`",
        about: "List a folder that has no index page, instead of answering 403.",
        set: |low, value| value.truth().map(|it| low.list_directories = Some(it)),
    },
    Key {
        name: "process_model",
        takes: Takes::OneOf(names::<ProcessModel>),
        default: "`\"prefork\"`",
        about: "Which process or thread serves a connection.",
        set: |low, value| value.named().map(|it| low.process_model = Some(it)),
    },
    Key {
        name: "io_model",
        takes: Takes::OneOf(names::<IoModel>),
        default: "`\"epoll\"` with prefork and thread-per-core, else `\"blocking\"`",
        about: "How a worker waits for its connections.",
        set: |low, value| value.named().map(|it| low.io_model = Some(it)),
    },
    Key {
        name: "strict",
        takes: TRUTH,
        default: "`false`",
        about: "Fail where the kernel refuses the I/O model, instead of falling back to epoll, and \
                where a limit would be lowered.",
        set: |low, value| value.truth().map(|it| low.strict = Some(it)),
    },
    Key {
        name: "workers",
        takes: Takes::Words("`\"auto\"` or a number from 1 to 1024"),
        default: "`\"auto\"`: one for each CPU this process may use, 16 with blocking",
        about: "Processes of prefork, threads of thread-per-core; other models are one process.",
        set: |low, value| value.workers().map(|it| low.workers = Some(it)),
    },
    Key {
        name: "user",
        takes: Takes::Words("an account of /etc/passwd"),
        default: "the user who starts it",
        about: "Who the workers run as. The master stays who it is, to open ports and logs.",
        set: |low, value| value.text().map(|it| low.user = Some(it.into())),
    },
    Key {
        name: "access_log",
        takes: Takes::Words("a file, `\"-\"` for standard output, or `\"off\"`"),
        default: "`\"off\"`",
        about: "Where a line for each request goes.",
        set: |low, value| value.read_text(AccessLog::from_text).map(|it| low.access_log = Some(it)),
    },
    Key {
        name: "log_format",
        takes: Takes::OneOf(names::<LogFormat>),
        default: "`\"combined\"`",
        about: "The form of those lines: Apache's combined format, or a JSON object.",
        set: |low, value| value.named().map(|it| low.log_format = Some(it)),
    },
    Key {
        name: "control",
        takes: Takes::Words("the path of a Unix socket"),
        default: "`$XDG_RUNTIME_DIR/sockeye/control.sock`, as root `/run/sockeye/control.sock`",
        about: "Where `sockeye status`, `reload` and `stop` find the master.",
        set: |low, value| value.path().map(|it| low.control = Some(it.into())),
    },
    Key {
        name: "listeners",
        takes: Takes::OneOf(names::<ListenerSharing>),
        default: "`\"per-worker\"`",
        about: "A listening socket for each worker (SO_REUSEPORT), or one that all share.",
        set: |low, value| value.named().map(|it| low.listeners = Some(it)),
    },
    Key {
        name: "backlog",
        takes: Takes::Words("a number from 1 to 65535"),
        default: "`1024`",
        about: "Connections the kernel keeps for a listener until they are accepted; \
                net.core.somaxconn limits it too.",
        set: |low, value| value.count(1, 65_535).map(|it| low.backlog = Some(it as u32)),
    },
    Key {
        name: "drain_timeout",
        takes: DURATION,
        default: "`\"30s\"`",
        about: "How long a worker that is replaced or stopped may finish its requests.",
        set: |low, value| value.duration(ZERO).map(|it| low.drain_timeout = Some(it)),
    },
    Key {
        name: "head_timeout",
        takes: DURATION,
        default: "`\"10s\"`",
        about: "The time from a request's first byte to the end of its head.",
        set: |low, value| value.duration(SHORTEST).map(|it| low.head_timeout = Some(it)),
    },
    Key {
        name: "idle_timeout",
        takes: DURATION,
        default: "`\"75s\"`",
        about: "How long a connection is kept between two requests.",
        set: |low, value| value.duration(SHORTEST).map(|it| low.idle_timeout = Some(it)),
    },
    Key {
        name: "body_timeout",
        takes: DURATION,
        default: "`\"30s\"`",
        about: "How long a request's body may pause.",
        set: |low, value| value.duration(SHORTEST).map(|it| low.body_timeout = Some(it)),
    },
    Key {
        name: "write_timeout",
        takes: DURATION,
        default: "`\"30s\"`",
        about: "How long a client may take nothing of its response.",
        set: |low, value| value.duration(SHORTEST).map(|it| low.write_timeout = Some(it)),
    },
    Key {
        name: "max_connections",
        takes: Takes::Words("a number from 1 to 1048576"),
        default: "`65536`, with select `960`",
        about: "Open connections of one worker; RLIMIT_NOFILE limits them too.",
        set: |low, value| value.count(1, 1 << 20).map(|it| low.max_connections = Some(it as usize)),
    },
    Key {
        name: "max_children",
        takes: Takes::Words("a number from 1 to 65535"),
        default: "`512`",
        about: "Live children of fork-per-connection, live threads of thread-per-connection; \
                further connections wait.",
        set: |low, value| value.count(1, 65_535).map(|it| low.max_children = Some(it as usize)),
    },
    Key {
        name: "head_bytes",
        takes: Takes::Words("bytes, from 1 KiB to 20 KiB: `16384` or `\"16KiB\"`"),
        default: "`\"16KiB\"`",
        about: "The largest request head; a larger one is answered 431.",
        set: |low, value| {
            let most = engine::INBOX_BYTES as u64;
            value.size(1 << 10, most).map(|it| low.head_bytes = Some(it as usize))
        },
    },
    Key {
        name: "body_bytes",
        takes: SIZE,
        default: "`\"1MiB\"`",
        about: "The largest request body; a larger one is answered 413.",
        set: |low, value| value.size(0, 1 << 40).map(|it| low.body_bytes = Some(it)),
    },
    Key {
        name: "cache_bytes",
        takes: SIZE,
        default: "`\"64MiB\"`",
        about: "The memory a worker may use for files of 32 KiB and less.",
        set: |low, value| value.size(0, 1 << 36).map(|it| low.cache_bytes = Some(it as usize)),
    },
];

pub(super) const ZERO: Duration = Duration::ZERO;
/// A deadline of nothing would close every connection before it is used.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

pub(super) fn names<T: Named>() -> Vec<&'static str> {
    T::ALL.iter().map(|choice| choice.name()).collect()
}

/// The tables as Markdown: the heart of docs/configuration.md.
pub fn reference() -> String {
    let server: String = KEYS.iter().map(entry).collect();
    let apps: String = APP_KEYS.iter().map(entry).collect();
    let jobs: String = JOB_KEYS.iter().map(entry).collect();
    format!(
        "## Keys of `[server]`\n\n{server}## Keys of `[[app]]`\n\n{apps}\
         ## Keys of `[[job]]`\n\n{jobs}"
    )
}

fn entry<T>(key: &Key<T>) -> String {
    let Key { name, default, about, takes, .. } = key;
    let takes = takes.in_words();
    format!("### `{name}`\n\n{about}\n\n- Takes: {takes}\n- Default: {default}\n\n")
}

impl Takes {
    /// In Markdown.
    pub fn in_words(&self) -> String {
        match self {
            Self::Words(words) => (*words).to_owned(),
            Self::OneOf(names) => {
                let names: Vec<String> =
                    names().iter().map(|name| format!("`\"{name}\"`")).collect();
                names.join(", ")
            }
        }
    }
}
