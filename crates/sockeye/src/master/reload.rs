//! A reload: the configuration is read again, and a generation is begun with it. An error, or one
//! that does not become ready, leaves everything as it was.

use std::process::ExitCode;
use std::sync::Arc;

use ::control::Reply;

use super::listeners::Listener;
use super::{Asker, Ending, Master, fall_back, greeting, prepare_log};
use crate::cli::output::warn;
use crate::clock;
use crate::settings::Settings;

impl Master {
    /// Reads the configuration again and starts a generation with it. An error leaves everything
    /// as it was.
    pub(super) fn reload(&mut self, askers: Vec<Asker>) {
        if self.ending != Ending::None {
            let message = "the server is stopping".to_owned();
            return self.refuse(askers, message);
        }
        if !self.family.may_begin_generation() {
            self.reload_again.get_or_insert_default().extend(askers);
            return;
        }
        self.manager.reloading();
        match self.load() {
            Ok(settings) => {
                self.settings = Arc::new(settings);
                self.reload_asked_by = askers;
                let events = self.family.begin_generation(self.settings.clone(), clock::now());
                self.on_events(events);
            }
            Err(message) => {
                warn(&format!("not reloaded: {message}"));
                self.manager.ready("the configuration could not be read again: the old one stays");
                self.refuse(askers, message);
            }
        }
    }

    pub(super) fn load(&mut self) -> Result<Settings, String> {
        let lowered = self.source.load().map_err(|error| error.to_string())?;
        lowered.warnings.iter().for_each(|warning| warn(warning));
        let mut settings = lowered.settings;
        fall_back(&mut settings)?;
        if !rustix::process::geteuid().is_root() {
            settings.user = None;
        }
        // The control socket is where people already look for it.
        settings.control.clone_from(&self.settings.control);
        self.family.make_room(&settings)?;
        self.drop_fresh();
        self.apps_fresh = self.apps.make_room(&settings)?;
        if let Err(error) = self.listeners.rebind(&settings) {
            self.listeners.back_to(&self.settings);
            self.drop_fresh();
            return Err(error);
        }
        prepare_log(&settings);
        Ok(settings)
    }

    /// Closes sockets that were opened for apps of a configuration that does not come.
    pub(super) fn drop_fresh(&mut self) {
        for (_, sockets) in std::mem::take(&mut self.apps_fresh) {
            sockets.iter().for_each(Listener::remove_path);
        }
    }

    pub(super) fn on_generation_ready(&mut self, generation: u64) {
        self.listeners.retire(&self.settings);
        self.listeners.settle();
        let fresh = std::mem::take(&mut self.apps_fresh);
        self.apps.configure(&self.settings, fresh, clock::now());
        self.jobs.configure(&self.settings, &mut self.log);
        if !std::mem::replace(&mut self.greeted, true) {
            self.jobs.start(&mut self.log);
            greeting::print(&self.settings, &self.listeners, &self.family);
        }
        self.manager.ready(&format!("generation {generation} is serving"));
        for asker in std::mem::take(&mut self.reload_asked_by) {
            self.answer(asker, Reply::Reloaded { generation });
        }
    }

    pub(super) fn on_generation_failed(&mut self, generation: u64, reason: String) {
        if !self.greeted {
            crate::cli::output::complain_error(&reason);
            self.exit_code = ExitCode::FAILURE;
            self.stop(true);
            return;
        }
        let message =
            format!("generation {generation} could not start, the old one stays: {reason}");
        warn(&message);
        self.manager.ready(&format!("the old configuration stays: {message}").replace('\n', " "));
        if let Some(old) = self.family.serving_settings() {
            self.settings = old;
        }
        self.listeners.back_to(&self.settings);
        self.drop_fresh();
        for asker in std::mem::take(&mut self.reload_asked_by) {
            self.answer(asker, Reply::Refused { message: message.clone() });
        }
    }
}
