//! The command line of lsof(8): letters after `-` or `+`, values attached or following, several
//! letters whose value may be left out. It is not getopt's language, so it has its own reader.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::bytes;
use crate::collect::Collector;
use crate::tool::Stop;
use crate::tool::lsof::inet_spec::InetSpec;

/// What was asked for, before anything is looked up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub and: bool,
    pub commands: Vec<Vec<u8>>,
    pub pids: Vec<Vec<u8>>,
    pub pgids: Vec<Vec<u8>>,
    pub users: Vec<Vec<u8>>,
    pub fds: Vec<Vec<u8>>,
    pub inet: Vec<InetSpec>,
    pub states: Vec<Vec<u8>>,
    pub unix: bool,
    /// `-X`: TCP and UDP sockets are not looked up.
    pub skip_inet: bool,
    pub links_below: Option<u32>,
    pub show_links: bool,
    pub names: Vec<Vec<u8>>,
    pub directories: Vec<(Vec<u8>, bool)>,
    /// `-f`: a mount point is a name like any other; `+f`: it stands for its file system.
    pub mounts_are_files: Option<bool>,
    pub terse: bool,
    pub fields: Option<Vec<u8>>,
    pub numeric_hosts: bool,
    pub numeric_ports: bool,
    pub numeric_users: bool,
    pub parents: bool,
    pub groups: bool,
    pub offset: bool,
    pub size: bool,
    pub offset_digits: Option<u32>,
    /// `+f g` names the flags of an open file, `+f G` prints them in hex.
    pub flags_column: Option<FlagStyle>,
    pub tcp: TcpInfo,
    pub command_width: Option<usize>,
    pub tasks: Tasks,
    pub repeat: Option<Repeat>,
    pub quiet_exit: bool,
    pub no_warnings: bool,
    pub verbose: bool,
    pub collector: Collector,
    pub collector_said: bool,
    pub proc_root: Option<PathBuf>,
    pub json: bool,
    /// `-J`, `-j`: the fields as JSON.
    pub field_json: Option<JsonStyle>,
}

/// How `-J` and `-j` lay the fields out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonStyle {
    /// `-J`: one document.
    Document,
    /// `-j`: a line for each file.
    Lines,
}

/// What of a TCP socket is shown: `-T`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    pub state: bool,
    pub queues: bool,
}

impl Default for TcpInfo {
    fn default() -> TcpInfo {
        TcpInfo { state: true, queues: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagStyle {
    Names,
    Hex,
}

/// `-K`, `-K i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tasks {
    #[default]
    Default,
    Select,
    Ignore,
}

/// `-r`, `+r`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    pub seconds: u32,
    pub count: Option<u32>,
    pub until_none: bool,
}

/// lsof's pause between rounds where none is given.
const REPEAT_SECONDS_DEFAULT: u32 = 15;

/// Letters that must have a value, and letters that may have one.
const VALUED: &[u8] = b"cdDupA";
const MAYBE_VALUED: &[u8] = b"fFgiKLorsST";
const PLAIN: &[u8] = b"abCeEhHjJlnNOPQRtUvVwxX?";

/// Words of our own, before lsof's letters are read.
const COLLECTOR: &[u8] = b"--collector";
const JSON: &[u8] = b"--json";
const PROC_ROOT: &[u8] = b"--proc-root";

impl Options {
    pub fn parse(args: &[OsString]) -> Result<Options, Stop> {
        let mut options = Options::default();
        let mut words: Vec<&[u8]> = args.iter().map(|a| a.as_bytes()).collect();
        options.take_own(&mut words)?;
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.peek().copied() {
            let signed = matches!(word.first(), Some(b'-' | b'+')) && word.len() > 1;
            if word == b"--" || word == b"++" {
                words.next();
                break;
            }
            if !signed {
                break;
            }
            words.next();
            options.letters(word[0] == b'+', &word[1..], &mut words)?;
        }
        options.names.extend(words.map(<[u8]>::to_vec));
        if options.field_json.is_some() && options.terse {
            return Err(usage("-t is not with -J or -j".to_owned()));
        }
        Ok(options)
    }

