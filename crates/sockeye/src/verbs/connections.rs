//! `connections`: each socket pair of the running server, with who serves it and what is on it now.
//!
//! The server says what only it knows (requests, bytes, times); `inspect` says what the kernel
//! knows of the descriptor (its references). What neither can know is shown as `-`, never as 0.

use std::cmp::Reverse;

use control::{Command, ConnectionState, ConnectionView, FamilyView, Reply, WorkerView};
use inspect::{Counted, References};
use serde_json::{Value, json};

use super::client::{Client, unexpected};
use super::status::{
    REQUEST_CHARS_MAX, STATUS_WAIT, age, connection_state, count as counted, process, size,
};
use crate::cli::output::{Failure, Output, POOR, escaped};
use crate::cli::table::{Align, Table};
use crate::cli::{ConnectionSort, ConnectionsArgs};

/// Of the document of `--json`: members are added without a new one, never changed.
const JSON_VERSION: u32 = 1;

pub fn run(out: &mut Output<'_>, args: &ConnectionsArgs) -> Result<(), Failure> {
    let mut client = Client::connect(args.control.control.as_deref())?;
    let view = match client.ask(&Command::Status, STATUS_WAIT)? {
        Reply::Status(view) => view,
        other => return Err(unexpected(other)),
    };
    let references = References::collect();
    let rows = rows(&view, &references, args.sort);
    match args.json {
        true => Ok(out.line(document(&view, &rows, references.counted))?),
        false => Ok(print(out, &view, &rows, references.counted)?),
    }
}

/// One connection and its worker.
struct Row<'a> {
    worker: &'a WorkerView,
    connection: &'a ConnectionView,
    references: Option<u64>,
}

impl Row<'_> {
    /// The process whose descriptor it is.
    fn pid(&self) -> u32 {
        self.connection.served_by.unwrap_or(self.worker.pid)
    }

    /// Whether who serves it has said what happens on it.
    fn is_known(&self) -> bool {
        !self.connection.silent
    }

    fn bytes(&self) -> u64 {
        self.connection.bytes_in.saturating_add(self.connection.bytes_out)
    }
}

fn rows<'a>(view: &'a FamilyView, references: &References, sort: ConnectionSort) -> Vec<Row<'a>> {
    let of_worker = |worker: &'a WorkerView| {
        worker.connections.iter().map(move |connection| Row {
            worker,
            connection,
            references: None,
        })
    };
    let mut rows: Vec<Row<'a>> = view.workers.iter().flat_map(of_worker).collect();
    for row in &mut rows {
        row.references = references.of(row.pid(), row.connection.fd);
    }
    rows.sort_by_key(|row| (row.pid(), row.worker.tid, row.connection.fd));
    match sort {
        ConnectionSort::Pid => {}
        ConnectionSort::Peer => rows.sort_by(|a, b| a.connection.peer.cmp(&b.connection.peer)),
        ConnectionSort::State => rows.sort_by_key(|row| row.connection.state as u8),
        ConnectionSort::Requests => rows.sort_by_key(|row| Reverse(row.connection.requests)),
        ConnectionSort::Bytes => rows.sort_by_key(|row| Reverse(row.bytes())),
        ConnectionSort::Age => rows.sort_by_key(|row| Reverse(row.connection.age_ms)),
        ConnectionSort::Idle => rows.sort_by_key(|row| Reverse(row.connection.idle_ms)),
    }
    rows
}

