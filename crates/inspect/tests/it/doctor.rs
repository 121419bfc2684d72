//! Each rule at a bedside: the sick state made for real gives exactly its finding, the healthy twin
//! gives none.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sockeye_inspect::doctor::{Facts, Finding, examine, explain_port};
use sockeye_inspect::source::Source;

use crate::namespace::{inside, until};
use crate::scene::Scene;

fn facts() -> Facts {
    Facts::collect(&Source::live().unwrap(), &mut || ())
}

fn found(rule: &str) -> Vec<Finding> {
    examine(&facts()).into_iter().filter(|finding| finding.rule == rule).collect()
}

/// The finding comes, names the process, and is the only one of its rule.
fn sick(rule: &str, pid: u32) {
    until(rule, || !found(rule).is_empty());
    let findings = found(rule);
    assert_eq!(findings.iter().map(|f| f.pid).collect::<Vec<_>>(), [pid], "{findings:#?}");
    assert!(!findings[0].evidence.is_empty() && !findings[0].advice.is_empty());
}

fn healthy(rule: &str) {
    assert_eq!(found(rule), [], "{rule}");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(script: &str) -> Killed {
    let mut command = Command::new("bash");
    Killed(command.args(["-c", script]).stdin(Stdio::null()).spawn().expect("bash"))
}

fn own_pid() -> u32 {
    std::process::id()
}

#[test]
fn processes() {
    inside("doctor::processes", || {
        healthy("zombie");
        // The shell's child becomes that of a program which knows nothing of it, and then ends.
        let mut command = Command::new("bash");
        command.args(["-c", "cat <&0 & exec sleep 1000"]).stdin(Stdio::piped());
        let mut parent = Killed(command.spawn().expect("bash"));
        let pid = parent.0.id();
        until("the exec", || facts().process(pid).is_some_and(|p| p.name == "sleep"));
        healthy("zombie");
        drop(parent.0.stdin.take());
        sick("zombie", pid);
        drop(parent);
        until("the init has reaped it", || found("zombie").is_empty());

        let directory = tempfile::tempdir().unwrap();
        let this = std::env::current_exe().unwrap();
        let server = Scene::start_program(&this, "listen 7100", directory.path());
        healthy("stopped");
        let pid = Pid::from_raw(server.pid() as i32).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        sick("stopped", server.pid());
        kill_process(pid, Signal::CONT).unwrap();
        until("running again", || found("stopped").is_empty());

        healthy("stale-listener");
        let second = Scene::start_program(&this, "listen 7100", directory.path());
        healthy("stale-listener");
        let other = directory.path().join("newer");
        std::fs::copy(&this, &other).unwrap();
        drop(second);
        let newer = Scene::start_program(&other, "listen 7100", directory.path());
        sick("stale-listener", server.pid());
        drop(newer);

        let many = "for i in $(seq 3 29); do eval \"exec $i</dev/null\"; done; exec sleep 1000";
        let roomy = start(&format!("ulimit -n 100; {many}"));
        until("27 descriptors", || {
            facts().process(roomy.0.id()).is_some_and(|p| p.open_files > 26)
        });
        healthy("descriptors");
        let tight = start(&format!("ulimit -n 32; {many}"));
        sick("descriptors", tight.0.id());
    });
}

#[test]
fn listeners() {
    inside("doctor::listeners", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut bystander = start("exec sleep 1000");
        healthy("foreign-listener");
        drop(bystander);
        rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::empty()).unwrap();
        bystander = start("exec sleep 1000");
        sick("foreign-listener", bystander.0.id());
        let explained = explain_port(&facts(), address.port());
        assert!(explained[0].summary.contains("sleep"), "{explained:#?}");
        drop(bystander);
        healthy("foreign-listener");

        healthy("accept-queue");
        rustix::net::listen(&listener, 1).unwrap();
        let clients: Vec<TcpStream> =
            (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
        sick("accept-queue", own_pid());
        let accepted: Vec<_> = clients.iter().map(|_| listener.accept().unwrap()).collect();
        healthy("accept-queue");
        drop((clients, accepted, listener));
        let port = address.port();
        assert!(explain_port(&facts(), port).iter().all(|f| !f.summary.contains(" listens on ")));
    });
}

