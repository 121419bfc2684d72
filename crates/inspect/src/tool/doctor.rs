//! `doctor`: what is wrong on this host, with evidence and advice. Exit 0 healthy, 1 findings, 2 it
//! could not look.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::time::{ClockId, Timespec};

use crate::bytes;
use crate::doctor::{self, Facts, Finding};
use crate::json::Json;
use crate::source::Source;
use crate::tool::Stop;
use crate::tool::getopt::{self, Arg, Long};

/// The version of the documents of `--json`; a member is added without a new one, never changed.
pub const JSON_VERSION: u32 = 1;

#[derive(Debug, Default)]
struct Options {
    pid: Option<u32>,
    port: Option<u16>,
    watch: bool,
    json: bool,
    proc_root: Option<PathBuf>,
}

const LONGS: &[Long] = &[
    ("pid", true, 'p'),
    ("port", true, 'P'),
    ("watch", false, 'w'),
    ("json", false, 'j'),
    ("proc-root", true, '/'),
    ("help", false, 'h'),
];

const HELP: &str = "\
usage: doctor [--pid P] [--port N] [--watch] [--json] [--proc-root DIR]
  what is wrong on this host: evidence, who is to blame, what to do
  --pid P    only what this process is to blame for
  --port N   who has this port, and why it cannot be bound
  --watch    again every two seconds
exit code: 0 healthy, 1 findings, 2 it could not look
";

fn usage(text: String) -> Stop {
    Stop::Usage(format!("{text} (see doctor --help)"), 2)
}

impl Options {
    fn parse(args: &[OsString]) -> Result<Options, Stop> {
        let mut options = Options::default();
        for arg in getopt::parse(args, "p:jwh", LONGS).map_err(usage)? {
            match arg {
                Arg::Flag('j') => options.json = true,
                Arg::Flag('w') => options.watch = true,
                Arg::Flag(_) => return Err(Stop::Text(HELP.to_owned())),
                Arg::Valued('/', root) => {
                    options.proc_root = Some(PathBuf::from(OsStr::from_bytes(&root)));
                }
                Arg::Valued('P', text) => {
                    let port = bytes::dec(&text).and_then(|n| u16::try_from(n).ok());
                    options.port = Some(port.ok_or_else(|| bad("port", &text))?);
                }
                Arg::Valued(_, text) => {
                    options.pid = Some(bytes::dec32(&text).ok_or_else(|| bad("pid", &text))?);
                }
                Arg::Operand(word) => return Err(bad("word", &word)),
            }
        }
        Ok(options)
    }
}

fn bad(what: &str, text: &[u8]) -> Stop {
    usage(format!("unexpected {what} {:?}", String::from_utf8_lossy(text)))
}

pub fn run(args: &[OsString], out: &mut dyn Write, err: &mut dyn Write) -> Result<u8, Stop> {
    let options = Options::parse(args)?;
    let source = match &options.proc_root {
        Some(root) => Source::recorded(root),
        None => Source::live(),
    };
    let source = source.map_err(|error| Stop::Failed(error.to_string(), 2))?;
    loop {
        let findings = look(&source, &options, err)?;
        let page = if options.json { as_json(&findings) } else { as_text(&findings) };
        out.write_all(&page)?;
        out.flush()?;
        if !options.watch {
            return Ok(u8::from(!findings.is_empty()));
        }
        pause(WATCH_SECONDS);
    }
}

const WATCH_SECONDS: i64 = 2;
/// Counters are read twice, so far apart.
const SAMPLE_SECONDS: i64 = 1;

fn pause(seconds: i64) {
    let pause = Timespec { tv_sec: seconds, tv_nsec: 0 };
    let _ = rustix::thread::clock_nanosleep_relative(ClockId::Monotonic, &pause);
}

fn look(source: &Source, options: &Options, err: &mut dyn Write) -> Result<Vec<Finding>, Stop> {
    let samples = source.is_live() && options.port.is_none();
    let facts = Facts::collect(source, &mut || {
        if samples {
            pause(SAMPLE_SECONDS);
        }
    });
    if facts.processes.is_empty() {
        return Err(Stop::Failed("no process can be read in /proc".to_owned(), 2));
    }
    let denied = facts.snapshot.denied;
    if denied > 0 && rustix::process::geteuid().as_raw() != 0 {
        writeln!(err, "doctor: {denied} processes not readable; run as root to see them")?;
    }
    let mut findings = match options.port {
        Some(port) => doctor::explain_port(&facts, port),
        None => doctor::examine(&facts),
    };
    if let Some(pid) = options.pid {
        findings.retain(|finding| finding.pid == pid);
    }
    Ok(findings)
}

fn as_text(findings: &[Finding]) -> Vec<u8> {
    let mut out = Vec::new();
    if findings.is_empty() {
        out.extend_from_slice(b"nothing found\n");
    }
    for finding in findings {
        let head = format!("{}: {} [{}]\n", finding.severity.name(), finding.summary, finding.rule);
        out.extend_from_slice(head.as_bytes());
        for line in &finding.evidence {
            out.extend_from_slice(format!("    seen: {line}\n").as_bytes());
        }
        out.extend_from_slice(format!("    do:   {}\n", finding.advice).as_bytes());
    }
    out
}

fn as_json(findings: &[Finding]) -> Vec<u8> {
    let mut json = Json::new();
    json.object(|j| {
        j.key("version").number(JSON_VERSION);
        j.key("findings").array(|j| {
            for finding in findings {
                j.object(|j| finding_json(j, finding));
            }
        });
    });
    json.finish()
}

fn finding_json(j: &mut Json, finding: &Finding) {
    j.key("rule").string(finding.rule.as_bytes());
    j.key("severity").string(finding.severity.name().as_bytes());
    match finding.pid {
        0 => j.key("pid").null(),
        pid => j.key("pid").number(pid),
    }
    j.key("summary").string(finding.summary.as_bytes());
    j.key("evidence").array(|j| finding.evidence.iter().for_each(|e| j.string(e.as_bytes())));
    j.key("advice").string(finding.advice.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_use_is_code_two() {
        for args in [&["--port", "99999"][..], &["--pid", "x"], &["word"], &["--nothing"]] {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            assert!(matches!(Options::parse(&args), Err(Stop::Usage(_, 2))));
        }
    }
}