    fn take_own(&mut self, words: &mut Vec<&[u8]>) -> Result<(), Stop> {
        if let Some(at) = words.iter().position(|w| *w == JSON) {
            words.remove(at);
            self.json = true;
            self.numeric_hosts = true;
            self.numeric_ports = true;
        }
        for name in [COLLECTOR, PROC_ROOT] {
            let Some(at) = words.iter().position(|w| *w == name) else { continue };
            if at + 1 >= words.len() {
                return Err(usage(format!("{} needs a value", String::from_utf8_lossy(name))));
            }
            let value = words[at + 1];
            words.drain(at..at + 2);
            if name == PROC_ROOT {
                self.proc_root = Some(PathBuf::from(OsStr::from_bytes(value)));
            } else {
                self.collector = Collector::from_name(value)
                    .ok_or_else(|| usage("--collector is one of auto, proc, bpf".to_owned()))?;
                self.collector_said = true;
            }
        }
        Ok(())
    }

    fn letters<'a>(
        &mut self,
        plus: bool,
        letters: &'a [u8],
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a [u8]>>,
    ) -> Result<(), Stop> {
        let mut at = 0;
        while let Some(letter) = letters.get(at).copied() {
            at += 1;
            let rest = &letters[at..];
            if PLAIN.contains(&letter) {
                self.plain(plus, letter)?;
            } else if VALUED.contains(&letter) {
                let value = if rest.is_empty() { words.next() } else { Some(rest) };
                let value =
                    value.ok_or_else(|| usage(format!("-{} needs a value", letter as char)))?;
                return self.valued(plus, letter, value);
            } else if MAYBE_VALUED.contains(&letter) {
                at += self.maybe_valued(plus, letter, rest, words)?;
            } else {
                return Err(usage(format!("illegal option character: {}", letter as char)));
            }
        }
        Ok(())
    }

    fn plain(&mut self, plus: bool, letter: u8) -> Result<(), Stop> {
        match letter {
            b'a' => self.and = true,
            b'n' => self.numeric_hosts = !plus,
            b'P' => self.numeric_ports = !plus,
            b'l' => self.numeric_users = true,
            b'R' => self.parents = true,
            b't' => self.terse = true,
            b'U' => self.unix = true,
            b'X' => self.skip_inet = true,
            b'J' | b'j' if plus => return Err(usage(format!("+{} is no option", letter as char))),
            b'J' => self.json_style(JsonStyle::Document)?,
            b'j' => self.json_style(JsonStyle::Lines)?,
            b'Q' => self.quiet_exit = true,
            b'V' => self.verbose = true,
            b'w' => self.no_warnings = !plus,
            // Each asks for what is so here in any case: no call that can block (-b), no names
            // out of kernel caches (-C), no helper process in between (-O).
            b'b' | b'C' | b'O' => {}
            b'v' => return Err(Stop::Text(version())),
            b'h' | b'?' => return Err(Stop::Text(HELP.to_owned())),
            refused => return Err(usage(format!("option -{} is not done here", refused as char))),
        }
        Ok(())
    }

    fn json_style(&mut self, style: JsonStyle) -> Result<(), Stop> {
        if self.field_json.is_some_and(|other| other != style) {
            return Err(usage("-J and -j are mutually exclusive".to_owned()));
        }
        self.field_json = Some(style);
        Ok(())
    }

    fn valued(&mut self, plus: bool, letter: u8, value: &[u8]) -> Result<(), Stop> {
        match letter {
            b'c' if plus => {
                let width = bytes::dec(value)
                    .ok_or_else(|| usage(format!("invalid +c value {}", shown(value))))?;
                self.command_width = Some(width.min(u64::from(u16::MAX)) as usize);
            }
            b'c' => self.commands.push(value.to_vec()),
            b'd' if plus => self.directories.push((value.to_vec(), false)),
            b'D' if plus => self.directories.push((value.to_vec(), true)),
            b'd' => self.fds.extend(split(value)),
            b'p' => self.pids.extend(split(value)),
            b'u' => self.users.extend(split(value)),
            refused => return Err(usage(format!("option -{} is not done here", refused as char))),
        }
        Ok(())
    }

