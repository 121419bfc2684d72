//! Why a program does not run: the operation, its object, the cause and what would help.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sys::spawn::Stage;

/// Why a program does not run. There is no child, not even a zombie.
#[derive(Debug)]
pub enum SpawnError {
    /// No program is named.
    Empty,
    /// An argument, a path or a variable holds a null byte.
    Nul(OsString),
    VariableName(OsString),
    ListenerName {
        name: String,
        bytes_max: usize,
    },
    TooManyListeners {
        count: usize,
        max: usize,
    },
    WorkingDirectory {
        cause: io::Error,
    },
    Null {
        cause: io::Error,
    },
    /// Nowhere in `path`; `elsewhere` it is.
    NotFound {
        name: OsString,
        path: OsString,
        elsewhere: Option<PathBuf>,
    },
    /// Missing where it should be, a folder, or without the right.
    NotExecutable {
        path: PathBuf,
        cause: io::Error,
    },
    /// A step after the fork.
    Failed {
        path: PathBuf,
        step: String,
        stage: Stage,
        cause: io::Error,
    },
}

impl SpawnError {
    /// Whether the same start may succeed later with nothing changed: the machine is short of
    /// something, or the file is being written.
    pub fn is_passing(&self) -> bool {
        const ETXTBSY: i32 = 26;
        let SpawnError::Failed { cause, .. } = self else { return false };
        let kinds = [io::ErrorKind::WouldBlock, io::ErrorKind::OutOfMemory];
        kinds.contains(&cause.kind()) || cause.raw_os_error() == Some(ETXTBSY)
    }

    fn remedy(&self) -> &'static str {
        const ENOEXEC: i32 = 8;
        let SpawnError::Failed { stage, cause, .. } = self else { return "" };
        match (stage, cause.kind()) {
            (Stage::Exec, io::ErrorKind::NotFound) => {
                ": the interpreter of its #! line, or its ELF loader, is missing"
            }
            (Stage::Exec, _) if cause.raw_os_error() == Some(ENOEXEC) => {
                ": a script needs a first line such as #!/bin/sh"
            }
            (Stage::Exec, io::ErrorKind::PermissionDenied) => {
                ": its account needs the right to execute it and to enter every folder above it"
            }
            (Stage::Account, io::ErrorKind::PermissionDenied) => ": only root can change accounts",
            (Stage::Clone, io::ErrorKind::WouldBlock) => {
                ": raise the limit of processes (ulimit -u, pids.max)"
            }
            _ => "",
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpawnError::Empty => write!(f, "no program is named: give at least one word"),
            SpawnError::Nul(text) => write!(f, "{text:?} holds a null byte, which no program gets"),
            SpawnError::VariableName(name) => {
                write!(f, "{name:?} cannot be a variable's name: it is empty or holds '='")
            }
            SpawnError::ListenerName { name, bytes_max } => write!(
                f,
                "{name:?} cannot be a listener's name: use 1 to {bytes_max} printable ASCII \
                 characters but ':'"
            ),
            SpawnError::TooManyListeners { count, max } => {
                write!(f, "{count} listeners for one program: at most {max}")
            }
            SpawnError::WorkingDirectory { cause } => {
                write!(f, "find the working directory: {cause}: give an absolute path")
            }
            SpawnError::Null { cause } => write!(f, "open /dev/null: {cause}"),
            SpawnError::NotFound { name, path, elsewhere } => {
                let name = Path::new(name).display();
                write!(f, "{name}: no such program in PATH={}", Path::new(path).display())?;
                match elsewhere {
                    Some(file) => write!(f, ": it is {}; write that", file.display()),
                    None => write!(f, ": install it, or write its whole path"),
                }
            }
            SpawnError::NotExecutable { path, cause } => {
                write!(f, "{} cannot be executed: {cause}", path.display())
            }
            SpawnError::Failed { path, step, stage, cause } => {
                if *stage != Stage::Exec {
                    write!(f, "{}: ", path.display())?;
                }
                write!(f, "{step}: {cause}{}", self.remedy())
            }
        }
    }
}

impl std::error::Error for SpawnError {}
