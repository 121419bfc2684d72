//! What the program says when it cannot do what was asked: one clear line, an exit status, never a
//! panic.

use crate::harness::{Server, Site, sockeye};

/// Runs the program and compares its exit status and what is in its one line of complaint.
fn check(arguments: &[&str], status: i32, expected: &[&str]) {
    let output = sockeye(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
    for words in expected {
        assert!(errors.contains(words), "{arguments:?}: no {words:?} in:\n{errors}");
    }
    assert!(!errors.contains("panicked"), "{arguments:?}: {errors}");
}

#[test]
fn what_cannot_be_served_is_named() {
    let site = Site::new();
    let file = site.path().join("small.txt");
    check(&["serve", "/nowhere/at/all"], 1, &["cannot serve /nowhere/at/all: "]);
    check(&["serve", file.to_str().unwrap()], 1, &["small.txt: it is not a folder"]);
}

#[test]
fn a_server_starts_and_stops() {
    let site = Site::new();
    let server = Server::start(&[site.path().to_str().unwrap()]);
    assert_eq!(server.connect().get("/1k.bin").unwrap().body, site.read("1k.bin"));
    server.stop();
}
