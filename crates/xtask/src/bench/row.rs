//! The rows of the bench: what is asked of the servers, and which of them are asked.

use super::server::{Contender, Kind};

/// Connections of a busy row.
pub const CONNECTIONS: usize = 64;
/// Requests sent at once in the pipelined row.
pub const PIPELINED: u32 = 16;

#[derive(Clone, Debug)]
pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    pub target: &'static str,
    pub body_bytes: u64,
    pub asked: Asked,
    pub contenders: Vec<Contender>,
}

/// What the figure of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Processor time a request, as fast as it goes.
    Requests { pipelined: u32 },
    /// The same with a new connection for each request.
    Connections,
    /// Private memory an idle keep-alive connection.
    Idle,
}

const ONE: Asked = Asked::Requests { pipelined: 1 };

/// The files that the rows ask for, and how long they are.
pub const FILES: [(&str, u64); 5] = [
    ("/reply.txt", 12),
    ("/1k.bin", 1024),
    ("/4k.bin", 4096),
    ("/100k.bin", 100 * 1024),
    ("/10m.bin", 10 * 1024 * 1024),
];

pub fn all() -> Vec<Row> {
    let file = |name, title, file: usize, asked, contenders| {
        let (target, body_bytes) = FILES[file];
        Row { name, title, target, body_bytes, asked, contenders }
    };
    vec![
        file("reply", "12-byte reply", 0, ONE, rivals(true, true)),
        file("1k", "1 KB file", 1, ONE, rivals(false, true)),
        file("4k", "4 KB file", 2, ONE, rivals(false, true)),
        file("100k", "100 KB file", 3, ONE, rivals(false, true)),
        file("10m", "10 MB file", 4, ONE, rivals(false, true)),
        file(
            "pipelined",
            "12-byte reply, 16 pipelined",
            0,
            Asked::Requests { pipelined: PIPELINED },
            rivals(true, false),
        ),
        file("connect", "new connection per request", 2, Asked::Connections, rivals(false, true)),
        file("idle", "idle keep-alive connection", 2, Asked::Idle, rivals(false, true)),
        file("io-models", "I/O models, 4 KB file", 2, ONE, io_models()),
        file("process-models", "process models, 4 KB file", 2, ONE, process_models()),
        file(
            "process-models-connect",
            "process models, new connection per request",
            2,
            Asked::Connections,
            process_models(),
        ),
    ]
}

/// HAProxy serves no files, so it takes part only where a fixed reply is asked for.
fn rivals(fixed_reply: bool, tcp_nopush: bool) -> Vec<Contender> {
    let mut all = vec![
        Contender::sockeye(),
        Contender::model("sockeye io_uring", "prefork", "io_uring", 1),
        Contender::rival("nginx", Kind::Nginx { tcp_nopush }),
        Contender::rival("h2o", Kind::H2o),
    ];
    if fixed_reply {
        all.push(Contender::rival("haproxy", Kind::Haproxy));
    }
    all.push(Contender::rival("lighttpd", Kind::Lighttpd));
    all.push(Contender::rival("caddy", Kind::Caddy));
    all
}

fn nginx() -> Contender {
    Contender::rival("nginx", Kind::Nginx { tcp_nopush: true })
}

/// A blocking worker serves one connection at a time, so it needs one for each.
fn io_models() -> Vec<Contender> {
    let events = ["epoll", "io_uring", "poll", "select", "sigio", "nonblocking"];
    let mut all = vec![nginx()];
    all.extend(events.map(|model| Contender::model(model, "prefork", model, 1)));
    all.push(Contender::model("blocking", "prefork", "blocking", CONNECTIONS));
    all
}

/// An iterative server keeps all but one client waiting, so it is asked by one.
fn process_models() -> Vec<Contender> {
    let iterative = Contender::model("iterative (1 connection)", "iterative", "blocking", 1);
    vec![
        nginx(),
        Contender::model("prefork", "prefork", "epoll", 1),
        Contender::model("thread-per-core", "thread-per-core", "epoll", 1),
        Contender::model("thread-per-connection", "thread-per-connection", "blocking", 1),
        Contender::model("fork-per-connection", "fork-per-connection", "blocking", 1),
        Contender { connections: Some(1), ..iterative },
    ]
}
