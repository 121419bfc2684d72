//! Whose job it is: the account with its home, from passwd(5), read directly as
//! [`crate::config::account`] does and for its reasons.

use std::ffi::OsString;
use std::path::Path;

use process::Account;

use crate::config;

/// Where a job runs whose home is not there.
const NO_HOME: &str = "/";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub home: OsString,
    pub uid: u32,
}

/// Who this process runs as. An image without a passwd file still has a uid and perhaps `$HOME`.
pub fn own() -> Person {
    let uid = rustix::process::geteuid().as_raw();
    let passwd = std::fs::read(PASSWD).unwrap_or_default();
    let found = find(&String::from_utf8_lossy(&passwd), |_, its| its == uid);
    found.unwrap_or_else(|| Person {
        name: std::env::var("USER").unwrap_or_else(|_| uid.to_string()),
        home: std::env::var_os("HOME").unwrap_or_else(|| NO_HOME.into()),
        uid,
    })
}

/// The person of this name, and the account to change to (none if it is our own).
pub fn named(name: &str) -> Result<(Person, Option<Account>), String> {
    let account = config::account(name)?;
    let passwd = std::fs::read(PASSWD).map_err(|cause| format!("cannot read {PASSWD}: {cause}"))?;
    let person = find(&String::from_utf8_lossy(&passwd), |its, _| its == name)
        .ok_or_else(|| format!("the line of user {name:?} in {PASSWD} lacks a field"))?;
    let own = rustix::process::geteuid().as_raw();
    if person.uid == own {
        return Ok((person, None));
    }
    if own != 0 {
        return Err(format!("only root can run jobs of user {name:?}: run as root or as {name}"));
    }
    let config::Account { uid, gid, groups } = account;
    Ok((person, Some(Account { uid, gid, groups })))
}

const PASSWD: &str = "/etc/passwd";

fn find(passwd: &str, is_meant: impl Fn(&str, u32) -> bool) -> Option<Person> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid) = (*fields.first()?, fields.get(2)?.parse().ok()?);
        let home = *fields.get(5)?;
        is_meant(name, uid).then(|| Person { name: name.into(), home: home.into(), uid })
    })
}

/// The folder a job starts in: its home, or the root folder if there is no such home, as cron.
pub fn folder(home: &Path) -> &Path {
    if home.is_dir() { home } else { Path::new(NO_HOME) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_found_by_name_and_number() {
        fn check(passwd: &str, name: &str, expected: Option<(&str, u32)>) {
            let found = find(passwd, |its, _| its == name);
            let found = found.as_ref().map(|it| (it.home.to_str().unwrap(), it.uid));
            assert_eq!(found, expected, "{name}");
        }
        let passwd = "root:x:0:0:root:/root:/bin/bash\nshort:x:1\nweb:x:33:33::/var/www:\n";
        check(passwd, "root", Some(("/root", 0)));
        check(passwd, "web", Some(("/var/www", 33)));
        check(passwd, "short", None);
        check(passwd, "", None);
    }
}
