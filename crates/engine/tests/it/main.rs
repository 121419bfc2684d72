//! One conformance suite: every case over every I/O model, each forced by name. A model that this
//! kernel does not offer is said, not passed over in silence.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails by panicking")]

mod conformance;
mod harness;
mod simulated;
