//! Requests: what a caller wants of an app, or of all, and the one answer to each. Words on what
//! overtakes what are in the module above.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::app::{App, Need, Slot, Stage, Until, Waiter};
use super::instance::{AppId, Place};
use super::message::{Outcome, Token};
use super::spec::{Spec, check};
use super::{REQUESTS_MAX, Supervisor};

/// One that is under way.
#[derive(Debug)]
pub struct Request {
    token: Token,
    /// Apps that it still waits for.
    left: usize,
    failed: Option<String>,
}

impl Supervisor {
    pub(super) fn start(&mut self, name: &str, token: Token) {
        let Some(id) = self.find(name, token) else { return };
        self.want(id);
        self.try_now(id);
        self.wait(token, &[(id, Until::Whole)]);
    }

    pub(super) fn stop(&mut self, name: &str, token: Token) {
        let Some(id) = self.find(name, token) else { return };
        if let Some(app) = self.app_mut(id) {
            app.wanted = false;
        }
        self.refresh(vec![id]);
        self.wait(token, &[(id, Until::Gone)]);
    }

    pub(super) fn restart(&mut self, name: &str, token: Token) {
        let Some(id) = self.find(name, token) else { return };
        self.want(id);
        self.try_now(id);
        if let Some(app) = self.app_mut(id) {
            app.generation += 1;
            let slots = app.slots.iter().enumerate();
            let filled = slots.filter(|(_, slot)| slot.main.is_some()).map(|(at, _)| at as u32);
            let filled: Vec<u32> = filled.collect();
            app.replace.extend(filled);
        }
        self.wait(token, &[(id, Until::Replaced)]);
    }

    pub(super) fn shutdown(&mut self, token: Token) {
        if self.is_full() {
            return self.answer(token, full());
        }
        self.ending.get_or_insert_default().push(token);
        self.refresh(self.apps.keys().copied().collect());
    }

    pub(super) fn configure(&mut self, specs: Vec<Spec>, token: Token, now: Instant) {
        if self.ending.is_some() || self.is_full() {
            return self.refuse(token);
        }
        if let Err(words) = check(&specs) {
            return self.answer(token, Outcome::Refused(words));
        }
        let mut waits = self.remove_missing(&specs);
        let mut autostart = Vec::new();
        for spec in specs {
            let known = self.names.get(&spec.name).copied();
            // One that was stopped by hand stays so, also where others that want it are known.
            let is_new = known
                .and_then(|id| self.app(id))
                .is_none_or(|app| app.removed || app.spec.requires != spec.requires);
            let (id, until) = match known {
                Some(id) => (id, self.change(id, spec, now)),
                None => (self.add(spec), Some(Until::Whole)),
            };
            autostart.extend(self.app(id).filter(|app| is_new && app.wanted).map(|_| id));
            waits.extend(until.map(|until| (id, until)));
        }
        self.connect();
        for id in autostart {
            self.want(id);
        }
        self.refresh(self.apps.keys().copied().collect());
        waits.retain(|(id, until)| {
            *until == Until::Gone || self.app(*id).is_some_and(|app| app.is_up)
        });
        self.wait(token, &waits);
    }

    fn remove_missing(&mut self, specs: &[Spec]) -> Vec<(AppId, Until)> {
        let kept: BTreeSet<&Arc<str>> = specs.iter().map(|spec| &spec.name).collect();
        let missing = self.names.iter().filter(|(name, _)| !kept.contains(name));
        let missing: Vec<AppId> = missing.map(|(_, id)| *id).collect();
        for id in &missing {
            let Some(app) = self.apps.get_mut(id) else { continue };
            app.removed = true;
            app.wanted = false;
        }
        missing.into_iter().map(|id| (id, Until::Gone)).collect()
    }

    pub(super) fn add(&mut self, spec: Spec) -> AppId {
        self.last_app += 1;
        let id = AppId(self.last_app);
        self.names.insert(spec.name.clone(), id);
        let mut app = App::new(spec);
        app.wanted = app.spec.autostart;
        self.apps.insert(id, app);
        id
    }

    /// Gives an app another spec. What has another fingerprint is replaced in its turn; another
    /// policy counts from now on.
    fn change(&mut self, id: AppId, spec: Spec, now: Instant) -> Option<Until> {
        let app = self.apps.get_mut(&id)?;
        let is_other = app.spec.fingerprint != spec.fingerprint;
        let is_more = spec.instances > app.spec.instances;
        app.spec = spec;
        if std::mem::take(&mut app.removed) {
            app.wanted = app.spec.autostart;
        }
        let asked = app.spec.instances as usize;
        app.slots.resize(app.slots.len().max(asked), Slot::default());
        self.adapt_instances(id, now);
        self.touch_app(id);
        if is_other {
            let app = self.app_mut(id)?;
            app.generation += 1;
            self.try_now(id);
        }
        let app = self.app(id)?;
        match (app.is_replacing(), is_other || is_more) {
            (true, _) => Some(Until::Replaced),
            (false, true) => Some(Until::Whole),
            (false, false) => None,
        }
    }

    fn adapt_instances(&mut self, id: AppId, now: Instant) {
        let Some(app) = self.apps.get_mut(&id) else { return };
        for (at, slot) in app.slots.iter().enumerate() {
            for id in slot.main.into_iter().chain(slot.successor()) {
                let Some(instance) = self.instances.get_mut(&id) else { continue };
                instance.arm(&app.spec, now);
                self.touched.push(id);
            }
            let newest = slot.successor().or(slot.main).and_then(|id| self.instances.get(&id));
            if newest.is_some_and(|newest| newest.fingerprint != app.spec.fingerprint) {
                app.replace.insert(at as u32);
            }
        }
    }

