//! `sockeye connections` and `sockeye ps`: in every process model each socket pair with its
//! process, descriptor and references, as /proc has them, and what the server knows of it.

use std::fs;

use serde_json::Value;

use crate::harness::{Server, eventually, sockeye};

fn document(server: &Server) -> Value {
    let output = server.verb(&["conns", "--json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The connection of this client, once the server lists it as idle after its request.
fn listed(server: &Server, client: &str) -> Value {
    let mut found = Value::Null;
    eventually("the connection is listed as idle", || {
        let document = document(server);
        assert_eq!(document["version"], 1);
        let all = document["connections"].as_array().unwrap();
        found = all.iter().find(|c| c["peer"] == client).cloned().unwrap_or_default();
        found["state"] == "idle"
    });
    found
}

fn check(models: [&str; 2]) {
    let [process_model, io_model] = models;
    let server = Server::start(&[
        "--process-model",
        process_model,
        "--io-model",
        io_model,
        "--workers",
        "1",
    ]);
    let mut peer = server.connect();
    peer.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(peer.read_response().unwrap().status, 200);
    let client = rustix::net::getsockname(peer.socket()).unwrap();
    let client = std::net::SocketAddr::try_from(client).unwrap().to_string();
    let seen = listed(&server, &client);
    assert_eq!(seen["requests"], 1, "{models:?} {seen}");
    assert_eq!(seen["bytes_in"], 27, "{models:?} {seen}");
    let link = format!("/proc/{}/fd/{}", seen["pid"], seen["fd"]);
    let target = fs::read_link(&link).unwrap();
    assert!(target.to_string_lossy().starts_with("socket:["), "{models:?} {link} {target:?}");
    assert!(seen["references"].as_u64() >= Some(1), "{models:?} {seen}");

    let page = server.verb(&["connections", "--sort", "idle"]).stdout;
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains(&client) && page.contains("open in 1 worker: "), "{page}");
    let control = server.control().to_str().unwrap();
    let processes = sockeye(&["ps", "--json", "--control", control]).output().unwrap().stdout;
    let processes: Value = serde_json::from_slice(&processes).unwrap();
    let processes = processes["processes"].as_array().unwrap();
    let member = processes.iter().find(|p| p["pid"] == seen["pid"]).unwrap();
    assert_eq!(member["family"]["generation"], 1, "{member}");
    assert!(member["family"]["doing"].as_str().unwrap().contains("idle"), "{member}");
    drop(peer);
    server.stop();
}

#[test]
fn connections_are_listed_in_every_process_model() {
    for models in [
        ["prefork", "epoll"],
        ["prefork", "blocking"],
        ["thread-per-core", "poll"],
        ["fork-per-connection", "epoll"],
        ["fork-per-connection", "blocking"],
        ["thread-per-connection", "select"],
    ] {
        check(models);
    }
}
