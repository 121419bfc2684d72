//! The whole program from outside: real processes, real sockets, every model by name.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

mod harness;

mod bad_input;
mod connections;
mod contracts_fork;
mod contracts_kill;
mod contracts_kit;
mod contracts_reload;
mod contracts_signals;
mod contracts_syscalls;
mod cron;
mod fallback;
mod grid;
mod hostile;
mod init;
mod sigio_overflow;
mod slow;
mod supervise_apps;
mod supervise_jobs;
mod supervise_kit;
mod supervise_nginx;
mod supervise_rolling;
mod supervise_upgrade;
