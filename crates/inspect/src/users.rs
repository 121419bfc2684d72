//! uid to login name, from /etc/passwd: passwd(5). Directory services are not asked, since a
//! lookup there can hang, and no listing may; such a user is shown by number, as `-l` would.

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};

use crate::bytes;
use crate::source;

/// The names of /etc/passwd, first entry of a uid first, as getpwuid(3) finds it.
#[derive(Debug, Default)]
pub struct Users {
    text: Vec<u8>,
    rows: Vec<(u32, std::ops::Range<usize>)>,
}

impl Users {
    pub fn read() -> Users {
        let mut text = Vec::new();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if let Ok(etc) = rustix::fs::open("/etc", flags, Mode::empty()) {
            let _ = source::read(etc.as_fd(), c"passwd", &mut text);
        }
        Users::parse(text)
    }

    pub fn parse(text: Vec<u8>) -> Users {
        let mut rows = Vec::new();
        let mut start = 0;
        for line in text.split(|&b| b == b'\n') {
            let mut fields = line.split(|&b| b == b':');
            let name = fields.next().unwrap_or_default();
            if let Some(uid) = fields.nth(1).and_then(bytes::dec32) {
                rows.push((uid, start..start + name.len()));
            }
            start += line.len() + 1;
        }
        rows.sort_by_key(|(uid, _)| *uid);
        Users { text, rows }
    }

    pub fn name(&self, uid: u32) -> Option<&[u8]> {
        let at = self.rows.partition_point(|(u, _)| *u < uid);
        let (_, range) = self.rows.get(at).filter(|(u, _)| *u == uid)?;
        self.text.get(range.clone())
    }

    pub fn uid(&self, name: &[u8]) -> Option<u32> {
        self.rows.iter().find(|(_, r)| self.text.get(r.clone()) == Some(name)).map(|(uid, _)| *uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let text = b"root:x:0:0::/:/bin/sh\nbad\ntoor:x:0:0::/:\nww\xff:x:33:33::/:\n".to_vec();
        let users = Users::parse(text);
        assert_eq!(users.name(0), Some(&b"root"[..]));
        assert_eq!(users.name(33), Some(&b"ww\xff"[..]));
        assert_eq!(users.name(1), None);
        assert_eq!(users.uid(b"toor"), Some(0));
    }
}
