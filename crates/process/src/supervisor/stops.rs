//! The ends of instances: the ladder from stop signal to SIGKILL, what an exit means, and what the
//! slot does next.

use std::time::Instant;

use super::Supervisor;
use super::app::{Other, Rest, Stage, Step, Until};
use super::delay::delay;
use super::instance::{AppId, Due, Instance, Phase, Place, Recycle, later};
use super::message::{Action, InstanceId, What, Why};
use super::spec::Restart;
use crate::How;

/// How a slot's instance ended, as its policy sees it.
struct End {
    success: bool,
    /// It was ready for long enough.
    was_healthy: bool,
    why: Option<Why>,
    words: String,
}

impl Supervisor {
    /// Begins the end of an instance; one that is ending goes on as it is.
    pub(super) fn end(&mut self, id: InstanceId, why: Why, now: Instant) {
        let Some(instance) = self.instance_mut(id) else { return };
        if instance.is_ending() {
            return;
        }
        instance.why = Some(why.clone());
        let (place, phase) = (instance.place, instance.phase);
        let was_ready = instance.ready_at.is_some();
        self.slots_due.insert(place);
        let words = why.to_string();
        let is_failure = why.is_failure();
        self.report(place, What::Ending(why));
        if matches!(phase, Phase::Starting | Phase::Ready) {
            self.send_stop(id, now);
        }
        if is_failure && !was_ready {
            self.attempt_failed(place, &words, now);
        }
    }

    pub(super) fn send_stop(&mut self, id: InstanceId, now: Instant) {
        let Some(spec) = self.spec_of(id).cloned() else { return };
        if let Some(instance) = self.instance_mut(id) {
            instance.begin_stopping(&spec, now);
            self.actions.push_back(Action::Stop { id });
        }
    }

    pub(super) fn stop_is_over(&mut self, id: InstanceId, now: Instant) {
        let Some(instance) = self.instances.get(&id) else { return };
        let after = now.saturating_duration_since(instance.since);
        self.report(instance.place, What::StopTimedOut { after });
        self.kill(id, now);
    }

    fn kill(&mut self, id: InstanceId, now: Instant) {
        if let Some(instance) = self.instance_mut(id) {
            instance.count_kill(now);
            self.actions.push_back(Action::Kill { id });
        }
    }

    pub(super) fn kill_again(&mut self, id: InstanceId, now: Instant) {
        let Some(instance) = self.instance_mut(id) else { return };
        let Phase::Killed { times } = instance.phase else { return };
        if !instance.kills_are_used_up() {
            return self.kill(id, now);
        }
        let place = instance.place;
        if instance.how.is_some() {
            self.report(place, What::GroupLost { kills: times });
            return self.leave(id, None, now);
        }
        instance.enter(Phase::Unkillable, now);
        self.unkillable += 1;
        self.apps_due.insert(place.app);
        self.report(place, What::Unkillable { kills: times });
        if let Some(app) = self.app_mut(place.app) {
            app.counts.unkillable += 1;
        }
    }

    pub(super) fn not_started(&mut self, id: InstanceId, reason: String, now: Instant) {
        let Some(instance) = self.instances.get(&id) else { return };
        if instance.phase == Phase::Spawning {
            self.report(instance.place, What::NotStarted { reason: reason.clone() });
            self.leave(id, Some(reason), now);
        }
    }

    pub(super) fn exited(&mut self, id: InstanceId, how: How, group_left: bool, now: Instant) {
        let Some(instance) = self.instance_mut(id) else { return };
        if instance.how.is_some() {
            return;
        }
        instance.how = Some(how);
        let (place, phase) = (instance.place, instance.phase);
        let what = match instance.why {
            None => What::Ended { how, lived: instance.lived(now) },
            Some(_) => What::Stopped { how, took: instance.took(now) },
        };
        self.slots_due.insert(place);
        self.report(place, what);
        if !group_left {
            return self.leave(id, None, now);
        }
        match phase {
            // The rest of the group has as long as the main process had.
            Phase::Stopping | Phase::Killed { .. } => {}
            Phase::Unkillable => self.leave(id, None, now),
            Phase::Spawning | Phase::Starting | Phase::Ready => {
                self.report(place, What::LeftOthers);
                self.kill(id, now);
            }
        }
    }

