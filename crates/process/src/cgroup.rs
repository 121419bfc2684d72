//! Groups of processes that none of them can leave (cgroups(7), version 2), where this process may
//! make some: as root, or where systemd's `Delegate=` or a container runtime gives it a tree.
//!
//! Nothing depends on them. Where there are none, the reason can be asked for, and the session, the
//! mark and the sum over /proc do the work.
//!
//! All groups lie in one folder below the group that this process was put in. That group itself is
//! left as it is: to turn controllers on in it, it would have to be emptied first. So the memory of
//! a group is known only where the controller is on already.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

/// Files of a cgroup are short; what is longer is cut.
const FILE_BYTES_MAX: usize = 4096;

/// The folder that the groups are made in.
#[derive(Debug)]
pub struct Cgroups {
    path: PathBuf,
    fd: OwnedFd,
}

/// One group.
#[derive(Debug)]
pub struct Cgroup {
    name: OsString,
    fd: OwnedFd,
}

impl Cgroups {
    /// Makes the folder, or finds it after an upgrade in place. The error is the reason why there
    /// are no cgroups, for who wants to know.
    pub fn open() -> Result<Cgroups, String> {
        let own = own_path(&read("/proc/self/cgroup")?, &read("/proc/self/mountinfo")?)?;
        let path = own.join(format!("sockeye-{}", std::process::id()));
        match rustix::fs::mkdir(&path, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(format!("make the cgroup {}: {errno}", path.display())),
        }
        let fd = open_folder(rustix::fs::CWD, path.as_os_str())
            .map_err(|errno| format!("open the cgroup {}: {errno}", path.display()))?;
        // Only where the group above has the controller to give.
        let _ = write(fd.as_fd(), "cgroup.subtree_control", b"+memory");
        Ok(Cgroups { path, fd })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a group, or finds the one that is there. Give its [`AsFd`] to
    /// [`crate::Program::cgroup`].
    pub fn group(&self, name: &str) -> io::Result<Cgroup> {
        let letters = name.chars().map(|letter| {
            if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' }
        });
        // Kernel files begin with the names of controllers; ours do not.
        let name = OsString::from(format!("unit-{}", letters.take(200).collect::<String>()));
        match rustix::fs::mkdirat(&self.fd, &name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let fd = open_folder(self.fd.as_fd(), &name)?;
        Ok(Cgroup { name, fd })
    }

    /// Removes a group that is empty; one that is not stays (`EBUSY`).
    pub fn remove(&self, group: &Cgroup) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.fd, &group.name, AtFlags::REMOVEDIR)?)
    }

    /// Removes the folder, once all groups are gone.
    pub fn close(self) -> io::Result<()> {
        fs::remove_dir(&self.path)
    }
}

impl Cgroup {
    /// Kills all processes in it at once, those that are being forked too (Linux 5.14).
    pub fn kill(&self) -> io::Result<()> {
        write(self.fd.as_fd(), "cgroup.kill", b"1")
    }

    /// Whether any process is in it; zombies do not count.
    pub fn is_populated(&self) -> io::Result<bool> {
        let events = self.read("cgroup.events")?;
        Ok(field(&events, "populated") != Some(0))
    }

    /// Bytes in use. `None`: the memory controller is not on here.
    pub fn memory(&self) -> Option<u64> {
        self.read("memory.current").ok()?.trim().parse().ok()
    }

    /// Processes that the kernel has killed because memory was short. `None`: as with `memory`.
    pub fn oom_kills(&self) -> Option<u64> {
        field(&self.read("memory.events").ok()?, "oom_kill")
    }

    /// The file to poll for `POLLPRI`, which comes when the group becomes empty or is no longer.
    pub fn events(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, "cgroup.events", flags, Mode::empty())?)
    }

    fn read(&self, name: &str) -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.fd, name, flags, Mode::empty())?;
        let mut bytes = [0; FILE_BYTES_MAX];
        let n = rustix::io::read(&file, &mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes[..n]).into_owned())
    }
}

impl AsFd for Cgroup {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn open_folder(at: BorrowedFd<'_>, name: &std::ffi::OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(at, name, flags, Mode::empty())
}

fn write(folder: BorrowedFd<'_>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, name, flags, Mode::empty())?;
    rustix::io::write(file, bytes)?;
    Ok(())
}

/// A line `NAME NUMBER` of a flat-keyed file.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

fn read(path: &str) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("read {path}: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The folder of this process's own group, from /proc/self/cgroup and /proc/self/mountinfo.
fn own_path(cgroup: &str, mountinfo: &str) -> Result<PathBuf, String> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::"));
    let path = path.ok_or("this system has no cgroups of version 2")?;
    let (root, mount) = mountinfo
        .lines()
        .find_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let mut fields = front.split(' ');
            let is_wanted = back.split(' ').next() == Some("cgroup2");
            is_wanted.then(|| Some((fields.nth(3)?, fields.next()?)))?
        })
        .ok_or("no cgroup2 is mounted here")?;
    let root = unescape(root);
    let inside = Path::new(path).strip_prefix(&root).ok().filter(|path| !path.starts_with(".."));
    let inside = inside.ok_or(format!("this process's cgroup {path} is not in what is mounted"))?;
    Ok(unescape(mount).join(inside))
}

/// Spaces and the like stand as `\040` in mountinfo (proc(5)).
fn unescape(text: &str) -> PathBuf {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let octal = bytes.get(at + 1..at + 4).and_then(|digits| std::str::from_utf8(digits).ok());
        let octal = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal.filter(|_| *byte == b'\\') {
            Some(code) => {
                out.push(code);
                at += 4;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    OsString::from_vec(out).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_or_the_reason_why_not() {
        let check = |cgroup: &str, mountinfo: &str, expected: Result<&str, &str>| {
            let found = own_path(cgroup, mountinfo);
            match expected {
                Ok(path) => assert_eq!(found, Ok(PathBuf::from(path)), "{cgroup}"),
                Err(words) => assert!(found.unwrap_err().contains(words), "{cgroup}"),
            }
        };
        let unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        let hybrid = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let inner = "30 23 0:26 /a\\040b /mnt/c\\040d rw - cgroup2 cgroup2 rw\n";
        check("0::/\n", unified, Ok("/sys/fs/cgroup/"));
        check("0::/system.slice/x.service\n", unified, Ok("/sys/fs/cgroup/system.slice/x.service"));
        check("8:pids:/\n0::/x\n", hybrid, Ok("/sys/fs/cgroup/unified/x"));
        check("0::/a b/c\n", inner, Ok("/mnt/c d/c"));
        check("0::/other\n", inner, Err("is not in what is mounted"));
        check("0::/../x\n", unified, Err("is not in what is mounted"));
        check("4:memory:/\n", hybrid, Err("no cgroups of version 2"));
        check("0::/\n", "1 2 0:1 / / rw - ext4 /dev/sda rw\n", Err("no cgroup2 is mounted"));
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "low 1\noom 2\noom_kill 3\noom_group_kill 4\n";
        assert_eq!(field(text, "oom_kill"), Some(3));
        assert_eq!(field(text, "oom_"), None);
    }
}
