//! The tools where the ground is uneven: a recorded /proc, a recorded dump, hostile process names,
//! no rights.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sockeye_inspect::{Tool, main as run_tool};

use crate::differential::{ours, same, sorted, theirs};
use crate::namespace::{inside, is_installed, until};

const TOOL: &str = "SOCKEYE_INSPECT_TOOL";
const RESULT: &str = "SOCKEYE_INSPECT_RESULT";

/// One tool in a process of its own, for a test that needs another environment or another user.
#[test]
fn tool() {
    let Ok(words) = std::env::var(TOOL) else { return };
    let mut words = words.split(' ');
    let tool = Tool::from_name(words.next().unwrap()).unwrap();
    let args: Vec<OsString> = words.map(OsString::from).collect();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    run_tool(tool, &args, &mut out, &mut err);
    let result = std::env::var_os(RESULT).unwrap();
    std::fs::write(&result, [out, err].concat()).unwrap();
}

fn in_child(mut command: Command, words: &str, result: &Path) -> Vec<String> {
    let this = std::env::current_exe().unwrap();
    let args = ["--exact", "conditions::tool", "--test-threads=1"];
    command.arg(this).args(args).env(TOOL, words).env(RESULT, result).stdout(Stdio::null());
    assert!(command.status().unwrap().success(), "{words}");
    sorted(&std::fs::read(result).unwrap())
}

#[test]
fn a_recorded_tree() {
    let tree = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = tree.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let zeros = " 0".repeat(40);
    write("7/stat", &format!("7 (a server) S 1 7 7 0 -1 0{zeros}\n"));
    write("7/cmdline", "/usr/bin/server\0-x\0");
    write("7/limits", "Max open files 100 100 files\n");
    write("uptime", "100.0 1.0\n");
    std::fs::create_dir_all(tree.path().join("7/fd")).unwrap();
    symlink("socket:[99]", tree.path().join("7/fd/3")).unwrap();
    write(
        "net/tcp",
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  \
         timeout inode\n   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 \
         00000000     0        0 99 1 0 100 0 0 10 0\n",
    );
    let root = tree.path().to_str().unwrap();
    let found = |tool: Tool, args: &[&str], expected: &str| {
        let mut all = vec!["--proc-root", root];
        all.extend(args);
        let lines = ours(tool, &all);
        assert!(lines.iter().any(|line| line.contains(expected)), "{tool:?} {lines:#?}");
    };
    found(Tool::Netstat, &["-tlnp"], "LISTEN      7/server");
    found(Tool::Ss, &["-tlnp"], "users:((\"a server\",pid=7,fd=3))");
    found(Tool::Lsof, &["-nP", "-i"], "TCP 127.0.0.1:80 (LISTEN)");
    found(Tool::Ps, &["-o", "pid,fds,listen,args", "-p", "7"], "1/100      1 /usr/bin/server -x");
}

#[test]
fn a_recorded_dump() {
    inside("conditions::a_recorded_dump", || {
        if !is_installed("ss") {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let dump = directory.path().join("dump");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(Command::new("ss").arg("-ta").arg("-D").arg(&dump).status().unwrap().success());
        drop((listener, client));
        let mut real = Command::new("ss");
        let real = real.arg("-HOtan").env("TCPDIAG_FILE", &dump).output().unwrap().stdout;
        let mut command = Command::new("env");
        command.arg([b"TCPDIAG_FILE=", dump.as_os_str().as_bytes()].concat().os());
        let seen = in_child(command, "ss -HOtan", &directory.path().join("result"));
        assert_eq!(seen, sorted(&real));
        assert!(seen.len() >= 2, "{seen:?}");
    });
}

trait Os {
    fn os(&self) -> &OsStr;
}

impl Os for Vec<u8> {
    fn os(&self) -> &OsStr {
        OsStr::from_bytes(self)
    }
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn names_that_break_parsers() {
    inside("conditions::names_that_break_parsers", || {
        let directory = tempfile::tempdir().unwrap();
        for name in [&b"a) S 1 (b"[..], b"two\nlines", b"\xff x\x1b", b"\"quoted\\\""] {
            let program = directory.path().join(name.to_vec().os());
            std::fs::copy("/bin/sleep", &program).unwrap();
            let child = Killed(Command::new(&program).arg("1000").spawn().unwrap());
            let pid = child.0.id().to_string();
            let comm = format!("/proc/{pid}/comm");
            until("the exec", || std::fs::read(&comm).is_ok_and(|comm| comm.starts_with(name)));
            // lsof 4.95 reads a name up to the first `)`, and the rest of the line wrongly.
            if is_installed("lsof") && !name.contains(&b')') {
                same("lsof", || {
                    let args = ["-nP", "-p", &pid];
                    (theirs(Tool::Lsof, &args), ours(Tool::Lsof, &args))
                });
            }
            for (tool, args) in
                [(Tool::Lsof, ["--json", "-p", &pid]), (Tool::Ps, ["--json", "-p", &pid])]
            {
                let lines = ours(tool, &args);
                assert_eq!(lines.len(), 1, "{lines:?}");
                assert!(!lines[0].chars().any(char::is_control), "{lines:?}");
            }
            let page = ours(Tool::Ps, &["-o", "pid,comm,args", "-p", &pid]).concat();
            assert!(!page.chars().any(char::is_control), "{page:?}");
        }
    });
}

#[test]
fn without_rights() {
    inside("conditions::without_rights", || {
        let directory = tempfile::tempdir().unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(directory.path(), everybody).unwrap();
        let _ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let as_user = |words: &str| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=54321", "--clear-groups", "--inh-caps=-all"]);
            let result = directory.path().join("result");
            let _ = std::fs::remove_file(&result);
            in_child(command, words, &result)
        };
        let lsof = as_user("lsof -nP");
        assert!(
            lsof.iter().any(|line| line.contains(" 54321 ") && line.contains("cwd")),
            "{lsof:?}"
        );
        assert!(lsof.iter().any(|line| line.contains("not readable")), "{lsof:?}");
        let netstat = as_user("netstat -tlnp");
        assert!(netstat.iter().any(|line| line.contains("Not all processes")), "{netstat:?}");
        assert!(netstat.iter().any(|line| line.contains("LISTEN      -")), "{netstat:?}");
        let ss = as_user("ss -tlnp");
        assert!(ss.iter().any(|line| line.contains("not readable")), "{ss:?}");
        let ps = as_user("ps");
        assert!(ps.iter().any(|line| line.contains(" ?/")), "{ps:?}");
        assert!(ps.iter().any(|line| line.contains("not readable")), "{ps:?}");
        let doctor = as_user("doctor");
        assert!(doctor.iter().any(|line| line.contains("not readable")), "{doctor:?}");
    });
}
