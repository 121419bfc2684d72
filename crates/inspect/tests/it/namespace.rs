//! Runs a test again in namespaces of its own, with loopback up and its own /proc.

use std::process::Command;
use std::time::{Duration, Instant};

const INSIDE: &str = "SOCKEYE_INSPECT_INSIDE";
/// The whole of one test inside; beyond it something hangs.
const INSIDE_SECONDS_MAX: u64 = 100;

/// Runs `body` inside; `test` is the path of the calling test.
pub fn inside(test: &str, body: fn()) {
    if std::env::var_os(INSIDE).is_some_and(|name| name == test) {
        let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
        assert!(up.is_ok_and(|status| status.success()), "ip link set lo up");
        return body();
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("{test}: not root, so not run");
        return;
    }
    let limit = INSIDE_SECONDS_MAX.to_string();
    let this = std::env::current_exe().unwrap();
    let status = Command::new("timeout")
        .args(["--kill-after=5", &limit, "unshare", "--net", "--pid", "--fork", "--kill-child"])
        .args(["--mount", "--mount-proc"])
        // Not as process number 1, which is a special one to the kernel and to the doctor.
        .args(["sh", "-c", "\"$@\"; exit $?", "sh"])
        .arg(this)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, test)
        .status()
        .expect("run timeout(1) and unshare(1)");
    assert!(status.success(), "{test} inside: {status}");
}

/// Asks again until it holds; the condition itself does the waiting for the kernel.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds() {
        assert!(Instant::now() < deadline, "not within 15 s: {what}");
        std::thread::yield_now();
    }
}

pub fn is_installed(tool: &str) -> bool {
    let found = Command::new(tool).arg(if tool == "lsof" { "-v" } else { "-V" }).output();
    if found.is_err() {
        eprintln!("{tool} is not installed, so not compared");
    }
    found.is_ok()
}
