//! A process that a test has started: its output by lines with bounded waits, its end by a pidfd
//! (pidfd_open(2)), and a guard that leaves nothing of it behind, whatever way the test ends.
//!
//! The guard asks first (SIGTERM), so that a server can stop its own workers, and then kills by
//! process id what is left of the tree.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::address::Address;
use crate::{clock, tree};

/// How many lines of output are kept; older ones are forgotten.
const LINES_MAX: usize = 10_000;
/// The longest line that is kept whole, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How long the guard waits after SIGTERM, and after SIGKILL.
const STOP_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    pidfd: OwnedFd,
    name: String,
    status: Option<ExitStatus>,
    output: Arc<Lines>,
    errors: Arc<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: Mutex<Kept>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    ended: bool,
}

impl Child {
    /// Starts the command with its output and its errors read line by line.
    pub fn start(command: &mut Command) -> io::Result<Child> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = started.map_err(|e| io::Error::new(e.kind(), format!("{name}: {e}")))?;
        let pidfd = match pidfd_open(Pid::from_child(&process), PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(error) => {
                process.kill()?;
                process.wait()?;
                return Err(error.into());
            }
        };
        let output = follow(process.stdout.take());
        let errors = follow(process.stderr.take());
        Ok(Child { process, pidfd, name, status: None, output, errors })
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        pidfd_send_signal(&self.pidfd, signal)
            .map_err(|error| io::Error::other(format!("signal {}: {error}", self.name)))
    }

    /// Waits for a line of standard output, past or coming, that `wanted` accepts.
    pub fn wait_for_line(
        &self,
        wait: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> io::Result<String> {
        let found = self.output.wait_for(wait, wanted);
        found.map_err(|kind| self.without_line(kind, &self.output))
    }

    /// The same on standard error.
    pub fn wait_for_error_line(
        &self,
        wait: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> io::Result<String> {
        let found = self.errors.wait_for(wait, wanted);
        found.map_err(|kind| self.without_line(kind, &self.errors))
    }

    /// The first `http://ADDRESS:PORT` printed on standard output.
    pub fn wait_for_address(&self, wait: Duration) -> io::Result<Address> {
        let line = self.wait_for_line(wait, |line| Address::find_in(line).is_some())?;
        Address::find_in(&line).ok_or_else(|| io::Error::other("a line without an address"))
    }

    /// Everything printed on standard output so far, as far as it is kept.
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Everything printed on standard error so far, as far as it is kept.
    pub fn errors(&self) -> String {
        self.errors.text()
    }

    /// Waits for the end and reaps.
    pub fn wait(&mut self, wait: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        if !has_ended(&self.pidfd, wait)? {
            let text = format!("{} did not end within {wait:?}", self.name);
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        let status = self.process.wait()?;
        self.status = Some(status);
        Ok(status)
    }

    /// Signals and waits for the end.
    pub fn stop(&mut self, signal: Signal, wait: Duration) -> io::Result<ExitStatus> {
        self.signal(signal)?;
        self.wait(wait)
    }

    fn without_line(&self, kind: ErrorKind, lines: &Lines) -> io::Error {
        let (name, text, errors) = (&self.name, lines.text(), self.errors.text());
        io::Error::new(kind, format!("{name} did not print what was awaited: {text}\n{errors}"))
    }

    /// Ends the whole tree; the tree is listed before its root goes and its orphans are adopted.
    fn end(&mut self) {
        if self.status.is_some() {
            return;
        }
        let family = tree::descendants(self.pid());
        let asked = self.stop(Signal::TERM, STOP_WAIT).is_ok();
        kill_all(&family);
        if !asked {
            kill_all(&tree::descendants(self.pid()));
        }
        if !asked {
            self.signal(Signal::KILL).ok();
            self.wait(STOP_WAIT).ok();
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for the end of a process whose output goes wherever this one's goes, and kills it with
/// its descendants when that takes too long; then there is no status.
pub fn wait_or_kill(
    process: &mut std::process::Child,
    wait: Duration,
) -> io::Result<Option<ExitStatus>> {
    let pidfd = pidfd_open(Pid::from_child(process), PidfdFlags::empty())?;
    if has_ended(&pidfd, wait)? {
        return process.wait().map(Some);
    }
    let family = tree::descendants(process.id());
    process.kill()?;
    process.wait()?;
    kill_all(&family);
    Ok(None)
}

/// Waits until the process of a pidfd has ended, or for `wait`.
fn has_ended(pidfd: &OwnedFd, wait: Duration) -> io::Result<bool> {
    let deadline = clock::now() + wait;
    loop {
        let left = clock::remaining(deadline).unwrap_or_default();
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills those that are still the processes they were when they were listed.
fn kill_all(members: &[tree::Member]) {
    for member in members.iter().filter(|member| member.is_alive()) {
        if let Some(pid) = Pid::from_raw(member.pid as i32) {
            // It may have ended by itself since; then there is nothing left to do.
            kill_process(pid, Signal::KILL).ok();
        }
    }
}

/// Reads a pipe to its end on a thread, so that the child never waits for its reader.
fn follow(pipe: Option<impl Read + Send + 'static>) -> Arc<Lines> {
    let lines = Arc::new(Lines::default());
    let theirs = Arc::clone(&lines);
    if let Some(pipe) = pipe {
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            while let Ok(Some(line)) = read_line(&mut pipe) {
                theirs.push(line);
            }
            theirs.lock().ended = true;
            theirs.changed.notify_all();
        });
    }
    lines
}

fn read_line(pipe: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if pipe.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()))
}

impl Lines {
    fn push(&self, line: String) {
        let mut kept = self.lock();
        if kept.lines.len() == LINES_MAX {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
        self.changed.notify_all();
    }

    fn wait_for(&self, wait: Duration, wanted: impl Fn(&str) -> bool) -> Result<String, ErrorKind> {
        let deadline = clock::now() + wait;
        let mut kept = self.lock();
        loop {
            if let Some(line) = kept.lines.iter().find(|line| wanted(line)) {
                return Ok(line.clone());
            }
            if kept.ended {
                return Err(ErrorKind::UnexpectedEof);
            }
            let left = clock::remaining(deadline).ok_or(ErrorKind::TimedOut)?;
            let waited = self.changed.wait_timeout(kept, left);
            kept = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn text(&self) -> String {
        self.lock().lines.make_contiguous().join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Child, Signal};
    use crate::tree;
    use std::process::Command;
    use std::time::Duration;

    const WAIT: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Child {
        Child::start(Command::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn lines_are_awaited_and_the_status_is_given() {
        let mut child = shell("echo one; echo http://127.0.0.1:81/; echo bad >&2; exit 3");
        assert_eq!(child.wait_for_line(WAIT, |line| line == "one").unwrap(), "one");
        assert_eq!(child.wait_for_address(WAIT).unwrap().to_string(), "127.0.0.1:81");
        assert_eq!(child.wait_for_error_line(WAIT, |_| true).unwrap(), "bad");
        assert_eq!(child.wait(WAIT).unwrap().code(), Some(3));
        assert!(child.wait_for_line(WAIT, |line| line == "two").is_err());
    }

    #[test]
    fn a_wait_ends_at_its_deadline() {
        let mut child = shell("echo ready; exec sleep 1000");
        child.wait_for_line(WAIT, |line| line == "ready").unwrap();
        assert!(child.wait_for_line(Duration::from_millis(20), |line| line == "no").is_err());
        assert!(child.wait(Duration::from_millis(20)).is_err());
        child.stop(Signal::TERM, WAIT).unwrap();
    }

    #[test]
    fn the_guard_leaves_no_grandchild() {
        let child = shell("trap '' TERM; sleep 1000 & echo ready; wait; wait");
        child.wait_for_line(WAIT, |line| line == "ready").unwrap();
        let family = tree::descendants(child.pid());
        assert_eq!(family.len(), 1);
        drop(child);
        let deadline = crate::clock::now() + WAIT;
        while family[0].is_alive() {
            assert!(crate::clock::remaining(deadline).is_some(), "the grandchild lives");
            std::thread::yield_now();
        }
    }
}
