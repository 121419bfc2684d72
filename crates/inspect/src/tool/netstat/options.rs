//! The flags of netstat(8), net-tools 2.10, and two of our own: `--all-owners`, `--proc-root DIR`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::collect::Collector;
use crate::model::Protocol;
use crate::tool::Stop;
use crate::tool::getopt::{self, Arg, Long};

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub all: bool,
    pub listening: bool,
    pub numeric_hosts: bool,
    pub numeric_ports: bool,
    pub numeric_users: bool,
    pub wide: bool,
    pub programs: bool,
    pub all_owners: bool,
    pub timers: bool,
    pub extend: u8,
    pub continuous: bool,
    pub verbose: bool,
    pub routes: bool,
    pub interfaces: bool,
    pub statistics: bool,
    pub v4: bool,
    pub v6: bool,
    pub unix: bool,
    pub proc_root: Option<PathBuf>,
    pub collector: Collector,
    pub json: bool,
    protocols: Vec<Protocol>,
    routes_v4: bool,
    routes_v6: bool,
}

const SHORTS: &str = "A:CFMacdeghilnNoprsStuUvVWwx64?Z";
const LONGS: &[Long] = &[
    ("listening", false, 'l'),
    ("all", false, 'a'),
    ("timers", false, 'o'),
    ("continuous", false, 'c'),
    ("extend", false, 'e'),
    ("programs", false, 'p'),
    ("verbose", false, 'v'),
    ("wide", false, 'W'),
    ("numeric", false, 'n'),
    ("numeric-hosts", false, '!'),
    ("numeric-ports", false, '@'),
    ("numeric-users", false, '#'),
    ("tcp", false, 't'),
    ("udp", false, 'u'),
    ("udplite", false, 'U'),
    ("raw", false, 'w'),
    ("unix", false, 'x'),
    ("inet", false, '4'),
    ("inet6", false, '6'),
    ("protocol", true, 'A'),
    ("version", false, 'V'),
    ("help", false, 'h'),
    ("route", false, 'r'),
    ("interfaces", false, 'i'),
    ("statistics", false, 's'),
    ("groups", false, 'g'),
    ("masquerade", false, 'M'),
    ("sctp", false, 'S'),
    ("symbolic", false, 'N'),
    ("fib", false, 'F'),
    ("cache", false, 'C'),
    ("context", false, 'Z'),
    ("all-owners", false, '*'),
    ("json", false, 'j'),
    ("proc-root", true, '/'),
    ("collector", true, '+'),
];

impl Options {
    pub fn parse(args: &[OsString]) -> Result<Options, Stop> {
        let usage = |text: String| Stop::Usage(format!("{text} (see netstat --help)"), 3);
        let mut options = Options::default();
        for arg in getopt::parse(args, SHORTS, LONGS).map_err(usage)? {
            match arg {
                Arg::Flag(letter) => options.flag(letter)?,
                Arg::Valued('/', value) => {
                    options.proc_root = Some(PathBuf::from(OsStr::from_bytes(&value)));
                }
                Arg::Valued('+', value) => {
                    options.collector = Collector::from_name(&value)
                        .ok_or_else(|| usage("--collector is one of auto, proc, bpf".to_owned()))?;
                }
                Arg::Valued(_, value) => options.family(&value)?,
                // net-tools ignores operands too; a word that means nothing is more likely a slip.
                Arg::Operand(word) => {
                    let word = String::from_utf8_lossy(&word).into_owned();
                    return Err(usage(format!("unexpected word {word:?}")));
                }
            }
        }
        options.refuse_together()?;
        options.routes_v6 = options.v6;
        options.routes_v4 = options.v4 || !options.v6;
        options.settle();
        Ok(options)
    }

    fn flag(&mut self, letter: char) -> Result<(), Stop> {
        match letter {
            'a' => self.all = true,
            'l' => self.listening = true,
            'n' => {
                self.numeric_hosts = true;
                self.numeric_ports = true;
                self.numeric_users = true;
            }
            '!' => self.numeric_hosts = true,
            '@' => self.numeric_ports = true,
            '#' => self.numeric_users = true,
            'W' => self.wide = true,
            'p' => self.programs = true,
            '*' => {
                self.programs = true;
                self.all_owners = true;
            }
            'o' => self.timers = true,
            'e' => self.extend = self.extend.saturating_add(1),
            'c' => self.continuous = true,
            't' => self.protocols.push(Protocol::Tcp),
            'u' => self.protocols.push(Protocol::Udp),
            'U' => self.protocols.push(Protocol::UdpLite),
            'w' => self.protocols.push(Protocol::Raw),
            'x' => self.unix = true,
            '4' => self.v4 = true,
            '6' => self.v6 = true,
            'v' => self.verbose = true,
            'r' => self.routes = true,
            'i' => self.interfaces = true,
            's' => self.statistics = true,
            'j' => self.json = true,
            'V' => return Err(Stop::Text(version())),
            'h' | '?' => return Err(Stop::Text(HELP.to_owned())),
            refused => return Err(refuse(refused)),
        }
        Ok(())
    }

