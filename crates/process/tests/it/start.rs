//! What a program finds when it starts, and why one does not start (sd_listen_fds(3), proc(5)).

use std::net::TcpListener;
use std::os::fd::AsFd;

use sockeye_process::{Account, How, Program, Progress, Resource, Rlimit, Session, Signal, begin};

use crate::run::{Cat, await_end, end, output, refusal, shell};

#[test]
fn exactly_the_named_descriptors_are_passed() {
    let sockets: Vec<TcpListener> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    // Some that anybody could have forgotten.
    let _open = [std::fs::File::open("/dev/null").unwrap(), std::fs::File::open("/").unwrap()];
    let mut program = Program::new(["/bin/cat"]);
    for (name, socket) in ["web", "admin", "web"].iter().zip(&sockets) {
        program.listeners.push(((*name).to_owned(), socket.as_fd().into()));
    }
    let cat = Cat::start(program);
    let folder = format!("/proc/{}", cat.child.pid);
    let target = |number: &str| {
        let path = std::fs::read_link(format!("{folder}/fd/{number}")).unwrap();
        path.to_string_lossy().into_owned()
    };
    let names = std::fs::read_dir(format!("{folder}/fd")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    assert_eq!(names, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(target("2"), "/dev/null");
    for (number, socket) in ["3", "4", "5"].iter().zip(&sockets) {
        let inode = rustix::fs::fstat(socket).unwrap().st_ino;
        assert_eq!(target(number), format!("socket:[{inode}]"));
    }
    let environment = std::fs::read_to_string(format!("{folder}/environ")).unwrap();
    let mut variables: Vec<&str> = environment.trim_end_matches('\0').split('\0').collect();
    variables.sort();
    let pid = format!("LISTEN_PID={}", cat.child.pid);
    assert_eq!(variables, ["LISTEN_FDNAMES=web:admin:web", "LISTEN_FDS=3", &pid]);
    assert_eq!(cat.end(), How::Exit(0));
}

/// Sockets whose own numbers are each other's places.
#[test]
fn descriptors_do_not_overwrite_each_other() {
    let sockets: Vec<TcpListener> =
        (0..40).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let inode = |fd: &TcpListener| rustix::fs::fstat(fd).unwrap().st_ino;
    let expected: Vec<String> =
        sockets.iter().rev().map(|socket| format!("socket:[{}]", inode(socket))).collect();
    let mut program =
        shell("i=3; while [ $i -lt 43 ]; do readlink /proc/$$/fd/$i; i=$((i+1)); done");
    for socket in sockets.iter().rev() {
        program.listeners.push(("x".to_owned(), socket.as_fd().into()));
    }
    let (text, _) = output(program);
    assert_eq!(text.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn no_signal_is_ignored_or_blocked() {
    sys::signal::ignore(sys::signal::SIGPIPE);
    sys::signal::ignore(sys::signal::SIGUSR2);
    let blocked = sys::signal::SignalSet::of(&[sys::signal::SIGTERM, sys::signal::SIGURG]);
    sys::signal::block(&blocked).unwrap();
    let program = Program::new(["/bin/cat", "/proc/self/status"]);
    let (text, how) = output(program);
    sys::signal::unblock(&blocked).unwrap();
    assert_eq!(how, How::Exit(0));
    for line in ["SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt"] {
        assert!(text.contains(&format!("{line}:\t0000000000000000")), "{text}");
    }
}

#[test]
fn the_environment_is_what_is_given_and_nothing_else() {
    let mut program = Program::new(["/usr/bin/env"]);
    assert_eq!(output(Program::new(["/usr/bin/env"])).0, "");
    program.environment = vec![
        ("LISTEN_FDS".into(), "9".into()),
        ("A".into(), "b c=d".into()),
        ("LISTEN_PID".into(), "1".into()),
        ("E".into(), "".into()),
    ];
    assert_eq!(output(program).0, "A=b c=d\nE=\n");
}

#[test]
fn settings_reach_the_child() {
    let check = |name: &str, change: &dyn Fn(&mut Program<'_>), script: &str, expected: &str| {
        let mut program = shell(script);
        change(&mut program);
        assert_eq!(output(program).0.trim(), expected, "{name}");
    };
    let nofile = Rlimit { current: Some(77), maximum: Some(99) };
    let status = "grep -o 'NoNewPrivs:.*' /proc/self/status | tr -d '\\t'";
    let ids = "set -- $(cat /proc/$$/stat); [ $5 = $$ ] && echo group; [ $6 = $$ ] && echo session";
    check("directory", &|p| p.directory = Some("/usr".into()), "pwd", "/usr");
    check("umask", &|p| p.umask = Some(0o027), "umask", "0027");
    check("limit", &|p| p.limits = vec![(Resource::Nofile, nofile)], "ulimit -Sn", "77");
    check("limit", &|p| p.limits = vec![(Resource::Nofile, nofile)], "ulimit -Hn", "99");
    check("nice", &|p| p.nice = Some(7), "nice", "7");
    check("oom", &|p| p.oom_score_adj = Some(500), "cat /proc/self/oom_score_adj", "500");
    check("privileges", &|p| p.no_new_privileges = true, status, "NoNewPrivs:1");
    check("session", &|p| p.session = Session::New, ids, "group\nsession");
    check("group", &|p| p.session = Session::Group, ids, "group");
    check("same", &|p| p.session = Session::Same, ids, "");
    check("death", &|p| p.death_signal = Some(Signal::KILL), "echo alive", "alive");
}

#[test]
fn an_account_is_changed_whole() {
    let mut program = shell("grep -E '^(Uid|Gid|Groups)' /proc/self/status | tr '\\t' ' '");
    program.account = Some(Account { uid: 65_534, gid: 65_533, groups: vec![65_533, 12] });
    if !rustix::process::geteuid().is_root() {
        let text = refusal(program);
        assert!(text.contains("become uid 65534 gid 65533"), "{text}");
        return eprintln!("not root: only the refusal was tested");
    }
    let expected = "Uid: 65534 65534 65534 65534\nGid: 65533 65533 65533 65533\nGroups: 12 65533 ";
    assert_eq!(output(program).0.trim_end(), expected.trim_end());
}

#[test]
fn what_cannot_start_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&path, permissions).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let check = |mut program: Program<'_>, path: &str, expected: &str| {
        program.environment.push(("PATH".into(), path.into()));
        let text = refusal(program);
        assert!(text.contains(expected), "{expected:?} is not in {text:?}");
    };
    let new = |word: &str| Program::new([word]);
    let plain = make("plain", "#!/bin/sh\n", 0o644);
    let headless = make("headless", "echo no\n", 0o755);
    let lost = make("lost", "#!/nowhere/sh\n", 0o755);
    let path = folder.path().to_str().unwrap();
    check(Program::new([""; 0]), "", "no program is named");
    check(new("nowhere"), "/usr/bin:/bin", "nowhere: no such program in PATH=/usr/bin:/bin");
    check(new("plain"), path, "plain cannot be executed: Permission denied");
    check(new(&plain), "", "plain cannot be executed: Permission denied");
    check(new("/nowhere/x"), "", "/nowhere/x cannot be executed: No such file");
    check(new("/usr"), "", "/usr cannot be executed: ");
    check(new(&headless), "", "headless: Exec format error (os error 8): a script needs");
    check(new(&lost), "", "lost: No such file or directory (os error 2): the interpreter");
    check(new("a\0b"), "", "null byte");
    let mut program = new("/bin/true");
    program.directory = Some("/nowhere".into());
    check(program, "", "/bin/true: change to directory /nowhere: No such file");
    let mut program = new("/bin/true");
    program.account = Some(Account { uid: u32::MAX, gid: 0, groups: vec![0] });
    check(program, "", "become uid 4294967295 gid 0");
    let mut program = new("/bin/true");
    program.environment = vec![("A=B".into(), "".into())];
    check(program, "", "cannot be a variable's name");
    let mut program = new("/bin/true");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    program.listeners.push(("a:b".to_owned(), socket.as_fd().into()));
    check(program, "", "cannot be a listener's name");
    let mut program = new("/bin/true");
    let limit = Rlimit { current: Some(2), maximum: Some(1) };
    program.limits = vec![(Resource::Nofile, limit)];
    check(program, "", "set the limit Nofile: Invalid argument");
}

#[test]
fn a_path_is_searched_as_the_child_would() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy("/bin/true", folder.path().join("mine")).unwrap();
    let find = |word: &str, path: &str| {
        let mut program = Program::new([word]);
        program.directory = Some(folder.path().to_owned());
        program.environment = vec![("PATH".into(), path.into())];
        let prepared = program.prepare().map_err(|error| error.to_string())?;
        Ok::<_, String>(prepared.path().strip_prefix(folder.path()).unwrap().to_owned())
    };
    for (word, path) in [("mine", "."), ("mine", ""), ("mine", "/nowhere::/bin"), ("./mine", "")] {
        assert!(find(word, path).unwrap().ends_with("mine"), "{word} {path}");
    }
    assert!(find("mine", "/bin").unwrap_err().contains("no such program"));
}

