//! What a master hands to the program that takes its place by exec (upgrade in place): a text of
//! lines, from which the next one goes on. Children keep running meanwhile; instances keep their
//! numbers, so that the caller can carry what it has for each of them beside it.
//!
//! A line is a kind and `key=value` fields with tabs between; times are ages in milliseconds, since
//! the two programs share no clock readings. Unknown keys are passed over, so that an older text
//! can be read by a newer program and the other way round. Requests under way are not carried.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::Supervisor;
use super::app::{App, Other, Rest, Slot, Step, Turn};
use super::instance::{AppId, Due, Instance, Phase, Place, later};
use super::message::{InstanceId, Limit, Purpose, What, Why};
use super::spec::{INSTANCES_MAX, Readiness, Spec, check};
use super::{KILL_AGAIN, SETTLED};
use crate::How;

const FIRST_LINE: &str = "supervisor\tversion=1";

impl Supervisor {
    /// To be taken when no action is left to do and each spawn is answered.
    pub fn export(&self, now: Instant) -> String {
        let mut text = format!("{FIRST_LINE}\tlast_instance={}\n", self.last_instance);
        for app in self.apps.values() {
            let name = escaped(&app.spec.name);
            let (wanted, generation) = (app.wanted, app.generation);
            line(
                &mut text,
                format_args!("app\tname={name}\twanted={wanted}\tgeneration={generation}"),
            );
            for (at, slot) in app.slots.iter().enumerate() {
                write_slot(&mut text, &name, app, at as u32, now);
                for (id, role) in roles(slot) {
                    let instance = self.instances.get(&id);
                    if let Some((instance, pid)) = instance.and_then(|one| Some((one, one.pid?))) {
                        let place = format!("app={name}\tslot={at}");
                        write_instance(&mut text, &place, (id, pid, role), instance, now);
                    }
                }
            }
        }
        text
    }

    /// Goes on from what `export` wrote. The specs are those of now: what they changed is replaced,
    /// what they lack is stopped, what they add is started.
    ///
    /// # Errors
    /// In words, if the specs cannot be carried out or the text cannot be read.
    pub fn resume(
        seed: u64,
        specs: Vec<Spec>,
        text: &str,
        now: Instant,
    ) -> Result<Supervisor, String> {
        check(&specs)?;
        let mut machine = Supervisor::new(seed);
        let mut added: BTreeSet<AppId> = specs.into_iter().map(|spec| machine.add(spec)).collect();
        for (at, line) in text.lines().enumerate() {
            let known = machine.resume_line(at, &Fields::of(line), now);
            let id = known.map_err(|why| format!("line {} of the saved state: {why}", at + 1))?;
            id.map(|id| added.remove(&id));
        }
        if text.is_empty() {
            return Err("the saved state is empty".to_owned());
        }
        machine.connect();
        for id in added {
            if machine.app(id).is_some_and(|app| app.wanted) {
                machine.want(id);
            }
        }
        let all: Vec<AppId> = machine.apps.keys().copied().collect();
        for id in &all {
            machine.touch_app(*id);
        }
        machine.refresh(all);
        machine.settle(now);
        Ok(machine)
    }

    /// The app that the line tells of.
    fn resume_line(
        &mut self,
        at: usize,
        fields: &Fields<'_>,
        now: Instant,
    ) -> Result<Option<AppId>, String> {
        match (at, fields.kind) {
            (0, "supervisor") if fields.text("version") == Some("1") => {
                self.last_instance = fields.number("last_instance")?.unwrap_or(0);
                Ok(None)
            }
            (0, _) => Err("it is not of a version that this program knows".to_owned()),
            (_, "app") => self.resume_app(fields).map(Some),
            (_, "slot") => self.resume_slot(fields, now).map(Some),
            (_, "instance") => self.resume_instance(fields, now).map(Some),
            _ => Ok(None),
        }
    }

    fn resume_app(&mut self, fields: &Fields<'_>) -> Result<AppId, String> {
        let name = unescaped(fields.needed("name")?);
        let known = self.names.get(&*name).copied();
        let id = known.unwrap_or_else(|| self.add_missing(&name));
        let wanted = fields.number("wanted")?;
        let generation = fields.number("generation")?;
        let app = self.app_mut(id).ok_or("no such app")?;
        app.wanted = wanted.unwrap_or(app.wanted) && !app.removed;
        app.generation = generation.unwrap_or(app.generation);
        Ok(id)
    }

