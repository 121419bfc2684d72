//! The command line: verbs and flags, and what was typed as a [`Low`].
//!
//! Help, completions and man pages are all generated from the definitions here (clap). Values are
//! read by the same functions as those of the file, so that both accept the same words.

pub mod app;
pub mod cron;
pub mod output;
pub mod run;
pub mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};

use crate::config::{self, Low, Source, duration_from_text};
use crate::settings::{AccessLog, IoModel, ListenAddress, LogFormat, Named, ProcessModel, Workers};

const ABOUT: &str = "A web server whose I/O model and process model are settings";

const EXAMPLES: &str = "\
Examples:
  sockeye serve                          the built-in site on 127.0.0.1:8080
  sockeye serve public                   the folder public
  sockeye serve --config sockeye.toml    as the file says
  sockeye status                         what the running server is doing
  sockeye models                         which models there are and what they cost";

const SERVE_EXAMPLES: &str = "\
Examples:
  sockeye serve                                        the built-in site on 127.0.0.1:8080
  sockeye serve public --list-directories              a folder, with listings
  sockeye serve public --listen '[::]:8080'            on every interface
  sockeye serve public --listen unix:/run/site.sock    on a Unix socket
  sockeye serve public --listen 127.0.0.1:0            on a free port, printed at the start
  sockeye serve public --process-model fork-per-connection
  sockeye serve public --io-model io_uring --strict
  sockeye serve --config sockeye.toml --set idle_timeout=10s

Signals to the master: TERM and INT stop at once, QUIT lets requests finish, HUP reloads,
USR1 opens the logs again.";

const CHECK_EXAMPLES: &str = "\
Examples:
  sockeye check --config sockeye.toml
  sockeye check public --user www-data --access-log /var/log/site.log

Nothing is bound, listened on or created. Exit status: 0 when the server could start, 1 when not.";

const STATUS_EXAMPLES: &str = "\
Examples:
  sockeye status
  sockeye status --json | jq '.workers[].counters.requests'";

const CONNECTIONS_EXAMPLES: &str = "\
Examples:
  sockeye connections
  sockeye conns --sort idle
  sockeye connections --json | jq '.connections[] | select(.state == \"responding\")'

REFS counts the references to the open socket: descriptors, messages in flight, requests of the
kernel. `+` behind it: only descriptors could be counted (the rest takes root).";

const CONTROL_HELP: &str = "The control socket [default: \
                            $XDG_RUNTIME_DIR/sockeye/control.sock, as root \
                            /run/sockeye/control.sock]";

#[derive(Debug, Parser)]
#[command(name = "sockeye", version, about = ABOUT, after_help = EXAMPLES)]
#[command(max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the server in the foreground
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Say whether `serve` would start with these flags and this file, without starting it
    #[command(after_help = CHECK_EXAMPLES)]
    Check(ServeArgs),
    /// Show the running server: its processes, sockets and connections
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// List the running server's connections: whose they are, their requests, bytes and times
    #[command(visible_alias = "conns", after_help = CONNECTIONS_EXAMPLES)]
    Connections(ConnectionsArgs),
    /// Read the configuration again and replace the workers without dropping a connection
    Reload(ControlArgs),
    /// Open the log files again, after they were renamed
    ReopenLogs(ControlArgs),
    /// Stop the running server, letting requests finish, and wait until it is gone
    Stop(StopArgs),
    /// Show the process models and I/O models: what fits, what it costs, what this kernel offers
    Models(ModelsArgs),
    /// The programs that the running server keeps running: list, start, stop, restart, logs
    #[command(after_help = app::EXAMPLES)]
    App(app::AppArgs),
    /// Become the program that the file of the running one holds now, in place, dropping nothing
    Upgrade(ControlArgs),
    /// Crontab lines: what they mean, when they run, what is wrong with them
    Cron(cron::CronArgs),
    /// Run a program as PID 1 should: forward signals, reap orphans, leave nothing behind
    #[command(after_help = run::RUN_EXAMPLES)]
    Run(run::RunArgs),
    /// List open files and sockets with their processes, as lsof(8) does
    Lsof(ToolArgs),
    /// List sockets, interfaces and routes, as netstat(8) does
    Netstat(ToolArgs),
    /// List sockets in detail, as ss(8) does
    Ss(ToolArgs),
    /// List processes, as ps(1) does, with their descriptors and sockets
    Ps(ToolArgs),
    /// Say what is wrong with this host's processes and sockets, and what to do about it
    Doctor(ToolArgs),
    /// Make links called lsof, netstat and ss, which run this program as them
    InstallLinks(InstallLinksArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the man pages into a folder
    Man(ManArgs),
}

/// The flags of a tool are its own: see `sockeye TOOL --help`.
#[derive(Clone, Debug, Args)]
#[command(disable_help_flag = true)]
pub struct ToolArgs {
    /// The tool's own flags
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    pub args: Vec<std::ffi::OsString>,
}

