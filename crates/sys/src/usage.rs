//! getrusage(2) of ended children: what a command cost, to the microsecond, where /proc counts in
//! ticks of ten milliseconds.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

/// User and system time of all children that this process has waited for, and of theirs.
pub fn children() -> io::Result<Duration> {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the kernel writes one rusage to the room given, which is as large as that.
    crate::check(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) })?;
    // SAFETY: getrusage succeeded, so it has filled the whole structure.
    let usage = unsafe { usage.assume_init() };
    Ok(duration(usage.ru_utime) + duration(usage.ru_stime))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_costs_something_once_it_is_waited_for() {
        let before = children().unwrap();
        assert!(Command::new("true").status().unwrap().success());
        assert!(children().unwrap() > before);
    }
}
