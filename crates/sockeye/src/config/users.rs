//! Accounts by name, from passwd(5) and group(5).
//!
//! The two files are read directly instead of through the C library's getpwnam(3), which may load
//! plug-ins, talk to a network and start threads: all of which a master must not do before it
//! forks. Accounts known only to a directory service are therefore not found, and the error says
//! so.

use std::fs;

/// Who the workers become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups, the primary one included.
    pub groups: Vec<u32>,
}

/// Looks the name up on this machine; the error is a sentence with its remedy.
pub fn account(name: &str) -> Result<Account, String> {
    let read = |path: &str| {
        fs::read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .map_err(|cause| format!("cannot read {path}: {cause}"))
    };
    find(&read("/etc/passwd")?, &read("/etc/group").unwrap_or_default(), name).ok_or_else(|| {
        format!("user {name:?} is not in /etc/passwd: create it with useradd, or name another")
    })
}

fn find(passwd: &str, group: &str, name: &str) -> Option<Account> {
    let entry = passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (fields.len() >= 4 && fields[0] == name).then_some(fields)
    })?;
    let gid = entry[3].parse().ok()?;
    let mut groups = groups_of(group, name);
    if !groups.contains(&gid) {
        groups.insert(0, gid);
    }
    Some(Account { uid: entry[2].parse().ok()?, gid, groups })
}

fn groups_of(group: &str, name: &str) -> Vec<u32> {
    group
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let is_member = fields.len() >= 4 && fields[3].split(',').any(|user| user == name);
            is_member.then(|| fields[2].parse().ok()).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:\nbad:x:\n\
                          worse:x:many:1::/:\n";
    const GROUP: &str = "root:x:0:\nadm:x:4:syslog,www-data\nssl:x:110:www-data,bad\nshort\n";

    #[test]
    fn accounts_are_found_with_their_groups() {
        fn check(name: &str, expected: Option<(u32, u32, &[u32])>) {
            let found = find(PASSWD, GROUP, name);
            let found = found.as_ref().map(|it| (it.uid, it.gid, it.groups.as_slice()));
            assert_eq!(found, expected, "{name}");
        }
        check("root", Some((0, 0, &[0])));
        check("www-data", Some((33, 33, &[33, 4, 110])));
        check("www", None);
        check("bad", None);
        check("worse", None);
        check("", None);
    }
}
