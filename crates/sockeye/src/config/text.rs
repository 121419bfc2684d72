//! The file's text to a [`Low`]: the TOML tree walked along the table of keys.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Low;
use super::error::{Contradiction, Error, PROBLEMS_MAX, Problem, quoted};
use super::keys::{KEYS, Key};
use super::nearest::nearest;
use super::programs::{self, APP_KEYS, AppText, JOB_KEYS, JobText};
use super::value::{Value, kind};
use crate::settings::{App, Job};

const SERVER: &str = "server";
const APP: &str = "app";
const JOB: &str = "job";
const CRONTAB: &str = "crontab";
const HISTORY: &str = "history";
/// What may stand at the top of the file.
const TOP: [&str; 5] = [SERVER, APP, JOB, CRONTAB, HISTORY];

/// Programs of one kind in a file; more are a mistake of whatever wrote it.
const PROGRAMS_MAX: usize = 10_000;

/// Reads the text of a file; its relative paths are seen from `base`.
pub(super) fn parse(path: &Path, bytes: &[u8], base: &Path) -> Result<Low, Error> {
    let failed = |text: &str, problems| {
        let (path, text) = (path.to_owned(), text.to_owned());
        Error::Text { path, text, problems }
    };
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => without_mark(text),
        Err(cause) => {
            let problem = not_utf8(cause.valid_up_to());
            return Err(failed(&String::from_utf8_lossy(bytes), vec![problem]));
        }
    };
    let document = DeTable::parse(text).map_err(|cause| failed(text, vec![syntax(&cause)]))?;
    let mut reading = Reading::default();
    reading.document(document.get_ref());
    match reading.problems.is_empty() {
        true => Ok(reading.low.seen_from(base)),
        false => Err(failed(text, reading.in_order())),
    }
}

/// A contradiction shown at the key that should change, if the file has it.
pub(super) fn place(path: &Path, bytes: &[u8], contradiction: Contradiction) -> Error {
    let text = String::from_utf8_lossy(bytes);
    let text = without_mark(&text);
    match locate(text, contradiction.key) {
        None => contradiction.into(),
        Some(span) => {
            let Contradiction { message, help, .. } = contradiction;
            let problems = vec![Problem { span, message, help: Some(help) }];
            Error::Text { path: path.to_owned(), text: text.to_owned(), problems }
        }
    }
}

/// Where the value of a key of `[server]` stands.
fn locate(text: &str, key: &str) -> Option<Range<usize>> {
    let document = DeTable::parse(text).ok()?;
    let server = document.get_ref().get(SERVER)?.get_ref().as_table()?;
    server.get(key).map(Spanned::span)
}

/// Some editors begin a file with a byte order mark.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// One setting given as `KEY=VALUE` on the command line; a VALUE that is not TOML is a string.
pub fn set(low: &mut Low, assignment: &str) -> Result<(), String> {
    let (name, value) = assignment
        .split_once('=')
        .ok_or_else(|| format!("{assignment:?} has no \"=\": write KEY=VALUE"))?;
    let (name, value) = (name.trim(), value.trim());
    let name = name.strip_prefix("server.").unwrap_or(name);
    let value = match DeValue::parse(value) {
        Ok(parsed) => parsed,
        Err(_) => Spanned::new(0..value.len(), DeValue::String(value.into())),
    };
    let mut reading = Reading { low: std::mem::take(low), ..Reading::default() };
    reading.key(name, 0..0, &value);
    *low = reading.low;
    match reading.problems.into_iter().next() {
        None => Ok(()),
        Some(Problem { message, help: Some(help), .. }) => Err(format!("{message}: {help}")),
        Some(Problem { message, help: None, .. }) => Err(message),
    }
}

/// The fuzz entry: any bytes are settings or an error that can be shown. Panics where not.
pub fn fuzz(bytes: &[u8]) {
    let path = Path::new("fuzz.toml");
    let surroundings = super::Surroundings { cpus: 2, uid: 1000, runtime_folder: None };
    let found = parse(path, bytes, Path::new("/base")).and_then(|low| {
        super::lower::lower(low, None, &surroundings).map_err(|found| place(path, bytes, found))
    });
    match found {
        Ok(lowered) => assert_ne!(lowered.settings.web, lowered.settings.listen.is_empty()),
        Err(error) => {
            let shown = error.to_string();
            assert!(shown.starts_with("fuzz.toml:"), "{shown}");
            assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        }
    }
}

/// The walk: what was understood so far and what was not.
#[derive(Default)]
struct Reading {
    low: Low,
    apps: Vec<(App, Range<usize>)>,
    jobs: Vec<(Job, Range<usize>)>,
    problems: Vec<Problem>,
}

impl Reading {
    fn document(&mut self, document: &DeTable<'_>) {
        for (name, value) in document {
            match name.get_ref().as_ref() {
                SERVER => self.server(value),
                APP => self.apps(value),
                JOB => self.jobs(value),
                CRONTAB => match programs::crontab(&whole(CRONTAB, value)) {
                    Ok(files) => self.low.crontab = Some(files),
                    Err(problem) => self.report(problem),
                },
                HISTORY => match whole(HISTORY, value).path() {
                    Ok(path) => self.low.history = Some(path.into()),
                    Err(problem) => self.report(problem),
                },
                other => self.report(unknown_section(other, name.span())),
            }
        }
        if self.problems.is_empty() {
            let problems = &mut self.problems;
            programs::check(&self.apps, &self.jobs, &mut |problem| problems.push(problem));
            problems.truncate(PROBLEMS_MAX);
        }
        self.programs();
    }

