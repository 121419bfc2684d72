//! Questions for the status: every worker is asked, and the answer is put together when all have
//! answered, or when the time for it is over. A worker that hangs is named, not waited for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use control::{FamilyView, ListenerView, Sharing, WorkerView};

use super::Master;
use super::control_socket::ClientId;
use crate::clock;
use crate::settings::Named;

/// How long the workers may take to answer.
const ANSWER_WAIT: Duration = Duration::from_millis(500);
/// Questions under way at once; further ones are answered without the workers.
const QUESTIONS_MAX: usize = 64;

/// Who wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asker {
    Client(ClientId),
    /// A worker's built-in page, by the number of its own question.
    Worker {
        id: u64,
        question: u64,
    },
}

/// A question that is answered as far as it ever will be.
pub struct Finished {
    pub asker: Asker,
    pub views: Vec<WorkerView>,
    /// Pids that did not answer.
    pub silent: Vec<u32>,
}

struct Question {
    asker: Asker,
    until: Instant,
    /// Seats that have not answered: seat to pid.
    waiting: HashMap<u64, u32>,
    views: Vec<(u64, WorkerView)>,
    silent: Vec<u32>,
}

#[derive(Default)]
pub struct Questions {
    next: u64,
    open: HashMap<u64, Question>,
    /// Which question a number sent to a worker belongs to.
    numbers: HashMap<u64, u64>,
}

impl Questions {
    /// A number to ask a worker by.
    pub fn next_id(&mut self, _seat: u64) -> u64 {
        self.next += 1;
        self.next
    }

    /// Begins a question that was sent to these: (number, seat, pid).
    pub fn begin(
        &mut self,
        asker: Asker,
        asked: Vec<(u64, u64, u32)>,
        now: Instant,
    ) -> Option<Finished> {
        self.next += 1;
        let (id, until) = (self.next, now + ANSWER_WAIT);
        if asked.is_empty() || self.open.len() >= QUESTIONS_MAX {
            let silent = asked.into_iter().map(|(_, _, pid)| pid).collect();
            return Some(Finished { asker, views: Vec::new(), silent });
        }
        let mut waiting = HashMap::new();
        for (number, seat, pid) in asked {
            self.numbers.insert(number, id);
            waiting.insert(seat, pid);
        }
        let question = Question { asker, until, waiting, views: Vec::new(), silent: Vec::new() };
        self.open.insert(id, question);
        None
    }

    pub fn answered(&mut self, number: u64, seat: u64, view: WorkerView) -> Option<Finished> {
        let id = self.numbers.remove(&number)?;
        let question = self.open.get_mut(&id)?;
        question.waiting.remove(&seat);
        question.views.push((seat, view));
        self.finish_if_done(id)
    }

    /// The seat will not answer any more.
    pub fn gone(&mut self, seat: u64) -> Vec<Finished> {
        let ids: Vec<u64> = self.open.keys().copied().collect();
        for question in self.open.values_mut() {
            question.silent.extend(question.waiting.remove(&seat));
        }
        ids.into_iter().filter_map(|id| self.finish_if_done(id)).collect()
    }

    fn finish_if_done(&mut self, id: u64) -> Option<Finished> {
        self.open.get(&id)?.waiting.is_empty().then(|| self.finish(id)).flatten()
    }

    fn finish(&mut self, id: u64) -> Option<Finished> {
        let mut question = self.open.remove(&id)?;
        self.numbers.retain(|_, question| *question != id);
        question.silent.extend(question.waiting.into_values());
        question.silent.sort_unstable();
        question.silent.dedup();
        question.views.sort_by_key(|(seat, _)| *seat);
        let views = question.views.into_iter().map(|(_, view)| view).collect();
        Some(Finished { asker: question.asker, views, silent: question.silent })
    }

    /// Those whose time is over.
    pub fn overdue(&mut self, now: Instant) -> Vec<Finished> {
        let late: Vec<u64> =
            self.open.iter().filter(|(_, q)| q.until <= now).map(|(id, _)| *id).collect();
        late.into_iter().filter_map(|id| self.finish(id)).collect()
    }

    pub fn next_time(&self) -> Option<Instant> {
        self.open.values().map(|question| question.until).min()
    }
}

/// The whole family as people see it.
pub(super) fn view(master: &Master, workers: Vec<WorkerView>, silent: Vec<u32>) -> FamilyView {
    let settings = &master.settings;
    let now = clock::now();
    FamilyView {
        format: control::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        master_pid: std::process::id(),
        uptime_ms: now.saturating_duration_since(master.started).as_millis() as u64,
        config_file: settings.config_file.as_ref().map(|path| path.display().to_string()),
        control: settings.control.display().to_string(),
        process_model: settings.process_model.name().to_owned(),
        io_model: settings.io_model.name().to_owned(),
        root: settings.root.as_ref().map(|path| path.display().to_string()),
        generation: master.family.newest_generation(),
        generations: master.family.generations(),
        listeners: listeners(master),
        workers,
        apps: master.apps.view(now),
        jobs: master.jobs.view(),
        silent_workers: silent,
        last_exits: master.family.last_exits(now),
    }
}

fn listeners(master: &Master) -> Vec<ListenerView> {
    let view = |listener: &super::listeners::Listener| ListenerView {
        address: listener.address.to_string(),
        fd: listener.first_fd(),
        sharing: if listener.sockets.len() > 1 { Sharing::PerWorker } else { Sharing::Shared },
        queue: listener.queue(),
    };
    master.listeners.all.iter().map(view).collect()
}
