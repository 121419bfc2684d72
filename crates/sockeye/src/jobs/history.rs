//! What ran, when and how it ended: one JSON line a run in a file that survives a restart.
//!
//! Bounded twice: so many runs of a job are kept, and a file that has grown beyond its limit is
//! written anew with those. The new one is renamed over the old (rename(2)), so that a crash leaves
//! one of the two whole. A line that cannot be read is passed over.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use schedule::{Cause, Exit};
use serde_json::{Value, json};

/// Runs that are kept of one job.
pub const RUNS_PER_JOB: usize = 16;
/// Jobs whose runs are kept.
const JOBS_MAX: usize = 100_000;
/// A larger file is written anew, if that makes it smaller by half.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// No file that we wrote is larger; the rest of such a file is not read.
const READ_BYTES_MAX: u64 = 256 << 20;

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// The instant it was for.
    pub slot: Timestamp,
    pub started: Timestamp,
    pub took: Duration,
    pub exit: Exit,
    pub cause: Cause,
    /// What it printed, where that was counted.
    pub bytes: u64,
}

/// Past runs by the identity of their job.
#[derive(Debug)]
pub struct History {
    runs: BTreeMap<String, VecDeque<Past>>,
    path: Option<PathBuf>,
    file: Option<File>,
    bytes: u64,
    /// From this size on the file is written anew.
    limit: u64,
}

impl History {
    /// Nothing, kept in no file.
    pub fn in_memory() -> History {
        let runs = BTreeMap::new();
        History { runs, path: None, file: None, bytes: 0, limit: FILE_BYTES_MAX }
    }

    /// What the file holds; it is made if there is none. The error is a sentence.
    pub fn open(path: &Path) -> Result<History, String> {
        let failed = |cause: std::io::Error| {
            format!("cannot keep the history in {}: {cause}: name another file", path.display())
        };
        let mut history = History::in_memory();
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path).map_err(failed)?;
        history.bytes = file.metadata().map_err(failed)?.len();
        let mut reader = BufReader::new((&file).take(READ_BYTES_MAX));
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
            if let Some((identity, past)) = from_line(&line) {
                history.keep(identity, past);
            }
            line.clear();
        }
        history.file = Some(file);
        history.path = Some(path.to_owned());
        Ok(history)
    }

    /// The runs of a job, the latest last.
    pub fn of(&self, identity: &str) -> impl DoubleEndedIterator<Item = &Past> {
        self.runs.get(identity).into_iter().flatten()
    }

    /// Adds a run. An error of the file is a sentence; the run is kept in memory all the same.
    pub fn add(&mut self, identity: &str, past: Past) -> Result<(), String> {
        let line = format!("{}\n", to_json(identity, &past));
        self.keep(identity.to_owned(), past);
        self.append(&line).map_err(|cause| {
            let path = self.path.as_deref().unwrap_or(Path::new(""));
            format!("cannot write the history to {}: {cause}", path.display())
        })
    }

    fn keep(&mut self, identity: String, past: Past) {
        if self.runs.len() >= JOBS_MAX && !self.runs.contains_key(&identity) {
            return;
        }
        let runs = self.runs.entry(identity).or_default();
        if runs.len() >= RUNS_PER_JOB {
            runs.pop_front();
        }
        runs.push_back(past);
    }

    fn append(&mut self, line: &str) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(line.as_bytes())?;
        self.bytes += line.len() as u64;
        if self.bytes > self.limit { self.rewrite() } else { Ok(()) }
    }

    fn rewrite(&mut self) -> std::io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut name = path.clone().into_os_string();
        name.push(".new");
        let mut new = BufWriter::new(File::create(&name)?);
        for (identity, runs) in &self.runs {
            for past in runs {
                writeln!(new, "{}", to_json(identity, past))?;
            }
        }
        new.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&name, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        self.bytes = file.metadata()?.len();
        self.limit = FILE_BYTES_MAX.max(self.bytes * 2);
        self.file = Some(file);
        Ok(())
    }
}

fn to_json(identity: &str, past: &Past) -> Value {
    let (exit, signal) = match past.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(number) => (None, Some(number)),
        Exit::NotStarted => (None, None),
    };
    json!({
        "job": identity,
        "slot": past.slot.to_string(),
        "started": past.started.to_string(),
        "ms": u64::try_from(past.took.as_millis()).unwrap_or(u64::MAX),
        "exit": exit,
        "signal": signal,
        "cause": cause_name(past.cause),
        "bytes": past.bytes,
    })
}

fn from_line(line: &[u8]) -> Option<(String, Past)> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let instant = |key: &str| value[key].as_str()?.parse::<Timestamp>().ok();
    let number = |key: &str| value[key].as_i64().and_then(|number| i32::try_from(number).ok());
    let exit = match (number("exit"), number("signal")) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::NotStarted,
    };
    let past = Past {
        slot: instant("slot")?,
        started: instant("started")?,
        took: Duration::from_millis(value["ms"].as_u64()?),
        exit,
        cause: CAUSES.into_iter().find(|cause| value["cause"] == cause_name(*cause))?,
        bytes: value["bytes"].as_u64()?,
    };
    Some((value["job"].as_str()?.to_owned(), past))
}

const CAUSES: [Cause; 4] = [Cause::Due, Cause::CaughtUp, Cause::Start, Cause::Asked];

/// Why a run was started, as it stands in the file and in lists.
pub fn cause_name(cause: Cause) -> &'static str {
    match cause {
        Cause::Due => "due",
        Cause::CaughtUp => "caught-up",
        Cause::Start => "start",
        Cause::Asked => "asked",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(second: i64, exit: Exit) -> Past {
        let slot = Timestamp::from_second(second).unwrap();
        let took = Duration::from_millis(7);
        Past { slot, started: slot, took, exit, cause: Cause::Due, bytes: 3 }
    }

    #[test]
    fn runs_are_read_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let runs = [
            past(1, Exit::Code(0)),
            past(2, Exit::Signal(9)),
            Past { cause: Cause::Asked, ..past(3, Exit::NotStarted) },
        ];
        let mut history = History::open(&path).unwrap();
        for run in &runs {
            history.add("a \"b\"", run.clone()).unwrap();
        }
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"torn {\n\xff\n{}\n").unwrap();
        let again = History::open(&path).unwrap();
        assert_eq!(again.of("a \"b\"").cloned().collect::<Vec<Past>>(), runs);
        assert_eq!(again.of("other").count(), 0);
    }

    #[test]
    fn the_file_is_written_anew_when_it_is_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let mut history = History::open(&path).unwrap();
        history.limit = 4096;
        for second in 0..1000 {
            history.add("a", past(second, Exit::Code(0))).unwrap();
            history.limit = history.limit.min(4096);
        }
        assert!(fs::metadata(&path).unwrap().len() < 8192);
        let again = History::open(&path).unwrap();
        let seconds: Vec<i64> = again.of("a").map(|past| past.slot.as_second()).collect();
        assert_eq!(seconds, (1000 - RUNS_PER_JOB as i64..1000).collect::<Vec<i64>>());
    }

    #[test]
    fn no_file_is_needed() {
        let mut history = History::in_memory();
        history.add("a", past(1, Exit::Code(0))).unwrap();
        assert_eq!(history.of("a").count(), 1);
        assert!(History::open(Path::new("/nowhere/history")).is_err());
    }
}
