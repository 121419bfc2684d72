//! Where a program's file is: execvp(3)'s search, done before the fork and with the `PATH` that the
//! program itself will have, so that an error can say where was looked.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::error::SpawnError;

/// What is searched when the program's environment has no `PATH` (confstr(3), `_CS_PATH`).
const PATH_DEFAULT: &str = "/bin:/usr/bin";
/// Where a program often is that is not found: cron, for one, leaves these out of `PATH`.
const OFTEN: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// The file of `name`. Relative paths, in the name or in `PATH`, begin at the child's directory.
pub fn find(
    name: &OsStr,
    path: Option<&OsStr>,
    directory: Option<&Path>,
) -> Result<PathBuf, SpawnError> {
    let from = directory.unwrap_or(Path::new(""));
    if name.as_bytes().contains(&b'/') {
        let file = from.join(name);
        return match refusal(&file) {
            None => Ok(file),
            Some(cause) => Err(SpawnError::NotExecutable { path: file, cause }),
        };
    }
    let path = path.unwrap_or(OsStr::new(PATH_DEFAULT));
    let mut refused = None;
    for folder in path.as_bytes().split(|byte| *byte == b':') {
        let folder = if folder.is_empty() { b"." } else { folder };
        let file = from.join(OsStr::from_bytes(folder)).join(name);
        match refusal(&file) {
            None => return Ok(file),
            Some(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            Some(cause) => _ = refused.get_or_insert((file, cause)),
        }
    }
    Err(match refused {
        Some((path, cause)) => SpawnError::NotExecutable { path, cause },
        None => SpawnError::NotFound {
            name: name.to_owned(),
            path: path.to_owned(),
            elsewhere: elsewhere(name),
        },
    })
}

/// Why the file cannot be executed, as far as this process can tell; the kernel may know better.
fn refusal(file: &Path) -> Option<std::io::Error> {
    match std::fs::metadata(file) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotADirectory => {
            Some(std::io::ErrorKind::NotFound.into())
        }
        Err(cause) => Some(cause),
        Ok(metadata) if metadata.is_dir() => Some(std::io::ErrorKind::IsADirectory.into()),
        Ok(_) => rustix::fs::access(file, Access::EXEC_OK).err().map(Into::into),
    }
}

fn elsewhere(name: &OsStr) -> Option<PathBuf> {
    let files = OFTEN.iter().map(|folder| Path::new(folder).join(name));
    files.into_iter().find(|file| refusal(file).is_none())
}
