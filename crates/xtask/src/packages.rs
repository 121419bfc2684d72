//! The Debian packages that the tests and the bench use. As root they are installed; otherwise
//! they are named, with the flag that goes on without them.

use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};
use crate::say::say;
use crate::workspace;

/// A program that is needed and the package that has it.
const NEEDED: [(&str, &str); 9] = [
    ("nginx", "nginx-light"),
    ("h2o", "h2o"),
    ("haproxy", "haproxy"),
    ("lighttpd", "lighttpd"),
    ("caddy", "caddy"),
    ("strace", "strace"),
    ("lsof", "lsof"),
    ("netstat", "net-tools"),
    ("ss", "iproute2"),
];

/// Sees to it that every needed program is there.
pub fn provide() -> Result<()> {
    let missing = missing(|program| workspace::program(program).is_some());
    if missing.is_empty() {
        say(format_args!("all of the programs the tests use are there"));
        return Ok(());
    }
    let names = missing.join(" ");
    if !is_root() || workspace::program("apt-get").is_none() {
        let text = format!(
            "the tests use programs that are not there; install them with\n  \
             apt-get install {names}\nor go on without: cargo xtask ci --skip-packages"
        );
        return Err(Failure::Failed(text));
    }
    say(format_args!("installing {names}"));
    apt(&["update"])?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(missing);
    apt(&arguments)
}

fn missing(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let absent = NEEDED.iter().filter(|(program, _)| !is_there(program));
    absent.map(|(_, package)| *package).collect()
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    line.and_then(|line| line.split_whitespace().nth(1)) == Some("0")
}

/// RUNLEVEL=1 keeps Debian from starting the servers that it installs (invoke-rc.d(8)).
fn apt(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() {
        return Ok(());
    }
    let text = format!(
        "apt-get {} failed ({status}); go on without: cargo xtask ci --skip-packages",
        arguments.join(" ")
    );
    Err(Failure::Failed(text))
}

#[cfg(test)]
mod tests {
    use super::missing;

    #[test]
    fn only_what_is_missing_is_named() {
        assert_eq!(missing(|_| true), Vec::<&str>::new());
        assert_eq!(missing(|program| program != "netstat"), ["net-tools"]);
    }
}
