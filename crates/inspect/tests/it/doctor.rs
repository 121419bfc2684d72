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