    /// A file that names programs and has no section for a web server starts none.
    fn programs(&mut self) {
        let none = self.apps.is_empty() && self.jobs.is_empty() && self.low.crontab.is_none();
        if self.low.web.is_none() && !none {
            self.low.web = Some(false);
        }
        self.low.apps = Some(self.apps.drain(..).map(|(app, _)| app).collect());
        self.low.jobs = Some(self.jobs.drain(..).map(|(job, _)| job).collect());
    }

    fn server(&mut self, value: &Spanned<DeValue<'_>>) {
        self.low.web = Some(true);
        match value.get_ref() {
            DeValue::Table(table) => {
                for (name, value) in table {
                    self.key(name.get_ref(), name.span(), value);
                }
            }
            other => self.report(Problem {
                span: value.span(),
                message: format!("`server` is a section, not {}", kind(other)),
                help: Some("write [server] on a line of its own, and its keys below".into()),
            }),
        }
    }

    fn apps(&mut self, value: &Spanned<DeValue<'_>>) {
        for (table, span) in self.tables(APP, value) {
            let mut text = AppText::default();
            let understood = self.table("[[app]]", APP_KEYS, &mut text, table);
            match text.finish(&span) {
                Ok(app) => self.apps.push((app, span)),
                Err(problem) if understood => self.report(problem),
                // Its mistakes have been said.
                Err(_) => {}
            }
        }
    }

    fn jobs(&mut self, value: &Spanned<DeValue<'_>>) {
        for (table, span) in self.tables(JOB, value) {
            let mut text = JobText::default();
            let understood = self.table("[[job]]", JOB_KEYS, &mut text, table);
            match text.finish(&span) {
                Ok(job) => self.jobs.push((job, span)),
                Err(problem) if understood => self.report(problem),
                Err(_) => {}
            }
        }
    }

    /// The tables of a list of them, each with its place.
    fn tables<'a>(
        &mut self,
        name: &str,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Vec<(&'a DeTable<'a>, Range<usize>)> {
        let list = match value.get_ref() {
            DeValue::Array(list) if list.len() <= PROGRAMS_MAX => list,
            DeValue::Array(_) => {
                let message = format!("more than {PROGRAMS_MAX} sections [[{name}]]");
                self.report(Problem { span: value.span(), message, help: None });
                return Vec::new();
            }
            other => {
                let help = format!("write [[{name}]], in double brackets, once for each");
                let message = format!("`{name}` is a list of sections, not {}", kind(other));
                self.report(Problem { span: value.span(), message, help: Some(help) });
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for item in list {
            match item.get_ref() {
                DeValue::Table(table) => tables.push((table, item.span())),
                other => self.report(Problem {
                    span: item.span(),
                    message: format!("`{name}` holds {}", kind(other)),
                    help: Some(format!("write [[{name}]] on a line of its own, its keys below")),
                }),
            }
        }
        tables
    }

    /// Reads one such table; whether all of it was understood.
    fn table<T>(
        &mut self,
        section: &str,
        keys: &[Key<T>],
        into: &mut T,
        table: &DeTable<'_>,
    ) -> bool {
        let before = self.problems.len();
        for (name, value) in table {
            match keys.iter().find(|key| key.name == name.get_ref()) {
                Some(key) => {
                    if let Err(problem) = (key.set)(into, &whole(key.name, value)) {
                        self.report(problem);
                    }
                }
                None => self.report(unknown_key(name.get_ref(), name.span(), section, keys)),
            }
        }
        self.problems.len() == before
    }

    fn key(&mut self, name: &str, span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        match KEYS.iter().find(|key| key.name == name) {
            Some(key) => {
                if let Err(problem) = (key.set)(&mut self.low, &whole(key.name, value)) {
                    self.report(problem);
                }
            }
            None => self.report(unknown_key(name, span, "[server]", KEYS)),
        }
    }

    fn report(&mut self, problem: Problem) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    /// The tree is sorted by key; people read from top to bottom.
    fn in_order(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| problem.span.start);
        self.problems
    }
}

fn syntax(cause: &toml::de::Error) -> Problem {
    let message = quoted(cause.message().lines().next().unwrap_or("not TOML"));
    Problem { span: cause.span().unwrap_or(0..0), message, help: None }
}

fn not_utf8(at: usize) -> Problem {
    Problem {
        span: at..at + 1,
        message: "the file is not UTF-8 here".into(),
        help: Some("save it as UTF-8".into()),
    }
}

fn whole<'a>(key: &'static str, value: &'a Spanned<DeValue<'a>>) -> Value<'a> {
    Value { key, span: value.span(), inner: value.get_ref() }
}

fn unknown_section(name: &str, span: Range<usize>) -> Problem {
    let help = if KEYS.iter().any(|key| key.name == name) {
        format!("`{name}` belongs into the section [server]: write [server] above it")
    } else if let Some(near) = nearest(name, TOP) {
        format!("did you mean `{near}`?")
    } else {
        "the sections are [server], [[app]] and [[job]]; `crontab` and `history` stand above them"
            .into()
    };
    Problem { span, message: format!("unknown key `{}`", quoted(name)), help: Some(help) }
}

fn unknown_key<T>(name: &str, span: Range<usize>, section: &str, keys: &[Key<T>]) -> Problem {
    let help = match nearest(name, keys.iter().map(|key| key.name)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
            format!("known keys: {}", names.join(", "))
        }
    };
    let message = format!("unknown key `{}` in {section}", quoted(name));
    Problem { span, message, help: Some(help) }
}
