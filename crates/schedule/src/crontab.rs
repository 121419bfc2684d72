//! A crontab file: settings, jobs, and everything wrong with it.
//!
//! A daemon drops a line it cannot read, and Debian's the whole file. Here every good line is kept
//! and every bad one reported with its place and the correction; the caller decides whether a file
//! with errors may run. crontab(5).

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::dialect::Dialect;
use crate::env;
use crate::error::{Fault, ParseError, quote};
use crate::expr::{Expr, skip_blanks, skip_word};
use crate::mix::mix;
use crate::schedule::{Fire, Fires, Schedule};

/// The most jobs one file may hold (cronie's `MAX_USER_ENTRIES`).
pub const ENTRIES_MAX: usize = 10_000;
/// The most settings one file may hold (cronie's `MAX_USER_ENVS`).
pub const SETTINGS_MAX: usize = 1_000;
/// The most errors, and the most notes, kept of one file.
pub const FINDINGS_MAX: usize = 1_000;

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A user's own crontab: five fields and the command.
    User,
    /// `/etc/crontab` and `/etc/cron.d`: five fields, the user, and the command.
    System,
}

/// How a file is read.
#[derive(Clone, Debug)]
pub struct Options {
    pub dialect: Dialect,
    pub kind: Kind,
    /// The zone jobs run in until a `CRON_TZ` line.
    pub zone: TimeZone,
    /// Finds a zone by its IANA name, for `CRON_TZ`. (This crate opens no files.)
    pub zones: fn(&str) -> Option<TimeZone>,
    /// Where cronie's `~` draws from: the same seed gives the same times.
    pub seed: u64,
}

impl Options {
    /// A user's crontab in Debian's dialect, in UTC, where no other zone is known.
    pub fn utc() -> Options {
        let zones = |name: &str| (name == "UTC").then_some(TimeZone::UTC);
        Options { dialect: Dialect::Debian, kind: Kind::User, zone: TimeZone::UTC, zones, seed: 0 }
    }
}

/// A parsed file.
#[derive(Clone, Debug)]
pub struct Crontab {
    entries: Vec<Entry>,
    errors: Vec<ParseError>,
    notes: Vec<ParseError>,
}

/// One job line.
#[derive(Clone, Debug)]
pub struct Entry {
    line: u32,
    schedule: Schedule,
    user: Option<OsString>,
    command: OsString,
    stdin: Option<Vec<u8>>,
    quiet: bool,
    mail_on_error: bool,
    /// All settings of the file, and how many of them stand above this line.
    settings: Arc<[Setting]>,
    settings_above: usize,
}

#[derive(Clone, Debug)]
struct Setting {
    name: OsString,
    value: OsString,
}

/// A job of a crontab at an instant, as [`Crontab::simulate`] yields it.
#[derive(Clone, Copy, Debug)]
pub struct Due<'a> {
    pub at: Timestamp,
    pub entry: &'a Entry,
    /// How many copies cron starts; see [`Fire::copies`].
    pub copies: u32,
}

impl Crontab {
    /// Reads a whole file. Bad lines are in [`Crontab::errors`]; all others count.
    pub fn parse(text: &[u8], options: &Options) -> Crontab {
        let mut parser = Parser::new(options);
        parser.file(text);
        parser.finish()
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The lines that are not used, in order.
    pub fn errors(&self) -> &[ParseError] {
        &self.errors
    }

    /// What is used but may not mean what was meant, in order.
    pub fn notes(&self) -> &[ParseError] {
        &self.notes
    }

    /// What a daemon started at `from` would run up to and at `to`, by time, then by line.
    pub fn simulate(&self, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Due<'_>> {
        let mut fires: Vec<Fires> =
            self.entries.iter().map(|entry| entry.schedule.fires_since_start(from)).collect();
        let mut heap: BinaryHeap<Reverse<(Timestamp, usize, u32)>> = BinaryHeap::new();
        for (index, fires) in fires.iter_mut().enumerate() {
            heap.extend(next_until(fires, to).map(|fire| Reverse((fire.at, index, fire.copies))));
        }
        std::iter::from_fn(move || {
            let Reverse((at, index, copies)) = heap.pop()?;
            if let Some(fire) = next_until(fires.get_mut(index)?, to) {
                heap.push(Reverse((fire.at, index, fire.copies)));
            }
            Some(Due { at, entry: self.entries.get(index)?, copies })
        })
    }
}

fn next_until(fires: &mut Fires, to: Timestamp) -> Option<Fire> {
    fires.next().filter(|fire| fire.at <= to)
}

impl Entry {
    /// The line in the file, counted from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    pub fn expr(&self) -> &Expr {
        self.schedule.expr()
    }

