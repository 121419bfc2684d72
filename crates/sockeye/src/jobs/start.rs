//! The start of a run: its streams, its program, its process.
//!
//! Nothing here waits for the job. What it reads is a file in memory (memfd_create(2)), so that a
//! job that does not read cannot hold us up; what it prints goes into a pipe that is read without
//! blocking, or straight to a file.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use process::output::{Pipe, pipe};
use process::{Program, Stream};
use rustix::fs::{MemfdFlags, memfd_create};

use super::spec::{JobSpec, Output, What};

/// A process that runs a job.
pub struct Started {
    pub pid: u32,
    pub sink: Sink,
}

/// Where its output can be followed.
pub enum Sink {
    Null,
    Pipe(Pipe),
    /// The file, and its size before.
    File(File, u64),
}

/// Starts the job's program; the error is a sentence. A verb is not for here.
pub fn start(spec: &JobSpec) -> Result<Started, String> {
    let (sink, write_end) = sink(&spec.output)?;
    let input = spec.stdin.as_deref().map(input).transpose()?;
    let own_end = match &sink {
        Sink::File(file, _) => Some(file.as_fd()),
        Sink::Null | Sink::Pipe(_) => write_end.as_ref().map(AsFd::as_fd),
    };
    let stream = || own_end.map_or(Stream::Null, |fd| Stream::Fd(fd.into()));
    let program = Program {
        environment: spec.environment.clone(),
        directory: spec.directory.clone(),
        account: spec.account.clone(),
        umask: spec.umask,
        limits: spec.limits.clone(),
        stdin: input.map_or(Stream::Null, |fd| Stream::Fd(fd.into())),
        stdout: stream(),
        stderr: stream(),
        ..Program::new(arguments(&spec.what))
    };
    let prepared = program.prepare().map_err(|error| error.to_string())?;
    let child = process::spawn(&prepared).map_err(|error| error.to_string())?;
    Ok(Started { pid: child.pid, sink })
}

fn arguments(what: &What) -> Vec<std::ffi::OsString> {
    match what {
        What::Command(arguments) => arguments.clone(),
        What::Shell { shell, text } => vec![shell.clone(), "-c".into(), text.clone()],
        What::Verb(_) => Vec::new(),
    }
}

/// The sink, and the end that the job writes to where that is another.
fn sink(output: &Output) -> Result<(Sink, Option<OwnedFd>), String> {
    match output {
        Output::Null => Ok((Sink::Null, None)),
        Output::Log => {
            let (read, write) = pipe().map_err(|cause| format!("cannot make a pipe: {cause}"))?;
            Ok((Sink::Pipe(read), Some(write)))
        }
        Output::File { path, max, keep } => {
            let failed = |cause: std::io::Error| {
                format!("cannot write the output to {}: {cause}", path.display())
            };
            let (file, size) = append(path, *max, *keep).map_err(failed)?;
            Ok((Sink::File(file, size), None))
        }
    }
}

fn append(path: &Path, max: u64, keep: u32) -> std::io::Result<(File, u64)> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() >= max) {
        rotate(path, keep)?;
    }
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// `out` becomes `out.1`, that `out.2`, and so on; what is beyond `keep` goes.
fn rotate(path: &Path, keep: u32) -> std::io::Result<()> {
    let numbered = |number: u32| -> PathBuf {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        name.into()
    };
    if keep == 0 {
        return fs::remove_file(path);
    }
    for number in (1..keep).rev() {
        // There may be fewer.
        let _ = fs::rename(numbered(number), numbered(number + 1));
    }
    fs::rename(path, numbered(1))
}

fn input(text: &[u8]) -> Result<OwnedFd, String> {
    let failed = |cause: std::io::Error| format!("cannot keep the job's input: {cause}");
    let memory = memfd_create("job input", MemfdFlags::CLOEXEC).map_err(|e| failed(e.into()))?;
    let mut file = File::from(memory);
    file.write_all(text).map_err(failed)?;
    file.rewind().map_err(failed)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_rotated_by_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let name = |suffix: &str| folder.path().join(format!("out{suffix}"));
        for round in 0..5 {
            let (mut file, _) = append(&path, 4, 2).unwrap();
            write!(file, "run {round}").unwrap();
        }
        let text = |suffix: &str| fs::read_to_string(name(suffix)).ok();
        assert_eq!(text("").as_deref(), Some("run 4"));
        assert_eq!(text(".1").as_deref(), Some("run 3"));
        assert_eq!(text(".2").as_deref(), Some("run 2"));
        assert_eq!(text(".3"), None);
    }
}