    /// What is not configured any more, but may still run.
    fn add_missing(&mut self, name: &str) -> AppId {
        let spec = Spec { instances: 0, autostart: false, ..Spec::named(name) };
        let id = self.add(spec);
        if let Some(app) = self.app_mut(id) {
            app.removed = true;
        }
        id
    }

    fn place(&mut self, fields: &Fields<'_>) -> Result<Place, String> {
        let name = unescaped(fields.needed("app")?);
        let id = *self.names.get(&*name).ok_or("its app has no line before")?;
        let slot: u32 = fields.number("slot")?.ok_or("it lacks slot=")?;
        if slot >= INSTANCES_MAX {
            return Err(format!("slot {slot}; at most {INSTANCES_MAX} instances"));
        }
        if let Some(app) = self.app_mut(id) {
            let least = app.slots.len().max(slot as usize + 1);
            app.slots.resize(least, Slot::default());
        }
        Ok(Place { app: id, slot })
    }

    fn resume_slot(&mut self, fields: &Fields<'_>, now: Instant) -> Result<AppId, String> {
        let place = self.place(fields)?;
        let delayed = fields.number("delayed")?.map(Duration::from_millis);
        let finished = fields.number("finished")?;
        let rest = match (delayed, finished) {
            (_, Some(success)) => Rest::Finished { success },
            (Some(wait), None) => Rest::Delayed { until: later(now, wait).unwrap_or(now) },
            (None, None) => Rest::Idle,
        };
        let app = self.apps.get_mut(&place.app).ok_or("no such app")?;
        if fields.number("replace")?.unwrap_or(false) {
            app.replace.insert(place.slot);
        }
        if let Some(word) = fields.text("turn") {
            app.turn = Some(Turn { slot: place.slot, step: step_of(word)? });
        }
        let slot = app.slot_mut(place.slot).ok_or("no such slot")?;
        slot.quick_ends = fields.number("quick_ends")?.unwrap_or(0);
        slot.crash_loop = fields.number("crash_loop")?.unwrap_or(false);
        slot.starts = fields.number("starts")?.unwrap_or(0);
        slot.last = fields.text("last").map(unescaped);
        slot.rest = rest;
        if let Rest::Delayed { until } = rest {
            self.timers.insert((until, Due::Start(place)));
        }
        Ok(place.app)
    }

    fn resume_instance(&mut self, fields: &Fields<'_>, now: Instant) -> Result<AppId, String> {
        let place = self.place(fields)?;
        let id = InstanceId(fields.number("id")?.ok_or("it lacks id=")?);
        let role = fields.needed("role")?;
        let app = self.apps.get_mut(&place.app).ok_or("no such app")?;
        let spec = app.spec.clone();
        let instance = read_instance(fields, place, &spec, now)?;
        let is_outdated = instance.fingerprint != spec.fingerprint && !app.removed;
        let has_turn = role == "main" && app.turn_of(place.slot).is_some();
        if is_outdated && !instance.is_ending() && !has_turn {
            app.replace.insert(place.slot);
        }
        let slot = app.slots.get_mut(place.slot as usize).ok_or("no such slot")?;
        match (role, slot.main, slot.other) {
            ("main", None, _) => slot.main = Some(id),
            ("successor", Some(_), None) => slot.other = Some(Other::Successor(id)),
            ("leaving", _, None) => slot.other = Some(Other::Leaving(id)),
            _ => return Err(format!("role {role} is taken or unknown")),
        }
        app.counts.live += 1;
        self.last_instance = self.last_instance.max(id.0);
        if self.instances.insert(id, instance).is_some() {
            return Err(format!("id {} is there twice", id.0));
        }
        self.go_on(id, place, &spec, now);
        Ok(place.app)
    }

