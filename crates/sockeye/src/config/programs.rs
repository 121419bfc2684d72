//! The keys of `[[app]]` and `[[job]]`, and what holds between them: each of the two sections is a
//! list of tables, one for a program.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use schedule::{Dialect, Expr, Missed, Overlap};

use super::error::{Problem, quoted};
use super::keys::{DURATION, Key, SHORTEST, SIZE, TRUTH, Takes, ZERO, names};
use super::nearest::nearest;
use super::value::Value;
use crate::settings::{
    App, INSTANCES_MAX, Job, Order, Place, ProgramOutput, Readiness, Restart, Task, question,
    signal_number,
};

/// `[[app]]` as it is read.
pub struct AppText {
    app: App,
    output_max: Option<u64>,
    output_keep: Option<u32>,
}

/// `[[job]]` as it is read.
#[derive(Default)]
pub struct JobText {
    name: String,
    schedule: Option<(String, Range<usize>)>,
    dialect: Dialect,
    time_zone: Option<String>,
    run: Option<Order>,
    command: Option<Vec<String>>,
    shell: Option<String>,
    place: Place,
    output: Option<ProgramOutput>,
    overlap: Option<Overlap>,
    jitter: Option<Duration>,
    timeout: Option<Duration>,
    missed: Option<Missed>,
}

const NAME: Takes = Takes::Words("letters, digits, `-`, `_` and `.`, 64 at most");
const COMMAND: Takes =
    Takes::Words("the program and its arguments: `[\"nginx\", \"-g\", \"daemon off;\"]`");
const NAMES: Takes = Takes::Words("a list of names of apps");
const FOLDER: Takes = Takes::Words("a folder");
const ENVIRONMENT: Takes = Takes::Words("a table of texts: `{ PORT = \"9000\" }`");
const ACCOUNT: Takes = Takes::Words("an account of /etc/passwd");
const UMASK: Takes = Takes::Words("three or four octal digits in quotes: `\"022\"`");
const LIMITS: Takes = Takes::Words("a table of numbers: `{ nofile = 1024, core = 0 }`");
const OUTPUT: Takes = Takes::Words("`\"log\"`, a file, or `\"/dev/null\"`");
const PROBE: &str = "`\"tcp:9000\"`, `\"http://127.0.0.1:9000/health\"`, `\"exec:COMMAND\"`";