fn print(
    out: &mut Output<'_>,
    view: &FamilyView,
    rows: &[Row<'_>],
    counted: Counted,
) -> std::io::Result<()> {
    let mut table = Table::new(&[
        ("PID", Align::Right),
        ("FD", Align::Right),
        ("REFS", Align::Right),
        ("LOCAL", Align::Left),
        ("PEER", Align::Left),
        ("STATE", Align::Left),
        ("REQUESTS", Align::Right),
        ("IN", Align::Right),
        ("OUT", Align::Right),
        ("AGE", Align::Right),
        ("IDLE", Align::Right),
        ("REQUEST", Align::Left),
    ]);
    rows.iter().for_each(|row| table.row(cells(row, counted)));
    if !rows.is_empty() {
        table.print(out)?;
        out.line("")?;
    }
    out.line(summary(view, rows))?;
    if !view.silent_workers.is_empty() {
        let pids: Vec<String> = view.silent_workers.iter().map(u32::to_string).collect();
        let text = format!("no answer in time from: {}", pids.join(", "));
        let text = out.paint(POOR, text).to_string();
        out.line(text)?;
    }
    Ok(())
}

fn cells(row: &Row<'_>, counted: Counted) -> Vec<String> {
    let connection = row.connection;
    let known = |text: String| if row.is_known() { text } else { "-".into() };
    let more = if counted == Counted::ByDescriptors { "+" } else { "" };
    let request = escaped(connection.request.as_deref().unwrap_or(""));
    vec![
        connection.served_by.map_or_else(|| process(row.worker), |pid| pid.to_string()),
        connection.fd.to_string(),
        row.references.map_or("-".into(), |count| format!("{count}{more}")),
        escaped(&connection.local),
        escaped(&connection.peer),
        connection_state(connection.state).into(),
        known(connection.requests.to_string()),
        known(size(connection.bytes_in)),
        known(size(connection.bytes_out)),
        age(connection.age_ms),
        known(age(connection.idle_ms)),
        request.chars().take(REQUEST_CHARS_MAX).collect(),
    ]
}

/// How many there are, in which states, and how many no worker has listed.
fn summary(view: &FamilyView, rows: &[Row<'_>]) -> String {
    const STATES: [ConnectionState; 5] = [
        ConnectionState::Idle,
        ConnectionState::ReadingHead,
        ConnectionState::ReadingBody,
        ConnectionState::Responding,
        ConnectionState::Lingering,
    ];
    let left_out = left_out(view);
    let all = rows.len() as u64 + left_out;
    let count = |state| rows.iter().filter(|row| row.connection.state == state).count();
    let counts = STATES.map(|state| (count(state), connection_state(state)));
    let mut parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    if left_out > 0 {
        parts.push(format!("{left_out} not listed"));
    }
    let workers = counted(view.workers.len() as u64, "worker");
    let requests = counted(requests(view), "request");
    let states = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    format!("{all} open in {workers}{states}; {requests} served so far")
}

fn left_out(view: &FamilyView) -> u64 {
    view.workers.iter().map(|worker| worker.connections_left_out).sum()
}

fn requests(view: &FamilyView) -> u64 {
    view.workers.iter().map(|worker| worker.counters.requests).sum()
}

fn document(view: &FamilyView, rows: &[Row<'_>], counted: Counted) -> String {
    let counted = match counted {
        Counted::ByKernel => "kernel",
        Counted::ByDescriptors => "descriptors",
    };
    json!({
        "version": JSON_VERSION,
        "master_pid": view.master_pid,
        "references_counted_by": counted,
        "connections": rows.iter().map(object).collect::<Vec<Value>>(),
        "connections_left_out": left_out(view),
        "silent_workers": view.silent_workers,
        "requests": requests(view),
    })
    .to_string()
}

fn object(row: &Row<'_>) -> Value {
    let connection = row.connection;
    let known = |number: u64| if row.is_known() { Value::from(number) } else { Value::Null };
    json!({
        "pid": row.pid(),
        "tid": row.worker.tid,
        "worker_pid": row.worker.pid,
        "generation": row.worker.generation,
        "fd": connection.fd,
        "references": row.references,
        "local": connection.local,
        "peer": connection.peer,
        "state": connection.state,
        "requests": known(connection.requests),
        "bytes_in": known(connection.bytes_in),
        "bytes_out": known(connection.bytes_out),
        "age_ms": connection.age_ms,
        "idle_ms": known(connection.idle_ms),
        "request": connection.request,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(fd: u32, state: ConnectionState, numbers: [u64; 3]) -> ConnectionView {
        let [requests, bytes_in, idle_ms] = numbers;
        ConnectionView {
            fd,
            peer: format!("[::1]:{}", 40_000 + fd),
            local: "[::1]:80".into(),
            state,
            requests,
            bytes_in,
            age_ms: 61_000,
            idle_ms,
            ..ConnectionView::default()
        }
    }

    fn sample() -> FamilyView {
        let mut busy = connection(9, ConnectionState::Responding, [3, 400, 4]);
        busy.request = Some("GET \u{1b}[".into());
        let idle = connection(8, ConnectionState::Idle, [7, 10, 900]);
        let mut child = connection(5, ConnectionState::Responding, [0, 0, 0]);
        child.served_by = Some(300);
        child.silent = true;
        let worker = WorkerView { pid: 102, connections: vec![busy, idle], ..Default::default() };
        let acceptor = WorkerView {
            pid: 101,
            connections: vec![child],
            connections_left_out: 2,
            ..Default::default()
        };
        FamilyView {
            workers: vec![worker, acceptor],
            silent_workers: vec![99],
            ..Default::default()
        }
    }

    fn none() -> References {
        References::of_nothing(Counted::ByKernel)
    }

    #[test]
    fn a_page() {
        let (view, mut bytes) = (sample(), Vec::new());
        let mut rows = rows(&view, &none(), ConnectionSort::Pid);
        rows[0].references = Some(2);
        print(&mut Output::plain(&mut bytes), &view, &rows, Counted::ByDescriptors).unwrap();
        let page = String::from_utf8(bytes).unwrap();
        assert_eq!(page, PAGE.trim_start_matches('\n'), "\n{page}");
    }

    const PAGE: &str = r"
  PID  FD  REFS  LOCAL     PEER         STATE       REQUESTS   IN  OUT    AGE   IDLE  REQUEST
  102   8    2+  [::1]:80  [::1]:40008  idle               7   10    0  1m01s  900ms
  102   9     -  [::1]:80  [::1]:40009  responding         3  400    0  1m01s    4ms  GET \u{1b}[
  300   5     -  [::1]:80  [::1]:40005  responding         -    -    -  1m01s      -

5 open in 2 workers: 1 idle, 2 responding, 2 not listed; 0 requests served so far
no answer in time from: 99
";

    #[test]
    fn orders() {
        fn check(sort: ConnectionSort, expected: [u32; 3]) {
            let view = sample();
            let sorted = rows(&view, &none(), sort);
            let fds: Vec<u32> = sorted.iter().map(|row| row.connection.fd).collect();
            assert_eq!(fds, expected, "{sort:?}");
        }
        check(ConnectionSort::Pid, [8, 9, 5]);
        check(ConnectionSort::Peer, [5, 8, 9]);
        check(ConnectionSort::State, [8, 9, 5]);
        check(ConnectionSort::Requests, [8, 9, 5]);
        check(ConnectionSort::Bytes, [9, 8, 5]);
        check(ConnectionSort::Idle, [8, 9, 5]);
    }

    #[test]
    fn a_document() {
        let view = sample();
        let rows = rows(&view, &none(), ConnectionSort::Pid);
        let text = document(&view, &rows, Counted::ByKernel);
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["connections_left_out"], 2);
        assert_eq!(document["connections"][1]["request"], "GET \u{1b}[");
        assert_eq!(document["connections"][1]["state"], "responding");
        assert_eq!(document["connections"][2]["pid"], 300);
        assert_eq!(document["connections"][2]["requests"], Value::Null);
    }
}
