//! Giving up root for good: setgroups(2), setresgid(2), setresuid(2).
//!
//! The C library's wrappers are used because they change every thread of the process; the bare
//! system calls change only the calling one.

use std::io;

/// Becomes the user: groups first, then gid, then uid, all three ids of each, in every thread.
/// Checks afterwards that root cannot be had back.
pub fn become_user(uid: u32, gid: u32, groups: &[u32]) -> io::Result<()> {
    // SAFETY: the pointer and length describe the live `groups`.
    crate::check(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
    // SAFETY: no memory is touched.
    crate::check(unsafe { libc::setresgid(gid, gid, gid) })?;
    // SAFETY: no memory is touched.
    crate::check(unsafe { libc::setresuid(uid, uid, uid) })?;
    // SAFETY: no memory is touched.
    if uid != 0 && unsafe { libc::setuid(0) } == 0 {
        return Err(io::Error::other("root privileges could be taken back after setresuid"));
    }
    Ok(())
}
