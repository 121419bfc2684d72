//! select(2) over bitmaps that are kept between calls.
//!
//! The kernel would take larger bitmaps, but the C library's `fd_set` ends at 1024 and this is the
//! limit people know select by: a descriptor at or above it is refused by name.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// `FD_SETSIZE`: the first descriptor number that select(2) cannot watch.
pub const FD_SETSIZE: usize = libc::FD_SETSIZE;

/// One bitmap of descriptors.
#[derive(Clone)]
pub struct FdSet(libc::fd_set);

impl Default for FdSet {
    fn default() -> Self {
        // SAFETY: fd_set is plain integers, for which all zero bits is the empty set.
        FdSet(unsafe { std::mem::zeroed() })
    }
}

impl FdSet {
    /// Refuses (`EINVAL`) a descriptor that a bitmap of `FD_SETSIZE` bits cannot hold.
    pub fn insert(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let number = Self::checked(fd.as_raw_fd())?;
        // SAFETY: the number was checked to lie within the bitmap.
        unsafe { libc::FD_SET(number, &mut self.0) };
        Ok(())
    }

    pub fn remove(&mut self, fd: BorrowedFd<'_>) {
        if let Ok(number) = Self::checked(fd.as_raw_fd()) {
            // SAFETY: the number was checked to lie within the bitmap.
            unsafe { libc::FD_CLR(number, &mut self.0) };
        }
    }

    pub fn contains(&self, number: usize) -> bool {
        let Some(number) = i32::try_from(number).ok().and_then(|n| Self::checked(n).ok()) else {
            return false;
        };
        // SAFETY: the number was checked to lie within the bitmap.
        unsafe { libc::FD_ISSET(number, &self.0) }
    }

    fn checked(number: i32) -> io::Result<i32> {
        if (0..FD_SETSIZE as i32).contains(&number) {
            return Ok(number);
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("select cannot watch descriptor {number}: its limit is {FD_SETSIZE}"),
        ))
    }
}

/// What a `select` call found readable and writable.
pub struct Selected {
    pub readable: FdSet,
    pub writable: FdSet,
    pub count: usize,
}

/// Waits for descriptors below `highest + 1`. An interruption counts as nothing found.
pub fn select(
    highest: usize,
    read: &FdSet,
    write: &FdSet,
    timeout: Option<Duration>,
) -> io::Result<Selected> {
    let mut found = Selected { readable: read.clone(), writable: write.clone(), count: 0 };
    let mut limit = timeout.map(timeval);
    let limit = limit.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let below = (highest + 1).min(FD_SETSIZE) as libc::c_int;
    let (readable, writable) = (&raw mut found.readable.0, &raw mut found.writable.0);
    // SAFETY: all three pointers are to live local values of the right types, or null for "none";
    // `below` is at most the bitmaps' size.
    let n = unsafe { libc::select(below, readable, writable, std::ptr::null_mut(), limit) };
    match crate::check(n) {
        Ok(n) => found.count = n as usize,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            found = Selected { readable: FdSet::default(), writable: FdSet::default(), count: 0 };
        }
        Err(error) => return Err(error),
    }
    Ok(found)
}

fn timeval(timeout: Duration) -> libc::timeval {
    let microseconds = timeout.as_nanos().div_ceil(1000);
    libc::timeval {
        tv_sec: (microseconds / 1_000_000) as libc::time_t,
        tv_usec: (microseconds % 1_000_000) as libc::suseconds_t,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn finds_the_readable_one() {
        let (a, mut b) = UnixStream::pair().unwrap();
        let mut read = FdSet::default();
        read.insert(a.as_fd()).unwrap();
        let highest = a.as_raw_fd() as usize;
        let found =
            select(highest, &read, &FdSet::default(), Some(Duration::from_millis(1))).unwrap();
        assert_eq!(found.count, 0);
        b.write_all(b"x").unwrap();
        let found = select(highest, &read, &FdSet::default(), None).unwrap();
        assert!(found.count == 1 && found.readable.contains(highest));
        read.remove(a.as_fd());
        assert!(!read.contains(highest));
    }

    #[test]
    fn refuses_what_the_bitmap_cannot_hold() {
        // SAFETY: the number is never used as a descriptor, only compared with the limit.
        let high = unsafe { BorrowedFd::borrow_raw(1024) };
        assert_eq!(FdSet::default().insert(high).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
