//! Signals as data: masks, signalfd(2), sigtimedwait(2), and the few dispositions we change.
//!
//! Nothing of Sockeye runs inside a signal handler; a program that wants signals blocks them and
//! reads them from a descriptor. The one handler installed here does nothing at all: it exists so
//! that a blocking system call returns `EINTR`.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

pub use libc::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGKILL, SIGPIPE, SIGQUIT, SIGSTOP, SIGTERM,
    SIGURG, SIGUSR1, SIGUSR2, SIGWINCH,
};

/// The real-time signals open to programs: from here to `SIGRTMAX`.
pub fn sigrtmin() -> i32 {
    libc::SIGRTMIN()
}

/// The last real-time signal.
pub fn sigrtmax() -> i32 {
    libc::SIGRTMAX()
}

/// Sends a signal by its number, real-time ones included (kill(2)). A negative `pid` is a process
/// group's, and -1 is everybody that may be signalled.
pub fn send(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is touched; wrong numbers only return an error.
    crate::check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// A set of signals.
#[derive(Clone)]
pub struct SignalSet(libc::sigset_t);

impl SignalSet {
    pub fn of(signals: &[i32]) -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigemptyset initialises the set it is given.
        unsafe { libc::sigemptyset(set.as_mut_ptr()) };
        // SAFETY: initialised by the call above.
        let mut set = unsafe { set.assume_init() };
        for signal in signals {
            // SAFETY: `set` is a live, initialised sigset_t; a bad number only returns EINVAL.
            unsafe { libc::sigaddset(&mut set, *signal) };
        }
        SignalSet(set)
    }

    pub fn all() -> Self {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: sigfillset initialises the set it is given.
        unsafe { libc::sigfillset(set.as_mut_ptr()) };
        // SAFETY: initialised by the call above.
        SignalSet(unsafe { set.assume_init() })
    }
}

/// Adds the signals to this thread's mask (pthread_sigmask(3), `SIG_BLOCK`).
pub fn block(set: &SignalSet) -> io::Result<()> {
    mask(libc::SIG_BLOCK, set)
}

/// Removes the signals from this thread's mask.
pub fn unblock(set: &SignalSet) -> io::Result<()> {
    mask(libc::SIG_UNBLOCK, set)
}

/// Makes this set the thread's mask.
pub fn set_mask(set: &SignalSet) -> io::Result<()> {
    mask(libc::SIG_SETMASK, set)
}

