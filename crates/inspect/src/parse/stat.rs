//! /proc/PID/stat: one line, whose second field is a name that may hold anything, `) (` and
//! newlines too; the last `)` of the line ends it. Fields are numbered as in proc_pid_stat(5).

use crate::bytes;

/// What /proc/PID/stat says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat<'a> {
    pub pid: u32,
    pub comm: &'a [u8],
    pub state: u8,
    pub ppid: u32,
    pub pgid: i32,
    pub session: i32,
    pub tty: i32,
    pub tpgid: i32,
    pub flags: u64,
    pub utime_ticks: u64,
    pub stime_ticks: u64,
    pub priority: i64,
    pub nice: i64,
    pub threads: u32,
    pub start_ticks: u64,
    pub vsize_bytes: u64,
    pub rss_pages: u64,
    pub exit_code: i32,
}

/// `None` when the line is not of that form.
pub fn parse(text: &[u8]) -> Option<Stat<'_>> {
    let open = memchr::memchr(b'(', text)?;
    let close = memchr::memrchr(b')', text)?;
    let pid = bytes::dec32(text.get(..open)?.trim_ascii())?;
    let comm = text.get(open + 1..close)?;
    let rest = text.get(close + 1..)?;
    let mut stat = Stat { pid, comm, ..Stat::default() };
    for (index, field) in bytes::fields(rest).enumerate() {
        set_field(&mut stat, index + 3, field)?;
    }
    (stat.state != 0).then_some(stat)
}

fn set_field(stat: &mut Stat<'_>, number: usize, field: &[u8]) -> Option<()> {
    let signed = || bytes::signed(field).and_then(|n| i32::try_from(n).ok());
    match number {
        3 => stat.state = *field.first()?,
        4 => stat.ppid = bytes::dec32(field)?,
        5 => stat.pgid = signed()?,
        6 => stat.session = signed()?,
        7 => stat.tty = signed()?,
        8 => stat.tpgid = signed()?,
        9 => stat.flags = bytes::dec(field)?,
        14 => stat.utime_ticks = bytes::dec(field)?,
        15 => stat.stime_ticks = bytes::dec(field)?,
        18 => stat.priority = bytes::signed(field)?,
        19 => stat.nice = bytes::signed(field)?,
        20 => stat.threads = bytes::dec32(field)?,
        22 => stat.start_ticks = bytes::dec(field)?,
        23 => stat.vsize_bytes = bytes::dec(field)?,
        24 => stat.rss_pages = bytes::signed(field)?.max(0) as u64,
        52 => stat.exit_code = signed()?,
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &[u8], expected: Option<(u32, &[u8], u8, u32)>) {
        assert_eq!(parse(text).map(|s| (s.pid, s.comm, s.state, s.ppid)), expected);
    }

    #[test]
    fn names_may_hold_anything() {
        check(b"7 (cat) S 1 7 7 0", Some((7, b"cat", b'S', 1)));
        check(b"7 (a) (b) Z 9 7 7 0", Some((7, b"a) (b", b'Z', 9)));
        check(b"7 (a\nb ) R 2) R 3 7 7", Some((7, b"a\nb ) R 2", b'R', 3)));
        check(b"7 (\xff\xfe) T 4 1 1", Some((7, b"\xff\xfe", b'T', 4)));
        check(b"7 () S 1", Some((7, b"", b'S', 1)));
        for bad in [&b""[..], b"7", b"7 (", b"7 )(", b"x (a) S 1", b"7 (a)", b"7 (a) S x"] {
            check(bad, None);
        }
    }
}
