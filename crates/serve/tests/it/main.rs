//! The server over the engine's simulated network: random faults from a seed, and every rule of
//! static files and of the built-in site.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

mod deadlines;
mod files;
mod harness;
mod simulated;