/// Makes this set the thread's mask and returns what it was.
pub fn swap_mask(set: &SignalSet) -> io::Result<SignalSet> {
    let mut old = SignalSet::of(&[]);
    // SAFETY: both sets are live, initialised sigset_t.
    match unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &set.0, &mut old.0) } {
        0 => Ok(old),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn mask(how: i32, set: &SignalSet) -> io::Result<()> {
    // SAFETY: the set is a live, initialised sigset_t and no old mask is asked for.
    match unsafe { libc::pthread_sigmask(how, &set.0, std::ptr::null_mut()) } {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

/// Gives every signal its default action and empties the mask: what a program that is about to be
/// executed expects (signal(7): handlers go, but ignored signals and the mask are inherited).
pub fn reset_for_exec() -> io::Result<()> {
    for signal in 1..libc::SIGRTMAX() {
        if signal != SIGKILL && signal != SIGSTOP {
            // SAFETY: SIG_DFL runs none of our code; numbers the C library keeps are refused.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    set_mask(&SignalSet::of(&[]))
}

/// Lets the signal interrupt blocking system calls (`EINTR`) and do nothing else.
pub fn interrupt_only(signal: i32) -> io::Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all zero bits is a valid sigaction (default action, empty mask, no flags).
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = nothing as *const () as usize;
    // SAFETY: `action` is live and its handler does nothing, so it is async-signal-safe.
    crate::check(unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) }).map(drop)
}

/// Ignores the signal (`SIG_IGN`).
pub fn ignore(signal: i32) {
    // SAFETY: SIG_IGN runs none of our code.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// A signalfd(2): blocked signals as records to read. Nonblocking and close-on-exec.
pub struct SignalFd(OwnedFd);

/// What a signal said: its number, who sent it, and for SIGIO the descriptor and band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    pub number: i32,
    pub code: i32,
    pub pid: u32,
    pub fd: i32,
    pub band: u32,
}

impl SignalFd {
    pub fn new(set: &SignalSet) -> io::Result<SignalFd> {
        let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
        // SAFETY: the set is live; -1 asks for a new descriptor.
        let fd = crate::check(unsafe { libc::signalfd(-1, &set.0, flags) })?;
        // SAFETY: the kernel has just made this descriptor for us and nobody else has it.
        Ok(SignalFd(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Appends the signals that are waiting, at most `BATCH` of them; 0 when there is none.
    pub fn read(&self, out: &mut Vec<Signal>) -> io::Result<usize> {
        const BATCH: usize = 64;
        const RECORD: usize = size_of::<libc::signalfd_siginfo>();
        let mut bytes = [0u8; BATCH * RECORD];
        let n = match rustix::io::read(&self.0, &mut bytes) {
            Ok(n) => n,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(0),
            Err(error) => return Err(error.into()),
        };
        out.extend(bytes[..n].chunks_exact(RECORD).map(decode));
        Ok(n / RECORD)
    }
}

impl std::os::fd::AsFd for SignalFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Field offsets of `struct signalfd_siginfo` as signalfd(2) gives them.
fn decode(record: &[u8]) -> Signal {
    let word = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&record[at..at + 4]);
        u32::from_ne_bytes(bytes)
    };
    Signal {
        number: word(0) as i32,
        code: word(8) as i32,
        pid: word(12),
        fd: word(20) as i32,
        band: word(28),
    }
}

/// sigtimedwait(2): takes one blocked signal, or `None` when the time is over or another signal
/// interrupted the wait. `None` as timeout waits without end.
pub fn sigtimedwait(set: &SignalSet, timeout: Option<Duration>) -> io::Result<Option<Signal>> {
    let limit = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs() as libc::time_t,
        tv_nsec: libc::c_long::from(t.subsec_nanos()),
    });
    let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: the three pointers are to live values of the right types, or null for "no limit".
    let number = unsafe { libc::sigtimedwait(&set.0, info.as_mut_ptr(), limit) };
    if number == -1 {
        let error = io::Error::last_os_error();
        let quiet = matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EINTR));
        return if quiet { Ok(None) } else { Err(error) };
    }
    // SAFETY: the kernel filled it in, and zeroed bytes are a valid siginfo_t besides.
    let info = unsafe { info.assume_init() };
    Ok(Some(signal_of(number, &info)))
}

/// The layout of `siginfo_t` for a poll event (`si_band`, `si_fd`), which `libc` does not name.
#[repr(C)]
struct PollInfo {
    number: i32,
    error: i32,
    code: i32,
    padding: i32,
    band: libc::c_long,
    fd: i32,
}

fn signal_of(number: i32, info: &libc::siginfo_t) -> Signal {
    let poll = std::ptr::from_ref(info).cast::<PollInfo>();
    // SAFETY: PollInfo is a prefix of siginfo_t's kernel layout, aligned alike, and every bit
    // pattern of its integers is valid; for other kinds of signal band and fd are just noise.
    let poll = unsafe { &*poll };
    Signal { number, code: info.si_code, pid: 0, fd: poll.fd, band: poll.band as u32 }
}

/// The kernel's id of this thread (gettid(2)).
pub fn gettid() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get() as u32
}

/// Sends a signal to one thread of this process (tgkill(2)).
pub fn signal_thread(tid: u32, signal: i32) -> io::Result<()> {
    // SAFETY: no memory is touched; a wrong id only returns ESRCH.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, signal) };
    crate::check(result as libc::c_int).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_signal_is_read_as_data() {
        let set = SignalSet::of(&[sigrtmin() + 9]);
        block(&set).unwrap();
        signal_thread(gettid(), sigrtmin() + 9).unwrap();
        let signal = sigtimedwait(&set, Some(Duration::from_secs(5))).unwrap().unwrap();
        assert_eq!(signal.number, sigrtmin() + 9);
        signal_thread(gettid(), sigrtmin() + 9).unwrap();
        let fd = SignalFd::new(&set).unwrap();
        let mut found = Vec::new();
        assert_eq!(fd.read(&mut found).unwrap(), 1);
        assert_eq!(found[0].number, sigrtmin() + 9);
        assert_eq!(fd.read(&mut found).unwrap(), 0);
    }

    #[test]
    fn sigtimedwait_returns_at_the_end_of_its_time() {
        let set = SignalSet::of(&[sigrtmin() + 8]);
        block(&set).unwrap();
        assert_eq!(sigtimedwait(&set, Some(Duration::from_millis(1))).unwrap(), None);
    }
}
