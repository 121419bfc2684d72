//! The supervisor: decides everything about apps, and does nothing. Events and the time go in,
//! actions come out; the randomness of its delays comes from a seed. So each rule is tested without
//! a process and without waiting, and a whole history is played again from its seed.
//!
//! An instance is one start of an app's program, in one of the app's slots:
//!
//! ```text
//!           NotStarted                 not ready in time, not alive,
//!        ┌──────────────▶ gone         no watchdog ping, replaced, asked
//!        │                              │
//!    spawning ──Started──▶ starting ──▶ │ ◀── ready ◀─┐
//!        ▲                   │  └───────┼─────────────┘ READY=1, a passed probe, or it
//!        │                   │          │               lived for `SETTLED`
//!        │                   │          ▼
//!        │            Exited │      stopping ──stop_timeout──▶ killed ──┐ again each second
//!        │                   │          │ Exited                 │ ▲    │
//!        │                   ▼          ▼                        │ └────┘
//!        │                 main process gone ──others of its group left──▶ killed
//!        │                   │                                   │
//!        │                   ▼  nothing of its group left        ▼
//!   slot: idle ◀── delayed ◀── gone ◀────────────────────────────┘
//!        ▲            │         └──▶ finished (restart = never, or on-failure and it succeeded)
//!        └────────────┘
//! ```
//!
//! - After a stop signal the whole group has `stop_timeout`; after an end that nobody asked for,
//!   what is left of the group is killed at once.
//! - A slot holds one instance, and a second one only in its turn: a rolling replacement starts the
//!   new one, waits until it is ready, and then stops the old one. One slot of an app has its turn
//!   at a time. Where the app binds its own address, the old one goes first.
//! - If a new instance does not become ready, the replacement ends there: the old ones stay.
//! - An app is up if it is wanted and all that it requires is up. It starts after what it needs is
//!   ready; if that fails to start, an app that is only ordered after it starts all the same, one
//!   that requires it waits. Stops go the other way round.
//! - A restart during a restart joins it: what was already replaced is replaced again, and both
//!   callers are answered at the end. A start during a stop, or a stop during a start, overtakes
//!   it, and the first caller is told so.
//!
//! Terms as in systemd.service(5), sd_notify(3) and s6's `servicedir`.

mod app;
mod carry;
mod delay;
mod instance;
mod lives;
mod message;
mod requests;
mod settle;
mod spec;
mod stops;
mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use message::{
    Action, Event, InstanceId, Limit, Notice, Outcome, Purpose, Report, Token, What, Why,
};
pub use spec::{Delays, Liveness, Readiness, Replace, Restart, Spec};
pub use view::{AppView, Row, State};

use app::App;
use delay::Random;
use instance::{AppId, Due, Instance, Place};
use requests::Request;

/// An app with no way to say so is ready when it has lived for so long.
pub const SETTLED: Duration = Duration::from_millis(500);
/// From a failed readiness probe to the next.
pub const READINESS_INTERVAL: Duration = Duration::from_millis(200);
/// From one SIGKILL to the next: others may have been forked meanwhile.
pub const KILL_AGAIN: Duration = Duration::from_secs(1);
/// SIGKILLs before what is left is given up.
pub const KILLS_MAX: u32 = 5;
/// Liveness probes and watchdog pings are not asked for more often.
pub const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// EXTEND_TIMEOUT_USEC may stretch a timeout to so many times itself.
pub const EXTEND_FACTOR: u32 = 10;
/// Requests that are under way; further ones are refused.
pub const REQUESTS_MAX: usize = 1024;

/// All apps and their instances.
pub struct Supervisor {
    apps: BTreeMap<AppId, App>,
    names: BTreeMap<Arc<str>, AppId>,
    instances: BTreeMap<InstanceId, Instance>,
    timers: BTreeSet<(Instant, Due)>,
    requests: BTreeMap<u64, Request>,
    /// Who waits for the end of everything; some once that was asked for.
    ending: Option<Vec<Token>>,
    actions: VecDeque<Action>,
    /// What an event has touched and `settle` has to look at.
    slots_due: BTreeSet<Place>,
    apps_due: BTreeSet<AppId>,
    touched: Vec<InstanceId>,
    last_app: u32,
    last_instance: u64,
    last_request: u64,
    unkillable: usize,
    random: Random,
}

