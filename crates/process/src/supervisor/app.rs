//! One app of the configuration: what is wanted of it, and its slots, each to be filled by one
//! instance.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::instance::AppId;
use super::message::InstanceId;
use super::spec::Spec;

#[derive(Debug)]
pub struct App {
    pub spec: Spec,
    /// The user's last word, or autostart.
    pub wanted: bool,
    /// No longer configured; forgotten when its last instance is gone.
    pub removed: bool,
    /// Wanted, and so is all that it requires.
    pub is_up: bool,
    pub stage: Stage,
    /// Counts configurations and restarts; each instance has that of its start.
    pub generation: u64,
    pub slots: Vec<Slot>,
    /// Slots whose instance is to be replaced, one after the other.
    pub replace: BTreeSet<u32>,
    pub turn: Option<Turn>,
    pub counts: Counts,
    pub waiters: Vec<Waiter>,
    pub needs: Vec<Need>,
    /// Those ordered after this one; `required` if they require it.
    pub dependants: Vec<Need>,
    /// Told once a start: what it waits for, or did not wait for.
    pub told: Option<Arc<str>>,
    /// What those around it were last told of.
    pub seen: Seen,
}

/// How far a start of the whole app has come, for those ordered after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Down,
    Coming,
    /// Was ready in all slots, and was not stopped since.
    Up,
    /// One slot's start failed.
    Failed,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    pub stage: Stage,
    pub is_gone: bool,
}

/// Sums over the slots, kept so that no event walks through them.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Slots with a ready instance.
    pub ready: u32,
    /// Slots whose program did what it had to and ended.
    pub done: u32,
    /// Slots whose program ended in failure and is not started again.
    pub failed: u32,
    /// Instances that are not gone, whatever their slot.
    pub live: u32,
    /// Of these, those that SIGKILL did not end.
    pub unkillable: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    pub app: AppId,
    pub required: bool,
}

#[derive(Clone, Debug)]
pub struct Waiter {
    pub request: u64,
    pub until: Until,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Until {
    Whole,
    /// Whole, and nothing left to be replaced.
    Replaced,
    Gone,
}

#[derive(Clone, Default, Debug)]
pub struct Slot {
    /// The one that serves, or will.
    pub main: Option<InstanceId>,
    pub other: Option<Other>,
    /// What it does while there is no main one.
    pub rest: Rest,
    pub quick_ends: u32,
    pub crash_loop: bool,
    pub starts: u64,
    /// The last end in words.
    pub last: Option<String>,
    pub counted: Counted,
}

/// The second instance of a slot in its turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Other {
    /// Takes over when it is ready.
    Successor(InstanceId),
    Leaving(InstanceId),
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Rest {
    /// Starts when it may.
    #[default]
    Idle,
    Delayed {
        until: Instant,
    },
    Finished {
        success: bool,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Counted {
    #[default]
    Nothing,
    Ready,
    Done,
    Failed,
}

/// The one slot of an app whose instance is being replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turn {
    pub slot: u32,
    pub step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Begin,
    /// The new one is started, or will be as soon as the old one is gone.
    Coming,
    /// Over when the slot has one instance again.
    Ending,
}

impl App {
    pub fn new(spec: Spec) -> App {
        App {
            wanted: false,
            removed: false,
            is_up: false,
            stage: Stage::Down,
            generation: 1,
            slots: vec![Slot::default(); spec.instances as usize],
            replace: BTreeSet::new(),
            turn: None,
            counts: Counts::default(),
            waiters: Vec::new(),
            needs: Vec::new(),
            dependants: Vec::new(),
            told: None,
            seen: Seen { stage: Stage::Down, is_gone: true },
            spec,
        }
    }

    /// Each slot is ready, or did what it had to.
    pub fn is_whole(&self) -> bool {
        self.is_up && self.counts.ready + self.counts.done == self.spec.instances
    }

    /// It will not become whole by itself.
    pub fn is_broken(&self) -> bool {
        let Counts { ready, done, failed, .. } = self.counts;
        failed > 0 && ready + done + failed == self.spec.instances
    }

    /// Nothing lives that can be waited for.
    pub fn is_gone(&self) -> bool {
        self.counts.live == self.counts.unkillable
    }

    pub fn is_replacing(&self) -> bool {
        self.turn.is_some() || !self.replace.is_empty()
    }

    /// An instance is to stand in this slot.
    pub fn wants(&self, slot: u32) -> bool {
        self.is_up && slot < self.spec.instances
    }

    pub fn slot(&self, slot: u32) -> Option<&Slot> {
        self.slots.get(slot as usize)
    }

    pub fn slot_mut(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(slot as usize)
    }

    pub fn turn_of(&self, slot: u32) -> Option<Step> {
        self.turn.filter(|turn| turn.slot == slot).map(|turn| turn.step)
    }

    pub fn set_step(&mut self, slot: u32, step: Step) {
        if let Some(turn) = self.turn.as_mut().filter(|turn| turn.slot == slot) {
            turn.step = step;
        }
    }

    /// Counts a slot anew.
    pub fn count(&mut self, slot: u32, new: Counted) {
        let Some(entry) = self.slots.get_mut(slot as usize) else { return };
        let old = std::mem::replace(&mut entry.counted, new);
        if let Some(count) = self.counts.of(old) {
            *count -= 1;
        }
        if let Some(count) = self.counts.of(new) {
            *count += 1;
        }
    }
}

impl Counts {
    fn of(&mut self, counted: Counted) -> Option<&mut u32> {
        match counted {
            Counted::Nothing => None,
            Counted::Ready => Some(&mut self.ready),
            Counted::Done => Some(&mut self.done),
            Counted::Failed => Some(&mut self.failed),
        }
    }
}

impl Other {
    pub fn id(self) -> InstanceId {
        match self {
            Other::Successor(id) | Other::Leaving(id) => id,
        }
    }
}

impl Slot {
    pub fn successor(&self) -> Option<InstanceId> {
        match self.other {
            Some(Other::Successor(id)) => Some(id),
            Some(Other::Leaving(_)) | None => None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.main.is_none() && self.other.is_none()
    }
}
