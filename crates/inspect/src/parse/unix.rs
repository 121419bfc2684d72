//! /proc/net/unix: `Num: RefCount Protocol Flags Type St Inode Path`. The path is the rest of the
//! line, may hold blanks, and begins with `@` where the name is abstract. See unix(7), proc_net(5).

use crate::bytes;

/// One line of /proc/net/unix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The kernel address as printed, without the colon: hashed, but stable while the socket lives.
    pub address: &'a [u8],
    pub references: u32,
    pub flags: u32,
    pub kind: u8,
    pub state: u8,
    pub inode: u64,
    pub path: &'a [u8],
}

/// `__SO_ACCEPTCON`, set on listening sockets.
pub const ACCEPTCON: u32 = 1 << 16;

/// Parses a whole file; gives the number of lines not understood.
pub fn parse<'a>(text: &'a [u8], mut each: impl FnMut(Line<'a>)) -> usize {
    let mut bad = 0;
    for line in bytes::lines(text).skip(1) {
        match parse_line(line) {
            Some(socket) => each(socket),
            None => bad += 1,
        }
    }
    bad
}

fn parse_line(line: &[u8]) -> Option<Line<'_>> {
    let mut fields = bytes::fields(line);
    let address = fields.next()?.strip_suffix(b":")?;
    let references = bytes::hex(fields.next()?)? as u32;
    let _protocol = fields.next()?;
    let flags = bytes::hex(fields.next()?)? as u32;
    let kind = bytes::hex(fields.next()?)? as u8;
    let state = bytes::hex(fields.next()?)? as u8;
    let inode_text = fields.next()?;
    let inode = bytes::dec(inode_text)?;
    Some(Line { address, references, flags, kind, state, inode, path: tail(line, inode_text) })
}

/// What follows the inode and one blank.
fn tail<'a>(line: &'a [u8], inode: &[u8]) -> &'a [u8] {
    let end = inode.as_ptr() as usize - line.as_ptr() as usize + inode.len();
    line.get(end + 1..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[u8], expected: Option<(u32, u64, &[u8])>) {
        let text = [b"Num RefCount\n", line, b"\n"].concat();
        let mut seen = None;
        parse(&text, |s| seen = Some((s.references, s.inode, s.path.to_vec())));
        assert_eq!(seen.as_ref().map(|(r, i, p)| (*r, *i, &p[..])), expected);
    }

    #[test]
    fn lines() {
        check(
            b"0000000085b59608: 00000002 00000000 00010000 0001 01 428619 /x/zoo.sock",
            Some((2, 428_619, b"/x/zoo.sock")),
        );
        check(b"0: 00000003 00000000 00000000 0001 03  1056", Some((3, 1056, b"")));
        check(
            b"0: 00000003 00000000 00000000 0001 03  1056 @a b\xff",
            Some((3, 1056, b"@a b\xff")),
        );
        check(b"0: 3 0 0 1 3", None);
    }
}
