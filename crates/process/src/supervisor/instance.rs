//! One start of a program, from the action that asks for it until nothing of it is left.

use std::time::{Duration, Instant};

use super::message::{InstanceId, Why};
use super::spec::Spec;
use super::{EXTEND_FACTOR, INTERVAL_MIN, KILL_AGAIN, KILLS_MAX};
use crate::How;

/// Apps have numbers that are never used again, so that a name can come back as another app.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct AppId(pub u32);

/// A place that one instance is to fill.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    pub app: AppId,
    pub slot: u32,
}

#[derive(Debug)]
pub struct Instance {
    pub place: Place,
    pub generation: u64,
    pub fingerprint: u64,
    pub pid: Option<u32>,
    pub phase: Phase,
    /// When the phase began.
    pub since: Instant,
    pub started_at: Instant,
    pub ready_at: Option<Instant>,
    /// When it was first told, or said, to stop, or was killed.
    pub ending_at: Option<Instant>,
    /// Why it is being ended, if it is.
    pub why: Option<Why>,
    /// How the main process ended; others of its group may live.
    pub how: Option<How>,
    pub memory: Option<u64>,
    pub recycle: Recycle,
    pub times: Times,
    pub probe_failures: u32,
    pub probing: bool,
    pub watchdog: Option<Duration>,
    /// What the timer set has for it.
    pub timer: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The caller was asked to start it.
    Spawning,
    Starting,
    Ready,
    /// The stop signal was sent, or it said that it stops.
    Stopping,
    /// SIGKILL was sent so often.
    Killed {
        times: u32,
    },
    /// SIGKILL did not end it.
    Unkillable,
}

/// Whether it may be, or is to be, replaced for having grown too old or too big.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recycle {
    Allowed,
    Queued,
    /// The last attempt failed.
    NotBefore(Instant),
}

/// What is due for an instance, each at most once.
#[derive(Clone, Copy, Default, Debug)]
pub struct Times {
    /// The end of the phase.
    pub phase: Option<Instant>,
    pub probe: Option<Instant>,
    pub watchdog: Option<Instant>,
    pub lifetime: Option<Instant>,
    /// The start is forgiven.
    pub healthy: Option<Instant>,
}

/// None if that is beyond what the clock can name.
pub fn later(now: Instant, wait: Duration) -> Option<Instant> {
    now.checked_add(wait)
}

impl Instance {
    pub fn new(place: Place, spec: &Spec, generation: u64, now: Instant) -> Instance {
        Instance {
            place,
            generation,
            fingerprint: spec.fingerprint,
            pid: None,
            phase: Phase::Spawning,
            since: now,
            started_at: now,
            ready_at: None,
            ending_at: None,
            why: None,
            how: None,
            memory: None,
            recycle: Recycle::Allowed,
            times: Times::default(),
            probe_failures: 0,
            probing: false,
            watchdog: None,
            timer: None,
        }
    }

    pub fn enter(&mut self, phase: Phase, now: Instant) {
        self.phase = phase;
        self.since = now;
    }

    /// It is on its way out, or will be as soon as it is started.
    pub fn is_ending(&self) -> bool {
        self.why.is_some() || self.how.is_some()
    }

    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready && !self.is_ending()
    }

    pub fn is_unkillable(&self) -> bool {
        self.phase == Phase::Unkillable
    }

    /// Was ready for long enough to forget the quick ends before it.
    pub fn was_healthy(&self, spec: &Spec, now: Instant) -> bool {
        let end = self.ending_at.unwrap_or(now);
        let ready = self.ready_at.map(|at| end.saturating_duration_since(at));
        ready.is_some_and(|ready| ready >= spec.delays.healthy_after)
    }

    /// How long its end has taken.
    pub fn took(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.ending_at.unwrap_or(now))
    }

    pub fn lived(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started_at)
    }

    /// The stop signal goes out now; nothing but its end is waited for.
    pub fn begin_stopping(&mut self, spec: &Spec, now: Instant) {
        self.enter(Phase::Stopping, now);
        self.ending_at = Some(now);
        self.times = Times { phase: later(now, spec.stop_timeout), ..Times::default() };
        self.probing = false;
    }

    /// One more SIGKILL goes out now.
    pub fn count_kill(&mut self, now: Instant) {
        let times = if let Phase::Killed { times } = self.phase { times } else { 0 };
        if times == 0 {
            self.since = now;
        }
        self.ending_at.get_or_insert(now);
        self.phase = Phase::Killed { times: times + 1 };
        self.times = Times { phase: later(now, KILL_AGAIN), ..Times::default() };
        self.probing = false;
    }

    pub fn kills_are_used_up(&self) -> bool {
        matches!(self.phase, Phase::Killed { times } if times >= KILLS_MAX)
    }

    /// EXTEND_TIMEOUT_USEC: so long from now, and at most so many times the timeout in all.
    pub fn extend(&mut self, timeout: Duration, wait: Duration, now: Instant) {
        let most = later(self.since, timeout.saturating_mul(EXTEND_FACTOR));
        let asked = [later(now, wait), most].into_iter().flatten().min();
        self.times.phase = self.times.phase.max(asked);
    }

    /// Sets what follows from the policy for an instance that is ready.
    pub fn arm(&mut self, spec: &Spec, now: Instant) {
        if !self.is_ready() {
            return;
        }
        let next = spec.liveness.and_then(|live| later(now, live.interval.max(INTERVAL_MIN)));
        self.times.probe = next.map(|next| self.times.probe.unwrap_or(next).min(next));
        self.arm_lifetime(spec);
    }

    pub fn arm_lifetime(&mut self, spec: &Spec) {
        let due = spec.lifetime_max.and_then(|max| later(self.started_at, max));
        self.times.lifetime = match self.recycle {
            Recycle::Allowed => due,
            Recycle::Queued => None,
            Recycle::NotBefore(time) => due.map(|due| due.max(time)),
        };
    }

    pub fn due(&self) -> Option<Instant> {
        let Times { phase, probe, watchdog, lifetime, healthy } = self.times;
        [phase, probe, watchdog, lifetime, healthy].into_iter().flatten().min()
    }
}

/// What a timer is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Due {
    Instance(InstanceId),
    /// The wait before a new start.
    Start(Place),
}