    /// Sets what is due for an instance that was taken over.
    fn go_on(&mut self, id: InstanceId, place: Place, spec: &Spec, now: Instant) {
        let slot = self.app(place.app).and_then(|app| app.slot(place.slot));
        let is_forgiven = slot.is_none_or(|slot| slot.quick_ends == 0 && !slot.crash_loop);
        let Some(instance) = self.instance_mut(id) else { return };
        let pid = instance.pid;
        let phase = instance.phase;
        let wait = match phase {
            Phase::Starting if spec.readiness == Readiness::None => Some(SETTLED),
            Phase::Starting => Some(spec.ready_timeout),
            Phase::Stopping => Some(spec.stop_timeout),
            Phase::Killed { .. } => Some(KILL_AGAIN),
            Phase::Spawning | Phase::Ready | Phase::Unkillable => None,
        };
        instance.times.phase = wait.and_then(|wait| later(instance.since, wait));
        instance.arm(spec, now);
        if phase == Phase::Ready {
            instance.times.watchdog = instance.watchdog.and_then(|every| later(now, every));
            let ready = instance.ready_at.filter(|_| !is_forgiven);
            instance.times.healthy = ready.and_then(|at| later(at, spec.delays.healthy_after));
        }
        if phase == Phase::Starting && spec.readiness == Readiness::Probe {
            self.ask_probe(id, Purpose::Readiness);
        }
        if let Some(pid) = pid {
            self.report(place, What::Adopted { pid });
        }
    }
}

fn line(text: &mut String, fields: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = writeln!(text, "{fields}");
}

fn roles(slot: &Slot) -> impl Iterator<Item = (InstanceId, &'static str)> {
    let main = slot.main.map(|id| (id, "main"));
    let other = slot.other.map(|other| match other {
        Other::Successor(id) => (id, "successor"),
        Other::Leaving(id) => (id, "leaving"),
    });
    main.into_iter().chain(other)
}

fn write_slot(text: &mut String, name: &str, app: &App, at: u32, now: Instant) {
    let Some(slot) = app.slot(at) else { return };
    let Slot { quick_ends, crash_loop, starts, .. } = slot;
    let mut fields = format!("slot\tapp={name}\tslot={at}\tquick_ends={quick_ends}");
    fields += &format!("\tcrash_loop={crash_loop}\tstarts={starts}");
    fields += &format!("\treplace={}", app.replace.contains(&at));
    fields.extend(app.turn_of(at).map(|step| format!("\tturn={}", step_word(step))));
    match slot.rest {
        Rest::Idle => {}
        Rest::Delayed { until } => {
            let wait = until.saturating_duration_since(now).as_millis();
            fields += &format!("\tdelayed={wait}");
        }
        Rest::Finished { success } => fields += &format!("\tfinished={success}"),
    }
    if let Some(last) = &slot.last {
        fields += &format!("\tlast={}", escaped(last));
    }
    line(text, format_args!("{fields}"));
}

fn write_instance(
    text: &mut String,
    place: &str,
    (id, pid, role): (InstanceId, u32, &str),
    instance: &Instance,
    now: Instant,
) {
    let age = |at: Instant| now.saturating_duration_since(at).as_millis();
    let Instance { generation, fingerprint, .. } = instance;
    let mut fields = format!("instance\t{place}\tid={}\tpid={pid}\trole={role}", id.0);
    fields += &format!("\tgeneration={generation}\tfingerprint={fingerprint}");
    fields += &format!("\tphase={}", phase_word(instance.phase));
    fields += &format!("\tage={}\tsince={}", age(instance.started_at), age(instance.since));
    let ages = [("ready", instance.ready_at), ("ending", instance.ending_at)];
    for (key, at) in ages {
        fields.extend(at.map(|at| format!("\t{key}={}", age(at))));
    }
    fields.extend(instance.why.as_ref().map(|why| format!("\twhy={}", why_word(why))));
    match instance.how {
        Some(How::Exit(status)) => fields += &format!("\texit={status}"),
        Some(How::Signal { number, .. }) => fields += &format!("\tsignal={number}"),
        None => {}
    }
    let watchdog = instance.watchdog.map(|every| every.as_millis());
    fields.extend(watchdog.map(|every| format!("\twatchdog={every}")));
    fields.extend(instance.memory.map(|bytes| format!("\tmemory={bytes}")));
    line(text, format_args!("{fields}"));
}

