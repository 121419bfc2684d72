//! From a `Source` to a `Snapshot`: which files are read, in which order, and what is not asked.

pub mod holders;
pub mod sockets;
