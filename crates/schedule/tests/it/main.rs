//! The crate from outside: vectors recorded from real daemons, files, words, hostile bytes.

mod brute;
mod documentation;
mod fuzz;
mod language;
mod runner;
mod simulation;
mod vectors;
