//! Crontab files: read if cron would read them, turned into jobs, and looked at for changes at the
//! start of each minute.
//!
//! The checks are those of cron's `load_database` and `process_crontab`: whoever may write the file
//! decides what is run by its owner, so nobody else may. A file that fails them runs nothing, and
//! is told. crontab(5), cron(8).

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;
use schedule::{Crontab, Dialect, Entry, Kind, Options, Policy};

use super::person::{self, Person};
use super::spec::{JobSpec, Output, What};
use crate::zone;

/// A crontab larger than this is not one.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// What cron gives a job (pathnames.h of both daemons).
pub const SHELL: &str = "/bin/sh";
const PATH: &str = "/usr/bin:/bin";

/// How files are read and what their jobs are given.
#[derive(Clone, Debug)]
pub struct Reading {
    pub dialect: Dialect,
    pub zone: TimeZone,
    /// All files have a user column, not only those in cron's own places.
    pub system: bool,
    pub policy: Policy,
    /// What jobs inherit below cron's own variables; empty for exactly what cron gives.
    pub inherited: Vec<(OsString, OsString)>,
    /// Where cronie's `~` draws from.
    pub seed: u64,
}

/// What tells that a file was changed: it, its size, and when.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

/// The files with what was last seen of them.
#[derive(Debug)]
pub struct Crontabs {
    files: Vec<(PathBuf, Stamp)>,
    reading: Reading,
}

/// The jobs of all files, and what is wrong with them, in words.
#[derive(Debug, Default)]
pub struct Found {
    pub jobs: Vec<JobSpec>,
    pub problems: Vec<String>,
}

impl Crontabs {
    pub fn new(paths: &[PathBuf], reading: Reading) -> Crontabs {
        Crontabs { files: paths.iter().map(|path| (path.clone(), None)).collect(), reading }
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a file is another than when it was read.
    pub fn changed(&self) -> bool {
        self.files.iter().any(|(path, stamp)| std::fs::metadata(path).ok().map(stamped) != *stamp)
    }

    /// Reads all files. One that cannot be read has no jobs; a bad line is left out.
    pub fn read(&mut self) -> Found {
        let mut found = Found::default();
        for (path, stamp) in &mut self.files {
            match open(path) {
                Ok((text, metadata)) => {
                    *stamp = Some(stamped(metadata));
                    jobs_of(path, &text, &self.reading, &mut found);
                }
                Err(problem) => {
                    *stamp = std::fs::metadata(&*path).ok().map(stamped);
                    found.problems.push(problem);
                }
            }
        }
        found
    }
}

fn stamped(metadata: Metadata) -> (u64, u64, u64, i64, i64) {
    let (size, mtime) = (metadata.len(), metadata.mtime());
    (metadata.dev(), metadata.ino(), size, mtime, metadata.mtime_nsec())
}

fn open(path: &Path) -> Result<(Vec<u8>, Metadata), String> {
    let shown = path.display();
    let failed = |cause: std::io::Error| format!("cannot read {shown}: {cause}: check its path");
    // A FIFO must not hold us up; it is refused below.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(nonblock).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let own = rustix::process::geteuid().as_raw();
    if let Some(refusal) = refusal(&metadata, own) {
        return Err(format!("{shown} is not run: {refusal}"));
    }
    let text = contents(file).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("{shown} is not run: it has more than {FILE_BYTES_MAX} bytes"));
    }
    Ok((text, metadata))
}

fn contents(file: File) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Why cron would not run what is in such a file.
fn refusal(metadata: &Metadata, own: u32) -> Option<String> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !metadata.is_file() {
        return Some("it is no regular file".into());
    }
    if owner != 0 && owner != own {
        return Some(format!("it belongs to uid {owner}: give it to root or uid {own} with chown"));
    }
    (mode & 0o022 != 0)
        .then(|| format!("its mode {mode:o} lets others write it: take that away with chmod go-w"))
}

fn kind(path: &Path, reading: &Reading) -> Kind {
    let known = path == Path::new("/etc/crontab") || path.starts_with("/etc/cron.d");
    if reading.system || known { Kind::System } else { Kind::User }
}

fn jobs_of(path: &Path, text: &[u8], reading: &Reading, found: &mut Found) {
    let options = Options {
        dialect: reading.dialect,
        kind: kind(path, reading),
        zone: reading.zone.clone(),
        zones: zone::find,
        seed: reading.seed,
    };
    let crontab = Crontab::parse(text, &options);
    let shown = path.display();
    found.problems.extend(crontab.errors().iter().map(|error| {
        let (line, column) = (error.line(), error.column());
        format!("{shown}:{line}:{column}: left out: {}; {}", error.what(), error.remedy())
    }));
    let own = person::own();
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for entry in crontab.entries() {
        let text = line_text(entry);
        let ordinal = seen.entry(text.clone()).or_default();
        *ordinal += 1;
        let identity = match ordinal {
            1 => format!("{shown}: {text}"),
            count => format!("{shown}: {text} #{count}"),
        };
        match job(path, entry, reading, &own, identity) {
            Ok(job) => found.jobs.push(job),
            Err(why) => found.problems.push(format!("{shown}:{}: left out: {why}", entry.line())),
        }
    }
}

/// What stays the same of a line when the file is edited around it.
fn line_text(entry: &Entry) -> String {
    let command = entry.command().to_string_lossy();
    match entry.user() {
        Some(user) => format!("{} {} {command}", entry.expr(), user.to_string_lossy()),
        None => format!("{} {command}", entry.expr()),
    }
}

