//! What each process of the running family is and does, for `sockeye ps`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use control::{
    Command, ConnectionState, ConnectionView, FamilyView, Reply, WorkerRole, WorkerState,
    WorkerView,
};
use inspect::family::Member;

use super::client::{Client, unexpected};
use super::status::{REQUEST_CHARS_MAX, connection_state, count};
use crate::cli::output::{Failure, escaped};

/// A listing does not wait long for a master that may be stopped.
const ASK_WAIT: Duration = Duration::from_secs(2);

/// Asks the master at the path; without one, a master where one would be, if any is.
pub fn members(control: Option<&Path>) -> Result<Vec<Member>, String> {
    let asked =
        Client::connect(control).and_then(|mut client| client.ask(&Command::Status, ASK_WAIT));
    let reply = match asked {
        Ok(reply) => reply,
        Err(_) if control.is_none() => return Ok(Vec::new()),
        Err(failure) => return Err(words(failure)),
    };
    match reply {
        Reply::Status(view) => Ok(of_view(&view)),
        other => Err(words(unexpected(other))),
    }
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Usage(why) | Failure::Failed(why) => why,
        Failure::BrokenPipe => String::new(),
    }
}

fn of_view(view: &FamilyView) -> Vec<Member> {
    let mut members = vec![master(view)];
    let mut by_pid: BTreeMap<u32, Vec<&WorkerView>> = BTreeMap::new();
    for worker in &view.workers {
        by_pid.entry(worker.pid).or_default().push(worker);
    }
    for units in by_pid.values() {
        members.extend(worker(units));
        members.extend(units.iter().flat_map(|unit| children(unit)));
    }
    members
}

fn master(view: &FamilyView) -> Member {
    let listeners: Vec<&str> = view.listeners.iter().map(|l| l.address.as_str()).collect();
    let pids = view.workers.iter().map(|worker| worker.pid);
    let workers = pids.collect::<std::collections::BTreeSet<_>>().len() as u64;
    Member {
        pid: view.master_pid,
        role: "master".into(),
        generation: Some(view.generation),
        doing: escaped(&format!(
            "{} + {}, {} on {}",
            view.process_model,
            view.io_model,
            count(workers, "worker"),
            listeners.join(" ")
        )),
    }
}

/// One process, which has several units where each is a thread.
fn worker(units: &[&WorkerView]) -> Option<Member> {
    let first = units.first()?;
    let role = match first.role {
        WorkerRole::Worker => "worker",
        WorkerRole::Acceptor => "acceptor",
        WorkerRole::Child => "connection",
    };
    let state = match first.state {
        WorkerState::Starting => "starting",
        WorkerState::Serving => "serving",
        WorkerState::Draining => "draining",
    };
    let open: u64 = units.iter().map(|unit| unit.counters.connections_open).sum();
    let all = units.iter().flat_map(|unit| &unit.connections);
    let idle = all.clone().filter(|c| c.state == ConnectionState::Idle).count();
    let doing = match all.clone().find_map(request) {
        _ if open == 0 => format!("{state}, no connection"),
        None => format!("{state}, {}, {idle} idle", count(open, "connection")),
        Some(request) => {
            format!("{state}, {}, {idle} idle: {request}", count(open, "connection"))
        }
    };
    Some(Member { pid: first.pid, role: role.into(), generation: Some(first.generation), doing })
}

/// The children of an acceptor, each of which has one connection.
fn children(unit: &WorkerView) -> impl Iterator<Item = Member> {
    unit.connections.iter().filter_map(|connection| {
        let state = connection_state(connection.state);
        let doing = match request(connection) {
            None => format!("{state}, {}", escaped(&connection.peer)),
            Some(request) => format!("{state}, {}: {request}", escaped(&connection.peer)),
        };
        let role = "connection".into();
        Some(Member { pid: connection.served_by?, role, generation: Some(unit.generation), doing })
    })
}

fn request(connection: &ConnectionView) -> Option<String> {
    let text = escaped(connection.request.as_deref()?);
    Some(text.chars().take(REQUEST_CHARS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::Counters;

    #[test]
    fn each_process_is_named_once() {
        let connection = |state, request: Option<&str>, served_by| ConnectionView {
            state,
            request: request.map(str::to_owned),
            peer: "127.0.0.1:5".into(),
            served_by,
            ..ConnectionView::default()
        };
        let unit = |pid, role, connections: Vec<ConnectionView>| WorkerView {
            pid,
            role,
            generation: 2,
            state: WorkerState::Serving,
            counters: Counters {
                connections_open: connections.len() as u64,
                ..Counters::default()
            },
            connections,
            ..WorkerView::default()
        };
        let idle = connection(ConnectionState::Idle, None, None);
        let busy = connection(ConnectionState::Responding, Some("GET /\u{1b}"), None);
        let served = connection(ConnectionState::Responding, None, Some(30));
        let view = FamilyView {
            master_pid: 9,
            generation: 2,
            process_model: "prefork".into(),
            io_model: "epoll".into(),
            workers: vec![
                unit(10, WorkerRole::Worker, vec![idle]),
                unit(10, WorkerRole::Worker, vec![busy]),
                unit(11, WorkerRole::Acceptor, vec![served]),
                unit(12, WorkerRole::Worker, vec![]),
            ],
            ..FamilyView::default()
        };
        let found = of_view(&view);
        let seen: Vec<_> =
            found.iter().map(|m| (m.pid, m.role.as_str(), m.doing.as_str())).collect();
        assert_eq!(
            seen,
            [
                (9, "master", "prefork + epoll, 3 workers on "),
                (10, "worker", "serving, 2 connections, 1 idle: GET /\\u{1b}"),
                (11, "acceptor", "serving, 1 connection, 0 idle"),
                (30, "connection", "responding, 127.0.0.1:5"),
                (12, "worker", "serving, no connection"),
            ]
        );
        assert!(found.iter().all(|member| member.generation == Some(2)));
    }
}