    /// Looks up who needs whom by name.
    pub(super) fn connect(&mut self) {
        let mut needs = Vec::new();
        for (id, app) in &self.apps {
            let found = app.spec.needs().filter_map(|(name, required)| {
                let app = *self.names.get(name)?;
                Some(Need { app, required })
            });
            needs.push((*id, found.collect::<Vec<Need>>()));
        }
        for app in self.apps.values_mut() {
            app.dependants.clear();
        }
        for (id, needs) in needs {
            for need in &needs {
                if let Some(app) = self.app_mut(need.app) {
                    app.dependants.push(Need { app: id, required: need.required });
                }
            }
            if let Some(app) = self.app_mut(id) {
                app.needs = needs;
            }
        }
    }

    /// An app is wanted, and so is all that it requires, which is tried at once too.
    pub(super) fn want(&mut self, id: AppId) {
        let mut seen = BTreeSet::from([id]);
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            let Some(app) = self.app_mut(next) else { continue };
            let is_new = !std::mem::replace(&mut app.wanted, true);
            let required = app.needs.iter().filter(|need| need.required).map(|need| need.app);
            open.extend(required.filter(|app| seen.insert(*app)));
            if next != id && (is_new || app.stage == Stage::Failed) {
                self.try_now(next);
            }
        }
        self.refresh(seen.into_iter().collect());
    }

    /// Forgets failures: waits before a start are over, and what finished starts again.
    pub(super) fn try_now(&mut self, id: AppId) {
        let Some(app) = self.app_mut(id) else { return };
        if app.is_up && !app.is_whole() {
            app.stage = Stage::Coming;
            // So that its coming up, were it at once, is told to those that wait.
            app.seen.stage = Stage::Coming;
        }
        app.told = None;
        for slot in &mut app.slots {
            slot.quick_ends = 0;
            slot.crash_loop = false;
        }
        for slot in 0..app.slots.len() as u32 {
            self.forget_rest(Place { app: id, slot });
        }
        self.touch_app(id);
    }

    /// Finds out anew which apps are up, from these on to those that require them.
    pub(super) fn refresh(&mut self, mut open: Vec<AppId>) {
        while let Some(id) = open.pop() {
            let Some(app) = self.app(id) else { continue };
            let mut required = app.needs.iter().filter(|need| need.required);
            let has_all = required.all(|need| self.app(need.app).is_some_and(|app| app.is_up));
            let is_up = app.wanted && !app.removed && self.ending.is_none() && has_all;
            if app.is_up == is_up {
                continue;
            }
            let dependants = app.dependants.iter().filter(|need| need.required);
            open.extend(dependants.map(|need| need.app));
            let Some(app) = self.app_mut(id) else { continue };
            app.is_up = is_up;
            let name = app.spec.name.clone();
            self.touch_app(id);
            self.resolve(id, |until| match (until, is_up) {
                (Until::Gone, true) => Some(Err(format!("{name} was started meanwhile"))),
                (Until::Whole | Until::Replaced, false) => {
                    Some(Err(format!("{name} was stopped meanwhile")))
                }
                _ => None,
            });
        }
    }

    fn find(&mut self, name: &str, token: Token) -> Option<AppId> {
        let id = self.names.get(name).copied();
        let id = id.filter(|id| self.app(*id).is_some_and(|app| !app.removed));
        if self.ending.is_some() || self.is_full() {
            self.refuse(token);
            return None;
        }
        if id.is_none() {
            self.answer(token, Outcome::Refused(format!("no app is named {name}")));
        }
        id
    }

    fn refuse(&mut self, token: Token) {
        let outcome = match self.ending {
            Some(_) => Outcome::Refused("the supervisor is shutting down".to_owned()),
            None => full(),
        };
        self.answer(token, outcome);
    }

    fn is_full(&self) -> bool {
        self.requests.len() + self.ending.as_ref().map_or(0, Vec::len) >= REQUESTS_MAX
    }

    /// The answer follows when all of these have come true, or cannot any more.
    fn wait(&mut self, token: Token, waits: &[(AppId, Until)]) {
        self.last_request += 1;
        let request = self.last_request;
        let mut left = 0;
        for (id, until) in waits {
            let Some(app) = self.apps.get_mut(id) else { continue };
            app.waiters.push(Waiter { request, until: *until });
            self.apps_due.insert(*id);
            left += 1;
        }
        if left == 0 {
            return self.answer(token, Outcome::Done);
        }
        self.requests.insert(request, Request { token, left, failed: None });
    }

    /// Takes away the waiters for which there is a result.
    pub(super) fn resolve(
        &mut self,
        id: AppId,
        result: impl Fn(Until) -> Option<Result<(), String>>,
    ) {
        let Some(app) = self.app_mut(id) else { return };
        let mut results = Vec::new();
        app.waiters.retain(|waiter| {
            let found = result(waiter.until);
            let is_open = found.is_none();
            results.extend(found.map(|found| (waiter.request, found)));
            is_open
        });
        for (request, result) in results {
            self.part_is_done(request, result);
        }
    }

    fn part_is_done(&mut self, id: u64, result: Result<(), String>) {
        let Some(request) = self.requests.get_mut(&id) else { return };
        request.left -= 1;
        if let Err(words) = result {
            request.failed.get_or_insert(words);
        }
        if request.left == 0
            && let Some(request) = self.requests.remove(&id)
        {
            let outcome = request.failed.map_or(Outcome::Done, Outcome::Failed);
            self.answer(request.token, outcome);
        }
    }
}

fn full() -> Outcome {
    Outcome::Refused(format!("{REQUESTS_MAX} requests are under way: try again later"))
}
