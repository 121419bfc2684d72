//! What follows from an event for slots and apps: start what is wanted and may start, end what is
//! not, take turns in replacing, tell those ordered around an app. Each look at a slot compares
//! what is with what is wanted, so the order of events does not matter.

use std::time::Instant;

use super::Supervisor;
use super::app::{App, Counted, Other, Rest, Seen, Stage, Step, Turn, Until};
use super::instance::{AppId, Instance, Place};
use super::message::{Action, InstanceId, Outcome, What, Why};
use super::spec::Replace;

/// Whether an app may start, by what it needs.
enum May {
    Start,
    Wait,
    /// What it requires did not start.
    Blocked(AppId),
}

impl Supervisor {
    /// Until nothing that was touched is left to look at.
    pub(super) fn settle(&mut self, now: Instant) {
        loop {
            if let Some(place) = self.slots_due.pop_first() {
                self.settle_slot(place, now);
            } else if let Some(app) = self.apps_due.pop_first() {
                self.settle_app(app);
            } else {
                break;
            }
        }
        self.retime();
        self.finish_shutdown();
    }

    fn settle_slot(&mut self, place: Place, now: Instant) {
        let Some(app) = self.app(place.app) else { return };
        if app.wants(place.slot) {
            self.fill(place, now);
        } else {
            self.empty(place, now);
        }
        self.end_turn(place);
        self.count(place);
        self.apps_due.insert(place.app);
    }

    fn empty(&mut self, place: Place, now: Instant) {
        self.forget_rest(place);
        let is_held = self.is_held(place.app);
        let Some(app) = self.app_mut(place.app) else { return };
        app.replace.remove(&place.slot);
        app.set_step(place.slot, Step::Ending);
        let is_up = app.is_up;
        let Some(slot) = app.slot_mut(place.slot) else { return };
        let main = slot.main;
        if let Some(id) = slot.successor() {
            slot.other = Some(Other::Leaving(id));
            self.end(id, Why::Asked, now);
        }
        if let Some(id) = main
            && (is_up || !is_held)
        {
            self.end(id, Why::Asked, now);
        }
    }

    fn fill(&mut self, place: Place, now: Instant) {
        let Some(app) = self.app(place.app) else { return };
        let step = app.turn_of(place.slot);
        let is_rolling = app.spec.replace == Replace::Rolling;
        let Some(slot) = app.slot(place.slot) else { return };
        match (slot.main, slot.other) {
            (_, Some(Other::Successor(id))) => self.watch_successor(place, id, now),
            // The one that took over has ended already; the turn still has room for another.
            (None, Some(Other::Leaving(_))) if is_rolling => self.start_slot(place, now),
            (_, Some(Other::Leaving(_))) => {}
            (None, None) => self.start_slot(place, now),
            (Some(id), None) => match step {
                Some(Step::Begin) => self.begin_turn(place, id, now),
                Some(Step::Coming) => self.end_coming(place, id),
                Some(Step::Ending) | None => {}
            },
        }
    }