    fn family(&mut self, list: &[u8]) -> Result<(), Stop> {
        for name in list.split(|&b| b == b',') {
            match name {
                b"inet" | b"ip" => self.v4 = true,
                b"inet6" | b"ip6" => self.v6 = true,
                b"unix" => self.unix = true,
                other => {
                    let other = String::from_utf8_lossy(other);
                    return Err(Stop::Usage(format!("address family {other:?} is not done"), 3));
                }
            }
        }
        Ok(())
    }

    /// Which tables the flags add up to: a family alone means its protocols, and the reverse.
    fn settle(&mut self) {
        if (self.v4 || self.v6) && self.protocols.is_empty() {
            let all = [Protocol::Tcp, Protocol::Udp, Protocol::UdpLite, Protocol::Raw];
            self.protocols.extend(all);
        }
        if !self.v4 && !self.v6 {
            self.v4 = true;
            self.v6 = true;
        }
    }

    /// One table at a time, as net-tools has it.
    fn refuse_together(&self) -> Result<(), Stop> {
        let usage = |text: &str| Err(Stop::Usage(format!("{text} (see netstat --help)"), 3));
        let one_of = [self.routes, self.interfaces, self.statistics];
        if one_of.into_iter().filter(|asked| *asked).count() > 1 {
            return usage("one of -r, -i and -s");
        }
        if self.statistics && self.unix {
            return usage("no statistics of UNIX sockets");
        }
        if self.statistics && self.v4 && self.v6 {
            return usage("statistics of one family at a time");
        }
        if self.interfaces && self.extend > 0 {
            return usage("option -e (--extend) is not done with -i: use `ip -s link`");
        }
        Ok(())
    }

    pub fn routes_of_v4(&self) -> bool {
        self.routes_v4
    }

    pub fn routes_of_v6(&self) -> bool {
        self.routes_v6
    }

    fn nothing_named(&self) -> bool {
        self.protocols.is_empty() && !self.unix
    }

    /// Whether a listing of everything was asked for, which net-tools has more families for.
    pub fn wants_other_families(&self) -> bool {
        self.nothing_named()
    }

    pub fn wants(&self, protocol: Protocol) -> bool {
        let ours = !matches!(protocol, Protocol::Icmp);
        ours && self.nothing_named() || self.protocols.contains(&protocol)
    }

    pub fn wants_inet(&self) -> bool {
        self.nothing_named() || !self.protocols.is_empty()
    }

    pub fn wants_unix(&self) -> bool {
        self.nothing_named() || self.unix
    }
}

fn refuse(letter: char) -> Stop {
    let long = LONGS.iter().find(|(_, _, l)| *l == letter).map_or("", |(name, ..)| name);
    Stop::Usage(format!("option -{letter} (--{long}) is not done here"), 3)
}

fn version() -> String {
    concat!("netstat (Sockeye ", env!("CARGO_PKG_VERSION"), "), compatible with net-tools 2.10\n")
        .to_owned()
}

const HELP: &str = "\
usage: netstat [-vWncaeolp] [-t|--tcp] [-u|--udp] [-U|--udplite] [-w|--raw] [-x|--unix] [-4] [-6]
        -a, --all                all sockets (default: connected)
        -l, --listening          listening sockets
        -n, --numeric            no names; also --numeric-hosts, --numeric-ports, --numeric-users
        -r, --route              routes: -e and -ee for more columns, -6 for those of IPv6
        -i, --interfaces         interfaces that are up, with -a all
        -s, --statistics         counters: of all, or of -t, -u, -w; -6 for those of IPv6
        -p, --programs           PID/Program name
            --all-owners         every process that has the socket, not only the first
        -e, --extend             user and inode
        -o, --timers             timers
        -W, --wide               whole addresses
        -c, --continuous         again every second
        -v, --verbose            which families are not listed
            --json               for programs
            --collector NAME     auto, proc or bpf
            --proc-root DIR      a recorded /proc instead of the live one
";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], expected: &[Protocol], unix: bool) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let options = Options::parse(&args).unwrap();
        let all = [Protocol::Tcp, Protocol::Udp, Protocol::UdpLite, Protocol::Raw];
        let wanted: Vec<Protocol> = all.into_iter().filter(|p| options.wants(*p)).collect();
        assert_eq!(wanted, expected, "{args:?}");
        assert_eq!(options.wants_unix(), unix, "{args:?}");
    }

    #[test]
    fn families() {
        use Protocol::{Raw, Tcp, Udp, UdpLite};
        check(&["-anp"], &[Tcp, Udp, UdpLite, Raw], true);
        check(&["-tulpen"], &[Tcp, Udp], false);
        check(&["-4"], &[Tcp, Udp, UdpLite, Raw], false);
        check(&["-x"], &[], true);
        check(&["-A", "inet,unix"], &[Tcp, Udp, UdpLite, Raw], true);
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for flag in ["-ie", "-g", "-M", "-Z", "--sctp", "-S", "-N", "--symbolic"] {
            let refused = Options::parse(&[flag.into()]);
            assert!(matches!(refused, Err(Stop::Usage(text, 3)) if text.contains("not done")));
        }
    }
}
