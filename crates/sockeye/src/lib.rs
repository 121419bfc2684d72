//! Sockeye, the program: command line, configuration, master and workers, and the client commands.
//!
//! The only crate that knows all the others; nothing imports it but its own `main`, the tests and
//! the fuzz targets. Exit status: 0 done, 1 failed, 2 the command line cannot be understood.
#![forbid(unsafe_code)]

mod channel;
pub mod cli;
mod clock;
pub mod config;
pub mod grid;
mod init;
mod jobs;
mod log;
mod master;
mod service_manager;
pub mod settings;
mod tools;
pub mod verbs;
mod worker;
mod zone;

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use cli::cron::{CronArgs, CronVerb};
use cli::output::{Failure, Output, finish, warn};
use cli::{Cli, ServeArgs, Verb};
use config::{Lowered, Source};
use control::Handover;
use master::Itself;
use settings::{IoModel, ListenAddress};

/// Parses the command line, does what it says, and gives the exit status.
pub fn run() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let Some((tool, words)) = tools::called(&words) {
        return tools::run(tool, words);
    }
    match Cli::try_parse_from(words) {
        Ok(cli) => dispatch(cli.verb),
        Err(answer) => explain(&answer),
    }
}

/// Help and version go to standard output, mistakes to standard error, in clap's own words.
fn explain(answer: &clap::Error) -> ExitCode {
    match answer.print() {
        Err(cause) if cause.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Ok(()) | Err(_) => ExitCode::from(u8::try_from(answer.exit_code()).unwrap_or(2)),
    }
}

fn dispatch(verb: Verb) -> ExitCode {
    let verb = match verb {
        Verb::Serve(args) => return serve(args),
        Verb::Run(args) => return verbs::run::program(args),
        Verb::Cron(CronArgs { verb: CronVerb::Run(args) }) => return verbs::run::crontabs(args),
        verb => verb,
    };
    let mut output = Output::stdout();
    let result = client(&mut output, verb);
    finish(output, result)
}

/// Every verb but those that outlive the lock on standard output.
fn client(out: &mut Output<'_>, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Serve(args) | Verb::Check(args) => check(out, args),
        Verb::Status(args) => verbs::status::run(out, args.control.control.as_deref(), args.json),
        Verb::Connections(args) => verbs::connections::run(out, &args),
        Verb::Reload(args) => verbs::control::reload(out, args.control.as_deref()),
        Verb::ReopenLogs(args) => verbs::control::reopen_logs(out, args.control.as_deref()),
        Verb::Stop(args) => verbs::control::stop(out, args.control.control.as_deref(), args.fast),
        Verb::Models(args) => verbs::models::run(out, args.json, probe),
        Verb::App(args) => verbs::app::run(out, args),
        Verb::Upgrade(args) => verbs::control::upgrade(out, args.control.as_deref()),
        Verb::Cron(args) => verbs::cron::run(out, args.verb),
        Verb::InstallLinks(args) => tools::install_links(out, &args.folder),
        // Dispatched before.
        Verb::Run(_) => Ok(()),
        // Called before the command line is parsed: their flags are their own.
        Verb::Lsof(_) | Verb::Netstat(_) | Verb::Ss(_) | Verb::Ps(_) | Verb::Doctor(_) => Ok(()),
        Verb::Completions(args) => verbs::generate::completions(out, args.shell),
        Verb::Man(args) => verbs::generate::man(out, &args.folder),
    }
}

fn serve(args: ServeArgs) -> ExitCode {
    match prepare(args) {
        Ok(start) => {
            start.lowered.warnings.iter().for_each(|warning| warn(warning));
            // The arguments have been read: their memory may become the process title.
            sys::title::prepare();
            master::run(start)
        }
        Err(failure) => finish(Output::plain(std::io::sink()), Err(failure)),
    }
}

/// All that a master begins with.
pub(crate) struct Start {
    lowered: Lowered,
    source: Source,
    itself: Itself,
    /// What the program had whose place this one takes.
    handed: Option<Handover>,
    /// Sockets that a service manager has opened for us.
    sockets: Vec<(ListenAddress, OwnedFd)>,
}

fn prepare(args: ServeArgs) -> Result<Start, Failure> {
    let handed = args.handover.map(master::read_handover).transpose().map_err(Failure::Failed)?;
    let mut source = source(args)?;
    let mut itself = Itself::read()
        .map_err(|cause| Failure::Failed(format!("cannot find this program's file: {cause}")))?;
    let sockets = if handed.is_none() { service_manager::take_sockets() } else { Vec::new() };
    if !sockets.is_empty() && !source.names_addresses() {
        let addresses: Vec<_> = sockets.iter().map(|(address, _)| address.clone()).collect();
        itself.add_listen(&addresses);
        source.flags.web = Some(true);
        source.flags.listen = Some(addresses);
    }
    let lowered = source.load().map_err(|cause| Failure::Failed(cause.to_string()))?;
    Ok(Start { lowered, source, itself, handed, sockets })
}

fn check(out: &mut Output<'_>, args: ServeArgs) -> Result<(), Failure> {
    let is_upgrade = args.handover.is_some();
    let handed = is_upgrade.then(|| master::read_from(std::io::stdin().lock())).transpose();
    let handed = handed.map_err(Failure::Failed)?;
    let source = source(args)?;
    if let Ok(lowered) = source.load() {
        master::check(&lowered.settings, handed.as_ref()).map_err(Failure::Failed)?;
    }
    verbs::check::run(out, &source, probe)
}

fn source(args: ServeArgs) -> Result<Source, Failure> {
    let folder = current_folder()?;
    args.source(&folder).map_err(Failure::Usage)
}

fn current_folder() -> Result<PathBuf, Failure> {
    std::env::current_dir().map_err(|cause| {
        Failure::Failed(format!("cannot find the current folder ({cause}): change to another"))
    })
}

/// What the kernel says to an I/O model.
fn probe(io: IoModel) -> Result<(), String> {
    io.probe().map_err(|cause| cause.to_string())
}
