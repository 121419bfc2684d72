//! What there is to list: sockets in a few processes, or many processes with a few descriptors.
//!
//! A scene is made in network, pid and mount namespaces of its own, so that it disturbs nobody, the
//! tools see nothing but it, and it is gone with its first process whatever happens. The program
//! runs itself again for that, with its orders in the environment: unshare(1), pid_namespaces(7).

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};

use testkit::processor;

use crate::failure::{Failure, Result};

/// How many sockets the scene of processes has beside them.
const SOCKETS_BESIDE: usize = 200;
const HOLD: &str = "SOCKEYE_BENCH_HOLD";
const READY: &str = "scene ready";

/// What a scene is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// The machine as it is, outside any namespace.
    Nothing,
    Sockets {
        count: usize,
        processes: usize,
    },
    Processes {
        count: usize,
    },
}

impl Make {
    /// The same in small: whether it works.
    pub fn small(self) -> Make {
        match self {
            Make::Nothing => Make::Nothing,
            Make::Sockets { processes, .. } => Make::Sockets { count: 100, processes },
            Make::Processes { .. } => Make::Processes { count: 20 },
        }
    }
}

/// How this program is started again: its file, and the arguments that lead it back here.
#[derive(Clone, Debug)]
pub struct Own {
    pub program: OsString,
    pub arguments: Vec<&'static str>,
}

impl Own {
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }
}

/// A scene that stands; dropping it ends its processes.
#[derive(Debug)]
pub struct Scene {
    children: Vec<(Child, ChildStdin)>,
}

impl Scene {
    pub fn make(make: Make, own: &Own) -> Result<Scene> {
        let mut scene = Scene { children: Vec::new() };
        match make {
            Make::Nothing => {}
            Make::Sockets { count, processes } => {
                for _ in 0..processes {
                    scene.start(&mut holder(own, count / processes))?;
                }
            }
            Make::Processes { count } => {
                scene.start(&mut holder(own, SOCKETS_BESIDE))?;
                scene.start(&mut sleepers(count))?;
            }
        }
        Ok(scene)
    }

    /// Starts one child and waits for its word that it is ready.
    fn start(&mut self, command: &mut Command) -> Result<()> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::new("a piped child has no pipes"));
        };
        self.children.push((child, input));
        let ready = BufReader::new(output).lines().map_while(std::io::Result::ok);
        match ready.into_iter().any(|line| line.contains(READY)) {
            true => Ok(()),
            false => Err(Failure::new("a process of the scene did not come up")),
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for (mut child, input) in self.children.drain(..) {
            drop(input);
            let _ = child.wait();
        }
    }
}

fn holder(own: &Own, sockets: usize) -> Command {
    let mut command = own.command();
    command.env(HOLD, sockets.to_string());
    command
}

/// Where this process was started to hold sockets: opens them and stays until its input ends.
pub fn hold_if_asked() -> Result<bool> {
    let Some(count) = std::env::var(HOLD).ok().and_then(|count| count.parse::<usize>().ok()) else {
        return Ok(false);
    };
    processor::raise_open_files()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut held = Vec::with_capacity(count);
    while held.len() + 1 < count {
        held.push(TcpStream::connect(address)?);
        held.push(listener.accept()?.0);
    }
    println(READY)?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(true)
}

/// Each has five descriptors: the null device, a pipe twice, its errors, and a file.
fn sleepers(count: usize) -> Command {
    let script = format!(
        "i=0; while [ $i -lt $0 ]; do sleep 1000 3</etc/passwd 4>&1 & i=$((i+1)); done; \
         echo {READY}; exec cat >/dev/null"
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script, &count.to_string()]).stderr(Stdio::null());
    command
}

pub fn println(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{text}\n").as_bytes())?;
    Ok(out.flush()?)
}

/// The command in namespaces of its own; it is not process number 1 of them, which is special.
pub fn in_namespaces(own: &Own) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"])
        .args(["sh", "-c", "ip link set lo up && \"$@\"; exit $?", "sh"])
        .arg(&own.program)
        .args(&own.arguments);
    command
}