pub const APP_KEYS: &[Key<AppText>] = &[
    Key {
        name: "name",
        takes: NAME,
        default: "none: it must be given",
        about: "What the commands, the log and the status call it.",
        set: |it, value| value.name().map(|name| it.app.name = name),
    },
    Key {
        name: "command",
        takes: COMMAND,
        default: "none: it must be given",
        about: "The program, found on its PATH, and its arguments. It must stay in the foreground.",
        set: |it, value| value.words().map(|words| it.app.command = words),
    },
    Key {
        name: "listen",
        takes: Takes::Words("an address or a list of them"),
        default: "none",
        about: "Sockets that the master opens and keeps and the program inherits, from descriptor \
                3 on, as `LISTEN_FDS` says (sd_listen_fds(3)): a restart refuses nobody, and \
                instances are replaced one by one, the new one first.",
        set: |it, value| value.addresses().map(|list| it.app.listen = list),
    },
    Key {
        name: "instances",
        takes: Takes::Words("a number from 1 to 1024"),
        default: "`1`",
        about: "Processes of this program; those with `listen` share the sockets.",
        set: |it, value| {
            let most = INSTANCES_MAX as u64;
            value.count(1, most).map(|count| it.app.instances = count as usize)
        },
    },
    Key {
        name: "directory",
        takes: FOLDER,
        default: "where the master was started",
        about: "The folder it starts in.",
        set: |it, value| value.path().map(|path| it.app.place.directory = Some(path.into())),
    },
    Key {
        name: "environment",
        takes: ENVIRONMENT,
        default: "none",
        about: "Variables beside those of the master's own environment.",
        set: |it, value| value.environment().map(|list| it.app.place.environment = list),
    },
    Key {
        name: "clear_environment",
        takes: TRUTH,
        default: "`false`",
        about: "Pass on nothing of the master's environment but PATH.",
        set: |it, value| value.truth().map(|truth| it.app.place.clear_environment = truth),
    },
    Key {
        name: "user",
        takes: ACCOUNT,
        default: "the user who starts the master",
        about: "Who it runs as, with that account's groups.",
        set: |it, value| value.text().map(|name| it.app.place.user = Some(name.into())),
    },
    Key {
        name: "umask",
        takes: UMASK,
        default: "the master's",
        about: "Permissions that files it makes do not have (umask(2)).",
        set: |it, value| value.umask().map(|mask| it.app.place.umask = Some(mask)),
    },
    Key {
        name: "limits",
        takes: LIMITS,
        default: "the master's own at its start",
        about: "Resource limits by their names in setrlimit(2) without `RLIMIT_`, in lower case.",
        set: |it, value| value.limits().map(|list| it.app.place.limits = list),
    },
    Key {
        name: "restart",
        takes: Takes::OneOf(names::<Restart>),
        default: "`\"always\"`",
        about: "Whether it is started again when it has ended.",
        set: |it, value| value.named().map(|restart| it.app.restart = restart),
    },
    Key {
        name: "restart_delay",
        takes: DURATION,
        default: "`\"100ms\"`",
        about: "The wait after the first quick end; it doubles with each further one.",
        set: |it, value| value.duration(SHORTEST).map(|wait| it.app.restart_delay = wait),
    },
    Key {
        name: "restart_delay_max",
        takes: DURATION,
        default: "`\"30s\"`",
        about: "The longest such wait.",
        set: |it, value| value.duration(SHORTEST).map(|wait| it.app.restart_delay_max = wait),
    },
    Key {
        name: "ready",
        takes: Takes::Words(
            "`\"none\"`, `\"notify\"` (sd_notify(3)), `\"tcp:9000\"`, \
             `\"http://127.0.0.1:9000/health\"`, `\"exec:COMMAND\"`",
        ),
        default: "`\"none\"`: it is taken for ready a moment after its start",
        about: "How it is known that an instance can work.",
        set: |it, value| value.read_text(Readiness::from_text).map(|ready| it.app.ready = ready),
    },
    Key {
        name: "ready_timeout",
        takes: DURATION,
        default: "`\"30s\"`",
        about: "How long that may take; then the instance is stopped.",
        set: |it, value| value.duration(SHORTEST).map(|wait| it.app.ready_timeout = wait),
    },
    Key {
        name: "alive",
        takes: Takes::Words(PROBE),
        default: "none",
        about: "A check made again and again; an instance that fails it is replaced.",
        set: |it, value| value.read_text(question).map(|it_is| it.app.alive = Some(it_is)),
    },
    Key {
        name: "alive_interval",
        takes: DURATION,
        default: "`\"10s\"`",
        about: "Between two checks.",
        set: |it, value| value.duration(SHORTEST).map(|wait| it.app.alive_interval = wait),
    },
    Key {
        name: "alive_failures",
        takes: Takes::Words("a number from 1 to 1000"),
        default: "`3`",
        about: "Failed checks in a row that mean it is not alive.",
        set: |it, value| value.count(1, 1000).map(|count| it.app.alive_failures = count as u32),
    },
    Key {
        name: "stop_signal",
        takes: Takes::Words("a signal's name: `\"TERM\"`, `\"QUIT\"`"),
        default: "`\"TERM\"`",
        about: "What asks it to end; it goes to its whole process group.",
        set: |it, value| value.read_text(signal_number).map(|number| it.app.stop_signal = number),
    },
    Key {
        name: "stop_timeout",
        takes: DURATION,
        default: "`\"10s\"`",
        about: "How long it may take to end; then all of its processes are killed.",
        set: |it, value| value.duration(ZERO).map(|wait| it.app.stop_timeout = wait),
    },
    Key {
        name: "memory_max",
        takes: SIZE,
        default: "none",
        about: "Resident memory of an instance from which on it is replaced.",
        set: |it, value| value.size(1 << 20, 1 << 50).map(|size| it.app.memory_max = Some(size)),
    },
    Key {
        name: "lifetime_max",
        takes: DURATION,
        default: "none",
        about: "The age at which an instance is replaced.",
        set: |it, value| value.duration(SHORTEST).map(|age| it.app.lifetime_max = Some(age)),
    },
    Key {
        name: "output",
        takes: OUTPUT,
        default: "`\"log\"`: line by line to the master's output, with the name in front",
        about: "Where what it prints goes.",
        set: |it, value| value.path().map(|text| it.app.output = ProgramOutput::from_text(text)),
    },
    Key {
        name: "output_max",
        takes: SIZE,
        default: "`\"10MiB\"`",
        about: "The size at which an output file is renamed and a new one begun.",
        set: |it, value| value.size(1 << 10, 1 << 40).map(|size| it.output_max = Some(size)),
    },
    Key {
        name: "output_keep",
        takes: Takes::Words("a number from 0 to 1000"),
        default: "`5`",
        about: "Renamed output files that are kept.",
        set: |it, value| value.count(0, 1000).map(|count| it.output_keep = Some(count as u32)),
    },
    Key {
        name: "after",
        takes: NAMES,
        default: "none",
        about: "Apps that must be ready before this one is started.",
        set: |it, value| value.names().map(|names| it.app.after = names),
    },
    Key {
        name: "requires",
        takes: NAMES,
        default: "none",
        about: "The same, and when one of them is stopped, so is this one.",
        set: |it, value| value.names().map(|names| it.app.requires = names),
    },
    Key {
        name: "autostart",
        takes: TRUTH,
        default: "`true`",
        about: "Start it with the master, and not only by `sockeye app start`.",
        set: |it, value| value.truth().map(|truth| it.app.autostart = truth),
    },
];

