//! The usual calls of ps(1): `aux`, `-ef`, `-o LIST`, `-p`, `-C`, `-u`, `--ppid`, `--forest`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::bytes;
use crate::tool::Stop;
use crate::tool::getopt::{self, Arg, Long};
use crate::tool::ps::column::{Column, KEYWORDS};
use crate::tool::ps::facts::{Facts, Row};

#[derive(Debug, Default)]
pub struct Options {
    pub columns: Vec<(Column, String)>,
    pub forest: bool,
    pub json: bool,
    pub proc_root: Option<PathBuf>,
    /// The control socket of the family to ask.
    pub control: Option<PathBuf>,
    all: bool,
    pids: Vec<u32>,
    parents: Vec<u32>,
    names: Vec<Vec<u8>>,
    users: Vec<Vec<u8>>,
}

const LONGS: &[Long] = &[
    ("forest", false, 'H'),
    ("ppid", true, 'P'),
    ("pid", true, 'p'),
    ("user", true, 'u'),
    ("format", true, 'o'),
    ("json", false, 'j'),
    ("proc-root", true, '/'),
    ("control", true, 'c'),
    ("no-headers", false, 'N'),
    ("help", false, 'h'),
];

const AUX: &[(Column, &str)] = &[
    (Column::User, "USER"),
    (Column::Pid, "PID"),
    (Column::Cpu, "%CPU"),
    (Column::Memory, "%MEM"),
    (Column::VirtualKib, "VSZ"),
    (Column::ResidentKib, "RSS"),
    (Column::Tty, "TTY"),
    (Column::Stat, "STAT"),
    (Column::Start, "START"),
    (Column::TimeShort, "TIME"),
    (Column::Command, "COMMAND"),
];

const FULL: &[(Column, &str)] = &[
    (Column::User, "UID"),
    (Column::Pid, "PID"),
    (Column::Ppid, "PPID"),
    (Column::CpuWhole, "C"),
    (Column::Start, "STIME"),
    (Column::Tty, "TTY"),
    (Column::Time, "TIME"),
    (Column::Command, "CMD"),
];

const SHORT: &[(Column, &str)] = &[
    (Column::Pid, "PID"),
    (Column::Tty, "TTY"),
    (Column::Time, "TIME"),
    (Column::NameOrDefunct, "CMD"),
];

/// Our own: what a person asks who runs services.
const SERVICES: &[(Column, &str)] = &[
    (Column::Pid, "PID"),
    (Column::Ppid, "PPID"),
    (Column::User, "USER"),
    (Column::State, "S"),
    (Column::Threads, "THR"),
    (Column::Files, "FD/LIMIT"),
    (Column::Listening, "LISTEN"),
    (Column::Connections, "CONNS"),
    (Column::Cpu, "%CPU"),
    (Column::ResidentKib, "RSS"),
    (Column::Start, "START"),
    (Column::Fate, "COMMAND"),
];

fn usage(text: String) -> Stop {
    Stop::Usage(format!("{text} (see ps --help)"), 1)
}

impl Options {
    pub fn parse(args: &[OsString]) -> Result<Options, Stop> {
        let mut options = Options::default();
        let mut titles = true;
        let (mut full, mut named) = (None, false);
        for arg in getopt::parse(args, "AefFHjhNo:p:C:u:", LONGS).map_err(usage)? {
            named |= !matches!(arg, Arg::Flag('j' | 'N') | Arg::Valued('/' | 'c', _));
            match arg {
                Arg::Flag('A' | 'e') => options.all = true,
                Arg::Flag('f' | 'F') => full = Some(FULL),
                Arg::Flag('H') => options.forest = true,
                Arg::Flag('j') => options.json = true,
                Arg::Flag('N') => titles = false,
                Arg::Flag(_) => return Err(Stop::Text(HELP.to_owned())),
                Arg::Valued('o', list) => options.add_columns(&list)?,
                Arg::Valued('p', list) => options.pids.extend(numbers(&list)?),
                Arg::Valued('P', list) => options.parents.extend(numbers(&list)?),
                Arg::Valued('C', list) => options.names.extend(split(&list)),
                Arg::Valued('u', list) => options.users.extend(split(&list)),
                Arg::Valued('c', path) => {
                    options.control = Some(PathBuf::from(OsStr::from_bytes(&path)));
                }
                Arg::Valued(_, root) => {
                    options.proc_root = Some(PathBuf::from(OsStr::from_bytes(&root)));
                }
                Arg::Operand(word) => options.bsd(&word, &mut full)?,
            }
        }
        options.forest |= !named;
        options.all |= !named || options.selects_nothing();
        if options.columns.is_empty() {
            let default = if named { SHORT } else { SERVICES };
            options.columns =
                full.unwrap_or(default).iter().map(|(c, t)| (*c, (*t).into())).collect();
        }
        if !titles {
            options.columns.iter_mut().for_each(|(_, title)| title.clear());
        }
        Ok(options)
    }

