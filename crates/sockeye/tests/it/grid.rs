//! The conformance suite: every case over every pair of process model and I/O model, each forced by
//! name. Which pairs there are is asked of the program, so that a new model cannot be left out.
//!
//! Two servers run at a time. A pair whose workers serve one connection each is given as many
//! workers as a case has connections; iterative has one connection in all, so a case asks the
//! subject how many it may open.

mod files;
mod framing;
mod requests;
mod rude;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use serde_json::Value;
use testkit::{Address, Peer};

use crate::harness::{Server, Site, eventually, sockeye};

/// Servers that run at once.
const RUNNERS: usize = 2;
/// Workers of a pair that serves one connection a worker.
const BLOCKED_WORKERS: usize = 4;
/// Connections that a case opens at once where the pair allows it.
const CONNECTIONS: usize = 20;
/// Pairs there are today; the program may learn more, and must not lose one.
const PAIRS_MIN: usize = 35;

type Case = (&'static str, fn(&Subject));

const CASES: &[&[Case]] = &[requests::CASES, framing::CASES, rude::CASES, files::CASES];

/// What a case is run against.
pub struct Subject {
    pub server: Server,
    pub site: &'static Site,
    pub process: String,
    /// How many connections may be open at once.
    pub capacity: usize,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Pair {
    process: String,
    io: String,
}

#[derive(Clone, Default)]
struct Outcome {
    passed: usize,
    failed: Vec<String>,
    skipped: Option<String>,
}

#[test]
fn every_case_over_every_pair() {
    let site: &'static Site = Box::leak(Box::new(Site::new()));
    let pairs = pairs();
    assert!(pairs.len() >= PAIRS_MIN, "{pairs:?}");
    let waiting = Mutex::new(pairs.clone().into_iter());
    let outcomes = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..RUNNERS {
            scope.spawn(|| {
                while let Some((pair, refusal)) = next(&waiting) {
                    let outcome = match refusal {
                        Some(why) => Outcome { skipped: Some(why), ..Outcome::default() },
                        None => run(&pair, site),
                    };
                    outcomes.lock().unwrap().insert(pair, outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    print_grid(&outcomes);
    std::fs::remove_dir_all(site.path()).unwrap();
    let failed: Vec<_> = outcomes.iter().filter(|(_, o)| !o.failed.is_empty()).collect();
    let failed: Vec<_> = failed.iter().map(|(pair, o)| (*pair, &o.failed)).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(outcomes.len(), pairs.len());
}

fn next<T>(waiting: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    waiting.lock().unwrap().next()
}

/// All pairs that the program calls legal, with what the kernel has against one, if it has.
fn pairs() -> Vec<(Pair, Option<String>)> {
    let output = sockeye(&["models", "--json"]).output().unwrap();
    let models: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |of: &Value, key: &str| of[key].as_str().unwrap().to_owned();
    let refusals = models["io_models"].as_array().unwrap().iter();
    let refusals = refusals.filter(|io| io["available"] != Value::Bool(true));
    let refusals: BTreeMap<String, String> = refusals
        .map(|io| (name(io, "name"), io["unavailable_because"].to_string()))
        .inspect(|(name, why)| assert_eq!(name, "io_uring", "every kernel has it: {why}"))
        .collect();
    let legal = models["pairs"].as_array().unwrap().iter();
    let legal = legal.filter(|pair| pair["verdict"] != "refused");
    let pair = |of: &Value| Pair { process: name(of, "process_model"), io: name(of, "io_model") };
    legal.map(|of| (pair(of), refusals.get(&name(of, "io_model")).cloned())).collect()
}

fn run(pair: &Pair, site: &'static Site) -> Outcome {
    let mut outcome = Outcome::default();
    let attempt = |outcome: &mut Outcome, name: &str, case: &mut dyn FnMut()| match catch_unwind(
        AssertUnwindSafe(case),
    ) {
        Ok(()) => outcome.passed += 1,
        Err(why) => outcome.failed.push(format!("{name}: {}", words(why.as_ref()))),
    };
    let mut subject = None;
    attempt(&mut outcome, "start", &mut || subject = Some(start(pair, site)));
    let Some(subject) = subject else { return outcome };
    for (name, case) in CASES.iter().copied().flatten() {
        attempt(&mut outcome, name, &mut || case(&subject));
    }
    attempt(&mut outcome, "status", &mut || check_status(&subject, pair));
    let mut server = Some(subject.server);
    attempt(&mut outcome, "stop", &mut || server.take().unwrap().stop());
    outcome
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

fn start(pair: &Pair, site: &'static Site) -> Subject {
    let blocked = pair.io == "blocking" && ["prefork", "thread-per-core"].contains(&&*pair.process);
    let (workers, capacity) = match pair.process.as_str() {
        "iterative" => (1, 1),
        "prefork" | "thread-per-core" if blocked => (BLOCKED_WORKERS, BLOCKED_WORKERS),
        "prefork" | "thread-per-core" => (2, CONNECTIONS),
        _ => (1, CONNECTIONS),
    };
    let server = Server::start_as(|command| {
        let unix = std::path::Path::new(command.get_args().last().unwrap()).with_extension("site");
        command.arg(site.path()).arg("--strict");
        command.args(["--process-model", &pair.process, "--io-model", &pair.io]);
        command.args(["--workers", &workers.to_string()]);
        command.args(["--listen", "127.0.0.1:0"]);
        if has_ipv6() {
            command.args(["--listen", "[::1]:0"]);
        }
        command.arg("--listen").arg(format!("unix:{}", unix.display()));
        if blocked {
            // Whoever is free takes the next connection; none waits for a worker that blocks.
            command.args(["--set", "listeners=shared"]);
        }
    });
    Subject { server, site, process: pair.process.clone(), capacity }
}

fn has_ipv6() -> bool {
    std::net::TcpListener::bind("[::1]:0").is_ok()
}

/// After all cases the family is whole, answers for itself, and holds no connection.
fn check_status(subject: &Subject, pair: &Pair) {
    let status = subject.server.status();
    assert_eq!(status["process_model"], pair.process.as_str(), "{status}");
    assert_eq!(status["io_model"], pair.io.as_str(), "{status}");
    assert_eq!(status["silent_workers"], serde_json::json!([]), "{status}");
    assert_eq!(status["last_exits"], serde_json::json!([]), "{status}");
    assert!(!status["workers"].as_array().unwrap().is_empty(), "{status}");
    assert!(total(&status, "requests") > 100, "{status}");
    eventually("every connection is closed", || {
        total(&subject.server.status(), "connections_open") == 0
    });
}

fn total(status: &Value, counter: &str) -> u64 {
    let workers = status["workers"].as_array().unwrap();
    workers.iter().map(|worker| worker["counters"][counter].as_u64().unwrap()).sum()
}

/// A row for each process model, a column for each I/O model, in each the cases passed.
fn print_grid(outcomes: &BTreeMap<Pair, Outcome>) {
    let cases: usize = 3 + CASES.iter().map(|cases| cases.len()).sum::<usize>();
    eprintln!("cases passed of {cases}");
    let mut rows: BTreeMap<&str, String> = BTreeMap::new();
    let mut heading = String::new();
    for (pair, outcome) in outcomes {
        let row = rows.entry(&pair.process).or_default();
        let cell = match &outcome.skipped {
            Some(_) => "-".to_owned(),
            None => outcome.passed.to_string(),
        };
        row.push_str(&format!("{cell:>13}"));
        if rows.len() == 1 {
            heading.push_str(&format!("{:>13}", pair.io));
        }
    }
    eprintln!("{:22}{heading}", "");
    rows.iter().for_each(|(process, row)| eprintln!("{process:22}{row}"));
    for (pair, outcome) in outcomes {
        if let Some(why) = &outcome.skipped {
            eprintln!("skipped: {} with {}: {why}", pair.process, pair.io);
        }
    }
}

impl Subject {
    pub fn connect(&self) -> Peer {
        self.server.connect()
    }

    /// The listener that `wanted` accepts, if there is one.
    pub fn address(&self, wanted: impl Fn(&Address) -> bool) -> Option<&Address> {
        self.server.addresses().iter().find(|address| wanted(address))
    }
}
