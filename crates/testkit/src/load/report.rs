//! The account of a run: each way to fail has its own count, and the first few are told in words.

use std::fmt;
use std::time::Duration;

use super::histogram::Histogram;

/// How many failures are described.
const EXAMPLES_MAX: usize = 8;

#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Whole responses with a 2xx status and the body that was expected.
    pub ok: u64,
    /// Whole responses with another status.
    pub not_success: u64,
    /// Whole responses whose body was not the one expected.
    pub wrong_body: u64,
    /// Bytes that are no response.
    pub malformed: u64,
    pub connect_errors: u64,
    /// Requests lost to a reset, whether before or within a response.
    pub resets: u64,
    /// Requests lost to an end of stream before the first byte of a response.
    pub unanswered: u64,
    /// Requests lost to an end of stream within a response.
    pub cut_short: u64,
    pub timeouts: u64,
    /// Connections the server ended while no request was under way; no failure.
    pub closed_idle: u64,
    /// Connections that were made.
    pub connections: u64,
    pub bytes_received: u64,
    pub elapsed: Duration,
    /// From sending to the end of the response, of whole responses.
    pub latency: Histogram,
    /// The first few failures in words.
    pub examples: Vec<String>,
}

/// The ways to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Connect,
    Reset,
    Unanswered,
    CutShort,
    Timeout,
    Malformed,
    WrongBody,
    Status,
}

impl Report {
    /// Whole responses, whatever they said.
    pub fn answered(&self) -> u64 {
        self.ok + self.not_success + self.wrong_body
    }

    /// Everything that went wrong.
    pub fn failed(&self) -> u64 {
        self.not_success
            + self.wrong_body
            + self.malformed
            + self.connect_errors
            + self.resets
            + self.unanswered
            + self.cut_short
            + self.timeouts
    }

    pub fn requests_per_second(&self) -> f64 {
        self.answered() as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    pub fn p50(&self) -> Duration {
        self.latency.percentile(0.50)
    }

    pub fn p99(&self) -> Duration {
        self.latency.percentile(0.99)
    }

    pub(super) fn fail(&mut self, failure: Failure, requests: u64, words: impl fmt::Display) {
        let count = match failure {
            Failure::Connect => &mut self.connect_errors,
            Failure::Reset => &mut self.resets,
            Failure::Unanswered => &mut self.unanswered,
            Failure::CutShort => &mut self.cut_short,
            Failure::Timeout => &mut self.timeouts,
            Failure::Malformed => &mut self.malformed,
            Failure::WrongBody => &mut self.wrong_body,
            Failure::Status => &mut self.not_success,
        };
        *count += requests;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(format!("{failure:?} at {:?}: {words}", self.elapsed));
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ok in {:.2?} ({:.0}/s), {} connections, p50 {:.0?} p99 {:.0?} max {:.0?}, \
             {} failed",
            self.ok,
            self.elapsed,
            self.requests_per_second(),
            self.connections,
            self.p50(),
            self.p99(),
            self.latency.max(),
            self.failed()
        )?;
        let counts = [
            ("not 2xx", self.not_success),
            ("wrong body", self.wrong_body),
            ("malformed", self.malformed),
            ("connect errors", self.connect_errors),
            ("resets", self.resets),
            ("unanswered", self.unanswered),
            ("cut short", self.cut_short),
            ("timeouts", self.timeouts),
            ("closed while idle", self.closed_idle),
        ];
        for (name, count) in counts.iter().filter(|(_, count)| *count > 0) {
            write!(f, ", {count} {name}")?;
        }
        self.examples.iter().try_for_each(|example| write!(f, "\n  {example}"))
    }
}