pub const JOB_KEYS: &[Key<JobText>] = &[
    Key {
        name: "name",
        takes: NAME,
        default: "none: it must be given",
        about: "What the commands, the log and the history call it.",
        set: |it, value| value.name().map(|name| it.name = name),
    },
    Key {
        name: "schedule",
        takes: Takes::Words("a crontab's five fields, or `@daily` and the like"),
        default: "none: it must be given",
        about: "When it runs; [Schedules](schedule.md) has the rules. `\"0 4 * * 6,0\"` is at \
                04:00 on every Saturday and Sunday.",
        set: |it, value| {
            value.text().map(|text| it.schedule = Some((text.into(), value.span.clone())))
        },
    },
    Key {
        name: "dialect",
        takes: Takes::OneOf(names::<Dialect>),
        default: "`\"debian\"`",
        about: "Whose cron the schedule is read as, where they differ.",
        set: |it, value| value.named().map(|dialect| it.dialect = dialect),
    },
    Key {
        name: "time_zone",
        takes: Takes::Words("a name of the time zone database: `\"Europe/Vienna\"`, `\"UTC\"`"),
        default: "the machine's",
        about: "The clock that the schedule means.",
        set: |it, value| value.read_text(time_zone).map(|name| it.time_zone = Some(name)),
    },
    Key {
        name: "run",
        takes: Takes::Words(
            "`\"restart NAME\"`, `\"start NAME\"`, `\"stop NAME\"`, `\"reload\"`, \
             `\"reopen-logs\"`",
        ),
        default: "one of `run`, `command` and `shell` must be given",
        about: "What the master itself does.",
        set: |it, value| value.read_text(Order::from_text).map(|order| it.run = Some(order)),
    },
    Key {
        name: "command",
        takes: COMMAND,
        default: "one of `run`, `command` and `shell` must be given",
        about: "A program and its arguments.",
        set: |it, value| value.words().map(|words| it.command = Some(words)),
    },
    Key {
        name: "shell",
        takes: Takes::Words("a line for the shell"),
        default: "one of `run`, `command` and `shell` must be given",
        about: "Run by `/bin/sh -c`, or by the SHELL of `environment`.",
        set: |it, value| value.text().map(|text| it.shell = Some(text.into())),
    },
    Key {
        name: "directory",
        takes: FOLDER,
        default: "the account's home",
        about: "The folder it starts in.",
        set: |it, value| value.path().map(|path| it.place.directory = Some(path.into())),
    },
    Key {
        name: "environment",
        takes: ENVIRONMENT,
        default: "none",
        about: "Variables beside those that cron gives (HOME, LOGNAME, USER, SHELL, PATH) and the \
                master's own.",
        set: |it, value| value.environment().map(|list| it.place.environment = list),
    },
    Key {
        name: "clear_environment",
        takes: TRUTH,
        default: "`false`",
        about: "Pass on nothing of the master's own environment, as cron does.",
        set: |it, value| value.truth().map(|truth| it.place.clear_environment = truth),
    },
    Key {
        name: "user",
        takes: ACCOUNT,
        default: "the user who starts the master",
        about: "Who it runs as, with that account's groups.",
        set: |it, value| value.text().map(|name| it.place.user = Some(name.into())),
    },
    Key {
        name: "output",
        takes: OUTPUT,
        default: "`\"log\"`: line by line to the master's output, with the name in front",
        about: "Where what it prints goes.",
        set: |it, value| value.path().map(|text| it.output = Some(ProgramOutput::from_text(text))),
    },
    Key {
        name: "overlap",
        takes: Takes::OneOf(names::<Overlap>),
        default: "`\"skip\"`",
        about: "When its time comes and the last run has not ended: let this one pass, start it \
                afterwards, kill the old run first, or run both.",
        set: |it, value| value.named().map(|overlap| it.overlap = Some(overlap)),
    },
    Key {
        name: "jitter",
        takes: DURATION,
        default: "`\"0s\"`",
        about: "Each run is late by an amount up to this, always the same for a job.",
        set: |it, value| value.duration(ZERO).map(|jitter| it.jitter = Some(jitter)),
    },
    Key {
        name: "timeout",
        takes: DURATION,
        default: "none",
        about: "A run that takes longer is killed, with all of its processes.",
        set: |it, value| value.duration(SHORTEST).map(|timeout| it.timeout = Some(timeout)),
    },
    Key {
        name: "missed",
        takes: Takes::OneOf(names::<Missed>),
        default: "`\"cron\"`",
        about: "Times that passed while the machine slept or the master was not running: as cron \
                does, not at all, or once for all of them.",
        set: |it, value| value.named().map(|missed| it.missed = Some(missed)),
    },
];

