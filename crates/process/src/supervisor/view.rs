//! What stands where, for people: a view of each app and a row for each of its instances.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Supervisor;
use super::app::{App, Rest, Slot, Stage};
use super::instance::{Instance, Phase};
use super::message::InstanceId;

/// One app.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppView {
    pub name: Arc<str>,
    /// The user's last word, or autostart.
    pub wanted: bool,
    /// Not configured any more; on its way out.
    pub removed: bool,
    pub instances: u32,
    pub ready: u32,
    pub generation: u64,
    /// Instances are being replaced one after the other.
    pub replacing: bool,
    pub rows: Vec<Row>,
}

/// One instance, or a slot with none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    pub slot: u32,
    pub id: Option<InstanceId>,
    pub pid: Option<u32>,
    pub state: State,
    /// When the state began; none for a slot without an instance.
    pub since: Option<Instant>,
    pub started_at: Option<Instant>,
    /// Starts of this slot after its first.
    pub restarts: u64,
    pub last_exit: Option<String>,
    pub next_start: Option<Instant>,
    pub generation: Option<u64>,
    /// Bytes, as last told.
    pub memory: Option<u64>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    Starting,
    Ready,
    Stopping,
    Killed,
    Unkillable,
    /// Waits before the next start.
    Delayed {
        crash_loop: bool,
    },
    Finished {
        success: bool,
    },
    /// For what it is ordered after.
    Waiting,
    Stopped,
}

impl Supervisor {
    /// All apps, in the order in which they were added.
    pub fn apps(&self) -> impl Iterator<Item = AppView> {
        self.apps.values().map(|app| self.view(app))
    }

    /// One app by its name.
    pub fn app_view(&self, name: &str) -> Option<AppView> {
        let id = self.names.get(name)?;
        self.app(*id).map(|app| self.view(app))
    }

    /// Instances that are not gone.
    pub fn live(&self) -> usize {
        self.instances.len()
    }

    /// So long ago it was started, for an instance that is not gone.
    pub fn age(&self, id: InstanceId, now: Instant) -> Option<Duration> {
        self.instances.get(&id).map(|instance| instance.lived(now))
    }

    fn view(&self, app: &App) -> AppView {
        let slots = app.slots.iter().enumerate();
        AppView {
            name: app.spec.name.clone(),
            wanted: app.wanted,
            removed: app.removed,
            instances: app.spec.instances,
            ready: app.counts.ready,
            generation: app.generation,
            replacing: app.is_replacing(),
            rows: slots.flat_map(|(at, slot)| self.rows(app, at as u32, slot)).collect(),
        }
    }

    fn rows(&self, app: &App, at: u32, slot: &Slot) -> Vec<Row> {
        let ids = slot.main.into_iter().chain(slot.other.map(|other| other.id()));
        let found = ids.filter_map(|id| Some((id, self.instances.get(&id)?)));
        let rows: Vec<Row> = found.map(|(id, one)| one.row(id, at, slot)).collect();
        if rows.is_empty() { vec![empty_row(app, at, slot)] } else { rows }
    }
}

impl Instance {
    fn row(&self, id: InstanceId, at: u32, slot: &Slot) -> Row {
        let state = match self.phase {
            Phase::Spawning | Phase::Starting => State::Starting,
            Phase::Ready => State::Ready,
            Phase::Stopping => State::Stopping,
            Phase::Killed { .. } => State::Killed,
            Phase::Unkillable => State::Unkillable,
        };
        Row {
            slot: at,
            id: Some(id),
            pid: self.pid,
            state,
            since: Some(self.since),
            started_at: Some(self.started_at),
            restarts: slot.starts.saturating_sub(1),
            last_exit: slot.last.clone(),
            next_start: None,
            generation: Some(self.generation),
            memory: self.memory,
        }
    }
}

fn empty_row(app: &App, at: u32, slot: &Slot) -> Row {
    let state = match slot.rest {
        _ if !app.is_up => State::Stopped,
        Rest::Delayed { .. } => State::Delayed { crash_loop: slot.crash_loop },
        Rest::Finished { success } => State::Finished { success },
        Rest::Idle if app.stage == Stage::Up => State::Starting,
        Rest::Idle => State::Waiting,
    };
    let next_start = if let Rest::Delayed { until } = slot.rest { Some(until) } else { None };
    Row {
        slot: at,
        id: None,
        pid: None,
        state,
        since: None,
        started_at: None,
        restarts: slot.starts.saturating_sub(1),
        last_exit: slot.last.clone(),
        next_start,
        generation: None,
        memory: None,
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Starting => "starting",
            State::Ready => "ready",
            State::Stopping => "stopping",
            State::Killed => "killed",
            State::Unkillable => "outlives SIGKILL",
            State::Delayed { crash_loop: true } => "crash loop",
            State::Delayed { crash_loop: false } => "waits to start again",
            State::Finished { success: true } => "finished",
            State::Finished { success: false } => "finished in failure",
            State::Waiting => "waits for others",
            State::Stopped => "stopped",
        })
    }
}
