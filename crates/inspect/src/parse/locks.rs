//! /proc/locks: `1: POSIX  ADVISORY  WRITE 708 fe:00:12345 0 EOF`; waiting ones have `->` after the
//! number. See proc_locks(5). OFD locks bear pid -1, so they belong to no process here.

use rustix::fs::makedev;

use crate::bytes;

/// One held lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    pub pid: i32,
    pub device: u64,
    pub inode: u64,
    /// As lsof marks it: r or w, capital where the whole file is locked.
    pub mark: u8,
}

pub fn parse(text: &[u8]) -> Vec<Lock> {
    bytes::lines(text).filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Lock> {
    let mut fields = bytes::fields(line).skip(1);
    if fields.next()? == b"->" {
        return None;
    }
    let write = match fields.nth(1)?.first()? {
        b'R' => false,
        b'W' => true,
        _ => return None,
    };
    let pid = i32::try_from(bytes::signed(fields.next()?)?).ok()?;
    let mut place = fields.next()?.split(|&b| b == b':');
    let major = u32::try_from(bytes::hex(place.next()?)?).ok()?;
    let minor = u32::try_from(bytes::hex(place.next()?)?).ok()?;
    let inode = bytes::dec(place.next()?)?;
    let start = bytes::dec(fields.next()?)?;
    let whole = start == 0 && fields.next()? == b"EOF";
    let mark = match (write, whole) {
        (true, true) => b'W',
        (true, false) => b'w',
        (false, true) => b'R',
        (false, false) => b'r',
    };
    Some(Lock { pid, device: makedev(major, minor), inode, mark })
}

/// The mark of one file of one process: the last lock listed wins, as in lsof.
pub fn mark(locks: &[Lock], pid: u32, device: u64, inode: u64) -> u8 {
    let of = |lock: &&Lock| {
        i64::from(lock.pid) == i64::from(pid) && lock.device == device && lock.inode == inode
    };
    locks.iter().rev().find(of).map_or(b' ', |lock| lock.mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = b"1: POSIX  ADVISORY  WRITE 708 fe:00:12 0 EOF\n1: -> POSIX  ADVISORY  WRITE 9 \
            fe:00:12 0 EOF\n2: FLOCK  ADVISORY  READ 7 fe:00:13 5 EOF\n3: OFDLCK ADVISORY \
            \x20WRITE -1 fe:00:12 0 9\nbad\n4: LEASE  ACTIVE    UNLOCK 1 fe:00:1 0 EOF\n";
        let locks = parse(text);
        let device = makedev(0xfe, 0);
        assert_eq!(locks.len(), 3);
        assert_eq!(mark(&locks, 708, device, 12), b'W');
        assert_eq!(mark(&locks, 7, device, 13), b'r');
        assert_eq!(mark(&locks, 9, device, 12), b' ');
    }
}
