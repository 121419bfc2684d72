//! What people are shown of the apps.

use std::time::Instant;

use ::control::{AppView, InstanceView};
use process::supervisor::{self, Row};

use super::Apps;

impl<T: Copy> Apps<T> {
    pub fn view(&self, now: Instant) -> Vec<AppView> {
        self.machine.apps().map(|app| self.app_view(&app, now)).collect()
    }

    fn app_view(&self, app: &supervisor::AppView, now: Instant) -> AppView {
        let kept = self.kept.get(&app.name);
        let sockets = kept.into_iter().flat_map(|kept| &kept.sockets);
        AppView {
            name: app.name.to_string(),
            command: kept.map(|kept| kept.app.command.clone()).unwrap_or_default(),
            listen: sockets.map(|listener| listener.address.to_string()).collect(),
            instances_wanted: app.instances,
            instances: app.rows.iter().map(|row| self.row_view(row, now)).collect(),
        }
    }

    fn row_view(&self, row: &Row, now: Instant) -> InstanceView {
        let instance = row.id.and_then(|id| self.instances.get(&id));
        let millis = |duration: std::time::Duration| duration.as_millis() as u64;
        let since = row.since.map(|since| now.saturating_duration_since(since));
        InstanceView {
            number: row.slot + 1,
            pid: row.pid,
            state: row.state.to_string(),
            age_ms: since.map(millis).unwrap_or_default(),
            restarts: row.restarts,
            next_start_ms: row.next_start.map(|at| millis(at.saturating_duration_since(now))),
            last_exit: row.last_exit.clone(),
            status: instance.and_then(|one| one.status.clone()),
            memory_bytes: instance.and_then(|one| one.memory()),
        }
    }
}
