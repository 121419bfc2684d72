//! Configuration files with what they must mean or what must be said about them.
//!
//! `tests/config/valid/*.toml` lower without a warning; beside each of
//! `tests/config/invalid/*.toml` stands a `.txt` with the exact error. `UPDATE_EXPECT=1 cargo test`
//! writes those anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::settings::*;

fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

fn surroundings() -> Surroundings {
    Surroundings { cpus: 4, uid: 1000, runtime_folder: Some("/run/user/1000".into()) }
}

/// Settings from a file's text and flags over it.
fn lowered(text: &str, flags: Low) -> Result<Lowered, Error> {
    let base = Path::new("/etc/site");
    let low = text::parse(Path::new("site.toml"), text.as_bytes(), base)?;
    Ok(lower::lower(flags.over(low), None, &surroundings())?)
}

fn settings(text: &str) -> Settings {
    lowered(text, Low::default()).unwrap().settings
}

#[test]
fn valid_files_lower_without_a_word() {
    let files = fixtures("valid");
    assert!(files.len() >= 5, "{files:?}");
    for path in files {
        let source = Source { file: Some(path.clone()), flags: Low::default() };
        let lowered = source.lower(&surroundings()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(lowered.warnings, Vec::<String>::new(), "{}", path.display());
    }
}

#[test]
fn invalid_files_say_what_is_wrong() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let files = fixtures("invalid");
    assert!(files.len() >= 20, "{files:?}");
    for path in files {
        let bytes = fs::read(&path).unwrap();
        let name = Path::new(path.file_name().unwrap());
        let error = text::parse(name, &bytes, Path::new("/etc/site"))
            .and_then(|low| {
                lower::lower(low, None, &surroundings())
                    .map_err(|found| text::place(name, &bytes, found))
            })
            .expect_err(&path.display().to_string());
        let beside = path.with_extension("txt");
        if update {
            fs::write(&beside, format!("{error}\n")).unwrap();
        }
        let expected = fs::read_to_string(&beside).unwrap_or_default();
        assert_eq!(format!("{error}\n"), expected, "{}", path.display());
    }
}

#[test]
fn examples_of_the_repository_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            load(&path).unwrap_or_else(|error| panic!("{error}"));
            seen += 1;
        }
    }
    assert!(seen >= 3);
}

#[test]
fn defaults() {
    let settings = settings("");
    assert_eq!(settings.listen, [ListenAddress::from_text("127.0.0.1:8080").unwrap()]);
    assert_eq!(settings.process_model, ProcessModel::Prefork);
    assert_eq!(settings.io_model, IoModel::Epoll);
    assert_eq!(settings.workers, 4);
    assert_eq!(settings.control, Path::new("/run/user/1000/sockeye/control.sock"));
    assert_eq!(settings.timeouts.head, Duration::from_secs(10));
    assert_eq!(settings.timeouts.idle, Duration::from_secs(75));
    assert_eq!(settings.limits.head_bytes, 16 << 10);
    assert_eq!((settings.root, settings.access_log), (None, AccessLog::Off));
}

#[test]
fn models_choose_their_companions() {
    fn check(text: &str, expected: (&str, usize, usize)) {
        let settings = settings(&format!("[server]\n{text}"));
        let found = (settings.io_model.name(), settings.workers, settings.limits.max_connections);
        assert_eq!(found, expected, "{text}");
    }
    check("process_model = 'iterative'", ("blocking", 1, 65_536));
    check("process_model = 'fork-per-connection'\nworkers = 8", ("blocking", 1, 65_536));
    check("process_model = 'thread-per-core'", ("epoll", 4, 65_536));
    check("io_model = 'blocking'", ("blocking", 64, 65_536));
    check("io_model = 'blocking'\nworkers = 3", ("blocking", 3, 65_536));
    check("io_model = 'select'", ("select", 4, 960));
    check("io_model = 'select'\nmax_connections = 5000", ("select", 4, 960));
}

