//! /proc/PID/status and /proc/PID/limits: the few lines that diagnoses need, proc_pid_status(5).

use crate::bytes;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub blocked: u64,
    pub ignored: u64,
    pub caught: u64,
    pub tracer: u32,
    /// The process is number 1 of a pid namespace below the one it is seen from.
    pub is_inner_init: bool,
}

pub fn parse(text: &[u8]) -> Status {
    let mut status = Status::default();
    for line in bytes::lines(text) {
        let mut fields = bytes::fields(line);
        let (Some(key), Some(value)) = (fields.next(), fields.next()) else { continue };
        match key {
            b"SigBlk:" => status.blocked = bytes::hex(value).unwrap_or(0),
            b"SigIgn:" => status.ignored = bytes::hex(value).unwrap_or(0),
            b"SigCgt:" => status.caught = bytes::hex(value).unwrap_or(0),
            b"TracerPid:" => status.tracer = bytes::dec32(value).unwrap_or(0),
            b"NSpid:" => status.is_inner_init = fields.last() == Some(b"1"),
            _ => {}
        }
    }
    status
}

/// Whether a signal is in such a mask.
pub fn has_signal(mask: u64, signal: u32) -> bool {
    mask >> (signal - 1) & 1 != 0
}

/// The soft limit of that name; `None` where it is unlimited or not said.
pub fn limit(limits: &[u8], name: &[u8]) -> Option<u64> {
    let line = bytes::lines(limits).find_map(|line| line.strip_prefix(name))?;
    bytes::dec(bytes::fields(line).next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text =
            b"Name:\tx\nTracerPid:\t7\nNSpid:\t90\t1\nSigBlk:\t0000000000010000\nSigIgn:\t0\nbad";
        let status = parse(text);
        assert!(has_signal(status.blocked, 17) && !has_signal(status.ignored, 17));
        assert_eq!((status.tracer, status.is_inner_init), (7, true));
        assert!(!parse(b"NSpid:\t1\n").is_inner_init);
        let limits = b"Limit  Soft Hard Units\nMax open files            1024   4096   files\n";
        assert_eq!(limit(limits, b"Max open files"), Some(1024));
        assert_eq!(limit(b"Max open files  unlimited unlimited files\n", b"Max open files"), None);
    }
}
