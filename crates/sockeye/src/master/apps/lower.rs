//! From the settings of an app to what the supervisor decides by.

use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use process::supervisor::{
    Action, Delays, Event, Liveness, Outcome, Readiness, Replace, Restart, Spec, Supervisor, Token,
};

use crate::settings::{self, App};

/// A life this long is no failure to start.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
const JITTER_PERCENT: u8 = 20;
/// Quick ends in a row that are called a crash loop.
const CRASH_LOOP: u32 = 5;

pub fn spec(app: &App) -> Spec {
    Spec {
        name: app.name.as_str().into(),
        instances: u32::try_from(app.instances).unwrap_or(u32::MAX),
        autostart: app.autostart,
        restart: match app.restart {
            settings::Restart::Always => Restart::Always,
            settings::Restart::OnFailure => Restart::OnFailure,
            settings::Restart::Never => Restart::Never,
        },
        delays: Delays {
            min: app.restart_delay,
            max: app.restart_delay_max,
            healthy_after: HEALTHY_AFTER,
            jitter_percent: JITTER_PERCENT,
        },
        crash_loop: CRASH_LOOP,
        readiness: match app.ready {
            settings::Readiness::None => Readiness::None,
            settings::Readiness::Notify => Readiness::Notify,
            settings::Readiness::Probe(_) => Readiness::Probe,
        },
        ready_timeout: app.ready_timeout,
        liveness: app
            .alive
            .as_ref()
            .map(|_| Liveness { interval: app.alive_interval, failures: app.alive_failures }),
        stop_timeout: app.stop_timeout,
        memory_max: app.memory_max,
        lifetime_max: app.lifetime_max,
        after: names(&app.after),
        requires: names(&app.requires),
        // Who binds its own address cannot stand beside its successor.
        replace: if app.listen.is_empty() { Replace::InPlace } else { Replace::Rolling },
        fingerprint: fingerprint(app),
    }
}

fn names(names: &[String]) -> Vec<Arc<str>> {
    names.iter().map(|name| name.as_str().into()).collect()
}

/// Whether the supervisor takes this set: names, cycles, counts.
pub fn check(apps: &[App]) -> Result<(), String> {
    let mut machine = Supervisor::new(0);
    let specs = apps.iter().map(|app| Spec { autostart: false, ..spec(app) }).collect();
    let now = crate::clock::now();
    machine.handle(Event::Configure { specs, token: Token(0) }, now);
    while let Some(action) = machine.next_action() {
        if let Action::Answer {
            outcome: Outcome::Refused(words) | Outcome::Failed(words), ..
        } = action
        {
            return Err(words);
        }
    }
    Ok(())
}

pub fn any_notifies(apps: &[App]) -> bool {
    apps.iter().any(|app| app.ready == settings::Readiness::Notify)
}

/// A number that changes with everything a running process cannot be told. It is compared with one
/// of another version of this program after an upgrade, so it is made of words and not of types.
pub fn fingerprint(app: &App) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    let mut add = |part: &str| {
        hash.write(part.as_bytes());
        hash.write(&[0xff]);
    };
    app.command.iter().for_each(|word| add(word));
    add("listen");
    app.listen.iter().for_each(|address| add(&address.to_string()));
    add("environment");
    for (name, value) in &app.place.environment {
        add(name);
        add(value);
    }
    add(if app.place.clear_environment { "cleared" } else { "kept" });
    add(&app.place.directory.as_deref().unwrap_or("".as_ref()).to_string_lossy());
    add(app.place.user.as_deref().unwrap_or(""));
    add(&app.place.umask.map(|mask| mask.to_string()).unwrap_or_default());
    for (name, value) in &app.place.limits {
        add(name);
        add(&value.to_string());
    }
    add(match app.output {
        settings::ProgramOutput::Null => "null",
        settings::ProgramOutput::Log | settings::ProgramOutput::File { .. } => "pipe",
    });
    add(if app.ready == settings::Readiness::Notify { "notify" } else { "" });
    hash.finish()
}

/// FNV-1a (draft-eastlake-fnv): small, and the same everywhere.
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_new_process_changes_the_fingerprint() {
        let app = App { command: vec!["a".into(), "b".into()], ..App::unwritten() };
        let check = |same: bool, change: fn(&mut App)| {
            let mut other = app.clone();
            change(&mut other);
            assert_eq!(fingerprint(&app) == fingerprint(&other), same, "{other:?}");
        };
        check(true, |app| app.stop_timeout *= 2);
        check(true, |app| app.instances = 3);
        check(true, |app| app.restart = settings::Restart::Never);
        check(false, |app| app.command = vec!["ab".into()]);
        check(false, |app| app.place.umask = Some(0));
        check(false, |app| app.place.environment.push(("A".into(), "1".into())));
        check(false, |app| app.output = settings::ProgramOutput::Null);
    }

    #[test]
    fn cycles_are_refused_with_words() {
        let app = |name: &str, after: &str| App {
            name: name.into(),
            command: vec!["true".into()],
            after: vec![after.into()],
            ..App::unwritten()
        };
        let error = check(&[app("a", "b"), app("b", "a")]).unwrap_err();
        assert!(error.contains("wait for each other"), "{error}");
    }
}
