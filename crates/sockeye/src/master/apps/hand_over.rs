//! The apps over an upgrade in place: what the next program has to know to go on with them.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use ::control::Handover;
use ::control::handover::{self, AppSockets, Notify};
use process::Cgroup;
use process::notify::NotifySocket;
use process::output::Pipe;
use process::supervisor::{InstanceId, Supervisor};

use super::{Apps, Asker, Instance, Kept, Tap, lower};
use crate::cli::output::warn;
use crate::master::listeners::Listener;
use crate::master::upgrade::{keep_open, take_inherited};
use crate::settings::{App, Settings};

/// Of sockets that the new configuration adds.
const BACKLOG: u32 = 1024;

impl<T: Copy> Apps<T> {
    /// Nobody waits for the end of an order or of a probe's shell, which would not be known
    /// afterwards.
    pub fn is_quiet(&self) -> bool {
        self.shells.is_empty()
            && !self.asked.values().any(|asker| matches!(asker, Asker::Someone(_)))
    }

    /// Writes all that is needed; the descriptors named stay open over an execve.
    pub fn hand_over(&self, into: &mut Handover, now: Instant) -> io::Result<()> {
        if self.kept.is_empty() && self.instances.is_empty() {
            return Ok(());
        }
        into.supervisor = self.machine.export(now);
        for (name, kept) in &self.kept {
            let sockets = kept.sockets.iter().map(Listener::hand_over);
            let sockets = sockets.collect::<io::Result<_>>()?;
            into.app_sockets.push(AppSockets { app: name.to_string(), sockets });
        }
        for (id, one) in &self.instances {
            into.instances.push(handover::Instance {
                id: id.0,
                app: one.app.name.clone(),
                slot: one.slot,
                pid: one.pid,
                mark: one.mark.clone(),
                status: one.status.clone(),
                is_group: self.groups.contains(id),
            });
        }
        for (id, tap) in &self.taps {
            into.outputs.push(handover::Output {
                id: *id,
                app: tap.app.to_string(),
                slot: tap.slot,
                pipe: keep_open(&tap.pipe)?,
                begun: tap.pipe.begun().to_vec(),
            });
        }
        if let Some(notify) = &self.notify {
            let address = notify.name().to_owned();
            into.notify = Some(Notify { socket: keep_open(notify)?, address });
        }
        Ok(())
    }

    /// The other side of that, with the configuration of now.
    pub fn take_over(
        &mut self,
        handed: &Handover,
        settings: &Settings,
        now: Instant,
    ) -> Result<(), String> {
        if handed.supervisor.is_empty() {
            return Ok(());
        }
        for app in &settings.apps {
            let kept = self.kept.entry(app.name.as_str().into()).or_insert_with(|| Kept::of(app));
            kept.open_file();
        }
        for AppSockets { app, sockets } in &handed.app_sockets {
            let sockets = sockets.iter().map(Listener::take_over).collect::<Result<Vec<_>, _>>()?;
            if let Some(kept) = self.kept.get_mut(app.as_str()) {
                kept.sockets = sockets;
            }
        }
        if let Some(Notify { socket, address }) = &handed.notify {
            self.notify = Some(NotifySocket::adopt(take_inherited(*socket)?, address.clone()));
        }
        let fresh =
            settings.apps.iter().map(|app| (app.name.as_str().into(), self.open_or_say(app)));
        let fresh = fresh.collect();
        self.prepare(settings, fresh);
        for output in &handed.outputs {
            let mut pipe = Pipe::adopt(take_inherited(output.pipe)?, output.begun.clone());
            let runs = |one: &handover::Instance| one.id == output.id && !one.is_group;
            if !handed.instances.iter().any(runs) {
                pipe.program_ended(now);
            }
            let tap = Tap { app: output.app.as_str().into(), slot: output.slot, pipe };
            self.taps.insert(output.id, tap);
        }
        handed.instances.iter().for_each(|one| self.take_over_instance(one));
        let specs = settings.apps.iter().map(lower::spec).collect();
        let seed = u64::from(std::process::id());
        self.machine = Supervisor::resume(seed, specs, &handed.supervisor, now)?;
        self.act(now);
        Ok(())
    }

    /// There is no way back for an upgrade: an app goes without a socket that cannot be opened.
    fn open_or_say(&self, app: &App) -> Vec<Listener> {
        let opened = self.open_missing(app, BACKLOG);
        opened.unwrap_or_else(|message| {
            warn(&format!("app {}: {message}", app.name));
            Vec::new()
        })
    }

    fn take_over_instance(&mut self, handed: &handover::Instance) {
        let id = InstanceId(handed.id);
        // An app that is not configured any more is only stopped.
        let app = self.kept.get(handed.app.as_str()).map(|kept| kept.app.clone());
        let app =
            app.unwrap_or_else(|| Arc::new(App { name: handed.app.clone(), ..App::unwritten() }));
        let instance = Instance {
            cgroup: self.cgroup(&handed.app, id),
            app,
            slot: handed.slot,
            pid: handed.pid,
            mark: handed.mark.clone(),
            asking: None,
            status: handed.status.clone(),
        };
        self.instances.insert(id, instance);
        if handed.is_group {
            self.groups.push(id);
        } else {
            self.pids.insert(handed.pid, id);
        }
    }

    /// The control group of an instance, made or found again.
    pub(super) fn cgroup(&self, app: &str, id: InstanceId) -> Option<Cgroup> {
        self.cgroups.as_ref()?.group(&format!("{app}-{}", id.0)).ok()
    }
}
