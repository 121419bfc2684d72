//! A made-up world by seed: programs that become ready late or never, crash, hang, ignore their
//! stop signal and leave others of their group. It does what the machine says, lets time pass, and
//! checks after each step what must always hold.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye_process::How;
use sockeye_process::supervisor::{
    Action, AppView, Event, InstanceId, Notice, Outcome, Spec, State, Supervisor, Token,
};

pub struct World {
    pub machine: Supervisor,
    pub random: Random,
    pub specs: Vec<Spec>,
    pub events: u64,
    pub spawns: u64,
    pub upgrades: u64,
    is_ending: bool,
    seed: u64,
    start: Instant,
    now: Instant,
    programs: BTreeMap<InstanceId, Program>,
    /// What is to happen, in order of time.
    queue: BTreeMap<(Instant, u64), Event>,
    open: BTreeSet<Token>,
    tokens: u64,
    trace: DefaultHasher,
    log: Vec<String>,
}

struct Program {
    app: Arc<str>,
    slot: u32,
    state: Life,
    on_stop: OnStop,
    /// Others of its group live until they are killed.
    has_group: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Life {
    Asked,
    Runs,
    GroupOnly,
    Gone,
}

#[derive(Clone, Copy)]
enum OnStop {
    Exits(u64),
    Ignores,
}

/// Lines of the log that a failure shows.
const LOG_LINES: usize = 200;

impl World {
    pub fn new(seed: u64) -> World {
        let now = Instant::now();
        World {
            machine: Supervisor::new(seed),
            random: Random(seed),
            specs: Vec::new(),
            events: 0,
            spawns: 0,
            upgrades: 0,
            is_ending: false,
            seed,
            start: now,
            now,
            programs: BTreeMap::new(),
            queue: BTreeMap::new(),
            open: BTreeSet::new(),
            tokens: 0,
            trace: DefaultHasher::new(),
            log: Vec::new(),
        }
    }

    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    pub fn open_requests(&self) -> usize {
        self.open.len()
    }

