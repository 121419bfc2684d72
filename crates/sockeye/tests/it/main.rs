//! The whole program from outside: real processes, real sockets, every model by name.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

mod harness;

mod bad_input;