impl Default for AppText {
    fn default() -> Self {
        Self { app: App::unwritten(), output_max: None, output_keep: None }
    }
}

impl AppText {
    /// The app, or what its table lacks.
    pub fn finish(self, span: &Range<usize>) -> Result<App, Problem> {
        let mut app = self.app;
        let lacks = |key| problem(span, format!("an app lacks its `{key}`"), &lacking(key));
        if app.name.is_empty() {
            return Err(lacks("name"));
        }
        if app.command.is_empty() {
            return Err(lacks("command"));
        }
        if app.restart_delay > app.restart_delay_max {
            let message = format!("app {}: `restart_delay` is above `restart_delay_max`", app.name);
            return Err(problem(span, message, "raise the latter"));
        }
        if let ProgramOutput::File { max, keep, .. } = &mut app.output {
            *max = self.output_max.unwrap_or(*max);
            *keep = self.output_keep.unwrap_or(*keep);
        }
        Ok(app)
    }
}

impl JobText {
    /// The job, or what its table lacks, or where its schedule is wrong.
    pub fn finish(self, span: &Range<usize>) -> Result<Job, Problem> {
        let lacks = |key| problem(span, format!("a job lacks its `{key}`"), &lacking(key));
        if self.name.is_empty() {
            return Err(lacks("name"));
        }
        let name = self.name;
        let (schedule, at) = self.schedule.ok_or_else(|| lacks("schedule"))?;
        Expr::parse(&schedule, self.dialect).map_err(|error| wrong_schedule(&at, &error))?;
        let task = match (self.run, self.command, self.shell) {
            (Some(order), None, None) => Task::Run(order),
            (None, Some(words), None) => Task::Command(words),
            (None, None, Some(line)) => Task::Shell(line),
            (None, None, None) => {
                let message = format!("job {name} does nothing");
                let help = "give it one of `run`, `command` and `shell`";
                return Err(problem(span, message, help));
            }
            _ => {
                let message = format!("job {name} has more than one of `run`, `command`, `shell`");
                return Err(problem(span, message, "leave one, or write a job for each"));
            }
        };
        Ok(Job {
            name,
            schedule,
            dialect: self.dialect,
            time_zone: self.time_zone,
            task,
            place: self.place,
            output: self.output.unwrap_or(ProgramOutput::Log),
            overlap: self.overlap.unwrap_or(Overlap::Skip),
            jitter: self.jitter.unwrap_or(Duration::ZERO),
            timeout: self.timeout,
            missed: self.missed.unwrap_or(Missed::Cron),
        })
    }
}

