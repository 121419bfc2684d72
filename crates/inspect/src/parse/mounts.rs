//! /proc/PID/mountinfo: `id parent maj:min root point options fields - type source options`.
//! See proc_pid_mountinfo(5). Asked for one thing: where a stat could wait for another machine.

use rustix::fs::makedev;

use crate::bytes;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub id: u32,
    pub device: u64,
    pub point: Vec<u8>,
    pub kind: Vec<u8>,
    pub source: Vec<u8>,
}

pub fn parse(text: &[u8]) -> Vec<Mount> {
    bytes::lines(text).filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = bytes::fields(line);
    let id = bytes::dec32(fields.next()?)?;
    let device = fields.nth(1)?;
    let colon = memchr::memchr(b':', device)?;
    let major = bytes::dec32(&device[..colon])?;
    let minor = bytes::dec32(&device[colon + 1..])?;
    let point = unescape(fields.nth(1)?);
    fields.find(|field| *field == b"-")?;
    let kind = fields.next()?.to_vec();
    let source = unescape(fields.next()?);
    Some(Mount { id, device: makedev(major, minor), point, kind, source })
}

/// `\040` and the like back to their bytes.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let escape = text.get(at + 1..at + 4).filter(|_| text[at] == b'\\').and_then(bytes::oct);
        match escape {
            Some(byte) => plain.push(byte as u8),
            None => plain.push(text[at]),
        }
        at += if escape.is_some() { 4 } else { 1 };
    }
    plain
}

/// File systems whose stat may wait for another machine or another process.
pub fn may_hang(mount: &Mount) -> bool {
    const KINDS: [&[u8]; 10] = [
        b"nfs",
        b"nfs4",
        b"cifs",
        b"smb3",
        b"smbfs",
        b"ceph",
        b"afs",
        b"autofs",
        b"9p",
        b"glusterfs",
    ];
    let kind = mount.kind.as_slice();
    mount.point != b"/" && (KINDS.contains(&kind) || kind.starts_with(b"fuse"))
}

/// The innermost of `mounts` that `path` lies in.
pub fn covering<'a>(mounts: &'a [Mount], path: &[u8]) -> Option<&'a Mount> {
    let inside = |m: &&Mount| {
        path.strip_prefix(m.point.as_slice())
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/' || m.point == b"/")
    };
    mounts.iter().filter(inside).max_by_key(|m| m.point.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = b"36 35 98:0 / /mnt\\040x rw,noatime master:1 - nfs4 srv:/e\\134 rw\n\
              1 0 254:0 / / rw - ext4 /dev/vda rw\nbad\n";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        assert_eq!(mounts[0].point, b"/mnt x");
        assert_eq!(mounts[0].source, b"srv:/e\\");
        assert!(may_hang(&mounts[0]) && !may_hang(&mounts[1]));
        assert_eq!(covering(&mounts, b"/mnt x/f").map(|m| m.id), Some(36));
        assert_eq!(covering(&mounts, b"/mnt xy").map(|m| m.id), Some(1));
    }
}