    /// The user column of a system crontab. Whether the user exists is for the caller to find out.
    pub fn user(&self) -> Option<&OsStr> {
        self.user.as_deref()
    }

    /// What the shell is given: the text before the first bare `%`, with `\%` as `%`.
    pub fn command(&self) -> &OsStr {
        &self.command
    }

    /// What the command reads: the text after the first bare `%`, where `%` is a newline.
    pub fn stdin(&self) -> Option<&[u8]> {
        self.stdin.as_deref()
    }

    /// cronie's `-` before the minutes: the run is not to be logged.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// cronie's `-n` before the command: output is only of interest if the command fails.
    pub fn mail_on_error(&self) -> bool {
        self.mail_on_error
    }

    /// The settings above this line, each name once with its latest value, in order of name.
    /// cron's own defaults (SHELL, PATH, HOME, LOGNAME) are not among them.
    pub fn environment(&self) -> Vec<(&OsStr, &OsStr)> {
        let above = self.settings.get(..self.settings_above).unwrap_or_default();
        let mut latest = std::collections::BTreeMap::new();
        for setting in above {
            latest.insert(setting.name.as_os_str(), setting.value.as_os_str());
        }
        latest.into_iter().collect()
    }
}

struct Parser<'a> {
    options: &'a Options,
    line: u32,
    zone: TimeZone,
    entries: Vec<Entry>,
    settings: Vec<Setting>,
    errors: Vec<ParseError>,
    notes: Vec<ParseError>,
}

