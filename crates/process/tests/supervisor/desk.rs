//! A desk to try the machine by hand: lines of events in, lines of actions out.
//!
//! `configure`, `start APP`, `stop APP`, `restart APP`, `shutdown`; `started N`, `not-started N`,
//! `ready N`, `passed N`, `failed N`, `exit N STATUS [group]`, `gone N`, `memory N BYTES`,
//! `ping N`, `watchdog N MS`, `extend N MS`, `stopping N`; `wait MS`. `up N` is `started N` and
//! `ready N`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_process::How;
use sockeye_process::supervisor::{
    Action, Delays, Event, InstanceId, Notice, Outcome, Readiness, Spec, Supervisor, Token,
};

pub struct Desk {
    pub machine: Supervisor,
    pub now: Instant,
    pub reports: Vec<String>,
    specs: Vec<Spec>,
    tokens: BTreeMap<Token, String>,
}

/// An app that says READY, with delays of 100, 200, 400 ms and so on, without jitter.
pub fn app(name: &str) -> Spec {
    let delays = Delays { jitter_percent: 0, ..Delays::default() };
    Spec { readiness: Readiness::Notify, delays, ..Spec::named(name) }
}

/// Plays a script: each step's line and the actions that must come of it, without reports.
#[track_caller]
pub fn check(specs: &[Spec], script: &[(&str, &str)]) -> Desk {
    let mut desk = Desk::new(specs);
    desk.play(script);
    desk
}

impl Desk {
    pub fn new(specs: &[Spec]) -> Desk {
        Desk {
            machine: Supervisor::new(1),
            now: Instant::now(),
            reports: Vec::new(),
            specs: specs.to_vec(),
            tokens: BTreeMap::new(),
        }
    }

    #[track_caller]
    pub fn play(&mut self, script: &[(&str, &str)]) {
        for (at, (line, expected)) in script.iter().enumerate() {
            let found = self.step(line);
            assert_eq!(found, *expected, "step {at}, {line}; reports: {:#?}", self.reports);
        }
    }

    /// The set that the next `configure` gives.
    pub fn set(&mut self, specs: &[Spec]) {
        self.specs = specs.to_vec();
    }

    /// Another program goes on from here with these specs.
    pub fn upgrade(&mut self, specs: &[Spec]) -> String {
        let text = self.machine.export(self.now);
        self.set(specs);
        self.machine = Supervisor::resume(2, specs.to_vec(), &text, self.now).expect(&text);
        self.drain().join("; ")
    }

    /// The state of each row, in words.
    pub fn states(&self, app: &str) -> String {
        let view = self.machine.app_view(app).expect("it is configured");
        let rows = view.rows.iter().map(|row| row.state.to_string());
        rows.collect::<Vec<String>>().join(", ")
    }

    pub fn step(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["wait", ms] => return self.wait(millis(ms)),
            ["up", id] => {
                let started = self.step(&format!("started {id}"));
                let ready = self.step(&format!("ready {id}"));
                return [started, ready].into_iter().filter(|part| !part.is_empty()).collect();
            }
            _ => {}
        }
        let event = self.event(line, &words);
        self.machine.handle(event, self.now);
        self.drain().join("; ")
    }

    fn event(&mut self, line: &str, words: &[&str]) -> Event {
        let token = Token(self.tokens.len() as u64 + 1);
        if words.len() == 1 || ["start", "stop", "restart"].contains(&words[0]) {
            self.tokens.insert(token, line.to_owned());
        }
        let app = || Arc::<str>::from(words[1]);
        let id = || InstanceId(words[1].parse().expect("a number"));
        let notified = |notice| Event::Notified { id: id(), notice };
        match words[0] {
            "configure" => Event::Configure { specs: self.specs.clone(), token },
            "shutdown" => Event::Shutdown { token },
            "start" => Event::Start { app: app(), token },
            "stop" => Event::Stop { app: app(), token },
            "restart" => Event::Restart { app: app(), token },
            "started" => Event::Started { id: id(), pid: 1000 + id().0 as u32 },
            "not-started" => Event::NotStarted { id: id(), reason: "no such file".to_owned() },
            "ready" => Event::Ready { id: id() },
            "passed" => Event::ProbePassed { id: id() },
            "failed" => Event::ProbeFailed { id: id(), reason: "refused".to_owned() },
            "exit" => {
                let how = How::Exit(words[2].parse().expect("a status"));
                Event::Exited { id: id(), how, group_left: words.len() > 3 }
            }
            "gone" => Event::GroupGone { id: id() },
            "memory" => Event::MemoryAt { id: id(), bytes: words[2].parse().expect("bytes") },
            "ping" => notified(Notice::WatchdogPing),
            "watchdog" => notified(Notice::WatchdogEvery(millis(words[2]))),
            "extend" => notified(Notice::ExtendTimeout(millis(words[2]))),
            "stopping" => notified(Notice::Stopping),
            other => panic!("no such step: {other}"),
        }
    }

    fn wait(&mut self, time: Duration) -> String {
        let end = self.now + time;
        let mut found = Vec::new();
        while let Some(next) = self.machine.next_time().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.machine.tick(self.now);
            found.extend(self.drain());
        }
        self.now = end;
        found.join("; ")
    }

    fn drain(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(action) = self.machine.next_action() {
            found.push(match action {
                Action::Spawn { id, app, slot } => format!("spawn {} {app}#{slot}", id.0),
                Action::Stop { id } => format!("stop {}", id.0),
                Action::Kill { id } => format!("kill {}", id.0),
                Action::Probe { id, .. } => format!("probe {}", id.0),
                Action::Answer { token, outcome } => {
                    let request = self.tokens.get(&token).expect("it was asked");
                    match outcome {
                        Outcome::Done => format!("done: {request}"),
                        Outcome::Refused(words) => format!("refused: {request}: {words}"),
                        Outcome::Failed(words) => format!("failed: {request}: {words}"),
                    }
                }
                Action::Report(report) => {
                    self.reports.push(report.to_string());
                    continue;
                }
            });
        }
        found
    }
}

fn millis(text: &str) -> Duration {
    Duration::from_millis(text.parse().expect("milliseconds"))
}