    pub fn token(&mut self) -> Token {
        self.tokens += 1;
        let token = Token(self.tokens);
        self.open.insert(token);
        token
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub fn give(&mut self, event: Event) {
        self.events += 1;
        self.say(format!("{event:?}"));
        let refused_before = self.tokens;
        self.is_ending |= matches!(event, Event::Shutdown { .. });
        let specs = if let Event::Configure { specs, .. } = &event { Some(specs) } else { None };
        let specs = specs.cloned();
        if !self.before(&event) {
            return;
        }
        self.machine.handle(event, self.now);
        let refused = self.act();
        if let Some(specs) = specs
            && !refused.contains(&Token(refused_before))
        {
            self.specs = specs;
        }
        self.check();
    }

    /// What the world knows of an event; false if it cannot happen any more.
    fn before(&mut self, event: &Event) -> bool {
        let (id, from, to) = match event {
            Event::Started { id, .. } => (id, [Life::Asked; 2], Life::Runs),
            Event::NotStarted { id, .. } => (id, [Life::Asked; 2], Life::Gone),
            Event::Exited { id, group_left: true, .. } => (id, [Life::Runs; 2], Life::GroupOnly),
            Event::Exited { id, .. } => (id, [Life::Runs; 2], Life::Gone),
            Event::GroupGone { id } => (id, [Life::GroupOnly; 2], Life::Gone),
            _ => return true,
        };
        let program = self.programs.get_mut(id).expect("it was asked for");
        let happens = from.contains(&program.state);
        if happens {
            program.state = to;
        }
        happens
    }

    /// The next thing that is due, from the world or the machine.
    pub fn step(&mut self) {
        let event = self.queue.first_key_value().map(|((time, _), _)| *time);
        let timer = self.machine.next_time();
        match (event, timer) {
            (Some(event), Some(timer)) if timer < event => self.tick_at(timer),
            (Some(_), _) => self.deliver(),
            (None, Some(timer)) => self.tick_at(timer),
            (None, None) => {}
        }
    }

    pub fn is_still(&self) -> bool {
        self.queue.is_empty() && self.machine.next_time().is_none()
    }

    fn deliver(&mut self) {
        if let Some(((time, _), event)) = self.queue.pop_first() {
            self.now = self.now.max(time);
            self.give(event);
        }
    }

    fn tick_at(&mut self, time: Instant) {
        self.now = self.now.max(time);
        self.machine.tick(self.now);
        self.act();
        self.check();
        let next = self.machine.next_time();
        assert!(next.is_none_or(|next| next > self.now), "{}", self.story("a timer stays due"));
    }

    /// Time passes unobserved, as in a suspended machine; then all of it is seen at once.
    pub fn jump(&mut self, time: Duration) {
        self.now += time;
        self.say(format!("jump of {time:?}"));
        if self.random.below(2) == 0 {
            self.tick_at(self.now);
        }
        while self.queue.first_key_value().is_some_and(|((time, _), _)| *time <= self.now) {
            self.deliver();
        }
        self.tick_at(self.now);
    }

    /// Another program takes over, if no spawn is under way. Who waited is not answered.
    pub fn upgrade(&mut self) {
        if self.programs.values().any(|program| program.state == Life::Asked) {
            return;
        }
        self.upgrades += 1;
        self.say("upgrade".to_owned());
        let text = self.machine.export(self.now);
        let live = self.machine.live();
        let seed = self.random.next();
        let resumed = Supervisor::resume(seed, self.specs.clone(), &text, self.now);
        self.machine = resumed.unwrap_or_else(|words| panic!("{words}: {text}"));
        self.open.clear();
        self.act();
        let asked = self.programs.values().filter(|program| program.state == Life::Asked);
        assert_eq!(self.machine.live(), live + asked.count(), "{}", self.story("not all carried"));
        self.check();
    }

    fn later(&mut self, millis: u64, event: Event) {
        self.put(self.now + Duration::from_millis(millis), event);
    }

    fn put(&mut self, time: Instant, event: Event) {
        let number = self.events + self.queue.len() as u64 + (self.random.next() << 32);
        self.queue.insert((time, number), event);
    }

    /// Does what the machine says; the tokens of refused requests.
    fn act(&mut self) -> Vec<Token> {
        let mut refused = Vec::new();
        while let Some(action) = self.machine.next_action() {
            (self.now - self.start).hash(&mut self.trace);
            format!("{action:?}").hash(&mut self.trace);
            if let Action::Report(report) = &action {
                self.say(format!("  {report}"));
                continue;
            }
            self.say(format!("  {action:?}"));
            match action {
                Action::Spawn { id, app, slot } => self.spawn(id, app, slot),
                Action::Stop { id } => self.stop(id),
                Action::Kill { id } => self.kill(id),
                Action::Probe { id, .. } => self.probe(id),
                Action::Answer { token, outcome } => {
                    assert!(self.open.remove(&token), "{}", self.story("answered twice"));
                    if let Outcome::Refused(_) = outcome {
                        refused.push(token);
                    }
                }
                Action::Report(_) => {}
            }
        }
        refused
    }

    fn spawn(&mut self, id: InstanceId, app: Arc<str>, slot: u32) {
        self.spawns += 1;
        let on_stop = match self.random.below(4) {
            0 => OnStop::Ignores,
            _ => OnStop::Exits(self.random.below(3000)),
        };
        let has_group = self.random.below(4) == 0;
        let program = Program { app, slot, state: Life::Asked, on_stop, has_group };
        let is_new = self.programs.insert(id, program).is_none();
        assert!(is_new, "{}", self.story("an id was used twice"));
        let delay = self.random.below(3) * self.random.below(20);
        if self.random.below(12) == 0 {
            let reason = "no such file".to_owned();
            return self.later(delay, Event::NotStarted { id, reason });
        }
        self.later(delay, Event::Started { id, pid: id.0 as u32 });
        self.fate(id, delay);
    }

    /// How the program will behave.
    fn fate(&mut self, id: InstanceId, from: u64) {
        match self.random.below(8) {
            0 => {}
            1 => {
                let late = self.random.below(40_000);
                self.later(from + late, Event::Ready { id });
            }
            _ => {
                let soon = self.random.below(800);
                self.later(from + soon, Event::Ready { id });
            }
        }
        let end = match self.random.below(10) {
            0 | 1 => self.random.below(600),
            2 | 3 => self.random.below(60_000),
            _ => u64::MAX,
        };
        if end < u64::MAX {
            let how = How::Exit(self.random.below(2) as i32);
            self.exit_later(id, from + end, how);
        }
        let notice = match self.random.below(16) {
            0 => Notice::WatchdogEvery(Duration::from_millis(self.random.below(2000))),
            1 => Notice::WatchdogPing,
            2 => Notice::ExtendTimeout(Duration::from_millis(self.random.below(60_000))),
            3 => Notice::Stopping,
            4 => Notice::MainPid(id.0 as u32 + 1),
            _ => return,
        };
        let after = self.random.below(20_000);
        self.later(from + after, Event::Notified { id, notice });
        let bytes = self.random.below(2000);
        self.later(from + after, Event::MemoryAt { id, bytes });
    }

    fn exit_later(&mut self, id: InstanceId, millis: u64, how: How) {
        let group_left = self.programs[&id].has_group;
        self.later(millis, Event::Exited { id, how, group_left });
    }

    fn alive(&self, id: InstanceId) -> &Program {
        let program = self.programs.get(&id).expect("it was asked for");
        let lives = matches!(program.state, Life::Runs | Life::GroupOnly);
        assert!(lives, "{}", self.story(&format!("{id:?} is {:?}", program.state)));
        program
    }

    fn stop(&mut self, id: InstanceId) {
        if let OnStop::Exits(millis) = self.alive(id).on_stop {
            self.exit_later(id, millis, How::Exit(0));
        }
    }

    fn kill(&mut self, id: InstanceId) {
        let state = self.alive(id).state;
        let delay = self.random.below(5);
        if state == Life::Runs {
            self.exit_later(id, delay, How::Signal { number: 9, core_dumped: false });
        }
        let after = self.random.below(1500);
        self.later(delay + after, Event::GroupGone { id });
    }

    fn probe(&mut self, id: InstanceId) {
        self.alive(id);
        let delay = self.random.below(50);
        match self.random.below(5) {
            0 => {}
            1 => self.later(delay, Event::ProbeFailed { id, reason: "refused".to_owned() }),
            _ => self.later(delay, Event::ProbePassed { id }),
        }
    }

    fn check(&mut self) {
        let views: Vec<AppView> = self.machine.apps().collect();
        let live = self.programs.values().filter(|program| program.state != Life::Gone).count();
        assert_eq!(self.machine.live(), live, "{}", self.story("the table is not the world"));
        self.check_counts();
        for view in &views {
            self.check_view(view, &views);
        }
        self.programs.retain(|_, program| program.state != Life::Gone || live < 64);
    }

    /// Never more than asked, and one in its turn.
    fn check_counts(&self) {
        for spec in &self.specs {
            let own = self.programs.values().filter(|program| {
                program.app == spec.name
                    && program.slot < spec.instances
                    && program.state != Life::Gone
            });
            let count = own.count();
            let most = spec.instances as usize + 1;
            assert!(count <= most, "{}", self.story(&format!("{count} of {}", spec.name)));
        }
    }

    /// What is wanted runs, or is on its way, or waits for something that can come.
    fn check_view(&self, view: &AppView, all: &[AppView]) {
        let Some(spec) = self.specs.iter().find(|spec| spec.name == view.name) else {
            assert!(view.removed, "{}", self.story("it was not removed"));
            return;
        };
        for row in &view.rows {
            let has_timer = self.machine.next_time().is_some();
            let fault = match row.state {
                State::Delayed { .. } => {
                    row.next_start.is_none_or(|next| self.machine.next_time() > Some(next))
                }
                State::Starting => row.id.is_none() || (row.pid.is_some() && !has_timer),
                State::Stopping | State::Killed => !has_timer,
                State::Unkillable => true,
                State::Waiting => !spec.needs_any(|need| !is_whole(all, need)),
                State::Stopped => !self.is_down(all, &view.name),
                State::Ready | State::Finished { .. } => false,
            };
            let what = format!("{} #{} is stuck: {row:?}", view.name, row.slot);
            assert!(!fault || row.slot >= spec.instances, "{}", self.story(&what));
        }
    }

    /// Not wanted, or it requires what is not.
    fn is_down(&self, all: &[AppView], name: &str) -> bool {
        let is_wanted = all.iter().any(|view| &*view.name == name && view.wanted);
        let spec = self.specs.iter().find(|spec| &*spec.name == name);
        let requires = spec.map_or(&[][..], |spec| &spec.requires);
        self.is_ending || !is_wanted || requires.iter().any(|need| self.is_down(all, need))
    }

    fn say(&mut self, line: String) {
        if self.log.len() >= 2 * LOG_LINES {
            self.log.drain(..LOG_LINES);
        }
        self.log.push(format!("{:>12?} {line}", self.now - self.start));
    }

    /// For a failed assertion: what came before.
    pub fn story(&self, what: &str) -> String {
        let from = self.log.len().saturating_sub(LOG_LINES);
        format!("seed {}: {what}\n{}", self.seed, self.log[from..].join("\n"))
    }
}

trait Needs {
    fn needs_any(&self, test: impl Fn(&str) -> bool) -> bool;
}

impl Needs for Spec {
    fn needs_any(&self, test: impl Fn(&str) -> bool) -> bool {
        self.after.iter().chain(&self.requires).any(|need| test(need))
    }
}

fn is_whole(all: &[AppView], name: &str) -> bool {
    let done = |state: &State| matches!(state, State::Ready | State::Finished { success: true });
    let view = all.iter().find(|view| &*view.name == name);
    view.is_some_and(|view| view.wanted && view.rows.iter().all(|row| done(&row.state)))
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, but not, `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}