impl<'a> Parser<'a> {
    fn new(options: &'a Options) -> Parser<'a> {
        Parser {
            options,
            line: 0,
            zone: options.zone.clone(),
            entries: Vec::new(),
            settings: Vec::new(),
            errors: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn file(&mut self, text: &[u8]) {
        let mut carriage_return = false;
        for line in text.split(|byte| *byte == b'\n') {
            self.line = self.line.saturating_add(1);
            let bare = line.strip_suffix(b"\r").unwrap_or(line);
            if bare.len() < line.len() && !carriage_return {
                carriage_return = true;
                let what = "lines end in carriage return and newline, which cron would pass on";
                self.note(Fault::new(bare.len(), what, "save the file with Unix line ends"));
            }
            let mut notes = Vec::new();
            if let Err(fault) = self.one_line(bare, &mut notes) {
                self.error(fault);
            }
            notes.into_iter().for_each(|note| self.note(note));
        }
        self.last_line(text);
    }

    /// Notes a last line without a newline, which cron would leave out.
    fn last_line(&mut self, text: &[u8]) {
        let last = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        if !last.trim_ascii().is_empty() {
            let what = "the last line has no newline, and cron would ignore it";
            self.note(Fault::new(last.len(), what, "end the file with a newline"));
        }
    }

    fn one_line(&mut self, line: &[u8], notes: &mut Vec<Fault>) -> Result<(), Fault> {
        let start = skip_blanks(line, 0);
        let text = line.get(start..).unwrap_or_default();
        if text.trim_ascii().is_empty() || text.starts_with(b"#") {
            return Ok(());
        }
        if let Some(nul) = line.iter().position(|byte| *byte == 0) {
            let remedy = "remove it: no command or variable can hold one";
            return Err(Fault::new(nul, "the line holds a NUL byte", remedy));
        }
        match env::setting(text) {
            Some((name, value)) => self.setting(start, name, value, notes),
            None => self.entry(line, start, notes),
        }
    }

    fn setting(
        &mut self,
        start: usize,
        name: &[u8],
        value: &[u8],
        notes: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        if name.is_empty() {
            return Err(Fault::new(start, "the name before = is empty", "write NAME=value"));
        }
        if self.settings.len() >= SETTINGS_MAX {
            let what = format!("the file has more than {SETTINGS_MAX} settings");
            return Err(Fault::new(start, what, "split the file"));
        }
        self.check_length(start, name.len() + 1 + value.len(), "setting")?;
        match name {
            b"CRON_TZ" => self.zone(start, value, notes)?,
            b"LOGNAME" | b"USER" => notes.push(Fault::new(
                start,
                format!("{} is always the job's user", String::from_utf8_lossy(name)),
                "remove the line",
            )),
            _ => {}
        }
        let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        self.settings.push(Setting { name: owned(name), value: owned(value) });
        Ok(())
    }

    fn zone(&mut self, start: usize, name: &[u8], notes: &mut Vec<Fault>) -> Result<(), Fault> {
        let found = std::str::from_utf8(name).ok().and_then(self.options.zones);
        let what = || format!("there is no time zone {}", quote(name));
        let remedy = "write an IANA name such as Europe/Berlin; lines below keep the zone above";
        self.zone = found.ok_or_else(|| Fault::new(start, what(), remedy))?;
        if self.options.dialect == Dialect::Debian {
            let what = "Debian's cron ignores CRON_TZ; here it holds for the lines below";
            notes.push(Fault::new(start, what, "remove it if these jobs run under Debian too"));
        }
        Ok(())
    }

    fn entry(&mut self, line: &[u8], start: usize, notes: &mut Vec<Fault>) -> Result<(), Fault> {
        if self.entries.len() >= ENTRIES_MAX {
            let what = format!("the file has more than {ENTRIES_MAX} jobs");
            return Err(Fault::new(start, what, "split the file"));
        }
        let dialect = self.options.dialect;
        let quiet = dialect == Dialect::Cronie && line.get(start) == Some(&b'-');
        let start = start + usize::from(quiet);
        let text = line.get(start..).unwrap_or_default();
        let seed = mix(self.options.seed, u64::from(self.line));
        let (expr, end) = Expr::read(text, dialect, seed, notes).map_err(|f| f.shifted(start))?;
        notes.iter_mut().for_each(|note| note.at += start);
        let (user, at) = self.user(line, start + end, notes)?;
        let (mail_on_error, at) = self.command_options(line, at)?;
        let command = self.command(line, at)?;
        self.remark(line, at, notes);
        let (command, stdin) = split_percent(command);
        self.entries.push(Entry {
            line: self.line,
            schedule: Schedule::new(expr, dialect, self.zone.clone()),
            user,
            command: OsString::from_vec(command),
            stdin,
            quiet,
            mail_on_error,
            settings: Arc::default(),
            settings_above: self.settings.len(),
        });
        Ok(())
    }

    /// The user column, if the file has one, and where the command begins.
    fn user(
        &self,
        line: &[u8],
        from: usize,
        notes: &mut Vec<Fault>,
    ) -> Result<(Option<OsString>, usize), Fault> {
        let start = skip_blanks(line, from);
        if line.get(start) == Some(&b'*') {
            let what = "a sixth time field follows the day of week";
            let remedy = "cron has five fields and no seconds: remove one";
            return Err(Fault::new(start, what, remedy));
        }
        if self.options.kind == Kind::User {
            return Ok((None, start));
        }
        let end = skip_word(line, start);
        let user = line.get(start..end).unwrap_or_default();
        if user.is_empty() {
            let remedy = "system crontabs name the user before the command";
            return Err(Fault::new(start, "the user is missing", remedy));
        }
        if user.iter().all(u8::is_ascii_digit) {
            let what = format!("{} stands where the user belongs", quote(user));
            notes.push(Fault::new(start, what, "cron has five time fields, then the user"));
        }
        Ok((Some(OsStr::from_bytes(user).to_os_string()), skip_blanks(line, end)))
    }

    /// cronie's options between the fields and the command, and where the command begins.
    fn command_options(&self, line: &[u8], start: usize) -> Result<(bool, usize), Fault> {
        if self.options.dialect == Dialect::Debian || line.get(start) != Some(&b'-') {
            return Ok((false, start));
        }
        let end = skip_word(line, start);
        match line.get(start..end) {
            Some(b"-n") => Ok((true, skip_blanks(line, end))),
            word => {
                let what = format!("cronie has no option {}", quote(word.unwrap_or_default()));
                Err(Fault::new(start, what, "write -n, or begin the command with a program"))
            }
        }
    }

    fn command<'t>(&self, line: &'t [u8], start: usize) -> Result<&'t [u8], Fault> {
        let command = line.get(start..).unwrap_or_default();
        if command.is_empty() {
            let remedy = "write the command after the fields";
            return Err(Fault::new(start, "the command is missing", remedy));
        }
        self.check_length(start, command.len(), "command")?;
        Ok(command)
    }

    fn check_length(&self, at: usize, len: usize, what: &str) -> Result<(), Fault> {
        let max = self.options.dialect.text_len_max();
        if len > max {
            let what = format!("the {what} has {len} bytes, and cron cuts it at {max}");
            return Err(Fault::new(at, what, "move it into a script"));
        }
        Ok(())
    }

    /// Notes on commands that begin like something else.
    fn remark(&self, line: &[u8], at: usize, notes: &mut Vec<Fault>) {
        let word = line.get(at..skip_word(line, at)).unwrap_or_default();
        if self.options.kind == Kind::User && word == b"root" {
            let what = "the command begins with `root`, but a user's crontab has no user column";
            notes.push(Fault::new(at, what, "remove it"));
        } else if word.iter().all(|byte| byte.is_ascii_digit() || b"*/,-".contains(byte)) {
            let what = format!("the command begins with {}", quote(word));
            notes.push(Fault::new(at, what, "cron has five time fields and no year"));
        }
        if let Some(percent) = bare_percent(line.get(at..).unwrap_or_default()) {
            let what = "% ends the command here and begins its standard input";
            notes.push(Fault::new(at + percent, what, "write \\% for a percent sign"));
        }
    }

    fn error(&mut self, fault: Fault) {
        if self.errors.len() < FINDINGS_MAX {
            self.errors.push(fault.on_line(self.line));
        }
    }

    fn note(&mut self, fault: Fault) {
        if self.notes.len() < FINDINGS_MAX {
            self.notes.push(fault.on_line(self.line));
        }
    }

    fn finish(mut self) -> Crontab {
        let settings: Arc<[Setting]> = self.settings.into();
        for entry in &mut self.entries {
            entry.settings = settings.clone();
        }
        Crontab { entries: self.entries, errors: self.errors, notes: self.notes }
    }
}

/// Where the first `%` without a backslash before it is. A backslash covers one character.
fn bare_percent(command: &[u8]) -> Option<usize> {
    let mut covered = false;
    command.iter().position(|byte| {
        let bare = *byte == b'%' && !covered;
        covered = *byte == b'\\' && !covered;
        bare
    })
}

/// The command and its standard input. In both, `\%` is `%` and every other backslash stays.
fn split_percent(text: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let Some(percent) = bare_percent(text) else {
        return (uncovered(text), None);
    };
    let (command, input) = text.split_at(percent);
    let mut stdin = with_newlines(input.get(1..).unwrap_or_default());
    if !stdin.is_empty() && stdin.last() != Some(&b'\n') {
        stdin.push(b'\n');
    }
    (uncovered(command), Some(stdin))
}

fn uncovered(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut covered = false;
    for byte in text {
        if covered && *byte == b'%' {
            out.pop();
        }
        covered = *byte == b'\\' && !covered;
        out.push(*byte);
    }
    out
}

/// Standard input as cron writes it. Here a backslash covers the next character even if it was
/// covered itself, unlike in the command: `\\%` is `\%`. (`do_command.c` of both daemons.)
fn with_newlines(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 1);
    let mut covered = false;
    for byte in text {
        match (covered, byte) {
            (true, b'%') => {
                out.pop();
                out.push(b'%');
            }
            (false, b'%') => out.push(b'\n'),
            _ => out.push(*byte),
        }
        covered = *byte == b'\\';
    }
    out
}