/// The loop's way: nothing waits, and the failed child is no zombie.
#[test]
fn a_start_can_be_watched() {
    let folder = tempfile::tempdir().unwrap();
    let lost = folder.path().join("lost");
    std::fs::write(&lost, "#!/nowhere/sh\n").unwrap();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&lost, permissions).unwrap();
    let finish = |program: Program<'static>| {
        let mut starting = begin(program.prepare().unwrap()).unwrap();
        loop {
            await_end(&starting);
            match starting.progress() {
                Progress::Starting(still) => starting = still,
                over => return over,
            }
        }
    };
    match finish(Program::new(["/bin/true"])) {
        Progress::Running(child) => assert_eq!(end(&child), How::Exit(0)),
        other => panic!("{other:?}"),
    }
    let starting = begin(Program::new([&lost]).prepare().unwrap()).unwrap();
    let pid = starting.pid();
    await_end(&starting);
    match starting.progress() {
        Progress::Failed(error) => assert!(error.to_string().contains("interpreter"), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(sys::wait::take(pid, sys::wait::Hang::No).unwrap(), None);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    let starting = begin(Program::new(["/bin/sleep", "1000"]).prepare().unwrap()).unwrap();
    let pid = starting.pid();
    assert!(starting.give_up().to_string().contains("timed out"));
    let ended = sys::wait::take(pid, sys::wait::Hang::UntilItEnds).unwrap().unwrap();
    assert_eq!(ended.how, sys::wait::How::Signal { number: 9, core_dumped: false });
}