fn read_instance(
    fields: &Fields<'_>,
    place: Place,
    spec: &Spec,
    now: Instant,
) -> Result<Instance, String> {
    let at = |key| -> Result<Option<Instant>, String> {
        let age = fields.number(key)?.map(Duration::from_millis);
        Ok(age.map(|age| now.checked_sub(age).unwrap_or(now)))
    };
    let mut instance = Instance::new(place, spec, 0, now);
    instance.generation = fields.number("generation")?.unwrap_or(0);
    instance.fingerprint = fields.number("fingerprint")?.unwrap_or(spec.fingerprint);
    instance.pid = Some(fields.number("pid")?.ok_or("it lacks pid=")?);
    instance.phase = match fields.needed("phase")? {
        "starting" => Phase::Starting,
        "ready" => Phase::Ready,
        "stopping" => Phase::Stopping,
        "killed" => Phase::Killed { times: 1 },
        other => return Err(format!("phase {other} is unknown")),
    };
    instance.started_at = at("age")?.unwrap_or(now);
    instance.since = at("since")?.unwrap_or(now);
    instance.ready_at = at("ready")?;
    instance.ending_at = at("ending")?;
    instance.watchdog = fields.number("watchdog")?.map(Duration::from_millis);
    instance.memory = fields.number("memory")?;
    let exit = fields.number("exit")?.map(How::Exit);
    let signal = fields.number("signal")?;
    instance.how = exit.or(signal.map(|number| How::Signal { number, core_dumped: false }));
    instance.why = match fields.text("why") {
        Some(word) => Some(why_of(word, spec, instance.watchdog)?),
        None => None,
    };
    Ok(instance)
}

fn step_word(step: Step) -> &'static str {
    match step {
        Step::Begin => "begin",
        Step::Coming => "coming",
        Step::Ending => "ending",
    }
}

fn step_of(word: &str) -> Result<Step, String> {
    Ok(match word {
        "begin" => Step::Begin,
        "coming" => Step::Coming,
        "ending" => Step::Ending,
        other => return Err(format!("turn={other} is unknown")),
    })
}

fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Spawning | Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Stopping => "stopping",
        Phase::Killed { .. } | Phase::Unkillable => "killed",
    }
}

fn why_word(why: &Why) -> &'static str {
    match why {
        Why::Asked => "asked",
        Why::Replaced => "replaced",
        Why::Recycled(_) => "recycled",
        Why::NotReady { .. } => "not-ready",
        Why::Unhealthy { .. } => "unhealthy",
        Why::WatchdogMissed { .. } => "watchdog",
        Why::ByItself => "by-itself",
    }
}

/// The figures are those of now; what they were was told when it happened.
fn why_of(word: &str, spec: &Spec, watchdog: Option<Duration>) -> Result<Why, String> {
    Ok(match word {
        "asked" => Why::Asked,
        "replaced" => Why::Replaced,
        "recycled" => Why::Recycled(Limit::Lifetime { max: spec.lifetime_max.unwrap_or_default() }),
        "not-ready" => Why::NotReady { after: spec.ready_timeout },
        "unhealthy" => Why::Unhealthy { reason: "found before the upgrade".to_owned() },
        "watchdog" => Why::WatchdogMissed { every: watchdog.unwrap_or_default() },
        "by-itself" => Why::ByItself,
        other => return Err(format!("why={other} is unknown")),
    })
}

/// A line in its parts.
struct Fields<'a> {
    kind: &'a str,
    values: BTreeMap<&'a str, &'a str>,
}

impl<'a> Fields<'a> {
    fn of(line: &'a str) -> Fields<'a> {
        let mut parts = line.split('\t');
        let kind = parts.next().unwrap_or_default();
        Fields { kind, values: parts.filter_map(|part| part.split_once('=')).collect() }
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied()
    }

    fn needed(&self, key: &str) -> Result<&'a str, String> {
        self.text(key).ok_or_else(|| format!("it lacks {key}="))
    }

    /// A number, or true and false; none if the key is not there.
    fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, String> {
        let parse = |text: &str| text.parse().map_err(|_| format!("{key}={text} is no such value"));
        self.text(key).map(parse).transpose()
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        out.push(match char {
            '\\' => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => break,
            },
            char => char,
        });
    }
    out
}
