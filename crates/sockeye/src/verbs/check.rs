//! `check`: would `serve` start? Reads and judges everything and changes nothing.

use super::models::Probe;
use crate::cli::output::{Failure, Output, warn};
use crate::config::Source;
use crate::settings::{AccessLog, Named, Settings};

pub fn run(out: &mut Output<'_>, source: &Source, probe: Probe) -> Result<(), Failure> {
    let lowered = source.load().map_err(|cause| Failure::Failed(cause.to_string()))?;
    lowered.warnings.iter().for_each(|warning| warn(warning));
    check_kernel(&lowered.settings, probe)?;
    Ok(print(out, &lowered.settings)?)
}

/// A model that this kernel refuses is an error where nothing else may take its place.
fn check_kernel(settings: &Settings, probe: Probe) -> Result<(), Failure> {
    let Err(why) = probe(settings.io_model) else { return Ok(()) };
    let name = settings.io_model.name();
    if settings.strict {
        return Err(Failure::Failed(format!(
            "this kernel refuses {name} ({why}): choose another io_model, or leave out strict"
        )));
    }
    warn(&format!("this kernel refuses {name} ({why}): epoll will take its place"));
    Ok(())
}

fn print(out: &mut Output<'_>, settings: &Settings) -> std::io::Result<()> {
    let file = settings.config_file.as_ref();
    let subject = file.map_or("the command line".into(), |path| path.display().to_string());
    out.heading(format_args!("{subject} is in order"))?;
    if settings.web {
        print_web(out, settings)?;
    }
    for app in &settings.apps {
        let (name, count) = (&app.name, app.instances);
        let many = if count == 1 { String::new() } else { format!(", {count} instances") };
        out.line(format_args!("  app      {name}{many}"))?;
    }
    for job in &settings.jobs {
        out.line(format_args!("  job      {}, {}", job.name, job.schedule))?;
    }
    for path in &settings.crontab {
        out.line(format_args!("  crontab  {}", path.display()))?;
    }
    out.line(format_args!("  control  {}", settings.control.display()))
}

fn print_web(out: &mut Output<'_>, settings: &Settings) -> std::io::Result<()> {
    for address in &settings.listen {
        out.line(format_args!("  listen   {address}"))?;
    }
    let root = settings.root.as_ref();
    let root = root.map_or("the built-in site".into(), |path| path.display().to_string());
    out.line(format_args!("  serve    {root}"))?;
    out.line(format_args!(
        "  models   {} + {}, {}",
        settings.process_model.name(),
        settings.io_model.name(),
        workers(settings.workers)
    ))?;
    if let Some(user) = &settings.user {
        out.line(format_args!("  user     {user}"))?;
    }
    out.line(format_args!("  log      {}", log(&settings.access_log)))
}

fn workers(count: usize) -> String {
    if count == 1 { "1 worker".into() } else { format!("{count} workers") }
}

fn log(log: &AccessLog) -> String {
    match log {
        AccessLog::Off => "off".into(),
        AccessLog::Stdout => "standard output".into(),
        AccessLog::File(path) => path.display().to_string(),
    }
}
