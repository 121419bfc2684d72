//! Whether this machine can fulfil the settings: the folder is there, the user exists, the log can
//! be written. Nothing is created, bound or listened on, so that `sockeye check` may run beside the
//! server it checks for. What is found can change before it is used; the start reports that again.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use super::error::in_words;
use super::{Error, account};
use crate::settings::{AccessLog, App, ListenAddress, Settings};

pub(super) fn check(settings: &Settings) -> Result<(), Error> {
    let of_apps = settings.apps.iter().flat_map(|app| &app.listen);
    let listen = settings.listen.iter().chain(of_apps);
    let listen = listen.filter_map(|address| check_listen(address).err());
    let others = [
        settings.root.as_deref().map(check_root),
        settings.user.as_deref().map(check_user),
        Some(check_log(&settings.access_log)),
    ];
    let others = others.into_iter().flatten().filter_map(Result::err);
    let problems: Vec<String> = listen.chain(others).collect();
    if problems.is_empty() { Ok(()) } else { Err(Error::Places(problems)) }
}

/// What would keep a program from starting. Others still run, so these are warnings.
pub(super) fn doubts(settings: &Settings) -> Vec<String> {
    let apps = settings.apps.iter().filter_map(|app| {
        let doubt = doubt_about(app)?;
        Some(format!("app {} cannot be started as things are: {doubt}", app.name))
    });
    let jobs = settings.jobs.iter().filter_map(|job| {
        let problem = account(job.place.user.as_deref()?).err()?;
        Some(format!("job {} cannot be run as things are: {problem}", job.name))
    });
    apps.chain(jobs).collect()
}

fn doubt_about(app: &App) -> Option<String> {
    if let Some(problem) = app.place.user.as_deref().and_then(|user| check_user(user).err()) {
        return Some(problem);
    }
    let folder = app.place.directory.as_deref()?;
    let cause = match fs::metadata(folder) {
        Ok(found) if found.is_dir() => return None,
        Ok(_) => "it is not a folder".to_owned(),
        Err(cause) => in_words(&cause, "create it, or name another folder"),
    };
    Some(format!("its directory {}: {cause}", folder.display()))
}

fn check_root(root: &Path) -> Result<(), String> {
    let failed = |cause: io::Error| {
        let words = in_words(&cause, "create it, or name another folder");
        format!("cannot serve {}: {words}", root.display())
    };
    if !fs::metadata(root).map_err(failed)?.is_dir() {
        let path = root.display();
        return Err(format!("cannot serve {path}: it is not a folder: name the folder it is in"));
    }
    fs::read_dir(root).map(drop).map_err(failed)
}

fn check_listen(address: &ListenAddress) -> Result<(), String> {
    let ListenAddress::Unix(path) = address else { return Ok(()) };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let failed = |cause: io::Error| {
        let words = in_words(&cause, "create the folder, or name another");
        format!("cannot listen on {address}: {}: {words}", folder.display())
    };
    fs::metadata(folder).map_err(failed)?;
    match fs::symlink_metadata(path) {
        Ok(found) if !is_socket(&found) => Err(format!(
            "cannot listen on {address}: a file is there that is not a socket: move it"
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn is_socket(found: &fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&found.file_type())
}

/// The user exists, and becoming it is possible.
fn check_user(name: &str) -> Result<(), String> {
    let account = account(name)?;
    let own = rustix::process::geteuid();
    if own.is_root() || own.as_raw() == account.uid {
        return Ok(());
    }
    Err(format!("cannot become user {name:?}: only root can: start as root, or leave out user"))
}

fn check_log(log: &AccessLog) -> Result<(), String> {
    let AccessLog::File(path) = log else { return Ok(()) };
    let writable = match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        Ok(_) => access(path, Access::WRITE_OK).map_err(io::Error::from),
        Err(_) => {
            let folder = path.parent().unwrap_or(Path::new("/"));
            access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from)
        }
    };
    writable.map_err(|cause| {
        let words = in_words(&cause, "create its folder, or name another file");
        format!("cannot write the access log {}: {words}", path.display())
    })
}
