//! The `PID/Program name` texts: the base name of a path, else argv[0] up to its NUL.

use std::os::fd::AsFd;

use crate::bytes;
use crate::collect::holders::Holders;
use crate::source::{self, Source};

/// net-tools keeps nineteen bytes of "pid/name".
const PROGRAM_BYTES_MAX: usize = 19;

/// "pid/name" of every process that holds a socket, ascending.
#[derive(Debug, Default)]
pub struct Programs {
    rows: Vec<(u32, Vec<u8>)>,
}

impl Programs {
    pub fn read(source: &Source, holders: &Holders) -> Programs {
        let mut pids: Vec<u32> = Vec::new();
        for holder in &holders.list {
            if pids.last() != Some(&holder.pid) {
                pids.push(holder.pid);
            }
        }
        pids.sort_unstable();
        pids.dedup();
        let mut text = Vec::new();
        let rows = pids
            .into_iter()
            .map(|pid| {
                text.clear();
                if let Ok(directory) = source.process(pid) {
                    let _ = source::read(directory.as_fd(), c"cmdline", &mut text);
                }
                (pid, program(pid, &text))
            })
            .collect();
        Programs { rows }
    }

    pub fn of(&self, pid: u32) -> &[u8] {
        match self.rows.binary_search_by_key(&pid, |(pid, _)| *pid) {
            Ok(at) => &self.rows[at].1,
            Err(_) => b"-",
        }
    }
}

fn program(pid: u32, cmdline: &[u8]) -> Vec<u8> {
    let argv0 = cmdline.split(|&b| b == 0).next().unwrap_or_default();
    let name = match memchr::memrchr(b'/', argv0) {
        Some(slash) if argv0[0] == b'/' => &argv0[slash + 1..],
        _ => argv0,
    };
    let mut text = Vec::with_capacity(PROGRAM_BYTES_MAX);
    bytes::push_dec(&mut text, u64::from(pid));
    text.push(b'/');
    // A control byte would let a process name draw on the reader's terminal.
    text.extend(name.iter().map(|&b| if b.is_ascii_control() { b'.' } else { b }));
    text.truncate(PROGRAM_BYTES_MAX);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (cmdline, expected) in [
            (&b"/usr/bin/python3\0-c\0"[..], &b"7/python3"[..]),
            (b"nginx: master process\0", b"7/nginx: master pro"),
            (b"./a/b\0", b"7/./a/b"),
            (b"", b"7/"),
            (b"a\x1b[31m\0", b"7/a.[31m"),
        ] {
            assert_eq!(program(7, cmdline), expected);
        }
    }
}
