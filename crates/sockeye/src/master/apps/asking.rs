//! Probes under way: one question at a time to an instance, through a socket or by a shell.

use std::time::{Duration, Instant};

use process::probe::{Probe, ProbeSpec, Verdict};
use process::supervisor::{Event, InstanceId, Purpose};
use process::{Exit, Program, Stream};

use super::{Apps, shell_failed, start};
use crate::settings::Readiness;

/// How long an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

pub struct Asking {
    pub question: Question,
    pub until: Instant,
}

pub enum Question {
    Probe(Probe),
    /// By the exit status of this process.
    Shell(u32),
}

impl<T: Copy> Apps<T> {
    /// Begins a probe in place of one under way.
    pub(super) fn probe(&mut self, id: InstanceId, purpose: Purpose, now: Instant) {
        let Some(instance) = self.instances.get(&id) else { return };
        let spec = match (purpose, &instance.app.ready, &instance.app.alive) {
            (Purpose::Readiness, Readiness::Probe(spec), _) => spec.clone(),
            (Purpose::Liveness, _, Some(spec)) => spec.clone(),
            _ => return,
        };
        self.end_question(id);
        match self.ask(id, &spec, now) {
            Ok(question) => {
                if let Some(instance) = self.instances.get_mut(&id) {
                    instance.asking = Some(Asking { question, until: now + ANSWER_WAIT });
                }
            }
            Err(reason) => self.machine.handle(Event::ProbeFailed { id, reason }, now),
        }
    }

    fn ask(&mut self, id: InstanceId, spec: &ProbeSpec, now: Instant) -> Result<Question, String> {
        match spec {
            ProbeSpec::Tcp(address) => Probe::tcp(*address, now, ANSWER_WAIT).map(Question::Probe),
            ProbeSpec::Http(http) => Probe::http(http, now, ANSWER_WAIT).map(Question::Probe),
            ProbeSpec::Exec(command) => {
                let pid = self.start_shell(id, command)?;
                self.shells.insert(pid, id);
                Ok(Question::Shell(pid))
            }
            ProbeSpec::None | ProbeSpec::Notify => Err("there is no question to ask".to_owned()),
        }
    }

    fn start_shell(&self, id: InstanceId, command: &str) -> Result<u32, String> {
        let instance = self.instances.get(&id).ok_or("it is gone")?;
        let mut program = Program::new(["/bin/sh", "-c", command]);
        start::furnish(&mut program, &instance.app.place)?;
        (program.stdout, program.stderr) = (Stream::Null, Stream::Null);
        let prepared = program.prepare().map_err(|error| error.to_string())?;
        let child = process::spawn(&prepared)
            .map_err(|error| shell_failed(&std::io::Error::other(error.to_string())))?;
        Ok(child.pid)
    }

    pub(super) fn on_probe(&mut self, id: InstanceId, now: Instant) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        let Some(Asking { question: Question::Probe(probe), .. }) = &mut instance.asking else {
            return;
        };
        match probe.on_ready() {
            Verdict::Waiting => {}
            Verdict::Passed => self.answered(id, Ok(()), now),
            Verdict::Failed(reason) => self.answered(id, Err(reason), now),
        }
    }

    pub(super) fn on_late_probe(&mut self, id: InstanceId, now: Instant) {
        self.end_question(id);
        let reason = format!("no answer within {} s", ANSWER_WAIT.as_secs());
        self.answered(id, Err(reason), now);
    }

    pub(super) fn on_shell_exit(&mut self, id: InstanceId, exit: &Exit, now: Instant) {
        let is_awaited = self.instances.get(&id).is_some_and(|instance| {
            let question = instance.asking.as_ref().map(|asking| &asking.question);
            matches!(question, Some(Question::Shell(pid)) if *pid == exit.pid)
        });
        if is_awaited {
            let verdict = match exit.how.is_success() {
                true => Ok(()),
                false => Err(format!("the probe's command ended: {}", exit.how)),
            };
            self.answered(id, verdict, now);
        }
    }

    fn answered(&mut self, id: InstanceId, verdict: Result<(), String>, now: Instant) {
        if let Some(instance) = self.instances.get_mut(&id) {
            instance.asking = None;
        }
        let event = match verdict {
            Ok(()) => Event::ProbePassed { id },
            Err(reason) => Event::ProbeFailed { id, reason },
        };
        self.tell(event, now);
    }

    /// A shell that still runs is killed; its end is then nobody's answer.
    pub(super) fn end_question(&mut self, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(&id) else { return };
        if let Some(Asking { question: Question::Shell(pid), .. }) = instance.asking.take()
            && let Some(group) = rustix::process::Pid::from_raw(pid.cast_signed())
        {
            let _ = rustix::process::kill_process_group(group, process::Signal::KILL);
        }
    }
}