    pub(super) fn group_gone(&mut self, id: InstanceId, now: Instant) {
        if self.instances.get(&id).is_some_and(|instance| instance.how.is_some()) {
            self.leave(id, None, now);
        }
    }

    /// Nothing of the instance is left. With a reason, it was never started.
    fn leave(&mut self, id: InstanceId, not_started: Option<String>, now: Instant) {
        let Some(instance) = self.instances.remove(&id) else { return };
        if let Some(time) = instance.timer {
            self.timers.remove(&(time, Due::Instance(id)));
        }
        let place = instance.place;
        self.slots_due.insert(place);
        self.unkillable -= usize::from(instance.is_unkillable());
        let Some(app) = self.apps.get_mut(&place.app) else { return };
        app.counts.live -= 1;
        app.counts.unkillable -= u32::from(instance.is_unkillable());
        let end = End {
            success: instance.how.is_some_and(How::is_success),
            was_healthy: instance.was_healthy(&app.spec, now),
            why: instance.why.clone(),
            words: last_words(&instance, not_started),
        };
        let is_by_itself = matches!(end.why, None | Some(Why::ByItself));
        let may_end = end.success && app.spec.restart != Restart::Always;
        if self.take_out(place, id, &end.words) {
            self.rest_after(place, &end, now);
        }
        if instance.ready_at.is_none() && is_by_itself && !may_end {
            self.attempt_failed(place, &end.words, now);
        }
    }