#[test]
fn connections() {
    inside("doctor::connections", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let pair = || {
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let (client, server) = pair();
        healthy("close-wait");
        healthy("reset-open");
        healthy("stuck-connection");
        drop(client);
        sick("close-wait", own_pid());
        drop(server);
        healthy("close-wait");

        let (client, server) = pair();
        let at_once = Some(std::time::Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&server, at_once).unwrap();
        drop(server);
        if sockeye_inspect::collect::bpf::collect(sockeye_inspect::collect::bpf::Scope::Connections)
            .is_ok()
        {
            sick("reset-open", own_pid());
        } else {
            eprintln!("no BPF here, so reset sockets cannot be told from fresh ones");
        }
        drop(client);
        healthy("reset-open");

        let (mut client, mut server) = pair();
        client.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while let Ok(bytes) = client.write(&[0; 65_536]) {
            sent += bytes;
        }
        sick("stuck-connection", own_pid());
        server.read_exact(&mut vec![0; sent]).unwrap();
        until("moving again", || found("stuck-connection").is_empty());
    });
}

#[test]
fn files_and_ports() {
    inside("doctor::files_and_ports", || {
        let directory = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
        let path = directory.path().join("big.log");
        let mut file = File::create(&path).unwrap();
        file.write_all(&vec![b'x'; 256 << 10]).unwrap();
        file.sync_all().unwrap();
        healthy("deleted-open");
        std::fs::remove_file(&path).unwrap();
        sick("deleted-open", own_pid());
        drop(file);
        healthy("deleted-open");

        let listener = TcpListener::bind("127.0.0.1:7300").unwrap();
        let range = "/proc/sys/net/ipv4/ip_local_port_range";
        std::fs::write(range, "40000 40019").unwrap();
        healthy("ephemeral-ports");
        let clients: Vec<TcpStream> =
            (0..18).map(|_| TcpStream::connect("127.0.0.1:7300").unwrap()).collect();
        sick("ephemeral-ports", 0);
        std::fs::write(range, "30000 60000").unwrap();
        healthy("ephemeral-ports");
        drop(clients);

        healthy("time-wait");
        std::fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "5").unwrap();
        for _ in 0..5 {
            let client = TcpStream::connect("127.0.0.1:7300").unwrap();
            client.shutdown(std::net::Shutdown::Both).unwrap();
        }
        until("accepted and closed", || {
            listener.set_nonblocking(true).unwrap();
            while let Ok((accepted, _)) = listener.accept() {
                drop(accepted);
            }
            !found("time-wait").is_empty()
        });
        sick("time-wait", 0);
        std::fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", "100000").unwrap();
        healthy("time-wait");
    });
}

#[test]
fn queues_and_hidden_listeners() {
    inside("doctor::queues_and_hidden_listeners", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        healthy("unaccepted");
        let client = TcpStream::connect(address).unwrap();
        // It is no finding before it has waited for a second.
        sick("unaccepted", own_pid());
        healthy("accept-queue");
        let accepted = listener.accept().unwrap();
        healthy("unaccepted");
        drop((client, accepted));

        healthy("hidden-listener");
        let (sender, _receiver) = std::os::unix::net::UnixStream::pair().unwrap();
        // A thread asleep in accept(2) holds a reference too, so one alone says nothing.
        let threads = facts().process(own_pid()).unwrap().threads;
        for _ in 0..=threads {
            send_descriptor(&sender, &listener);
        }
        if sockeye_inspect::collect::bpf::collect(sockeye_inspect::collect::bpf::Scope::Sockets)
            .is_ok()
        {
            sick("hidden-listener", own_pid());
        }
        drop(listener);
        sick("hidden-listener", 0);
        drop((sender, _receiver));
        until("the messages are gone", || found("hidden-listener").is_empty());
    });
}

