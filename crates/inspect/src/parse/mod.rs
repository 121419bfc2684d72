//! Parsers of kernel text and netlink bytes into plain data: no file, no clock, no allocation a field.
//!
//! Each takes bytes and gives what could be read; a line that is not understood is skipped and
//! counted by the caller, and no input makes one panic (`fuzz` entries stand beside each).

pub mod diag;
pub mod inet;
pub mod other;
pub mod stat;
pub mod unix;
