//! Two hundred seeded scenes, listed by the real tools and by ours, sorted and compared line by
//! line.

use std::ffi::OsString;
use std::process::Command;

use sockeye_inspect::{Tool, main as run_tool};

use crate::namespace::{inside, is_installed};
use crate::scene::Scene;

const ROUNDS: u64 = 20;
const SCENES_A_ROUND: u64 = 10;
/// A timer may tick between the two listings; then they are made again.
const ATTEMPTS_MAX: usize = 8;

pub fn ours(tool: Tool, args: &[&str]) -> Vec<String> {
    let args: Vec<OsString> = args.iter().map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    run_tool(tool, &args, &mut out, &mut err);
    sorted(&out)
}

pub fn theirs(tool: Tool, args: &[&str]) -> Vec<String> {
    sorted(&Command::new(tool.name()).args(args).output().unwrap().stdout)
}

pub fn sorted(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn check(tool: Tool, args: &[&str]) {
    same(&format!("{tool:?} {args:?}"), || (theirs(tool, args), ours(tool, args)));
}

/// Collector A against collector B.
fn check_collectors(tool: Tool, args: &[&str]) {
    let with = |collector: &str| {
        let mut all = vec!["--collector", collector];
        all.extend(args);
        ours(tool, &all)
    };
    same(&format!("{tool:?} {args:?} collectors"), || (with("proc"), with("bpf")));
}

pub fn same(what: &str, mut both: impl FnMut() -> (Vec<String>, Vec<String>)) {
    let mut last = both();
    for _ in 1..ATTEMPTS_MAX {
        if last.0 == last.1 {
            return;
        }
        last = both();
    }
    let (expected, seen) = last;
    let missing: Vec<&String> = expected.iter().filter(|l| !seen.contains(l)).collect();
    let extra: Vec<&String> = seen.iter().filter(|l| !expected.contains(l)).collect();
    assert!(expected == seen, "{what}\nonly expected: {missing:#?}\nonly seen: {extra:#?}");
}

#[test]
fn scenes_are_listed_as_the_real_tools_list_them() {
    inside("differential::scenes_are_listed_as_the_real_tools_list_them", || {
        let installed = [Tool::Lsof, Tool::Netstat, Tool::Ss].map(|tool| is_installed(tool.name()));
        let directory = tempfile::tempdir().unwrap();
        for round in 0..ROUNDS {
            let seeds = round * SCENES_A_ROUND + 1..=(round + 1) * SCENES_A_ROUND;
            let scenes: Vec<Scene> = seeds.map(|s| Scene::start(s, directory.path())).collect();
            let pids: Vec<String> = scenes.iter().map(|scene| scene.pid().to_string()).collect();
            compare_round(&pids.join(","), installed);
        }
    });
}

fn compare_round(pids: &str, [lsof, netstat, ss]: [bool; 3]) {
    if lsof {
        assert!(theirs(Tool::Lsof, &["-nP", "-p", pids]).len() > 100, "lsof lists the scenes");
        for args in [
            &["-nP", "-p", pids][..],
            &["-p", pids, "-F"],
            &["-nP", "-a", "-p", pids, "-i"],
            &["-nP", "-U"],
            &["-nP", "-iTCP", "-sTCP:LISTEN"],
            &["-nP", "-a", "-K", "-p", pids, "-d", "0-9"],
            &["-t", "-i"],
            &["-nPR", "-g", "-o", "-p", pids],
            &["-nP", "+f", "g", "-p", pids],
            &["-nP", "+L1", "-Tqs"],
        ] {
            check(Tool::Lsof, args);
        }
    }
    if netstat {
        for args in [
            &["-anp"][..],
            &["-tuln"],
            &["-xe"],
            &["-anW"],
            &["-r"],
            &["-rn"],
            &["-rne"],
            &["-ree"],
            &["-rn6"],
            &["-r6"],
            &["-i"],
            &["-ai"],
            &["-s"],
            &["-s6"],
            &["-su"],
            &["-st6"],
        ] {
            check(Tool::Netstat, args);
        }
    }
    if ss {
        for args in [
            &["-tanp"][..],
            &["-xanp"],
            &["-uanp"],
            &["-HOtan", "sport", ">", ":1024"],
            &["-tn", "state", "close-wait"],
            &["-tan", "dst", "127.0.0.0/8"],
            &["-tuan", "not ( src 127.0.0.1 or sport < :40000 ) and dport >= :1"],
            &["-tan", "src [::1] or dst 127.0.0.1:* and not dport = :33333"],
            &["-tuan", "dev = lo or sport != :1"],
        ] {
            check(Tool::Ss, args);
        }
    }
    check_collectors(Tool::Lsof, &["-nP", "-p", pids]);
    // All processes but this one, whose descriptors are the collectors' own.
    let others = format!("^{}", std::process::id());
    check_collectors(Tool::Lsof, &["-nPR", "-g", "-p", &others]);
    check_collectors(Tool::Lsof, &["-nP", "-U"]);
    check_collectors(Tool::Netstat, &["-anp"]);
    check_collectors(Tool::Ss, &["-tanp"]);
}

#[test]
fn sockets_are_closed_by_ss() {
    inside("differential::sockets_are_closed_by_ss", || {
        use std::net::{TcpListener, TcpStream};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let filter = format!("dport = :{port}");
        let listed = |args: &[&str]| ours(Tool::Ss, args).len();
        assert_eq!(listed(&["-HOtn", &filter]), 1);
        let closed = ours(Tool::Ss, &["-HOtnK", &filter]);
        if closed.is_empty() {
            eprintln!("this kernel has no SOCK_DESTROY");
            return;
        }
        assert!(closed[0].contains(&format!("127.0.0.1:{port}")), "{closed:?}");
        assert_eq!(listed(&["-HOtn", &filter]), 0);
        assert_eq!(listed(&["-HOltn"]), 2, "listeners live");
        let reset = std::io::Read::read(&mut &client, &mut [0; 1]).unwrap_err();
        assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionAborted);
        drop(other);
    });
}