    /// `aux`, `axf`: letters without a dash.
    fn bsd(
        &mut self,
        word: &[u8],
        full: &mut Option<&'static [(Column, &'static str)]>,
    ) -> Result<(), Stop> {
        if let Some(pid) = bytes::dec32(word) {
            self.pids.push(pid);
            return Ok(());
        }
        for letter in word {
            match letter {
                b'a' | b'x' => self.all = true,
                b'u' => *full = Some(AUX),
                b'f' => self.forest = true,
                b'w' => {}
                other => return Err(usage(format!("option {} is not done here", *other as char))),
            }
        }
        Ok(())
    }

    /// `pid,comm=NAME`: after `=` the rest of the word is the title.
    fn add_columns(&mut self, list: &[u8]) -> Result<(), Stop> {
        let mut rest = list;
        while !rest.is_empty() {
            let end =
                rest.iter().position(|b| matches!(b, b',' | b' ' | b'=')).unwrap_or(rest.len());
            let word = String::from_utf8_lossy(&rest[..end]).to_lowercase();
            let known = KEYWORDS.iter().find(|(keyword, ..)| *keyword == word);
            let (_, title, column) =
                known.ok_or_else(|| usage(format!("unknown column {word:?} in -o")))?;
            if rest.get(end) == Some(&b'=') {
                let title = String::from_utf8_lossy(&rest[end + 1..]).into_owned();
                self.columns.push((*column, title));
                return Ok(());
            }
            self.columns.push((*column, (*title).to_owned()));
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        Ok(())
    }

    fn selects_nothing(&self) -> bool {
        self.pids.is_empty()
            && self.parents.is_empty()
            && self.names.is_empty()
            && self.users.is_empty()
    }

    pub fn selects(&self, row: &Row, facts: &Facts) -> bool {
        let user = |wanted: &Vec<u8>| {
            facts.users.name(row.uid) == Some(wanted.as_slice())
                || bytes::dec32(wanted) == Some(row.uid)
        };
        self.all
            || self.pids.contains(&row.pid)
            || self.parents.contains(&row.ppid)
            || self.names.contains(&row.name)
            || self.users.iter().any(user)
    }
}

fn split(list: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    list.split(|b| matches!(b, b',' | b' ')).filter(|w| !w.is_empty()).map(<[u8]>::to_vec)
}

fn numbers(list: &[u8]) -> Result<Vec<u32>, Stop> {
    split(list)
        .map(|word| {
            let shown = String::from_utf8_lossy(&word).into_owned();
            bytes::dec32(&word).ok_or_else(|| usage(format!("{shown:?} is no process number")))
        })
        .collect()
}

const HELP: &str = "\
usage: ps [aux | -ef | -A] [-o LIST] [-p PIDS] [-C NAMES] [-u USERS] [--ppid PIDS] [--forest]
          [--json] [--control PATH]
  without arguments: the tree of all processes, with descriptors of the limit, listening sockets and
  connections of each; of Sockeye's own also what each does, as its master says
  columns of our own for -o: fds, listen, conns, role, gen, doing
";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], columns: usize, all: bool, forest: bool) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let options = Options::parse(&args).unwrap();
        let seen = (options.columns.len(), options.all, options.forest);
        assert_eq!(seen, (columns, all, forest), "{args:?}");
    }

    #[test]
    fn calls() {
        check(&[], SERVICES.len(), true, true);
        check(&["aux"], AUX.len(), true, false);
        check(&["-ef"], FULL.len(), true, false);
        check(&["-ef", "--forest"], FULL.len(), true, true);
        check(&["-o", "pid,comm=NAME, x", "-p", "1,2"], 2, false, false);
        check(&["-C", "nginx"], SHORT.len(), false, false);
        for bad in ["-Z", "-oxyz", "-px", "auxZ"] {
            assert!(matches!(Options::parse(&[bad.into()]), Err(Stop::Usage(_, 1))), "{bad}");
        }
    }
}
