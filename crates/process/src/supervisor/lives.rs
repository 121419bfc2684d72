//! The lives of instances: what each of their events and timers means, up to where they are to be
//! ended. Slots and apps follow in `settle`.

use std::time::{Duration, Instant};

use super::app::Rest;
use super::instance::{Phase, Place, Recycle, later};
use super::message::{Action, InstanceId, Limit, Notice, Purpose, What, Why};
use super::spec::{Readiness, Restart, Spec};
use super::{INTERVAL_MIN, READINESS_INTERVAL, SETTLED, Supervisor};

impl Supervisor {
    pub(super) fn started(&mut self, id: InstanceId, pid: u32, now: Instant) {
        let Some(readiness) = self.spec_of(id).map(|spec| spec.readiness) else { return };
        let ready_timeout = self.spec_of(id).map_or(SETTLED, |spec| spec.ready_timeout);
        let Some(instance) = self.instance_mut(id) else { return };
        if instance.phase != Phase::Spawning {
            return;
        }
        instance.pid = Some(pid);
        instance.started_at = now;
        instance.enter(Phase::Starting, now);
        let place = instance.place;
        let is_ending = instance.is_ending();
        self.report(place, What::Started { pid });
        if is_ending {
            return self.send_stop(id, now);
        }
        let wait = if readiness == Readiness::None { SETTLED } else { ready_timeout };
        if let Some(instance) = self.instance_mut(id) {
            instance.times.phase = later(now, wait);
        }
        if readiness == Readiness::Probe {
            self.ask_probe(id, Purpose::Readiness);
        }
    }

    pub(super) fn said_ready(&mut self, id: InstanceId, now: Instant) {
        let by_word = self.spec_of(id).is_some_and(|spec| spec.readiness != Readiness::Probe);
        if by_word {
            self.ready(id, now);
        }
    }

    fn ready(&mut self, id: InstanceId, now: Instant) {
        let Some(spec) = self.spec_of(id).cloned() else { return };
        let Some(place) = self.instances.get(&id).map(|instance| instance.place) else { return };
        let slot = self.app(place.app).and_then(|app| app.slot(place.slot));
        let is_forgiven = slot.is_none_or(|slot| slot.quick_ends == 0 && !slot.crash_loop);
        let Some(instance) = self.instance_mut(id) else { return };
        if instance.phase != Phase::Starting || instance.is_ending() {
            return;
        }
        let after = now.saturating_duration_since(instance.started_at);
        instance.enter(Phase::Ready, now);
        instance.ready_at = Some(now);
        instance.probing = false;
        instance.probe_failures = 0;
        instance.times.phase = None;
        instance.times.probe = None;
        instance.times.watchdog = instance.watchdog.and_then(|every| later(now, every));
        if !is_forgiven {
            instance.times.healthy = later(now, spec.delays.healthy_after);
        }
        instance.arm(&spec, now);
        self.slots_due.insert(place);
        self.report(place, What::Ready { after });
    }

    pub(super) fn notified(&mut self, id: InstanceId, notice: Notice, now: Instant) {
        let Some(spec) = self.spec_of(id).cloned() else { return };
        let Some(instance) = self.instance_mut(id) else { return };
        match notice {
            Notice::MainPid(pid) => instance.pid = Some(pid),
            Notice::WatchdogPing => {
                if instance.is_ready() {
                    instance.times.watchdog = instance.watchdog.and_then(|every| later(now, every));
                }
            }
            Notice::WatchdogEvery(every) => {
                instance.watchdog = (!every.is_zero()).then_some(every.max(INTERVAL_MIN));
                if instance.is_ready() {
                    instance.times.watchdog = instance.watchdog.and_then(|every| later(now, every));
                }
            }
            Notice::ExtendTimeout(wait) => match instance.phase {
                Phase::Starting if spec.readiness != Readiness::None => {
                    instance.extend(spec.ready_timeout, wait, now);
                }
                Phase::Stopping => instance.extend(spec.stop_timeout, wait, now),
                _ => {}
            },
            Notice::Stopping => self.stops_by_itself(id, &spec, now),
        }
    }

    /// No signal is needed; the rest is as after one.
    fn stops_by_itself(&mut self, id: InstanceId, spec: &Spec, now: Instant) {
        let Some(instance) = self.instance_mut(id) else { return };
        if instance.is_ending() || !matches!(instance.phase, Phase::Starting | Phase::Ready) {
            return;
        }
        instance.why = Some(Why::ByItself);
        instance.begin_stopping(spec, now);
        let place = instance.place;
        self.slots_due.insert(place);
        self.report(place, What::Ending(Why::ByItself));
    }

    pub(super) fn ask_probe(&mut self, id: InstanceId, purpose: Purpose) {
        if let Some(instance) = self.instance_mut(id) {
            instance.probing = true;
            self.actions.push_back(Action::Probe { id, purpose });
        }
    }

    pub(super) fn probe_passed(&mut self, id: InstanceId, now: Instant) {
        let readiness = self.spec_of(id).map(|spec| spec.readiness);
        let Some(instance) = self.instance_mut(id) else { return };
        instance.probing = false;
        instance.probe_failures = 0;
        if instance.phase == Phase::Starting && readiness == Some(Readiness::Probe) {
            self.ready(id, now);
        }
    }

    pub(super) fn probe_failed(&mut self, id: InstanceId, reason: String, now: Instant) {
        let readiness = self.spec_of(id).map(|spec| spec.readiness);
        let Some(instance) = self.instance_mut(id) else { return };
        instance.probing = false;
        match instance.phase {
            Phase::Starting if readiness == Some(Readiness::Probe) && !instance.is_ending() => {
                instance.times.probe = later(now, READINESS_INTERVAL);
            }
            Phase::Ready => self.is_not_alive(id, reason, now),
            _ => {}
        }
    }

