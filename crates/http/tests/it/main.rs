//! The tests of the crate, through its public API: tables by area, properties, and the fuzz entries
//! from fixed seeds.

mod body;
mod conditional;
mod content;
mod exchange;
mod head;
mod hostile;
mod path;
mod properties;
mod range;
mod response;
mod seeds;