    /// Gives how many of the attached letters the value took.
    fn maybe_valued<'a>(
        &mut self,
        plus: bool,
        letter: u8,
        rest: &'a [u8],
        words: &mut std::iter::Peekable<impl Iterator<Item = &'a [u8]>>,
    ) -> Result<usize, Stop> {
        let next = words.peek().copied().filter(|w| !matches!(w.first(), Some(b'-' | b'+') | None));
        let (value, attached) = if rest.is_empty() { (next, false) } else { (Some(rest), true) };
        let fits = value.filter(|v| value_fits(letter, v));
        if attached && fits.is_none() && matches!(letter, b'f' | b'i' | b'T') {
            return Err(usage(format!("unacceptable -{} value {}", letter as char, shown(rest))));
        }
        if fits.is_some() && !attached {
            words.next();
        }
        self.take_maybe(plus, letter, fits)?;
        Ok(if attached && fits.is_some() { rest.len() } else { 0 })
    }

    fn take_maybe(&mut self, plus: bool, letter: u8, value: Option<&[u8]>) -> Result<(), Stop> {
        match letter {
            b'f' => match value {
                None => self.mounts_are_files = Some(!plus),
                Some(style) => {
                    let named = style.contains(&b'g');
                    let style = if named { FlagStyle::Names } else { FlagStyle::Hex };
                    self.flags_column = plus.then_some(style);
                }
            },
            b'F' => self.fields = Some(value.unwrap_or_default().to_vec()),
            b'g' => {
                self.groups = true;
                self.pgids.extend(value.into_iter().flat_map(split));
            }
            b'i' => {
                let spec = InetSpec::parse(value.unwrap_or_default());
                self.inet.push(spec.map_err(usage)?);
            }
            b'K' => self.tasks = if value.is_some() { Tasks::Ignore } else { Tasks::Select },
            b'L' => {
                self.show_links = plus;
                self.links_below = value.and_then(bytes::dec32).filter(|_| plus);
            }
            b'o' => match value.map(|v| v.strip_prefix(b"o").unwrap_or(v)).and_then(bytes::dec32) {
                Some(digits) => {
                    self.offset_digits = Some(digits);
                    self.offset |= value.is_some_and(|v| v[0] == b'o');
                }
                None => self.offset = true,
            },
            b'r' => self.repeat = Some(parse_repeat(plus, value.unwrap_or_default())?),
            b's' => match value {
                Some(states) => self.states.push(states.to_vec()),
                None => self.size = true,
            },
            // A limit on how long a stat may take: none is made that can take long.
            b'S' => {}
            _ => {
                let wanted = value.unwrap_or_default();
                self.tcp =
                    TcpInfo { state: wanted.contains(&b's'), queues: wanted.contains(&b'q') };
            }
        }
        Ok(())
    }

    /// Whether flags of open files are shown.
    pub fn file_flags(&self) -> bool {
        let by_field = |f: &Vec<u8>| f.is_empty() || f.contains(&b'G') || f == b"0";
        let by_default = self.field_json.is_some();
        self.flags_column.is_some() || self.fields.as_ref().map_or(by_default, by_field)
    }

    /// lsof shows unreadable files as rows; ours says the count on top where it is not root.
    pub fn said_denied(&self) -> bool {
        rustix::process::geteuid().as_raw() != 0 && !self.terse
    }
}

/// Whether the word can be the value of a letter that may have one.
fn value_fits(letter: u8, value: &[u8]) -> bool {
    let first = value.first().copied().unwrap_or(0);
    match letter {
        b'f' => value.iter().all(|b| matches!(b, b'g' | b'G')),
        b'g' => first.is_ascii_digit() || first == b'^',
        b'i' => InetSpec::parse(value).is_ok(),
        b'K' => value == b"i",
        b'L' | b'S' => value.iter().all(u8::is_ascii_digit),
        b'o' => value.strip_prefix(b"o").unwrap_or(value).iter().all(u8::is_ascii_digit),
        b'r' => first.is_ascii_digit() || matches!(first, b'c' | b'm'),
        b's' => memchr::memchr(b':', value).is_some(),
        // `f`, the socket's options, is nothing on Linux: its kernel shows none.
        b'T' => value.iter().all(|b| matches!(b, b'f' | b'q' | b's')),
        b'F' => value.iter().all(|b| b.is_ascii_alphabetic() || *b == b'0'),
        _ => false,
    }
}

