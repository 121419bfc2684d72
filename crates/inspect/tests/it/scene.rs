//! A process that opens what its seed says, and the harness's hold on it.
//!
//! Each scene is this binary again: it opens a dozen descriptors of kinds drawn by the seed, shares
//! some with a child over an exec, says that it is ready, and lives until its input ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::fs::{FlockOperation, MemfdFlags, Mode, OFlags};
use rustix::net::{AddressFamily, SocketType};

const SEED: &str = "SOCKEYE_INSPECT_SCENE";
const DIRECTORY: &str = "SOCKEYE_INSPECT_DIRECTORY";
const READY: &str = "scene ready";
const DESCRIPTORS: usize = 12;

/// A running scene; dropping it ends the process.
pub struct Scene {
    child: Child,
    input: Option<ChildStdin>,
    /// Kept open, so that the last words of the test harness have somewhere to go.
    output: Lines<BufReader<ChildStdout>>,
}

impl Scene {
    pub fn start(seed: u64, directory: &Path) -> Scene {
        let this = std::env::current_exe().unwrap();
        Scene::start_program(&this, &seed.to_string(), directory)
    }

    pub fn start_program(program: &Path, seed: &str, directory: &Path) -> Scene {
        let mut child = Command::new(program)
            .args(["--exact", "scene::process", "--nocapture", "--test-threads=1"])
            .env(SEED, seed)
            .env(DIRECTORY, directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a scene");
        let output = child.stdout.take().expect("piped");
        let mut output = BufReader::new(output).lines();
        let ready = output.any(|line| line.is_ok_and(|line| line.contains(READY)));
        assert!(ready, "the scene of seed {seed} did not come up");
        let input = child.stdin.take();
        Scene { child, input, output }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(self.input.take());
        self.output.by_ref().for_each(drop);
        let _ = self.child.wait();
    }
}

/// The scene itself; without its seed it is a test that has nothing to do.
#[test]
fn process() {
    let Ok(seed) = std::env::var(SEED) else { return };
    let directory = PathBuf::from(std::env::var_os(DIRECTORY).unwrap());
    let mut open = Open { directory, random: Random(0), kept: Vec::new(), child: None };
    match seed.strip_prefix("listen ") {
        Some(port) => open.listen_on(port.parse().unwrap()),
        None => open.by_seed(seed.parse().unwrap()),
    }
    println!("{READY}");
    std::io::stdout().flush().unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    if let Some(mut child) = open.child.take() {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// xorshift64*: the same scene for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

struct Open {
    directory: PathBuf,
    random: Random,
    kept: Vec<OwnedFd>,
    child: Option<Child>,
}

const KINDS: u64 = 26;

impl Open {
    fn by_seed(&mut self, seed: u64) {
        self.random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        self.directory = self.directory.join(format!("scene-{seed}"));
        std::fs::create_dir_all(&self.directory).unwrap();
        for index in 0..DESCRIPTORS {
            let kind = self.random.below(KINDS);
            self.open(kind, index);
        }
        if self.random.below(3) == 0 {
            self.share();
        }
    }

    fn keep(&mut self, fd: impl Into<OwnedFd>) {
        self.kept.push(fd.into());
    }

    fn path(&self, index: usize) -> PathBuf {
        self.directory.join(format!("file {index}"))
    }

    fn listen_on(&mut self, port: u16) {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        rustix::net::sockopt::set_socket_reuseport(&socket, true).unwrap();
        let address = std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        rustix::net::bind(&socket, &address).unwrap();
        rustix::net::listen(&socket, 8).unwrap();
        self.keep(socket);
    }

    fn open(&mut self, kind: u64, index: usize) {
        match kind {
            0..=9 => self.open_inet(kind),
            10..=14 => self.open_unix(kind, index),
            15..=17 => self.open_raw(kind),
            18..=20 => self.open_file(kind, index),
            _ => self.open_anonymous(kind, index),
        }
    }

    fn open_inet(&mut self, kind: u64) {
        match kind {
            0 => self.keep(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()),
            1 => self.keep(TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap()),
            2 => self.keep(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap()),
            3 => {
                let server = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
                let client = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
                client.connect(server.local_addr().unwrap()).unwrap();
                client.send(b"unread").unwrap();
                self.keep(server);
                self.keep(client);
            }
            // Made and never bound: in no table.
            4 => self
                .keep(rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap()),
            _ => self.open_pair(kind),
        }
    }

    /// A connection in one of the states that last.
    fn open_pair(&mut self, kind: u64) {
        let listener = match kind {
            5 => TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap(),
            _ => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(),
        };
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        if kind == 6 {
            // Not accepted: the server's end belongs to nobody.
            self.keep(client);
            return self.keep(listener);
        }
        let (server, _) = listener.accept().unwrap();
        match kind {
            // CLOSE_WAIT here, FIN_WAIT2 without an owner there.
            7 => drop(client),
            // TIME_WAIT at the side that closes first.
            8 => {
                drop(server);
                let _ = client.read(&mut [0; 1]);
                drop(client);
                return;
            }
            _ => {
                client.write_all(b"unread bytes").unwrap();
                self.keep(client);
            }
        }
        self.keep(server);
        self.keep(listener);
    }

    fn open_unix(&mut self, kind: u64, index: usize) {
        let path = self.directory.join(format!("socket-{index}"));
        match kind {
            10 => self.keep(UnixListener::bind(path).unwrap()),
            11 => {
                let (one, other) = UnixStream::pair().unwrap();
                self.keep(one);
                self.keep(other);
            }
            12 => self.keep(UnixDatagram::bind(path).unwrap()),
            13 => {
                let listener = UnixListener::bind(&path).unwrap();
                let client = UnixStream::connect(&path).unwrap();
                let accepted = listener.accept().unwrap().0;
                self.keep(listener);
                self.keep(client);
                self.keep(accepted);
            }
            _ => {
                let kind = SocketType::SEQPACKET;
                let flags = rustix::net::SocketFlags::CLOEXEC;
                let pair = rustix::net::socketpair(AddressFamily::UNIX, kind, flags, None);
                let (one, other) = pair.unwrap();
                self.keep(one);
                self.keep(other);
            }
        }
    }

    fn open_raw(&mut self, kind: u64) {
        let (family, protocol) = match kind {
            15 => (AddressFamily::INET, Some(rustix::net::ipproto::ICMP)),
            16 => (AddressFamily::INET6, Some(rustix::net::ipproto::ICMPV6)),
            _ => (AddressFamily::NETLINK, None),
        };
        if let Ok(socket) = rustix::net::socket(family, SocketType::RAW, protocol) {
            self.keep(socket);
        }
    }

    fn open_file(&mut self, kind: u64, index: usize) {
        let path = self.path(index);
        let mut file = File::create(&path).unwrap();
        file.write_all(b"some text").unwrap();
        match kind {
            18 => std::fs::remove_file(&path).unwrap(),
            19 => rustix::fs::flock(&file, FlockOperation::LockExclusive).unwrap(),
            _ => rustix::fs::fcntl_lock(&file, FlockOperation::LockExclusive).unwrap(),
        }
        self.keep(file);
    }

    fn open_anonymous(&mut self, kind: u64, index: usize) {
        match kind {
            21 => {
                let (read, write) = rustix::pipe::pipe().unwrap();
                self.keep(read);
                self.keep(write);
            }
            22 => self.keep(rustix::fs::memfd_create("scene", MemfdFlags::CLOEXEC).unwrap()),
            23 => {
                let flags = rustix::event::EventfdFlags::CLOEXEC;
                self.keep(rustix::event::eventfd(index as u32, flags).unwrap());
            }
            24 => {
                let flags = rustix::event::epoll::CreateFlags::CLOEXEC;
                self.keep(rustix::event::epoll::create(flags).unwrap());
            }
            _ => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
                self.keep(rustix::fs::open(&self.directory, flags, Mode::empty()).unwrap());
                self.keep(File::open("/dev/null").unwrap());
            }
        }
    }

    /// Lets a child of another program inherit what is open so far.
    fn share(&mut self) {
        for fd in &self.kept {
            rustix::io::fcntl_setfd(fd.as_fd(), rustix::io::FdFlags::empty()).unwrap();
        }
        let mut command = Command::new("sleep");
        command.arg("1000").stdin(Stdio::null()).stdout(Stdio::null());
        self.child = Some(command.spawn().unwrap());
    }
}