#[derive(Clone, Debug, Args)]
pub struct InstallLinksArgs {
    /// Where to make them; it must exist
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The folder to serve; without it and without a file, a built-in site
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Read settings from this file; flags override it
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Listen on ADDRESS:PORT or unix:PATH; may be given several times
    #[arg(long, short, value_name = "ADDR", value_parser = ListenAddress::from_text)]
    pub listen: Vec<ListenAddress>,
    /// How many workers: a number, or "auto" for one a CPU
    #[arg(long, short, value_name = "N", value_parser = Workers::from_text)]
    pub workers: Option<Workers>,
    /// Which process or thread serves a connection
    #[arg(long, short, value_name = "MODEL", value_parser = named::<ProcessModel>())]
    pub process_model: Option<ProcessModel>,
    /// How a worker waits for its connections
    #[arg(long, short, value_name = "MODEL", value_parser = named::<IoModel>())]
    pub io_model: Option<IoModel>,
    /// Fail where the kernel refuses the I/O model, instead of falling back to epoll
    #[arg(long)]
    pub strict: bool,
    /// Write a line for each request to this file, to standard output ("-"), or not ("off")
    #[arg(long, value_name = "FILE|-|off", value_parser = AccessLog::from_text)]
    pub access_log: Option<AccessLog>,
    /// The form of those lines
    #[arg(long, value_name = "FORMAT", value_parser = named::<LogFormat>())]
    pub log_format: Option<LogFormat>,
    /// List folders that have no index page
    #[arg(long)]
    pub list_directories: bool,
    #[arg(long, value_name = "PATH", help = CONTROL_HELP, value_hint = ValueHint::FilePath)]
    pub control: Option<PathBuf>,
    /// The account the workers run as (only root can change it)
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Username)]
    pub user: Option<String>,
    /// How long a replaced or stopped worker may finish its requests, as in 30s
    #[arg(long, value_name = "TIME", value_parser = duration_from_text)]
    pub drain_timeout: Option<Duration>,
    /// Give any key of the file's section [server], as in idle_timeout=10s
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// For an upgrade in place: where the old program says what it hands over
    #[arg(long, hide = true, value_name = "FD")]
    pub handover: Option<i32>,
}

impl ServeArgs {
    /// Where the settings come from, every path seen from this folder once and for all: a reload
    /// must not depend on where the master stands by then. The error is one of usage.
    pub fn source(self, current_folder: &Path) -> Result<Source, String> {
        let file = self.config.clone().map(|path| current_folder.join(path));
        let flags = self.low()?.seen_from(current_folder);
        Ok(Source { file, flags })
    }

    fn low(self) -> Result<Low, String> {
        let mut low = Low::default();
        for assignment in &self.set {
            config::set(&mut low, assignment).map_err(|why| format!("--set: {why}"))?;
        }
        let web = self.root.is_some() || !self.listen.is_empty();
        let flags = Low {
            web: web.then_some(true),
            control: self.control,
            listen: (!self.listen.is_empty()).then_some(self.listen),
            root: self.root,
            list_directories: self.list_directories.then_some(true),
            process_model: self.process_model,
            io_model: self.io_model,
            strict: self.strict.then_some(true),
            workers: self.workers,
            user: self.user,
            access_log: self.access_log,
            log_format: self.log_format,
            drain_timeout: self.drain_timeout,
            ..Low::default()
        };
        Ok(flags.over(low))
    }
}

#[derive(Debug, Args)]
pub struct ControlArgs {
    #[arg(long, value_name = "PATH", help = CONTROL_HELP, value_hint = ValueHint::FilePath)]
    pub control: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    pub control: ControlArgs,
    /// Print everything as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ConnectionsArgs {
    #[command(flatten)]
    pub control: ControlArgs,
    /// What to sort by; numbers and times fall, the largest first
    #[arg(long, value_name = "KEY", default_value = "pid")]
    pub sort: ConnectionSort,
    /// Print everything as one JSON object
    #[arg(long)]
    pub json: bool,
}

/// The orders of `connections`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ConnectionSort {
    /// The process, then the descriptor
    #[default]
    Pid,
    /// The client's address
    Peer,
    State,
    Requests,
    /// Both directions together
    Bytes,
    Age,
    Idle,
}

#[derive(Debug, Args)]
pub struct StopArgs {
    #[command(flatten)]
    pub control: ControlArgs,
    /// Close connections at once instead of letting requests finish
    #[arg(long)]
    pub fast: bool,
}

#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// Print the grid as one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder; it is created if need be
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: PathBuf,
}

/// A parser that offers the names of a closed set, in help, errors and completions alike.
fn named<T: Named + Send + Sync>() -> impl TypedValueParser<Value = T> {
    let names = T::ALL.iter().map(|choice| choice.name());
    PossibleValuesParser::new(names)
        .map(|name| T::from_name(&name).expect("clap gives back one of the names it was given"))
}

#[cfg(test)]
mod tests;