fn parse_repeat(until_none: bool, value: &[u8]) -> Result<Repeat, Stop> {
    let bad = || usage(format!("unacceptable -r value {}", shown(value)));
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    let seconds = match digits {
        0 => REPEAT_SECONDS_DEFAULT,
        _ => bytes::dec32(&value[..digits]).ok_or_else(bad)?,
    };
    let count = match &value[digits..] {
        [] => None,
        [b'c', count @ ..] => Some(bytes::dec32(count).ok_or_else(bad)?),
        _ => return Err(bad()),
    };
    Ok(Repeat { seconds, count, until_none })
}

fn split(value: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    value.split(|&b| b == b',').filter(|part| !part.is_empty()).map(<[u8]>::to_vec)
}

fn shown(value: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(value))
}

pub fn usage(text: String) -> Stop {
    Stop::Usage(format!("{text} (see lsof -h)"), 1)
}

fn version() -> String {
    concat!("lsof (Sockeye ", env!("CARGO_PKG_VERSION"), "), compatible with lsof 4.95\n")
        .to_owned()
}

const HELP: &str = "\
usage: lsof [options] [--] [names]
  -a  AND the selections         -c NAME|/RE/|^x  by command      -p PID,^PID  by process
  -u USER,^USER  by user         -g [PGID]  by process group      -d FD,^FD    by descriptor
  -i [46][tcp|udp][@host][:port] Internet files                   -s p:STATE   by TCP state
  -U  UNIX sockets  -X  no inet  +L1  link count below 1          +d|+D DIR    below a directory
  -K [i]  threads                -n -P -l  no names for hosts, ports, users
  -t  pids only                  -F [fields][0]  for programs     -J -j        as JSON
  -R  parent                     -o [n] -s  offset, size          +f g         file flags
  -T [qs] TCP queues, state      +c N  command width        
  -r|+r [t][cN]  again           -Q  exit 0 when nothing is found -w -V        warnings, misses
  -b -C -O -S [t]  taken, and so in any case: no call here can block, no cache is asked, no helper
                   is forked
  --json  --collector auto|proc|bpf  --proc-root DIR
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Options, Stop> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        Options::parse(&args)
    }

    #[test]
    fn bundles_and_optional_values() {
        let o = parse(&["-nPi:80", "-sTCP:LISTEN", "-a", "-p1,^2", "/x", "-y"]).unwrap();
        assert!(o.numeric_hosts && o.numeric_ports && o.and);
        assert_eq!((o.inet.len(), o.states.len(), o.pids.len()), (1, 1, 2));
        assert_eq!(o.names, [b"/x".to_vec(), b"-y".to_vec()]);
        let o = parse(&["-i", "-P"]).unwrap();
        assert!(o.numeric_ports && o.inet.len() == 1);
        let o = parse(&["-tiTCP:80", "+L1", "-Fpcn", "+c", "0", "-r1c5", "-oo2", "-Tqs"]).unwrap();
        assert_eq!((o.terse, o.links_below, o.command_width), (true, Some(1), Some(0)));
        assert_eq!(o.fields.as_deref(), Some(&b"pcn"[..]));
        assert_eq!(o.repeat, Some(Repeat { seconds: 1, count: Some(5), until_none: false }));
        assert_eq!((o.offset, o.offset_digits), (true, Some(2)));
        assert_eq!(o.tcp, TcpInfo { state: true, queues: true });
        assert_eq!(parse(&["-Ki"]).unwrap().tasks, Tasks::Ignore);
        assert_eq!(parse(&["-F0"]).unwrap().fields.as_deref(), Some(&b"0"[..]));
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for (args, word) in [
            (&["-Dr"][..], "-D is not done"),
            (&["-Jj"], "mutually exclusive"),
            (&["-Jt"], "-t is not with -J"),
            (&["-y"], "illegal option character: y"),
            (&["-p"], "-p needs a value"),
            (&["-i:nosuch/x"], "-i"),
            (&["-Tw"], "-T"),
            (&["+fc"], "-f"),
            (&["-r1q"], "-r"),
        ] {
            match parse(args) {
                Err(Stop::Usage(text, 1)) => assert!(text.contains(word), "{text}"),
                other => panic!("{args:?}: {other:?}"),
            }
        }
    }
}
