//! kcmp(2): whether two threads share their descriptor table. A thread made by pthread_create(3)
//! always does, so listing its descriptors again would say nothing new; one that called
//! unshare(CLONE_FILES) does not, and must be listed on its own.

use std::io;

const KCMP_FILES: libc::c_int = 2;

/// Whether the two share one descriptor table. Needs the right to trace both.
pub fn shares_files(one: u32, other: u32) -> io::Result<bool> {
    let (one, other) = (one as libc::pid_t, other as libc::pid_t);
    // SAFETY: kcmp reads only its integer arguments and writes no memory of ours.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_FILES, 0, 0) };
    match order {
        -1 => Err(io::Error::last_os_error()),
        order => Ok(order == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_shares_with_its_process() {
        let process = std::process::id();
        let shares = std::thread::spawn(move || {
            let thread = rustix::thread::gettid().as_raw_nonzero().get() as u32;
            shares_files(process, thread)
        });
        assert!(shares.join().unwrap().unwrap());
    }
}
