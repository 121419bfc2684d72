//! /proc/PID/fdinfo/FD: `key:\tvalue` lines, a few for every file and more by kind: eventfd, epoll,
//! pidfd, ptmx. See proc_pid_fdinfo(5).

use crate::bytes;

/// An epoll descriptor may watch a million others; so many are named.
pub const WATCHED_MAX: usize = 32;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FdInfo {
    pub position: Option<u64>,
    pub flags: Option<u32>,
    pub mount: Option<u32>,
    pub inode: Option<u64>,
    pub eventfd_id: Option<u32>,
    pub tty_index: Option<u32>,
    /// The process of a pidfd; -1 once it is gone.
    pub pid: Option<i32>,
    /// What an epoll descriptor watches, the first `WATCHED_MAX`.
    pub watched: Vec<u32>,
}

pub fn parse(text: &[u8]) -> FdInfo {
    let mut info = FdInfo::default();
    for line in bytes::lines(text) {
        let mut fields = bytes::fields(line);
        let (Some(key), Some(value)) = (fields.next(), fields.next()) else { continue };
        match key {
            b"pos:" => info.position = bytes::dec(value),
            b"flags:" => info.flags = bytes::oct(value).and_then(|n| u32::try_from(n).ok()),
            b"mnt_id:" => info.mount = bytes::dec32(value),
            b"ino:" => info.inode = bytes::dec(value),
            b"eventfd-id:" => info.eventfd_id = bytes::dec32(value),
            b"tty-index:" => info.tty_index = bytes::dec32(value),
            b"Pid:" => info.pid = bytes::signed(value).and_then(|n| i32::try_from(n).ok()),
            b"tfd:" if info.watched.len() < WATCHED_MAX => info.watched.extend(bytes::dec32(value)),
            _ => {}
        }
    }
    info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let info = parse(
            b"pos:\t12\nflags:\t02100002\nmnt_id:\t16\nino:\t99\ntfd: 5 events: 19\ntfd: 7\n",
        );
        assert_eq!((info.position, info.flags), (Some(12), Some(0o2_100_002)));
        assert_eq!((info.mount, info.inode, info.watched), (Some(16), Some(99), vec![5, 7]));
        let info = parse(b"eventfd-count: 0\neventfd-id: 3\nPid:\t-1\nx\n\xff\xff\n");
        assert_eq!((info.eventfd_id, info.pid), (Some(3), Some(-1)));
    }
}