fn job(
    path: &Path,
    entry: &Entry,
    reading: &Reading,
    own: &Person,
    identity: String,
) -> Result<JobSpec, String> {
    let (person, account) = match entry.user() {
        Some(user) => person::named(&user.to_string_lossy())?,
        None => (own.clone(), None),
    };
    let environment = environment(&person, &entry.environment(), &reading.inherited);
    let get = |name: &str| environment.get(OsStr::new(name)).cloned().unwrap_or_default();
    let shell = Some(get("SHELL")).filter(|shell| !shell.is_empty());
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(JobSpec {
        identity,
        name: format!("{file}:{}", entry.line()),
        schedule: entry.schedule().clone(),
        policy: reading.policy,
        what: What::Shell {
            shell: shell.unwrap_or_else(|| SHELL.into()),
            text: entry.command().to_owned(),
        },
        stdin: entry.stdin().map(<[u8]>::to_vec),
        directory: Some(person::folder(Path::new(&get("HOME"))).to_owned()),
        environment: environment.into_iter().collect(),
        account,
        umask: None,
        limits: Vec::new(),
        output: Output::Log,
        quiet: entry.quiet(),
        source: Some((path.to_owned(), entry.line())),
    })
}

/// What a job finds: what is inherited, cron's variables over it (but PATH only where none is
/// inherited: an image's PATH is where its programs are), the file's settings over those, and who
/// it is over all.
pub fn environment(
    person: &Person,
    settings: &[(&OsStr, &OsStr)],
    inherited: &[(OsString, OsString)],
) -> BTreeMap<OsString, OsString> {
    let mut all: BTreeMap<OsString, OsString> = BTreeMap::from([("PATH".into(), PATH.into())]);
    all.extend(inherited.iter().cloned());
    all.insert("SHELL".into(), SHELL.into());
    all.insert("HOME".into(), person.home.clone());
    all.extend(settings.iter().map(|(name, value)| (name.into(), value.into())));
    for name in ["LOGNAME", "USER"] {
        all.insert(name.into(), person.name.clone().into());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    fn reading() -> Reading {
        Reading {
            dialect: Dialect::Debian,
            zone: TimeZone::UTC,
            system: false,
            policy: Policy::default(),
            inherited: Vec::new(),
            seed: 0,
        }
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        fn check(prepare: impl Fn(&Path), expected: Option<&str>) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("tab");
            fs::write(&path, "* * * * * true\n").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            prepare(&path);
            let found = Crontabs::new(std::slice::from_ref(&path), reading()).read();
            let problem = found.problems.first().cloned().unwrap_or_default();
            assert_eq!(found.jobs.len(), usize::from(expected.is_none()), "{problem}");
            assert!(problem.contains(expected.unwrap_or_default()), "{problem}");
        }
        let mode = |mode| {
            move |path: &Path| {
                fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
        };
        check(mode(0o644), None);
        check(mode(0o600), None);
        check(mode(0o755), None);
        check(mode(0o664), Some("its mode 664 lets others write it"));
        check(mode(0o646), Some("chmod go-w"));
        check(|path| fs::remove_file(path).unwrap(), Some("cannot read"));
        let folder = |path: &Path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        };
        check(folder, Some("it is no regular file"));
    }

    #[test]
    fn jobs_keep_their_identity_when_the_file_is_edited_around_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tab");
        let mut crontabs = Crontabs::new(std::slice::from_ref(&path), reading());
        let read = |crontabs: &mut Crontabs, text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            let found = crontabs.read();
            let both = |job: JobSpec| (job.name, job.identity.split_once(": ").unwrap().1.into());
            found.jobs.into_iter().map(both).collect::<Vec<(String, String)>>()
        };
        let one = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let first = read(&mut crontabs, "@daily a\n* * * * *  b\n@daily a\n");
        assert!(!crontabs.changed());
        let (a, b, again) = ("@daily a", "* * * * * b", "@daily a #2");
        assert_eq!(first, [one("tab:1", a), one("tab:2", b), one("tab:3", again)]);
        let second = read(&mut crontabs, "# more\n@daily a\nbad\n* * * * * b\n");
        assert_eq!(second, [one("tab:2", a), one("tab:4", b)]);
        fs::write(&path, "@daily c\n").unwrap();
        assert!(crontabs.changed());
        fs::remove_file(&path).unwrap();
        assert!(crontabs.changed());
    }

    #[test]
    fn a_job_gets_what_cron_gives_it() {
        fn check(settings: &[(&str, &str)], inherited: &[(&str, &str)], expected: &str) {
            let person = Person { name: "me".into(), home: "/home/me".into(), uid: 7 };
            let settings: Vec<(&OsStr, &OsStr)> =
                settings.iter().map(|(n, v)| (OsStr::new(n), OsStr::new(v))).collect();
            let inherited: Vec<(OsString, OsString)> =
                inherited.iter().map(|(n, v)| (n.into(), v.into())).collect();
            let all = environment(&person, &settings, &inherited);
            let text = |(n, v): (OsString, OsString)| format!("{n:?}={v:?}").replace('"', "");
            assert_eq!(all.into_iter().map(text).collect::<Vec<String>>().join(" "), expected);
        }
        let plain = "HOME=/home/me LOGNAME=me PATH=/usr/bin:/bin SHELL=/bin/sh USER=me";
        check(&[], &[], plain);
        check(&[("USER", "root"), ("LOGNAME", "root")], &[("HOME", "/")], plain);
        check(
            &[("HOME", "/srv")],
            &[("PATH", "/app/bin"), ("SHELL", "/bin/zsh"), ("A", "b")],
            "A=b HOME=/srv LOGNAME=me PATH=/app/bin SHELL=/bin/sh USER=me",
        );
    }
}