    /// One failed liveness probe.
    fn is_not_alive(&mut self, id: InstanceId, reason: String, now: Instant) {
        let Some(liveness) = self.spec_of(id).and_then(|spec| spec.liveness) else { return };
        let Some(instance) = self.instance_mut(id) else { return };
        instance.probe_failures = instance.probe_failures.saturating_add(1);
        if instance.probe_failures >= liveness.failures {
            self.end(id, Why::Unhealthy { reason }, now);
        }
    }

    pub(super) fn memory_at(&mut self, id: InstanceId, bytes: u64, now: Instant) {
        let max = self.spec_of(id).and_then(|spec| spec.memory_max);
        let Some(instance) = self.instance_mut(id) else { return };
        instance.memory = Some(bytes);
        if let Some(max) = max.filter(|max| bytes > *max) {
            self.recycle(id, Limit::Memory { bytes, max }, now);
        }
    }

    /// It is to be replaced in its turn; with `restart = never`, ended.
    fn recycle(&mut self, id: InstanceId, limit: Limit, now: Instant) {
        let Some(instance) = self.instances.get(&id) else { return };
        let (place, recycle, is_ready) = (instance.place, instance.recycle, instance.is_ready());
        let Some(app) = self.app_mut(place.app) else { return };
        let is_main = app.slot(place.slot).is_some_and(|slot| slot.main == Some(id));
        let is_allowed = match recycle {
            Recycle::Allowed => true,
            Recycle::Queued => false,
            Recycle::NotBefore(time) => now >= time,
        };
        if !is_ready || !is_main || !is_allowed || app.turn_of(place.slot).is_some() {
            return;
        }
        if app.spec.restart == Restart::Never {
            return self.end(id, Why::Recycled(limit), now);
        }
        app.replace.insert(place.slot);
        self.apps_due.insert(place.app);
        if let Some(instance) = self.instance_mut(id) {
            instance.recycle = Recycle::Queued;
            instance.times.lifetime = None;
        }
        self.report(place, What::Ending(Why::Recycled(limit)));
    }

    /// Does what is due for an instance.
    pub(super) fn instance_due(&mut self, id: InstanceId, now: Instant) {
        let is_past = |time: &mut Option<Instant>| time.take_if(|time| *time <= now).is_some();
        let Some(instance) = self.instance_mut(id) else { return };
        if is_past(&mut instance.times.phase) {
            return self.phase_is_over(id, now);
        }
        if is_past(&mut instance.times.healthy) {
            let place = instance.place;
            return self.forgive(place);
        }
        if is_past(&mut instance.times.watchdog) {
            let every = instance.watchdog.unwrap_or_default();
            return self.end(id, Why::WatchdogMissed { every }, now);
        }
        if is_past(&mut instance.times.probe) {
            return self.probe_is_due(id, now);
        }
        if is_past(&mut instance.times.lifetime) {
            self.outlived(id, now);
        }
    }

    fn phase_is_over(&mut self, id: InstanceId, now: Instant) {
        let Some(spec) = self.spec_of(id) else { return };
        let (readiness, ready_timeout) = (spec.readiness, spec.ready_timeout);
        let Some(instance) = self.instances.get(&id) else { return };
        match instance.phase {
            Phase::Starting if readiness == Readiness::None => self.ready(id, now),
            Phase::Starting => self.end(id, Why::NotReady { after: ready_timeout }, now),
            Phase::Stopping => self.stop_is_over(id, now),
            Phase::Killed { .. } => self.kill_again(id, now),
            Phase::Spawning | Phase::Ready | Phase::Unkillable => {}
        }
    }

    fn probe_is_due(&mut self, id: InstanceId, now: Instant) {
        let liveness = self.spec_of(id).and_then(|spec| spec.liveness);
        let Some(instance) = self.instance_mut(id) else { return };
        match (instance.phase, liveness) {
            (Phase::Starting, _) => self.ask_probe(id, Purpose::Readiness),
            (Phase::Ready, Some(liveness)) => {
                instance.times.probe = later(now, liveness.interval.max(INTERVAL_MIN));
                if instance.probing {
                    self.is_not_alive(id, "the last probe was not answered".to_owned(), now);
                }
                if self.instances.get(&id).is_some_and(|instance| instance.is_ready()) {
                    self.ask_probe(id, Purpose::Liveness);
                }
            }
            _ => {}
        }
    }

    fn outlived(&mut self, id: InstanceId, now: Instant) {
        let max = self.spec_of(id).and_then(|spec| spec.lifetime_max);
        let Some(max) = max else { return };
        self.recycle(id, Limit::Lifetime { max }, now);
        // In its slot's turn, when it is being replaced anyway, or not for long.
        if let Some(instance) = self.instance_mut(id)
            && instance.is_ready()
            && instance.recycle != Recycle::Queued
        {
            instance.times.lifetime = later(now, SETTLED.max(Duration::from_secs(1)));
        }
    }

    /// It has been ready for long enough to forget what was before.
    fn forgive(&mut self, place: Place) {
        let slot = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot));
        let Some(slot) = slot else { return };
        slot.quick_ends = 0;
        if std::mem::take(&mut slot.crash_loop) {
            self.report(place, What::Recovered);
        }
    }

    pub(super) fn delay_is_over(&mut self, place: Place) {
        let slot = self.app_mut(place.app).and_then(|app| app.slot_mut(place.slot));
        if let Some(slot) = slot {
            slot.rest = Rest::Idle;
            self.slots_due.insert(place);
        }
    }
}
