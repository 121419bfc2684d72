//! The inspection tools: `sockeye lsof ...`, or a link called `lsof` to the program.
//!
//! Their flags are those of the tools people know, bundled short flags and all, so what stands
//! behind the name goes to `inspect` as it is, past the parser of the other commands.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use inspect::tool::{self, Tool};

use crate::cli::output::{Failure, Output};
use crate::verbs::family;

/// The names that `install-links` gives; `ps` and `doctor` would stand in for more than they are.
const LINKS: [&str; 3] = ["lsof", "netstat", "ss"];

/// Which tool these words call, and with what, if one.
pub fn called(words: &[OsString]) -> Option<(Tool, &[OsString])> {
    let named = |word: &OsString| {
        let name = Path::new(word).file_name().and_then(OsStr::to_str)?;
        Tool::from_name(name)
    };
    match words {
        [program, rest @ ..] if named(program).is_some() => named(program).map(|tool| (tool, rest)),
        [_, verb, rest @ ..] => Tool::from_name(verb.to_str()?).map(|tool| (tool, rest)),
        _ => None,
    }
}

pub fn run(tool: Tool, words: &[OsString]) -> ExitCode {
    let (mut out, mut error) = (io::stdout().lock(), io::stderr().lock());
    let code = tool::main_of_family(tool, words, &family::members, &mut out, &mut error);
    match out.flush() {
        Err(cause) if cause.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(code.max(1)),
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}

/// Makes links called like the tools, which run this program as them.
pub fn install_links(out: &mut Output<'_>, folder: &Path) -> Result<(), Failure> {
    let program = std::env::current_exe()
        .map_err(|cause| Failure::Failed(format!("find this program's own path: {cause}")))?;
    for name in LINKS {
        let link = folder.join(name);
        std::os::unix::fs::symlink(&program, &link).map_err(|cause| {
            let remedy = match cause.kind() {
                io::ErrorKind::AlreadyExists => "; remove it first, or name another folder",
                io::ErrorKind::NotFound => "; make the folder first",
                _ => "",
            };
            Failure::Failed(format!("make the link {}: {cause}{remedy}", link.display()))
        })?;
        out.line(format_args!("{} -> {}", link.display(), program.display()))?;
    }
    let first = "Put the folder first in PATH to use them in place of the others.";
    Ok(out.line(first)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: Option<(Tool, usize)>) {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let found = called(&words).map(|(tool, rest)| (tool, rest.len()));
        assert_eq!(found, expected, "{words:?}");
    }

    #[test]
    fn a_tool_is_called_by_verb_or_by_name() {
        check(&["sockeye", "lsof", "-nP", "-i"], Some((Tool::Lsof, 2)));
        check(&["/usr/local/bin/ss", "-tan"], Some((Tool::Ss, 1)));
        check(&["netstat"], Some((Tool::Netstat, 0)));
        check(&["sockeye", "serve", "lsof"], None);
        check(&["sockeye"], None);
        check(&[], None);
    }
}
