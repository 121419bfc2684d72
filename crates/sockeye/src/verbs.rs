//! What each command does, except `serve`: the client side of the control socket, the checks and
//! the generated texts. Each verb is a function that prints through [`Output`] and returns how it
//! ended.

pub mod app;
pub mod check;
pub mod client;
pub mod connections;
pub mod control;
pub mod cron;
pub mod family;
pub mod generate;
pub mod jobs;
pub mod models;
pub mod run;
pub mod status;
