//! `cron check`: every mistake of a crontab in one run, as `file:line:column`, which editors know.

use std::ffi::OsStr;
use std::path::Path;

use schedule::{Crontab, Dialect, Entry, ParseError};

use super::{kind, parse, read, shown};
use crate::cli::cron::CheckArgs;
use crate::cli::output::{BAD, Failure, GOOD, Output, POOR, escaped};
use crate::config::account;

/// Where cron looks for programs, unless a PATH line says otherwise.
const PATH: &str = "/usr/bin:/bin";
/// Where administrators' programs are, of which cron's PATH knows nothing.
const BEYOND_PATH: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/bin"];
/// What makes a command's first word more than the name of a program.
const SHELL_CHARACTERS: &str = "/$`'\"\\;&|<>(){}[]*?~=!#";

pub fn run(out: &mut Output<'_>, args: &CheckArgs) -> Result<(), Failure> {
    let mut errors = 0;
    for path in &args.files {
        let text = read(path)?;
        let kind = kind(args.system, path);
        let crontab = parse(&text, &args.reading, kind);
        report(out, path, &text, &crontab)?;
        summary(out, path, args.reading.dialect, &crontab)?;
        errors += crontab.errors().len();
    }
    if errors > 0 {
        let lines = if errors == 1 { "line is" } else { "lines are" };
        return Err(Failure::Failed(format!("{errors} {lines} wrong: correct as shown above")));
    }
    Ok(())
}

/// All findings in the order of the lines.
fn report(
    out: &mut Output<'_>,
    path: &Path,
    text: &[u8],
    crontab: &Crontab,
) -> Result<(), Failure> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let errors = crontab.errors().iter().map(|found| (found, true));
    let notes = crontab.notes().iter().map(|found| (found, false));
    let mut findings: Vec<(&ParseError, bool)> = errors.chain(notes).collect();
    findings.sort_by_key(|(found, _)| (found.line(), found.column()));
    for (found, is_error) in findings {
        let (style, word) = if is_error { (BAD, "error") } else { (POOR, "note") };
        let (line, column) = (found.line(), found.column());
        let word = out.paint(style, word).to_string();
        let (what, remedy) = (found.what(), found.remedy());
        out.line(format_args!("{}:{line}:{column}: {word}: {what}; {remedy}", path.display()))?;
        let source = lines.get(line as usize - 1).copied().unwrap_or_default();
        out.line(shown::with_caret(source, column))?;
    }
    for entry in crontab.entries() {
        for note in remarks(entry) {
            let word = out.paint(POOR, "note").to_string();
            out.line(format_args!("{}:{}: {word}: {note}", path.display(), entry.line()))?;
        }
    }
    Ok(())
}

/// What only this machine can say about a line: its user, and where its program is.
fn remarks(entry: &Entry) -> Vec<String> {
    let user = entry.user().and_then(|user| account(&user.to_string_lossy()).err());
    let program = first_word(entry).and_then(|word| {
        let path = setting(entry, "PATH").unwrap_or(OsStr::new(PATH)).to_string_lossy();
        beyond_path(word, &path, |file| file.is_file())
    });
    user.into_iter().chain(program).collect()
}

fn setting<'a>(entry: &'a Entry, name: &str) -> Option<&'a OsStr> {
    entry.environment().into_iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

/// The command's first word, where that is the plain name of a program.
fn first_word(entry: &Entry) -> Option<&str> {
    let word = entry.command().to_str()?.split_ascii_whitespace().next()?;
    (!word.contains(|c| SHELL_CHARACTERS.contains(c))).then_some(word)
}

/// The commonest way for a line to fail under cron that works when typed.
fn beyond_path(word: &str, path: &str, exists: impl Fn(&Path) -> bool) -> Option<String> {
    let on_path = path.split(':').any(|folder| exists(&Path::new(folder).join(word)));
    let folder = BEYOND_PATH.iter().find(|folder| exists(&Path::new(folder).join(word)))?;
    (!on_path).then(|| {
        format!("{word} is in {folder}, but PATH is {path}; write {folder}/{word}, or a PATH line")
    })
}

fn summary(
    out: &mut Output<'_>,
    path: &Path,
    dialect: Dialect,
    crontab: &Crontab,
) -> Result<(), Failure> {
    let path = escaped(&path.to_string_lossy());
    let count = crontab.entries().len();
    let jobs = if count == 1 { "1 job".to_owned() } else { format!("{count} jobs") };
    let errors = crontab.errors().len();
    if errors == 0 {
        let good = out.paint(GOOD, "in order").to_string();
        return Ok(out.line(format_args!("{path}: {jobs}, {good}"))?);
    }
    let consequence = match dialect {
        Dialect::Debian => "Debian's cron would drop the whole file, here the other lines run",
        Dialect::Cronie => "the other lines run",
    };
    Ok(out.line(format_args!("{path}: {jobs}, {errors} wrong: {consequence}"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_cron_would_not_find() {
        fn check(word: &str, path: &str, expected: Option<&str>) {
            let there = ["/usr/sbin/nginx", "/usr/bin/id", "/usr/local/bin/id"];
            let exists = |file: &Path| there.iter().any(|known| Path::new(known) == file);
            let found = beyond_path(word, path, exists);
            assert_eq!(found.is_some(), expected.is_some(), "{word}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()));
        }
        check("nginx", PATH, Some("write /usr/sbin/nginx"));
        check("nginx", "/bin:/usr/sbin", None);
        check("id", PATH, None);
        check("nothing", PATH, None);
    }
}
