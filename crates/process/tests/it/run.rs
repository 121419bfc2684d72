//! Helpers: starts a program, reads what it prints, waits for its end.
//!
//! Tests run beside each other in one process, so nothing here reaps but by number.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use sockeye_process::{Child, How, Program, Stream, spawn};
use sys::wait::{self, Ended, Hang};

/// How long anything here may take before the test fails.
const WAIT_SECONDS: i64 = 20;

/// A program of the shell's with the usual PATH.
pub fn shell(script: &str) -> Program<'static> {
    let mut program = Program::new(["sh", "-c", script]);
    program.environment = vec![("PATH".into(), "/usr/bin:/bin".into())];
    program
}

/// Starts the program, and gives all that it prints and how it ended.
pub fn output(mut program: Program<'_>) -> (String, How) {
    let (ours, theirs) = std::io::pipe().unwrap();
    program.stdout = Stream::Fd(OwnedFd::from(theirs).into());
    let prepared = program.prepare().unwrap_or_else(|error| panic!("{error}"));
    let child = spawn(&prepared).unwrap_or_else(|error| panic!("{error}"));
    drop(prepared);
    let mut text = String::new();
    File::from(OwnedFd::from(ours)).read_to_string(&mut text).unwrap();
    (text, end(&child))
}

/// Starts the program and waits for the first line that it prints.
pub fn read_line(mut program: Program<'_>) -> (Child, String) {
    let (ours, theirs) = std::io::pipe().unwrap();
    program.stdout = Stream::Fd(OwnedFd::from(theirs).into());
    let child = spawn(&program.prepare().unwrap()).unwrap();
    let mut line = String::new();
    BufReader::new(ours).read_line(&mut line).unwrap();
    (child, line)
}

/// A cat(1) that has come as far as to copy, and ends with its input.
pub struct Cat {
    pub child: Child,
    input: PipeWriter,
    _output: PipeReader,
}

impl Cat {
    pub fn start(mut program: Program<'_>) -> Cat {
        let (theirs_in, mut input) = std::io::pipe().unwrap();
        let (mut output, theirs_out) = std::io::pipe().unwrap();
        program.stdin = Stream::Fd(OwnedFd::from(theirs_in).into());
        program.stdout = Stream::Fd(OwnedFd::from(theirs_out).into());
        let child = spawn(&program.prepare().unwrap()).unwrap();
        input.write_all(b"x").unwrap();
        output.read_exact(&mut [0]).unwrap();
        Cat { child, input, _output: output }
    }

    pub fn end(self) -> How {
        drop(self.input);
        end(&self.child)
    }
}

/// Why the program does not start.
pub fn refusal(program: Program<'_>) -> String {
    match program.prepare().and_then(|prepared| spawn(&prepared)) {
        Ok(child) => panic!("it started: {child:?}"),
        Err(error) => error.to_string(),
    }
}

/// Waits for the end and reaps.
pub fn end(child: &Child) -> How {
    await_end(&child.pidfd);
    let Ended { how, .. } = wait::take(child.pid, Hang::UntilItEnds).unwrap().unwrap();
    match how {
        wait::How::Exit(code) => How::Exit(code),
        wait::How::Signal { number, core_dumped } => How::Signal { number, core_dumped },
    }
}

pub fn await_end(pidfd: impl AsFd) {
    let limit = Timespec { tv_sec: WAIT_SECONDS, tv_nsec: 0 };
    let ready = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit)).unwrap();
    assert_eq!(ready, 1, "a child did not end");
}