fn lacking(key: &str) -> String {
    match key {
        "name" => "write name = \"...\" into this table".into(),
        "command" => "write command = [\"PROGRAM\", \"ARGUMENT\", ...] into this table".into(),
        _ => "write schedule = \"MINUTE HOUR DAY MONTH WEEKDAY\" into this table".into(),
    }
}

/// The place within the value, where the text has no escapes; else the whole value.
fn wrong_schedule(at: &Range<usize>, error: &schedule::ParseError) -> Problem {
    let message = format!("`schedule`: {}", error.what());
    let column = at.start + error.column() as usize;
    let span = if column < at.end { column..at.end - 1 } else { at.clone() };
    problem(&span, message, error.remedy())
}

/// What holds between programs: names are used once, and those that are named exist.
pub(super) fn check(
    apps: &[(App, Range<usize>)],
    jobs: &[(Job, Range<usize>)],
    report: &mut dyn FnMut(Problem),
) {
    let mut check_once = |what: &str, name: &str, earlier: bool, span: &Range<usize>| {
        if earlier {
            let help = "give each its own name";
            report(problem(span, format!("two {what}s are called {name}"), help));
        }
    };
    for (index, (app, span)) in apps.iter().enumerate() {
        let earlier = apps[..index].iter().any(|(other, _)| other.name == app.name);
        check_once("app", &app.name, earlier, span);
    }
    for (index, (job, span)) in jobs.iter().enumerate() {
        let earlier = jobs[..index].iter().any(|(other, _)| other.name == job.name);
        check_once("job", &job.name, earlier, span);
    }
    let known: Vec<&str> = apps.iter().map(|(app, _)| app.name.as_str()).collect();
    for (app, span) in apps {
        for named in app.after.iter().chain(&app.requires) {
            check_known(&format!("app {}", app.name), named, &known, span, report);
        }
    }
    for (job, span) in jobs {
        if let Task::Run(order) = &job.task
            && let Some(named) = order.app()
        {
            check_known(&format!("job {}", job.name), named, &known, span, report);
        }
    }
}

fn check_known(
    who: &str,
    named: &str,
    known: &[&str],
    span: &Range<usize>,
    report: &mut dyn FnMut(Problem),
) {
    if known.contains(&named) {
        return;
    }
    let help = match nearest(named, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "the file has no [[app]]".to_owned(),
        None => format!("the apps are: {}", known.join(", ")),
    };
    report(problem(
        span,
        format!("{who} names the app {}, which is not there", quoted(named)),
        &help,
    ));
}

/// A name of the time zone database that this program can load.
fn time_zone(name: &str) -> Result<String, String> {
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(format!(
            "\"{}\" is no time zone that this machine knows: names are as in Europe/Vienna, and \
             come with the package tzdata",
            quoted(name)
        )),
    }
}

fn problem(span: &Range<usize>, message: String, help: &str) -> Problem {
    Problem { span: span.clone(), message, help: Some(help.to_owned()) }
}

/// Files of crontab(5) at the top of the file.
pub(super) fn crontab(value: &Value<'_>) -> Result<Vec<PathBuf>, Problem> {
    value.words().map(|words| words.into_iter().map(PathBuf::from).collect())
}
