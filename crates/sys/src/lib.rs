//! The only unsafe code of Sockeye: the system calls that `rustix` lacks, as safe functions on
//! owned or borrowed descriptors, named after their man pages.
//!
//! Who calls it: `engine` (waits, rings, signals), `process` and the program (fork, credentials),
//! `inspect` (bpf, netlink). What it may know: the kernel's interface and nothing above it; no
//! events, no HTTP, no services. Four rules hold everywhere, taken over from `rustix`:
//!
//! 1. Descriptors are `OwnedFd` or `BorrowedFd`; a number never becomes an owner unless the kernel
//!    has just made it for us.
//! 2. Out-parameters become return values, error numbers become `io::Error`.
//! 3. Memory the kernel writes to is owned by the wrapper and never lent out while it may change.
//! 4. Every `unsafe` block performs one operation and says in a SAFETY comment why it may.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod bpf;
pub mod credentials;
pub mod datagram;
pub mod exec;
pub mod fd;
pub mod fork;
pub mod kcmp;
pub mod poll;
pub mod select;
pub mod shared;
pub mod sigio;
pub mod signal;
pub mod socket;
pub mod spawn;
pub mod title;
pub mod uring;
pub mod usage;
pub mod wait;
pub mod waker;

/// Turns the `-1` of a libc call into the error it left in `errno`.
pub(crate) fn check(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result == -1 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}
