//! The diagnoses, a file each: `look` takes the facts and gives its findings.

pub mod accept_queue;
pub mod close_wait;
pub mod deleted_open;
pub mod descriptors;
pub mod ephemeral_ports;
pub mod foreign_listener;
pub mod hidden_listener;
pub mod orphans;
pub mod process_limits;
pub mod reset_open;
pub mod stale_listener;
pub mod stopped;
pub mod stuck_connection;
pub mod time_wait;
pub mod unaccepted;
pub mod uninterruptible;
pub mod zombie;