#[test]
fn warnings_give_the_reason() {
    fn check(text: &str, expected: &str) {
        let warnings = lowered(&format!("[server]\n{text}"), Low::default()).unwrap().warnings;
        assert!(warnings.iter().any(|warning| warning.contains(expected)), "{warnings:?}");
    }
    check("process_model = 'iterative'\nio_model = 'epoll'", "pointless: there is one connection");
    check("process_model = 'iterative'\nworkers = 2", "workers = 2 has no effect");
    check("io_model = 'select'\nmax_connections = 5000", "it is lowered to that");
    check("io_model = 'nonblocking'", "never sleeps");
}

#[test]
fn flags_lie_over_the_file() {
    let flags = Low { workers: Some(Workers::Count(2)), ..Low::default() };
    let text = "[server]\nworkers = 9\nio_model = 'poll'";
    let settings = lowered(text, flags).unwrap().settings;
    assert_eq!((settings.workers, settings.io_model), (2, IoModel::Poll));
}

#[test]
fn a_contradiction_is_shown_where_it_comes_from() {
    fn check(text: &str, flags: Low, expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("site.toml");
        fs::write(&path, text).unwrap();
        let error = Source { file: Some(path), flags }.lower(&surroundings()).unwrap_err();
        let error = error.to_string();
        let shown = error.replace(&folder.path().display().to_string(), "F");
        assert!(shown.starts_with(expected), "{shown}");
    }
    let select = Low { io_model: Some(IoModel::Select), strict: Some(true), ..Low::default() };
    let wish = "[server]\nmax_connections = 5000\n";
    check(wish, select.clone(), "`max_connections` = 5000 is more than select can watch");
    let all = format!("{wish}io_model = 'select'\nstrict = true\n");
    check(&all, Low::default(), "F/site.toml:2:19: `max_connections` = 5000 is more");
    check(&all, select, "F/site.toml:2:19: ");
}

#[test]
fn paths_are_seen_from_the_folder_of_the_file() {
    let settings = settings(
        "[server]\nlisten = ['unix:run/a.sock', 'unix:/b.sock']\nroot = 'public'\n\
         access_log = '../log/access'\ncontrol = 'c.sock'",
    );
    let listen: Vec<String> = settings.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["unix:/etc/site/run/a.sock", "unix:/b.sock"]);
    assert_eq!(settings.root.as_deref(), Some(Path::new("/etc/site/public")));
    assert_eq!(settings.access_log, AccessLog::File("/etc/site/../log/access".into()));
    assert_eq!(settings.control, Path::new("/etc/site/c.sock"));
}

#[test]
fn the_control_socket_has_one_place_for_each_user() {
    fn check(uid: u32, folder: Option<&str>, expected: &str) {
        let runtime_folder = folder.map(PathBuf::from);
        let found = Surroundings { cpus: 1, uid, runtime_folder }.control();
        assert_eq!(found, Path::new(expected));
    }
    check(0, None, "/run/sockeye/control.sock");
    check(0, Some("/run/user/0"), "/run/sockeye/control.sock");
    check(7, Some("/run/user/7"), "/run/user/7/sockeye/control.sock");
    check(7, None, "/tmp/sockeye-7/control.sock");
}

#[test]
fn one_setting_at_a_time() {
    fn check(assignment: &str, expected: Result<Low, &str>) {
        let mut low = Low::default();
        match (set(&mut low, assignment), expected) {
            (Ok(()), Ok(expected)) => assert_eq!(low, expected, "{assignment}"),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{assignment}: {why}"),
            (found, _) => panic!("{assignment}: {found:?} {low:?}"),
        }
    }
    check("backlog=7", Ok(Low { backlog: Some(7), ..Low::default() }));
    check("server.io_model = poll", Ok(Low { io_model: Some(IoModel::Poll), ..Low::default() }));
    check("user=\"a b\"", Ok(Low { user: Some("a b".into()), ..Low::default() }));
    check("strict=true", Ok(Low { strict: Some(true), ..Low::default() }));
    check("drain_timeout=0s", Ok(Low { drain_timeout: Some(Duration::ZERO), ..Low::default() }));
    check("backlog", Err("has no \"=\""));
    check("backlog=0", Err("a number from 1 to 65535"));
    check("io_model=epol", Err("did you mean \"epoll\"?"));
    check("colour=red", Err("unknown key `colour`"));
    check("=", Err("unknown key ``"));
}

