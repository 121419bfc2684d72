//! The table of keys of `[server]`: name, what it takes, default, meaning, and how it is read.
//!
//! Everything that lists the keys walks this table: the reader of the file, `--set`, the
//! suggestions for mistyped names, the reference page and the man page. A new key is one entry here
//! and one field of [`Low`].

use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::Low;
use super::error::{Problem, quoted};
use super::nearest::nearest;
use super::units::{duration_from_text, size_from_text};
use crate::settings::{
    AccessLog, IoModel, ListenAddress, ListenerSharing, LogFormat, Named, ProcessModel, Workers,
};

pub struct Key {
    pub name: &'static str,
    pub takes: Takes,
    /// As it would stand in the file, or words where it depends.
    pub default: &'static str,
    pub about: &'static str,
    pub set: fn(&mut Low, &Value<'_>) -> Result<(), Problem>,
}

/// What a key accepts, in words for the reference.
pub enum Takes {
    Words(&'static str),
    OneOf(fn() -> Vec<&'static str>),
}

/// More addresses than this are a slip.
const LISTEN_MAX: usize = 64;

const DURATION: Takes = Takes::Words("a duration: `\"500ms\"`, `\"30s\"`, `\"2m\"`, `\"1h\"`");
const SIZE: Takes = Takes::Words("bytes: `16384` or `\"16KiB\"`");
const TRUTH: Takes = Takes::Words("`true` or `false`");

pub const KEYS: &[Key] = &[
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

const ZERO: Duration = Duration::ZERO;
/// A deadline of nothing would close every connection before it is used.
const SHORTEST: Duration = Duration::from_millis(1);

fn names<T: Named>() -> Vec<&'static str> {
    T::ALL.iter().map(|choice| choice.name()).collect()
}

/// A value of the file together with its key and place: it reads itself or says what is wrong.
pub struct Value<'a> {
    pub key: &'static str,
    pub span: Range<usize>,
    pub inner: &'a DeValue<'a>,
}

impl<'a> Value<'a> {
    fn text(&self) -> Result<&'a str, Problem> {
        match self.inner {
            DeValue::String(text) if text.is_empty() => {
                Err(self.problem("is empty", "write a value, or leave the key out"))
            }
            DeValue::String(text) if text.contains('\0') => {
                Err(self.problem("holds a zero byte", "leave it out"))
            }
            DeValue::String(text) => Ok(text),
            other => Err(self.wrong_kind("text in quotes", other, "")),
        }
    }

    fn path(&self) -> Result<&'a str, Problem> {
        self.text()
    }

    fn truth(&self) -> Result<bool, Problem> {
        match self.inner {
            DeValue::Boolean(truth) => Ok(*truth),
            other => Err(self.wrong_kind("true or false", other, "")),
        }
    }

    fn named<T: Named>(&self) -> Result<T, Problem> {
        let DeValue::String(text) = self.inner else {
            let help = format!("one of, in quotes: {}", names::<T>().join(", "));
            return Err(self.wrong_kind("a name", self.inner, &help));
        };
        T::from_name(text).ok_or_else(|| {
            let names = names::<T>();
            let help = match nearest(text, names.iter().copied()) {
                Some(near) => format!("did you mean \"{near}\"? One of: {}", names.join(", ")),
                None => format!("one of: {}", names.join(", ")),
            };
            self.problem(&format!("cannot be \"{}\"", quoted(text)), &help)
        })
    }

    fn read_text<T>(&self, read: fn(&str) -> Result<T, String>) -> Result<T, Problem> {
        read(self.text()?).map_err(|why| self.problem(&why, ""))
    }

    fn workers(&self) -> Result<Workers, Problem> {
        match self.inner {
            DeValue::Integer(number) => {
                Workers::from_text(number.as_str()).map_err(|why| self.problem(&why, ""))
            }
            DeValue::String(_) => self.read_text(Workers::from_text),
            other => Err(self.wrong_kind("\"auto\" or a number", other, "")),
        }
    }

    fn count(&self, min: u64, max: u64) -> Result<u64, Problem> {
        let DeValue::Integer(number) = self.inner else {
            return Err(self.wrong_kind("a whole number", self.inner, ""));
        };
        let count = u64::from_str_radix(number.as_str(), number.radix()).ok();
        count.filter(|count| (min..=max).contains(count)).ok_or_else(|| {
            self.problem("is out of range", &format!("a number from {min} to {max}"))
        })
    }

    fn size(&self, min: u64, max: u64) -> Result<u64, Problem> {
        let bytes = match self.inner {
            DeValue::Integer(_) => return self.count(min, max),
            _ => self.read_text(size_from_text)?,
        };
        if (min..=max).contains(&bytes) {
            return Ok(bytes);
        }
        Err(self.problem("is out of range", &format!("a size from {min} to {max} bytes")))
    }

    fn duration(&self, min: Duration) -> Result<Duration, Problem> {
        if let DeValue::Integer(number) = self.inner {
            let help = format!("write \"{}s\" if seconds are meant", quoted(number.as_str()));
            return Err(self.problem("has no unit", &help));
        }
        let duration = self.read_text(duration_from_text)?;
        if duration < min {
            return Err(self.problem("must be more than zero", "write \"1ms\" or more"));
        }
        Ok(duration)
    }

    fn addresses(&self) -> Result<Vec<ListenAddress>, Problem> {
        let DeValue::Array(list) = self.inner else { return Ok(vec![self.address()?]) };
        if list.is_empty() || list.len() > LISTEN_MAX {
            let help = format!("from 1 to {LISTEN_MAX} addresses, as in [\"127.0.0.1:8080\"]");
            return Err(self.problem("has too few or too many addresses", &help));
        }
        list.iter().map(|item| self.at(item).address()).collect()
    }

    fn address(&self) -> Result<ListenAddress, Problem> {
        if let DeValue::Integer(number) = self.inner {
            let help = format!("write \"127.0.0.1:{}\"", quoted(number.as_str()));
            return Err(self.wrong_kind("addresses", self.inner, &help));
        }
        let text = self.text()?;
        ListenAddress::from_text(text)
            .map_err(|why| self.problem(&format!("\"{}\" {why}", quoted(text)), ""))
    }

    /// An element of this value.
    fn at(&self, item: &'a Spanned<DeValue<'a>>) -> Self {
        Self { key: self.key, span: item.span(), inner: item.get_ref() }
    }

    fn wrong_kind(&self, wanted: &str, found: &DeValue<'_>, help: &str) -> Problem {
        self.problem(&format!("takes {wanted}, not {}", kind(found)), help)
    }

    fn problem(&self, what: &str, help: &str) -> Problem {
        Problem {
            span: self.span.clone(),
            message: format!("`{}` {what}", self.key),
            help: (!help.is_empty()).then(|| help.to_owned()),
        }
    }
}

/// What a value is, with its article.
pub fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// The table as Markdown: the heart of docs/configuration.md.
pub fn reference() -> String {
    KEYS.iter().map(entry).collect()
}

fn entry(key: &Key) -> String {
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
