//! The servers of the bench and how each is started: one worker, configured as its own guide
//! advises (sendfile, open_file_cache, tcp_nopush, no log), on a free loopback port, with all it
//! writes in a folder that goes away.
//!
//! - nginx: <https://nginx.org/en/docs/http/ngx_http_core_module.html>
//! - h2o: <https://h2o.examp1e.net/configure.html>
//! - haproxy: <https://docs.haproxy.org/2.6/configuration.html>
//! - lighttpd: <https://redmine.lighttpd.net/projects/lighttpd/wiki/Docs_Performance>
//! - caddy: <https://caddyserver.com/docs/caddyfile>

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use testkit::{Address, Child, Peer, processor, tree};

use crate::clock;
use crate::failure::{Failure, Result};
use crate::workspace;

/// How long a server may take to answer its first request.
const START_WAIT: Duration = Duration::from_secs(10);
/// How long to wait between two tries.
const TRY_WAIT: Duration = Duration::from_millis(20);
/// A free port may be taken by another process before the server binds it.
const START_TRIES: usize = 3;

/// One server with its settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contender {
    pub name: String,
    pub kind: Kind,
    /// More or fewer connections than the row has, where a model cannot take as many.
    pub connections: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Sockeye {
        process_model: &'static str,
        io_model: &'static str,
        workers: usize,
    },
    /// tcp_nopush waits for full segments, which stalls pipelined replies on delayed ACKs.
    Nginx {
        tcp_nopush: bool,
    },
    H2o,
    Haproxy,
    Lighttpd,
    Caddy,
}

/// What all servers of a run share.
#[derive(Debug)]
pub struct Place {
    pub site: PathBuf,
    /// The Sockeye to measure, if there is one.
    pub sockeye: Option<PathBuf>,
    /// The processor that servers are pinned to.
    pub processor: Option<usize>,
}

/// A server that runs; it ends when dropped.
#[derive(Debug)]
pub struct Started {
    pub child: Child,
    pub address: Address,
    /// Where a processor's whole time has to stand for the family's, which the children of an
    /// acceptor that lets the kernel reap them take with them (getrusage(2), `RUSAGE_CHILDREN`).
    counted_by_processor: Option<usize>,
    _folder: TempDir,
}

impl Started {
    /// Processor time that the family has used since some instant, always the same.
    pub fn cpu_time(&self) -> Result<Duration> {
        Ok(match self.counted_by_processor {
            Some(processor) => processor::busy(processor)?,
            None => tree::cpu_time(self.child.pid())?,
        })
    }
}

impl Contender {
    pub fn sockeye() -> Contender {
        Contender::model("sockeye", "prefork", "epoll", 1)
    }

    pub fn model(
        name: &str,
        process_model: &'static str,
        io_model: &'static str,
        workers: usize,
    ) -> Contender {
        let kind = Kind::Sockeye { process_model, io_model, workers };
        Contender { name: name.to_owned(), kind, connections: None }
    }

    pub fn rival(name: &str, kind: Kind) -> Contender {
        Contender { name: name.to_owned(), kind, connections: None }
    }

    fn forks(&self) -> bool {
        matches!(self.kind, Kind::Sockeye { process_model: "fork-per-connection", .. })
    }

    pub fn is_sockeye(&self) -> bool {
        matches!(self.kind, Kind::Sockeye { .. })
    }

    /// Whether its program is on this machine.
    pub fn is_installed(&self, place: &Place) -> bool {
        self.program(place).is_some()
    }

