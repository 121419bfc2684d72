//! cgroup ids to paths: the id is the inode number of the directory below /sys/fs/cgroup,
//! cgroups(7).

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::Path;

/// A host with more cgroups than this shows the rest by number.
const CGROUPS_MAX: usize = 100_000;
const ROOT: &str = "/sys/fs/cgroup";

/// Every cgroup's path by its id.
pub fn paths() -> HashMap<u64, Vec<u8>> {
    let mut paths = HashMap::new();
    // A mixed hierarchy has the unified one a level down.
    let unified = Path::new(ROOT).join("unified");
    let root = if unified.is_dir() { unified } else { ROOT.into() };
    if let Ok(found) = rustix::fs::stat(&root) {
        paths.insert(found.st_ino, b"/".to_vec());
    }
    let mut open = vec![root.clone()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_directory || paths.len() >= CGROUPS_MAX {
                continue;
            }
            let path = entry.path();
            let below = path.strip_prefix(&root).unwrap_or(&path).as_os_str().as_bytes();
            paths.insert(entry.ino(), [b"/", below].concat());
            open.push(path);
        }
    }
    paths
}