fn send_descriptor(sender: &std::os::unix::net::UnixStream, listener: &TcpListener) {
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::os::fd::AsFd;
    let fds = [listener.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&fds)));
    let byte = [std::io::IoSlice::new(b"x")];
    sendmsg(sender, &byte, &mut ancillary, SendFlags::empty()).unwrap();
}

#[test]
fn orphans() {
    inside("doctor::orphans", || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut readers = Vec::new();
        for _ in 0..60 {
            let client = TcpStream::connect(address).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            server.set_nonblocking(true).unwrap();
            while server.write(&[0; 65_536]).is_ok() {}
            if readers.len() == 30 {
                healthy("orphans");
            }
            drop(server);
            readers.push(client);
        }
        sick("orphans", 0);
        readers.truncate(20);
        until("the rest is taken or reset", || found("orphans").is_empty());

        let tree = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = tree.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let findings = || {
            let facts = Facts::collect(&Source::recorded(tree.path()).unwrap(), &mut || ());
            examine(&facts).iter().filter(|f| f.rule == "orphans").count()
        };
        write("sys/net/ipv4/tcp_max_orphans", "1000\n");
        write("net/sockstat", "TCP: inuse 3 orphan 499 tw 0 alloc 4 mem 1\n");
        assert_eq!(findings(), 0);
        write("net/sockstat", "TCP: inuse 3 orphan 500 tw 0 alloc 4 mem 1\n");
        assert_eq!(findings(), 1);
    });
}

#[test]
fn limits_and_waits() {
    inside("doctor::limits_and_waits", || {
        healthy("process-limits");
        let children = "sleep 1000 & sleep 1000 & sleep 1000 & exec sleep 1000";
        let as_user = |limit: u32| {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=54321", "--clear-groups", "bash", "-c"]);
            command.arg(format!("ulimit -u {limit}; {children}"));
            Killed(command.stdin(Stdio::null()).spawn().expect("setpriv"))
        };
        let sleeping = |pid| facts().process(pid).is_some_and(|p| p.name == "sleep");
        let roomy = as_user(100);
        until("four of them", || sleeping(roomy.0.id()));
        healthy("process-limits");
        end_user();
        drop(roomy);
        let tight = as_user(4);
        until("four of them", || sleeping(tight.0.id()));
        let findings = found("process-limits");
        assert_eq!(findings.len(), 1, "{findings:#?}");
        end_user();
        drop(tight);
        until("they are gone", || found("process-limits").is_empty());

        healthy("uninterruptible");
        if !crate::namespace::is_installed("strace") {
            return;
        }
        // sed's `e` is popen(3), whose caller is in state D until the child's execve, held up here.
        let mut traced = Command::new("strace");
        traced.args(["-f", "-qq", "-o", "/dev/null", "-e", "inject=execve:delay_enter=2000000"]);
        traced.args(["sed", "1e true"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut traced = Killed(traced.spawn().expect("strace"));
        traced.0.stdin.take().unwrap().write_all(b"x\n").unwrap();
        until("sed waits", || {
            let facts = facts();
            let sed = facts.processes.iter().find(|p| p.name == "sed" && p.state == b'D');
            let findings = examine(&facts);
            let mut of_rule = findings.iter().filter(|f| f.rule == "uninterruptible");
            sed.is_some_and(|sed| of_rule.any(|finding| finding.pid == sed.pid))
        });
        until("it goes on", || found("uninterruptible").is_empty());
    });
}

/// Ends the processes of the test's user, who is nobody else in this namespace.
fn end_user() {
    for process in facts().processes.iter().filter(|process| process.uid == 54_321) {
        let pid = Pid::from_raw(process.pid as i32).unwrap();
        let _ = kill_process(pid, Signal::KILL);
    }
}