    /// The first line of what the program says about its version.
    pub fn version(&self, place: &Place) -> String {
        let flag = match self.kind {
            Kind::Sockeye { .. } | Kind::H2o => "--version",
            Kind::Nginx { .. } | Kind::Haproxy | Kind::Lighttpd => "-v",
            Kind::Caddy => "version",
        };
        let output = self.program(place).map(|program| Command::new(program).arg(flag).output());
        let Some(Ok(output)) = output else { return "unknown".to_owned() };
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).lines().next().unwrap_or("unknown").to_owned()
    }

    pub fn start(&self, place: &Place) -> Result<Started> {
        let mut last = Failure::Failed(format!("{} is not installed", self.name));
        let Some(program) = self.program(place) else { return Err(last) };
        for _ in 0..START_TRIES {
            match self.try_start(&program, place) {
                Ok(started) => return Ok(started),
                Err(error) => last = error,
            }
        }
        Err(Failure::Failed(format!("{} does not start: {last}", self.name)))
    }

    fn try_start(&self, program: &Path, place: &Place) -> Result<Started> {
        let folder = tempfile::tempdir()?;
        // Servers started by root drop to users that must be able to look in.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let port = free_port()?;
        let mut command = Command::new(program);
        self.configure(&mut command, place, folder.path(), port)?;
        let mut child = processor::on(place.processor, || Child::start(&mut command))??;
        let address = match self.kind {
            Kind::Sockeye { .. } => child.wait_for_address(START_WAIT)?,
            _ => Address::Tcp(SocketAddr::from(([127, 0, 0, 1], port))),
        };
        await_answer(&mut child, &address)?;
        let counted_by_processor = place.processor.filter(|_| self.forks());
        Ok(Started { child, address, counted_by_processor, _folder: folder })
    }

    fn program(&self, place: &Place) -> Option<PathBuf> {
        match self.kind {
            Kind::Sockeye { .. } => place.sockeye.clone(),
            Kind::Nginx { .. } => workspace::program("nginx"),
            Kind::H2o => workspace::program("h2o"),
            Kind::Haproxy => workspace::program("haproxy"),
            Kind::Lighttpd => workspace::program("lighttpd"),
            Kind::Caddy => workspace::program("caddy"),
        }
    }

    fn configure(
        &self,
        command: &mut Command,
        place: &Place,
        folder: &Path,
        port: u16,
    ) -> io::Result<()> {
        let site = place.site.display().to_string();
        let file = folder.join("server.conf");
        let work = folder.display().to_string();
        let fill = |template: &str| {
            let text = template.replace("@SITE@", &site).replace("@WORK@", &work);
            fs::write(&file, text.replace("@PORT@", &port.to_string()))
        };
        match &self.kind {
            Kind::Sockeye { process_model, io_model, workers } => {
                command.arg("serve").arg(&place.site).args(["--listen", "127.0.0.1:0"]);
                command.args(["--process-model", process_model, "--io-model", io_model]);
                command.args(["--workers", &workers.to_string(), "--access-log", "off"]);
                command.arg("--control").arg(folder.join("control.sock"));
                Ok(())
            }
            Kind::Nginx { tcp_nopush } => {
                command.arg("-p").arg(folder).arg("-c").arg(&file).args(["-e", "error.log"]);
                fill(&NGINX.replace("@NOPUSH@", if *tcp_nopush { "on" } else { "off" }))
            }
            Kind::H2o => {
                command.arg("-c").arg(&file);
                fill(H2O)
            }
            Kind::Haproxy => {
                command.arg("-db").arg("-f").arg(&file);
                fill(HAPROXY)
            }
            Kind::Lighttpd => {
                command.arg("-D").arg("-f").arg(&file);
                fill(LIGHTTPD)
            }
            Kind::Caddy => {
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
                command.env("GOMAXPROCS", "1").env("HOME", folder);
                command.env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
                fill(CADDY)
            }
        }
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Asks until there is an answer; a server that ends meanwhile is not waited for.
fn await_answer(child: &mut Child, address: &Address) -> Result<()> {
    let deadline = clock::now() + START_WAIT;
    while clock::now() < deadline {
        let answer = Peer::connect(address).and_then(|mut peer| peer.get("/reply.txt"));
        match answer {
            Ok(response) if response.status == 200 => return Ok(()),
            Ok(response) => {
                let text = format!("{address} answers {} to /reply.txt", response.status);
                return Err(Failure::Failed(text));
            }
            Err(_) => {}
        }
        if let Ok(status) = child.wait(TRY_WAIT) {
            let text = format!("it ended ({status}): {}{}", child.output(), child.errors());
            return Err(Failure::Failed(text));
        }
    }
    let text = format!("{address} did not answer within {START_WAIT:?}: {}", child.errors());
    Err(Failure::Failed(text))
}

const NGINX: &str = "\
worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid @WORK@/nginx.pid;
error_log @WORK@/error.log;
events { worker_connections 15000; }
http {
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush @NOPUSH@;
  tcp_nodelay on;
  keepalive_timeout 300;
  keepalive_requests 1000000000;
  access_log off;
  open_file_cache max=1000 inactive=60s;
  open_file_cache_valid 60s;
  open_file_cache_min_uses 1;
  client_body_temp_path @WORK@/body;
  proxy_temp_path @WORK@/proxy;
  fastcgi_temp_path @WORK@/fastcgi;
  uwsgi_temp_path @WORK@/uwsgi;
  scgi_temp_path @WORK@/scgi;
  server {
    listen 127.0.0.1:@PORT@ backlog=4096;
    root @SITE@;
    location = /reply.txt { return 200 \"Hello world!\"; }
  }
}
";

const H2O: &str = "\
num-threads: 1
max-connections: 15000
http1-request-timeout: 300
http1-upgrade-to-http2: OFF
listen:
  host: 127.0.0.1
  port: @PORT@
hosts:
  default:
    paths:
      /:
        file.dir: @SITE@
";

const HAPROXY: &str = "\
global
  nbthread 1
  maxconn 5000
defaults
  mode http
  timeout connect 10s
  timeout client 300s
  timeout server 300s
  timeout http-keep-alive 300s
frontend bench
  bind 127.0.0.1:@PORT@ backlog 4096
  http-request return status 200 content-type text/plain string \"Hello world!\"
";

const LIGHTTPD: &str = "\
server.bind = \"127.0.0.1\"
server.port = @PORT@
server.document-root = \"@SITE@\"
server.errorlog = \"@WORK@/error.log\"
server.pid-file = \"@WORK@/lighttpd.pid\"
server.event-handler = \"linux-sysepoll\"
server.network-backend = \"sendfile\"
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 300
server.max-read-idle = 300
server.max-fds = 20000
server.max-connections = 15000
server.listen-backlog = 4096
mimetype.assign = ( \".txt\" => \"text/plain\", \".bin\" => \"application/octet-stream\" )
";

const CADDY: &str = "\
{
  admin off
  auto_https off
}
http://127.0.0.1:@PORT@ {
  bind 127.0.0.1
  root * @SITE@
  file_server
}
";
