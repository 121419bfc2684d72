//! The mechanisms of `process` with real programs: what a child gets, what it does not, and how
//! its end is learned of.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

mod ends;
mod health;
mod run;
mod start;
