//! What programs print: read without ever waiting for it ([`Pipe`]), kept in files that stay within
//! their size ([`LogFile`]), made safe for a terminal ([`escaped`]).
//!
//! Bytes stay bytes: what is not UTF-8 reaches a file as it came.

mod escape;
mod log_file;
mod pipe;

pub use escape::escaped;
pub use log_file::{KEEP_MAX, LogFile, Rotation};
pub use pipe::{DRAIN_WAIT, LINE_BYTES_MAX, Piece, Pipe, READ_BYTES_MAX, pipe};
