//! Users, groups and giving up root: getpwnam(3), getgrouplist(3), setgroups(2), setresuid(2).

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;

/// A user to become: ids and every group the user is a member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: String,
    pub shell: String,
}

/// The most bytes of one line of the user database that is looked at.
const ENTRY_BYTES_MAX: usize = 64 * 1024;
/// The most supplementary groups of one user (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// Looks a user up by name; `None` when there is none.
pub fn user(name: &str) -> io::Result<Option<User>> {
    let Ok(c_name) = CString::new(name) else { return Ok(None) };
    let mut entry = MaybeUninit::<libc::passwd>::zeroed();
    let mut text = vec![0u8; ENTRY_BYTES_MAX];
    let mut found: *mut libc::passwd = std::ptr::null_mut();
    let (buffer, room) = (text.as_mut_ptr().cast(), text.len());
    // SAFETY: every pointer is to live memory of the stated size, and the name ends in NUL.
    let error =
        unsafe { libc::getpwnam_r(c_name.as_ptr(), entry.as_mut_ptr(), buffer, room, &mut found) };
    if found.is_null() {
        return if error == 0 { Ok(None) } else { Err(io::Error::from_raw_os_error(error)) };
    }
    // SAFETY: `found` is not null, so the entry was filled in.
    let entry = unsafe { entry.assume_init() };
    Ok(Some(User {
        name: name.to_owned(),
        uid: entry.pw_uid,
        gid: entry.pw_gid,
        groups: groups_of(&c_name, entry.pw_gid)?,
        home: text_at(entry.pw_dir),
        shell: text_at(entry.pw_shell),
    }))
}

fn text_at(pointer: *const libc::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: getpwnam_r's strings end in NUL and lie in the caller's buffer, which still lives.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

fn groups_of(name: &CStr, gid: u32) -> io::Result<Vec<u32>> {
    let mut room = 64;
    while room <= GROUPS_MAX {
        let mut groups = vec![0; room];
        let mut count = room as libc::c_int;
        // SAFETY: `groups` has room for `count` ids and the name ends in NUL.
        let result =
            unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &mut count) };
        if result >= 0 {
            groups.truncate(count as usize);
            return Ok(groups);
        }
        room *= 4;
    }
    Err(io::Error::other(format!("user {name:?} is in more than {GROUPS_MAX} groups")))
}

/// Becomes the user for good: groups first, then gid, then uid, all three ids of each, in every
/// thread. Checks afterwards that root cannot be had back.
pub fn become_user(user: &User) -> io::Result<()> {
    // SAFETY: the pointer and length describe the live `groups`.
    crate::check(unsafe { libc::setgroups(user.groups.len(), user.groups.as_ptr()) })?;
    // SAFETY: no memory is touched.
    crate::check(unsafe { libc::setresgid(user.gid, user.gid, user.gid) })?;
    // SAFETY: no memory is touched.
    crate::check(unsafe { libc::setresuid(user.uid, user.uid, user.uid) })?;
    // SAFETY: no memory is touched.
    if user.uid != 0 && unsafe { libc::setuid(0) } == 0 {
        return Err(io::Error::other("root privileges could be taken back after setresuid"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_root_and_not_nobody_else() {
        let root = user("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert!(root.groups.contains(&0));
        assert_eq!(user("no-such-user-here").unwrap(), None);
        assert_eq!(user("nul\0inside").unwrap(), None);
    }
}
