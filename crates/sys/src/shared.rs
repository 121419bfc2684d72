//! A page of counters that a family of processes shares: anonymous `MAP_SHARED` memory (mmap(2))
//! made before the fork, used as atomics after it.

use std::io;
use std::sync::atomic::AtomicU64;

/// A fixed number of 64-bit counters, seen by this process and all it forks from now on.
pub struct SharedCounters {
    memory: *mut AtomicU64,
    count: usize,
}

impl SharedCounters {
    /// All zero at first.
    pub fn new(count: usize) -> io::Result<SharedCounters> {
        assert!(count > 0, "at least one counter");
        let bytes = count * size_of::<AtomicU64>();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice replaces nothing.
        let memory = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(SharedCounters { memory: memory.cast(), count })
    }
}

impl std::ops::Deref for SharedCounters {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is `count` zero-initialised, page-aligned words, lives as long as
        // `self`, and is only ever touched through atomics, here and in every forked process.
        unsafe { std::slice::from_raw_parts(self.memory, self.count) }
    }
}

impl Drop for SharedCounters {
    fn drop(&mut self) {
        let bytes = self.count * size_of::<AtomicU64>();
        // SAFETY: exactly the mapping made in `new`; no borrow of it outlives `self`.
        unsafe { libc::munmap(self.memory.cast(), bytes) };
    }
}

// SAFETY: the memory holds atomics only, and the pointer is never changed after `new`.
unsafe impl Send for SharedCounters {}
// SAFETY: as above: shared access is through atomics.
unsafe impl Sync for SharedCounters {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn counts() {
        let counters = SharedCounters::new(3).unwrap();
        counters[2].fetch_add(7, Ordering::Relaxed);
        assert_eq!(counters.iter().map(|c| c.load(Ordering::Relaxed)).sum::<u64>(), 7);
    }
}
