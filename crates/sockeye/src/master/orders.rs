//! What clients of the control socket and jobs want of the master, and what they are answered.

use ::control::{AppOrder, Command, Reply};
use process::supervisor::Outcome;

use super::control_socket::ClientId;
use super::{Asker, Master, apps, jobs, status};
use crate::clock;
use crate::settings::Order;

impl Master {
    pub(super) fn on_client(&mut self, id: ClientId) {
        let Some(control) = &mut self.control else { return };
        for command in control.receive(id) {
            match command {
                Command::Status => self.ask_status(status::Asker::Client(id)),
                Command::Reload => self.reload(vec![Asker::Client(id)]),
                Command::Upgrade => self.upgrade(Some(id)),
                Command::App { name, order } => {
                    self.order_app(&name, order, Asker::Client(id));
                }
                Command::AppLines { name, from } => self.reply_lines(id, &name, from),
                Command::Trigger { job } => {
                    let reply = match self.jobs.trigger(&job, &mut self.log) {
                        Ok(()) => Reply::Done,
                        Err(message) => Reply::Refused { message },
                    };
                    self.reply(id, &reply);
                }
                Command::ReopenLogs => {
                    self.reopen_logs();
                    self.reply(id, &Reply::Done);
                }
                // The connection stays open until the master ends, which is how the client knows.
                Command::Stop { fast } => {
                    self.reply(id, &Reply::Done);
                    self.stop(fast);
                }
            }
        }
    }

    pub(super) fn reply_lines(&mut self, client: ClientId, name: &str, from: u64) {
        let reply = match self.apps.lines(name, from) {
            Some((first, lines)) => Reply::Lines { first, lines },
            None => Reply::Refused { message: format!("there is no app {name}") },
        };
        self.reply(client, &reply);
    }

    /// Does what jobs have ordered.
    pub(super) fn carry_out_orders(&mut self) {
        for jobs::Order { run, text } in self.jobs.take_orders() {
            let asker = Asker::Job(run);
            match Order::from_text(&text) {
                Ok(Order::Reload) => self.reload(vec![asker]),
                Ok(Order::ReopenLogs) => {
                    self.reopen_logs();
                    self.answer(asker, Reply::Done);
                }
                Ok(Order::Restart(app)) => self.order_app(&app, AppOrder::Restart, asker),
                Ok(Order::Start(app)) => self.order_app(&app, AppOrder::Start, asker),
                Ok(Order::Stop(app)) => self.order_app(&app, AppOrder::Stop, asker),
                Err(why) => {
                    let message = format!("{text:?} {why}");
                    self.answer(asker, Reply::Refused { message });
                }
            }
        }
    }

    pub(super) fn order_app(&mut self, app: &str, order: AppOrder, asker: Asker) {
        self.apps.order(app, order, apps::Asker::Someone(asker), clock::now());
    }

    /// Passes on what came of orders to apps.
    pub(super) fn tell_askers(&mut self) {
        for apps::Answer { asker, outcome } in self.apps.take_answers() {
            let reply = match outcome {
                Outcome::Done => Reply::Done,
                Outcome::Refused(message) => Reply::Refused { message },
                Outcome::Failed(message) => Reply::Failed { message },
            };
            self.answer(asker, reply);
        }
    }

    pub(super) fn refuse(&mut self, askers: Vec<Asker>, message: String) {
        for asker in askers {
            self.answer(asker, Reply::Refused { message: message.clone() });
        }
    }

    pub(super) fn answer(&mut self, asker: Asker, reply: Reply) {
        match (asker, reply) {
            (Asker::Client(client), reply) => self.reply(client, &reply),
            (Asker::Job(run), Reply::Refused { message } | Reply::Failed { message }) => {
                self.jobs.finished(run, Err(message), &mut self.log);
            }
            (Asker::Job(run), _) => self.jobs.finished(run, Ok(()), &mut self.log),
        }
    }

    pub(super) fn reply(&mut self, client: ClientId, reply: &Reply) {
        if let Some(control) = &mut self.control {
            control.send(client, reply);
        }
    }
}
