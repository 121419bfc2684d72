//! Descriptors as people see them.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// The descriptor's number, to be shown: nothing else can be done with it.
pub fn number(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

/// Sets close-on-exec on every descriptor above standard error (close_range(2), Linux 5.11).
pub fn close_all_on_exec() -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: sets a flag of descriptors of this process; nothing is closed by it.
    crate::check(unsafe { libc::close_range(FIRST, libc::c_uint::MAX, flags) })?;
    Ok(())
}