#[test]
fn places_are_checked_with_their_remedies() {
    fn check(folder: &Path, text: &str, expected: &str) {
        let low = text::parse(Path::new("t.toml"), text.as_bytes(), folder).unwrap();
        let lowered = lower::lower(low, None, &surroundings()).unwrap();
        let found = places::check(&lowered.settings).map_err(|error| error.to_string());
        match found {
            Ok(()) => assert_eq!(expected, "", "{text}"),
            Err(why) => assert!(!expected.is_empty() && why.contains(expected), "{text}: {why}"),
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("public")).unwrap();
    fs::write(folder.join("file"), "").unwrap();
    check(folder, "[server]\nroot = 'public'\naccess_log = 'access.log'", "");
    check(folder, "[server]\nlisten = 'unix:new.sock'", "");
    check(folder, "[server]\nroot = 'missing'", "create it, or name another folder");
    check(folder, "[server]\nroot = 'file'", "it is not a folder");
    check(folder, "[server]\nlisten = 'unix:file'", "not a socket");
    check(folder, "[server]\nlisten = 'unix:missing/a.sock'", "create the folder");
    check(folder, "[server]\naccess_log = 'missing/access.log'", "create its folder");
    check(folder, "[server]\naccess_log = 'public'", "is a directory");
    check(folder, "[server]\nuser = 'nobody-by-that-name'", "is not in /etc/passwd");
    assert!(!folder.join("access.log").exists(), "a check creates nothing");
}

#[test]
fn unreadable_files_say_so() {
    fn check(path: &Path, expected: &str) {
        let error = load(path).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    check(Path::new("/nonexistent/site.toml"), "check the path given to --config");
    check(Path::new("/"), "Is a directory");
    check(Path::new("/dev/zero"), "more than 1048576 bytes");
}

/// The reference in the manual is the table's own; `UPDATE_EXPECT=1` writes it anew.
#[test]
fn the_manual_lists_every_key() {
    const BEGIN: &str = "<!-- keys: written by cargo test -->\n";
    const END: &str = "<!-- end of keys -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let manual = fs::read_to_string(&path).unwrap();
    let start = manual.find(BEGIN).unwrap() + BEGIN.len();
    let end = manual.find(END).unwrap();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, format!("{}{}{}", &manual[..start], reference(), &manual[end..])).unwrap();
    } else {
        assert_eq!(&manual[start..end], reference());
    }
}

#[test]
fn fuzz_seeds() {
    let mut seeds: Vec<Vec<u8>> = ["valid", "invalid"]
        .into_iter()
        .flat_map(fixtures)
        .map(|path| fs::read(path).unwrap())
        .collect();
    seeds.push("[".repeat(100_000).into_bytes());
    seeds.push(format!("a{}=1", ".a".repeat(100_000)).into_bytes());
    seeds.push(format!("x = {}", "{a=".repeat(10_000)).into_bytes());
    let mut random: u64 = 0x50c4_e7e5;
    for seed in seeds.clone() {
        fuzz(&seed);
        if seed.len() < 10_000 {
            (0..64).for_each(|_| fuzz(&mutate(seed.clone(), &mut random)));
        }
    }
}

/// Flips up to three bytes, chosen by a linear congruential generator.
fn mutate(mut bytes: Vec<u8>, random: &mut u64) -> Vec<u8> {
    for _ in 0..3 {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        if !bytes.is_empty() {
            let at = (*random >> 33) as usize % bytes.len();
            bytes[at] = (*random >> 24) as u8;
        }
    }
    bytes
}