    /// Takes it out of its slot; true if the slot is left without a main one.
    fn take_out(&mut self, place: Place, id: InstanceId, words: &str) -> bool {
        let slot = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot));
        let Some(slot) = slot else { return false };
        slot.last = Some(words.to_owned());
        if slot.main != Some(id) {
            slot.other = None;
            return false;
        }
        slot.main = slot.successor();
        if slot.main.is_some() {
            slot.other = None;
        }
        slot.main.is_none()
    }

    fn rest_after(&mut self, place: Place, end: &End, now: Instant) {
        let Some(app) = self.app(place.app) else { return };
        let restart = app.spec.restart;
        let rest = match end.why {
            _ if !app.wants(place.slot) => Rest::Idle,
            Some(Why::Asked | Why::Replaced) => Rest::Idle,
            Some(Why::Recycled(_)) if restart == Restart::Never => Rest::Finished { success: true },
            Some(Why::Recycled(_)) => Rest::Idle,
            _ => {
                let success = end.success && !end.why.as_ref().is_some_and(Why::is_failure);
                match restart {
                    Restart::Never => Rest::Finished { success },
                    Restart::OnFailure if success => Rest::Finished { success },
                    Restart::OnFailure | Restart::Always => self.back_off(place, end, now),
                }
            }
        };
        if let Rest::Finished { success } = rest {
            self.report(place, What::Finished { success });
            if !success {
                self.fail_starts(place, &end.words);
            }
        }
        if let Some(slot) = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot)) {
            slot.rest = rest;
        }
    }

    /// The wait before the next start, by how many ends in a row came soon after the start.
    fn back_off(&mut self, place: Place, end: &End, now: Instant) -> Rest {
        let Some(app) = self.apps.get_mut(&place.app) else { return Rest::Idle };
        let (delays, threshold) = (app.spec.delays, app.spec.crash_loop);
        let Some(slot) = app.slot_mut(place.slot) else { return Rest::Idle };
        if end.was_healthy {
            slot.quick_ends = 0;
            slot.crash_loop = false;
            return Rest::Idle;
        }
        slot.quick_ends = slot.quick_ends.saturating_add(1);
        let ends = slot.quick_ends;
        let is_new_loop = threshold > 0 && ends >= threshold && !slot.crash_loop;
        slot.crash_loop |= is_new_loop;
        if is_new_loop {
            self.report(place, What::CrashLoop { ends });
        }
        let delay = delay(&delays, ends, &mut self.random);
        let until = later(now, delay).unwrap_or(now);
        if delay.is_zero() {
            return Rest::Idle;
        }
        self.timers.insert((until, Due::Start(place)));
        self.report(place, What::NextStart { delay });
        Rest::Delayed { until }
    }

    /// A start came to nothing: those who wait for it are told, and no more instances are replaced.
    pub(super) fn attempt_failed(&mut self, place: Place, words: &str, now: Instant) {
        self.apps_due.insert(place.app);
        let Some(app) = self.app_mut(place.app) else { return };
        if app.stage == Stage::Coming {
            app.stage = Stage::Failed;
        }
        if app.is_replacing() {
            self.stop_replacing(place, now);
            self.report(place, What::ReplacementFailed { reason: words.to_owned() });
        }
        self.fail_starts(place, words);
    }

    fn stop_replacing(&mut self, place: Place, now: Instant) {
        let Some(app) = self.app_mut(place.app) else { return };
        let mut slots = std::mem::take(&mut app.replace);
        if let Some(turn) = &mut app.turn
            && (turn.slot == place.slot || turn.step == Step::Begin)
        {
            turn.step = Step::Ending;
            slots.insert(turn.slot);
        }
        for slot in slots {
            self.slots_due.insert(Place { app: place.app, slot });
            self.put_off_recycling(Place { app: place.app, slot }, now);
        }
    }

    /// What was to be recycled is not tried again at once.
    fn put_off_recycling(&mut self, place: Place, now: Instant) {
        let Some(app) = self.app(place.app) else { return };
        let spec = app.spec.clone();
        let Some(id) = app.slot(place.slot).and_then(|slot| slot.main) else { return };
        if let Some(instance) = self.instance_mut(id)
            && instance.recycle == Recycle::Queued
        {
            let time = later(now, spec.delays.max).unwrap_or(now);
            instance.recycle = Recycle::NotBefore(time);
            if instance.is_ready() {
                instance.arm_lifetime(&spec);
            }
        }
    }

    fn fail_starts(&mut self, place: Place, words: &str) {
        let Some(app) = self.app(place.app) else { return };
        let words = format!("{}/{}: {words}", app.spec.name, place.slot + 1);
        self.resolve(place.app, |until| match until {
            Until::Whole | Until::Replaced => Some(Err(words.clone())),
            Until::Gone => None,
        });
    }

    /// Ends the wait before a new start, if the slot is in one.
    pub(super) fn forget_rest(&mut self, place: Place) {
        let slot = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot));
        let Some(slot) = slot else { return };
        if let Rest::Delayed { until } = std::mem::take(&mut slot.rest) {
            self.timers.remove(&(until, Due::Start(place)));
        }
    }

    /// Hands the slot over: the old one leaves, the new one is the main one.
    pub(super) fn hand_over(&mut self, place: Place, new: InstanceId, now: Instant) {
        let slot = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot));
        let Some(slot) = slot else { return };
        let old = slot.main.replace(new);
        slot.other = old.map(Other::Leaving);
        if let Some(old) = old {
            self.end(old, Why::Replaced, now);
        }
    }

    /// Apps that are ordered after this one and are going down, but are not yet gone.
    pub(super) fn is_held(&self, id: AppId) -> bool {
        let Some(app) = self.app(id) else { return false };
        let mut dependants = app.dependants.iter().filter_map(|need| self.app(need.app));
        dependants.any(|dependant| !dependant.is_up && !dependant.is_gone())
    }
}

fn last_words(instance: &Instance, not_started: Option<String>) -> String {
    match (&instance.why, instance.how, not_started) {
        (_, None, reason) => reason.unwrap_or_else(|| "not started".to_owned()),
        (Some(why), Some(how), _) if why.is_failure() => format!("{why}, then {how}"),
        (_, Some(how), _) => how.to_string(),
    }
}