impl Supervisor {
    /// With no apps; the seed is for the jitter of delays.
    pub fn new(seed: u64) -> Supervisor {
        Supervisor {
            apps: BTreeMap::new(),
            names: BTreeMap::new(),
            instances: BTreeMap::new(),
            timers: BTreeSet::new(),
            requests: BTreeMap::new(),
            ending: None,
            actions: VecDeque::new(),
            slots_due: BTreeSet::new(),
            apps_due: BTreeSet::new(),
            touched: Vec::new(),
            last_app: 0,
            last_instance: 0,
            last_request: 0,
            unkillable: 0,
            random: Random(seed),
        }
    }

    /// Takes one event. What concerns an instance that is gone is ignored.
    pub fn handle(&mut self, event: Event, now: Instant) {
        match event {
            Event::Started { id, pid } => self.started(id, pid, now),
            Event::NotStarted { id, reason } => self.not_started(id, reason, now),
            Event::Ready { id } => self.said_ready(id, now),
            Event::Notified { id, notice } => self.notified(id, notice, now),
            Event::ProbePassed { id } => self.probe_passed(id, now),
            Event::ProbeFailed { id, reason } => self.probe_failed(id, reason, now),
            Event::Exited { id, how, group_left } => self.exited(id, how, group_left, now),
            Event::GroupGone { id } => self.group_gone(id, now),
            Event::MemoryAt { id, bytes } => self.memory_at(id, bytes, now),
            Event::Start { app, token } => self.start(&app, token),
            Event::Stop { app, token } => self.stop(&app, token),
            Event::Restart { app, token } => self.restart(&app, token),
            Event::Configure { specs, token } => self.configure(specs, token, now),
            Event::Shutdown { token } => self.shutdown(token),
        }
        self.settle(now);
    }

    /// Does what is due by now. Events that have come are better handled first: a READY that waits
    /// to be read is no timeout.
    pub fn tick(&mut self, now: Instant) {
        while let Some(&(time, due)) = self.timers.first() {
            if time > now {
                break;
            }
            self.timers.pop_first();
            match due {
                Due::Start(place) => self.delay_is_over(place),
                Due::Instance(id) => {
                    if let Some(instance) = self.instance_mut(id) {
                        instance.timer = None;
                    }
                    self.instance_due(id, now);
                }
            }
            self.settle(now);
        }
    }

    /// When to call `tick` at the latest.
    pub fn next_time(&self) -> Option<Instant> {
        self.timers.first().map(|(time, _)| *time)
    }

    /// What the caller has to do next. All of it should be done before the next event is handled,
    /// except that the answers to spawns, probes and stops are themselves events.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// An instance that is about to be changed; its timer is set anew afterwards.
    fn instance_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        let instance = self.instances.get_mut(&id)?;
        self.touched.push(id);
        Some(instance)
    }

    fn app(&self, id: AppId) -> Option<&App> {
        self.apps.get(&id)
    }

    fn app_mut(&mut self, id: AppId) -> Option<&mut App> {
        self.apps.get_mut(&id)
    }

    fn spec_of(&self, id: InstanceId) -> Option<&Spec> {
        let place = self.instances.get(&id)?.place;
        self.app(place.app).map(|app| &app.spec)
    }

    fn report(&mut self, place: Place, what: What) {
        let Some(app) = self.app(place.app) else { return };
        let report = Report { app: app.spec.name.clone(), slot: place.slot, what };
        self.actions.push_back(Action::Report(report));
    }

    fn answer(&mut self, token: Token, outcome: Outcome) {
        self.actions.push_back(Action::Answer { token, outcome });
    }

    /// Puts the timers of touched instances where they belong.
    fn retime(&mut self) {
        for id in std::mem::take(&mut self.touched) {
            let Some(instance) = self.instances.get_mut(&id) else { continue };
            let due = instance.due();
            if due == instance.timer {
                continue;
            }
            if let Some(old) = std::mem::replace(&mut instance.timer, due) {
                self.timers.remove(&(old, Due::Instance(id)));
            }
            if let Some(new) = due {
                self.timers.insert((new, Due::Instance(id)));
            }
        }
    }
}