    fn watch_successor(&mut self, place: Place, id: InstanceId, now: Instant) {
        let Some(instance) = self.instances.get(&id) else { return };
        if instance.is_ready() {
            if let Some(app) = self.app_mut(place.app) {
                app.set_step(place.slot, Step::Ending);
            }
            self.hand_over(place, id, now);
        } else if instance.is_ending()
            && let Some(slot) = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot))
        {
            slot.other = Some(Other::Leaving(id));
        }
    }

    fn start_slot(&mut self, place: Place, now: Instant) {
        let Some(app) = self.app_mut(place.app) else { return };
        let rest = app.slot(place.slot).map(|slot| slot.rest);
        match (rest, app.turn_of(place.slot)) {
            (Some(Rest::Finished { .. }), Some(_)) => app.set_step(place.slot, Step::Ending),
            (_, Some(Step::Begin)) => app.set_step(place.slot, Step::Coming),
            _ => {}
        }
        if rest != Some(Rest::Idle) {
            return;
        }
        match self.may_start(place.app) {
            May::Start => {
                let id = self.spawn(place, now);
                if let Some(slot) = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot))
                {
                    slot.main = id;
                }
            }
            May::Wait => {}
            May::Blocked(on) => self.blocked(place, on),
        }
    }

    fn spawn(&mut self, place: Place, now: Instant) -> Option<InstanceId> {
        let app = self.apps.get_mut(&place.app)?;
        app.counts.live += 1;
        app.slot_mut(place.slot)?.starts += 1;
        self.last_instance += 1;
        let id = InstanceId(self.last_instance);
        self.instances.insert(id, Instance::new(place, &app.spec, app.generation, now));
        let (app, slot) = (app.spec.name.clone(), place.slot);
        self.actions.push_back(Action::Spawn { id, app, slot });
        Some(id)
    }

    fn begin_turn(&mut self, place: Place, main: InstanceId, now: Instant) {
        let is_ready = self.instances.get(&main).is_some_and(Instance::is_ready);
        let Some(app) = self.app_mut(place.app) else { return };
        app.set_step(place.slot, Step::Coming);
        if is_ready && app.spec.replace == Replace::Rolling {
            let successor = self.spawn(place, now);
            if let Some(slot) = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot)) {
                slot.other = successor.map(Other::Successor);
            }
        } else {
            self.end(main, Why::Replaced, now);
        }
    }

    fn end_coming(&mut self, place: Place, main: InstanceId) {
        if self.instances.get(&main).is_some_and(Instance::is_ready)
            && let Some(app) = self.app_mut(place.app)
        {
            app.set_step(place.slot, Step::Ending);
        }
    }

    fn end_turn(&mut self, place: Place) {
        let Some(app) = self.app_mut(place.app) else { return };
        let is_single = app.slot(place.slot).is_none_or(|slot| slot.other.is_none());
        if is_single && app.turn_of(place.slot) == Some(Step::Ending) {
            app.turn = None;
        }
    }

    fn count(&mut self, place: Place) {
        let Some(app) = self.app(place.app) else { return };
        let Some(slot) = app.slot(place.slot) else { return };
        let counted = match (slot.main, slot.rest) {
            _ if !app.wants(place.slot) => Counted::Nothing,
            (Some(id), _) if self.instances.get(&id).is_some_and(Instance::is_ready) => {
                Counted::Ready
            }
            (None, Rest::Finished { success: true }) => Counted::Done,
            (None, Rest::Finished { success: false }) => Counted::Failed,
            _ => Counted::Nothing,
        };
        if let Some(app) = self.app_mut(place.app) {
            app.count(place.slot, counted);
        }
    }

    /// An app that was up once starts again without looking around.
    fn may_start(&mut self, id: AppId) -> May {
        let Some(app) = self.app(id) else { return May::Wait };
        if app.stage == Stage::Up {
            return May::Start;
        }
        let mut may = May::Start;
        let mut in_vain = None;
        for need in &app.needs {
            let Some(other) = self.app(need.app) else { continue };
            match other.stage {
                Stage::Coming => may = May::Wait,
                Stage::Failed if need.required => return May::Blocked(need.app),
                Stage::Failed => in_vain = Some(other.spec.name.clone()),
                Stage::Down if need.required || other.is_up => may = May::Wait,
                Stage::Down | Stage::Up => {}
            }
        }
        if let (May::Start, Some(on)) = (&may, in_vain) {
            self.tell_once(Place { app: id, slot: 0 }, on.clone(), What::WaitedInVain { on });
        }
        may
    }

    fn blocked(&mut self, place: Place, on: AppId) {
        let Some(on) = self.app(on).map(|app| app.spec.name.clone()) else { return };
        let Some(app) = self.app_mut(place.app) else { return };
        if app.stage == Stage::Coming {
            app.stage = Stage::Failed;
        }
        let words = format!("{} requires {on}, which did not start", app.spec.name);
        self.tell_once(place, on.clone(), What::Blocked { on });
        self.resolve(place.app, |until| match until {
            Until::Whole | Until::Replaced => Some(Err(words.clone())),
            Until::Gone => None,
        });
    }

    fn tell_once(&mut self, place: Place, on: std::sync::Arc<str>, what: What) {
        let Some(app) = self.app_mut(place.app) else { return };
        if app.told.as_ref() != Some(&on) {
            app.told = Some(on);
            self.report(place, what);
        }
    }

    fn settle_app(&mut self, id: AppId) {
        self.set_stage(id);
        self.tell_neighbours(id);
        self.next_turn(id);
        let Some(app) = self.app_mut(id) else { return };
        trim_slots(app);
        let (is_whole, is_replacing) = (app.is_whole(), app.is_replacing());
        let is_gone = !app.is_up && app.is_gone();
        let broken = app.is_broken().then(|| format!("{} has finished in failure", app.spec.name));
        let unkillable = app.counts.unkillable;
        let is_over = app.removed && app.counts.live == 0;
        self.resolve(id, |until| match until {
            Until::Replaced if is_replacing => None,
            Until::Whole | Until::Replaced if is_whole => Some(Ok(())),
            Until::Whole | Until::Replaced => broken.clone().map(Err),
            Until::Gone if !is_gone => None,
            Until::Gone if unkillable == 0 => Some(Ok(())),
            Until::Gone => Some(Err(format!("{unkillable} processes outlive SIGKILL"))),
        });
        if is_over && let Some(app) = self.apps.remove(&id) {
            self.names.remove(&app.spec.name);
        }
    }

    fn set_stage(&mut self, id: AppId) {
        let Some(app) = self.app_mut(id) else { return };
        let stage = match app.stage {
            _ if !app.is_up => Stage::Down,
            _ if app.is_whole() => Stage::Up,
            Stage::Coming if app.is_broken() => Stage::Failed,
            Stage::Down => Stage::Coming,
            stage => stage,
        };
        app.stage = stage;
        if matches!(stage, Stage::Down | Stage::Up) {
            app.told = None;
        }
    }

    /// Those ordered after it may start, or those it is ordered after may stop.
    fn tell_neighbours(&mut self, id: AppId) {
        let Some(app) = self.app_mut(id) else { return };
        let seen = Seen { stage: app.stage, is_gone: app.is_gone() };
        let old = std::mem::replace(&mut app.seen, seen);
        let mut around = Vec::new();
        if old.stage != seen.stage {
            around.extend(app.dependants.iter().map(|need| need.app));
        }
        if !app.is_up && seen.is_gone && (!old.is_gone || old.stage != seen.stage) {
            around.extend(app.needs.iter().map(|need| need.app));
        }
        for app in around {
            self.touch_app(app);
        }
    }

    /// All its slots are looked at.
    pub(super) fn touch_app(&mut self, id: AppId) {
        let slots = self.app(id).map_or(0, |app| app.slots.len()) as u32;
        self.slots_due.extend((0..slots).map(|slot| Place { app: id, slot }));
        self.apps_due.insert(id);
    }

    fn next_turn(&mut self, id: AppId) {
        let Some(app) = self.apps.get_mut(&id) else { return };
        while app.is_up && app.turn.is_none() {
            let Some(slot) = app.replace.pop_first() else { return };
            let main = app.slot(slot).and_then(|slot| slot.main);
            let instance = main.and_then(|id| self.instances.get(&id));
            if app.wants(slot) && instance.is_some_and(|instance| !instance.is_ending()) {
                app.turn = Some(Turn { slot, step: Step::Begin });
                self.slots_due.insert(Place { app: id, slot });
            }
        }
    }

    fn finish_shutdown(&mut self) {
        if self.ending.is_none() || self.instances.len() > self.unkillable {
            return;
        }
        let unkillable = self.unkillable;
        for token in self.ending.as_mut().map(std::mem::take).unwrap_or_default() {
            self.answer(
                token,
                match unkillable {
                    0 => Outcome::Done,
                    _ => Outcome::Failed(format!("{unkillable} processes outlive SIGKILL")),
                },
            );
        }
    }
}

/// Slots above the number asked for go when they are empty.
fn trim_slots(app: &mut App) {
    while app.slots.len() > app.spec.instances as usize {
        match app.slots.last() {
            Some(slot) if slot.is_empty() => drop(app.slots.pop()),
            _ => return,
        }
    }
}
