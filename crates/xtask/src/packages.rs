//! The Debian packages that the tests and the bench use. As root they are installed; otherwise
//! they are named, with the flag that goes on without them.

use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};
use crate::say::say;
use crate::workspace;

/// A program, the package that has it, and whether checks fail without it; the rivals of the bench
/// are measured where they are to be had.
const NEEDED: [(&str, &str, bool); 9] = [
    ("nginx", "nginx-light", true),
    ("h2o", "h2o", false),
    ("haproxy", "haproxy", false),
    ("lighttpd", "lighttpd", false),
    ("caddy", "caddy", false),
    ("strace", "strace", true),
    ("lsof", "lsof", true),
    ("netstat", "net-tools", true),
    ("ss", "iproute2", true),
];

/// Sees to it that every needed program is there.
pub fn provide() -> Result<()> {
    let is_there = |program: &str| workspace::program(program).is_some();
    let packages = missing(is_there);
    if packages.is_empty() {
        say(format_args!("all of the programs the tests use are there"));
        return Ok(());
    }
    if !is_root() || workspace::program("apt-get").is_none() {
        return Err(lacking(&packages));
    }
    say(format_args!("installing {}", packages.join(" ")));
    apt(&["update"])?;
    // One by one, so that a rival this release of Debian does not have costs only itself.
    for package in packages {
        if let Err(failure) = apt(&["install", "--yes", "--no-install-recommends", package]) {
            say(format_args!("{failure}"));
        }
    }
    let required = NEEDED.iter().filter(|(program, _, required)| *required && !is_there(program));
    match required.map(|(_, package, _)| *package).collect::<Vec<&str>>() {
        packages if packages.is_empty() => Ok(()),
        packages => Err(lacking(&packages)),
    }
}

fn lacking(packages: &[&str]) -> Failure {
    Failure::Failed(format!(
        "the tests use programs that are not there; install them with\n  \
         apt-get install {}\nor go on without: cargo xtask ci --skip-packages",
        packages.join(" ")
    ))
}

fn missing(is_there: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let absent = NEEDED.iter().filter(|(program, ..)| !is_there(program));
    absent.map(|(_, package, _)| *package).collect()
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
    Err(Failure::Failed(format!("apt-get {} failed ({status})", arguments.join(" "))))
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
