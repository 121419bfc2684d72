//! Descriptors as people see them.

use std::os::fd::{AsFd, AsRawFd};

/// The descriptor's number, to be shown: nothing else can be done with it.
pub fn number(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}
