//! /proc/PID/maps: `address perms offset maj:min inode   path`. The path is the rest of the line; a
//! newline in it is written `\012`, and a deleted file has ` (deleted)` appended. See
//! proc_pid_maps(5).

use rustix::fs::makedev;

use crate::bytes;

/// One mapping of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping<'a> {
    /// `START-END`, in hexadecimal.
    pub range: &'a [u8],
    pub device: u64,
    pub inode: u64,
    /// Without the mark of a deleted file.
    pub path: &'a [u8],
    pub deleted: bool,
}

impl Mapping<'_> {
    /// Its first address.
    pub fn start(&self) -> Option<u64> {
        bytes::hex(self.range.split(|b| *b == b'-').next()?)
    }
}

/// Calls `each` with every mapping that has a file.
pub fn parse<'a>(text: &'a [u8], mut each: impl FnMut(Mapping<'a>)) {
    for line in bytes::lines(text) {
        if let Some(mapping) = parse_line(line) {
            each(mapping);
        }
    }
}

const DELETED: &[u8] = b" (deleted)";

fn parse_line(line: &[u8]) -> Option<Mapping<'_>> {
    // Anonymous memory, the most of it, ends in "00:00 0 " and maybe a name in brackets.
    let mut rest = line;
    let range = field(&mut rest)?;
    let _permissions = field(&mut rest)?;
    let _offset = field(&mut rest)?;
    let device = field(&mut rest)?;
    let inode = bytes::dec(field(&mut rest)?)?;
    let colon = memchr::memchr(b':', device)?;
    let (major, minor) = (bytes::hex(&device[..colon])?, bytes::hex(&device[colon + 1..])?);
    let device = makedev(u32::try_from(major).ok()?, u32::try_from(minor).ok()?);
    let path = rest.trim_ascii_start();
    if path.is_empty() || device == 0 && inode == 0 {
        return None;
    }
    let kept = path.strip_suffix(DELETED).filter(|kept| !kept.is_empty());
    Some(Mapping { range, device, inode, path: kept.unwrap_or(path), deleted: kept.is_some() })
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = memchr::memchr(b' ', rest)?;
    let field = &rest[..end];
    *rest = &rest[end + 1..];
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &[u8], expected: Option<(u64, u64, &[u8], bool)>) {
        let seen = parse_line(line).map(|m| (m.device, m.inode, m.path, m.deleted));
        assert_eq!(seen, expected);
    }

    #[test]
    fn lines() {
        let device = makedev(0xfe, 0);
        check(
            b"55d3c1a0b000-55d3c1a0c000 r--p 00000000 fe:00 326279                     \
              /usr/lib/x.so",
            Some((device, 326_279, b"/usr/lib/x.so", false)),
        );
        check(b"7f-80 rw-s 00000000 fe:00 12   /a b (deleted)", Some((device, 12, b"/a b", true)));
        check(b"7f-80 rw-p 00000000 00:00 0    [heap]", None);
        check(b"7f-80 rw-p 00000000 00:00 0 ", None);
        check(b"7f-80 rw-p", None);
        check(b"7f-80 rw-p 0 zz:00 1 /x", None);
    }
}
