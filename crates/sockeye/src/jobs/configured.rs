//! A `[[job]]` of the configuration as the driver takes it.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use process::{Resource, Rlimit};
use schedule::{Expr, Policy, Schedule};

use super::crontab::{SHELL, environment};
use super::person;
use super::spec::{JobSpec, Output, What};
use crate::settings::{Job, Place, ProgramOutput, Task};
use crate::zone;

/// The job; the error is a sentence that names it. Accounts are looked up now.
pub fn job(job: &Job) -> Result<JobSpec, String> {
    let name = &job.name;
    let of_job = |problem: String| format!("job {name}: {problem}");
    let expr = Expr::parse(&job.schedule, job.dialect).map_err(|e| of_job(e.to_string()))?;
    let zone = match &job.time_zone {
        Some(name) => zone::from_text(name).map_err(|why| of_job(format!("{name}: {why}")))?,
        None => zone::of_system(),
    };
    let (person, account) = match &job.place.user {
        Some(user) => person::named(user).map_err(of_job)?,
        None => (person::own(), None),
    };
    let inherited =
        if job.place.clear_environment { Vec::new() } else { process::current_environment() };
    let settings = job.place.environment.iter();
    let settings: Vec<(&OsStr, &OsStr)> =
        settings.map(|(name, value)| (OsStr::new(name), OsStr::new(value))).collect();
    let environment = environment(&person, &settings, &inherited);
    let home = environment.get(OsStr::new("HOME")).cloned().unwrap_or_default();
    let directory = job.place.directory.clone();
    Ok(JobSpec {
        identity: name.clone(),
        name: name.clone(),
        schedule: Schedule::new(expr, job.dialect, zone),
        policy: Policy {
            overlap: job.overlap,
            missed: job.missed,
            jitter: job.jitter,
            timeout: job.timeout,
        },
        what: what(&job.task),
        stdin: None,
        directory: Some(directory.unwrap_or_else(|| person::folder(Path::new(&home)).to_owned())),
        environment: environment.into_iter().collect(),
        account,
        umask: job.place.umask,
        limits: limits(&job.place),
        output: output(&job.output),
        quiet: false,
        source: None,
    })
}

fn what(task: &Task) -> What {
    match task {
        Task::Run(order) => What::Verb(order.to_string()),
        Task::Command(words) => What::Command(words.iter().map(OsString::from).collect()),
        Task::Shell(text) => What::Shell { shell: SHELL.into(), text: text.into() },
    }
}

fn output(output: &ProgramOutput) -> Output {
    match output {
        ProgramOutput::Log => Output::Log,
        ProgramOutput::Null => Output::Null,
        ProgramOutput::File { path, max, keep } => {
            Output::File { path: path.clone(), max: *max, keep: *keep }
        }
    }
}

/// The limits of a place by their kernel names, soft and hard alike (setrlimit(2)).
pub fn limits(place: &Place) -> Vec<(Resource, Rlimit)> {
    let limit = |(name, value): &(String, u64)| {
        let limit = Rlimit { current: Some(*value), maximum: Some(*value) };
        Some((resource(name)?, limit))
    };
    place.limits.iter().filter_map(limit).collect()
}

fn resource(name: &str) -> Option<Resource> {
    Some(match name {
        "as" => Resource::As,
        "core" => Resource::Core,
        "cpu" => Resource::Cpu,
        "data" => Resource::Data,
        "fsize" => Resource::Fsize,
        "locks" => Resource::Locks,
        "memlock" => Resource::Memlock,
        "msgqueue" => Resource::Msgqueue,
        "nice" => Resource::Nice,
        "nofile" => Resource::Nofile,
        "nproc" => Resource::Nproc,
        "rss" => Resource::Rss,
        "rtprio" => Resource::Rtprio,
        "rttime" => Resource::Rttime,
        "sigpending" => Resource::Sigpending,
        "stack" => Resource::Stack,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Order;
    use schedule::{Dialect, Missed, Overlap};
    use std::time::Duration;

    fn base() -> Job {
        Job {
            name: "nightly".into(),
            schedule: "0 4 * * 6,0".into(),
            dialect: Dialect::Debian,
            time_zone: Some("Europe/Vienna".into()),
            task: Task::Run(Order::Restart("nginx".into())),
            place: Place { clear_environment: true, ..Place::default() },
            output: ProgramOutput::Log,
            overlap: Overlap::Skip,
            jitter: Duration::ZERO,
            timeout: None,
            missed: Missed::Cron,
        }
    }

    #[test]
    fn a_job_of_the_file_is_lowered() {
        let spec = job(&base()).unwrap();
        assert_eq!(spec.what, What::Verb("restart nginx".into()));
        assert_eq!(zone::name(spec.schedule.zone()), "Europe/Vienna");
        let names: Vec<_> = spec.environment.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(names, ["HOME", "LOGNAME", "PATH", "SHELL", "USER"]);
        let place = Place { limits: vec![("nofile".into(), 64)], ..Place::default() };
        let limited = job(&Job { place, ..base() }).unwrap();
        assert_eq!(limited.limits.len(), 1);
        let nobody = Place { user: Some("nobody-here".into()), ..Place::default() };
        let error = job(&Job { place: nobody, ..base() }).unwrap_err();
        assert!(error.starts_with("job nightly: user \"nobody-here\""), "{error}");
    }
}
