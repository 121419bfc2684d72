//! The start of an instance: its program, surroundings, sockets and output laid out and spawned.

use std::ffi::OsString;
use std::os::fd::AsFd;

use process::output;
use process::supervisor::{Event, InstanceId};
use process::{Account, Program, Signal, Stream};

use super::{Apps, Instance, Tap};
use crate::config::account;
use crate::jobs::configured::limits;
use crate::settings::{Place, ProgramOutput, Readiness};

/// The variable that marks what belongs to an instance.
const MARK: &str = "SOCKEYE_INSTANCE";
/// Where programs are looked for if the environment is cleared.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl<T: Copy> Apps<T> {
    /// Starts an instance; what came of it is the event.
    pub(super) fn spawn(&mut self, id: InstanceId, name: &str, slot: u32) -> Event {
        match self.try_spawn(id, name, slot) {
            Ok(pid) => Event::Started { id, pid },
            Err(reason) => {
                if let Some(cgroup) = self.cgroup(name, id) {
                    self.remove_cgroup(&cgroup);
                }
                Event::NotStarted { id, reason }
            }
        }
    }

    fn try_spawn(&mut self, id: InstanceId, name: &str, slot: u32) -> Result<u32, String> {
        let kept = self.kept.get(name).ok_or("it is not configured any more")?;
        let app = kept.app.clone();
        let mut program = Program::new(app.command.iter());
        furnish(&mut program, &app.place)?;
        if let (Readiness::Notify, Some(notify)) = (&app.ready, &self.notify) {
            program.environment.push(("NOTIFY_SOCKET".into(), notify.name().into()));
        }
        for listener in &kept.sockets {
            let sockets = listener.sockets.iter().map(|socket| socket.as_fd().into());
            program.listeners.extend(sockets.map(|socket| (app.name.clone(), socket)));
        }
        let mark = format!("{MARK}={}-{}", std::process::id(), id.0);
        program.environment.push((MARK.into(), mark[MARK.len() + 1..].into()));
        let cgroup = self.cgroup(&app.name, id);
        program.cgroup = cgroup.as_ref().map(|cgroup| cgroup.as_fd().into());
        let mut tap = None;
        if app.output != ProgramOutput::Null {
            let (pipe, theirs) = output::pipe().map_err(|error| format!("pipe: {error}"))?;
            let again = theirs.try_clone().map_err(|error| format!("pipe: {error}"))?;
            program.stdout = Stream::Fd(theirs.into());
            program.stderr = Stream::Fd(again.into());
            tap = Some(Tap { app: name.into(), slot, pipe });
        }
        let prepared = program.prepare().map_err(|error| error.to_string())?;
        let child = process::spawn(&prepared).map_err(|error| error.to_string())?;
        drop(prepared);
        let (asking, status) = (None, None);
        let pid = child.pid;
        let instance = Instance { app, slot, pid, mark, cgroup, asking, status };
        self.instances.insert(id, instance);
        self.pids.insert(child.pid, id);
        self.taps.extend(tap.map(|tap| (id.0, tap)));
        Ok(child.pid)
    }
}

/// Gives a program its surroundings.
pub fn furnish(program: &mut Program<'_>, place: &Place) -> Result<(), String> {
    program.environment = environment(place);
    program.directory.clone_from(&place.directory);
    program.umask = place.umask;
    program.limits = limits(place);
    // Without a master nobody would look after it.
    program.death_signal = Some(Signal::TERM);
    if let Some(user) = &place.user {
        let found = account(user)?;
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            program.account =
                Some(Account { uid: found.uid, gid: found.gid, groups: found.groups });
        } else if found.uid != rustix::process::geteuid().as_raw() {
            return Err(format!("become user {user}: only root can: start as root"));
        }
    }
    Ok(())
}

fn environment(place: &Place) -> Vec<(OsString, OsString)> {
    let mut all = process::current_environment();
    // Ours, if a service manager has started us.
    all.retain(|(name, _)| name != "NOTIFY_SOCKET" && name != "WATCHDOG_USEC");
    all.retain(|(name, _)| name != "WATCHDOG_PID");
    if place.clear_environment {
        all.retain(|(name, _)| name == "PATH");
    }
    if !all.iter().any(|(name, _)| name == "PATH") {
        all.push(("PATH".into(), PATH_DEFAULT.into()));
    }
    for (name, value) in &place.environment {
        all.retain(|(other, _)| other != name.as_str());
        all.push((name.into(), value.into()));
    }
    all
}
