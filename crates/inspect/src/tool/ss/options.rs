//! The flags of ss(8), iproute2 6.1: tables, states, what is appended, and the filter's words.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::collect::Collector;
use crate::model::TcpState;
use crate::parse::diag;
use crate::tool::Stop;
use crate::tool::getopt::{self, Arg, Long};
use crate::tool::ss::filter::{self, Filter};

/// Which tables are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    pub tcp: bool,
    pub udp: bool,
    pub raw: bool,
    pub unix_stream: bool,
    pub unix_dgram: bool,
    pub unix_seqpacket: bool,
    pub packet_raw: bool,
    pub packet_dgram: bool,
    pub netlink: bool,
}

impl Tables {
    const INET: Tables = Tables { tcp: true, udp: true, raw: true, ..Tables::NONE };
    const UNIX: Tables =
        Tables { unix_stream: true, unix_dgram: true, unix_seqpacket: true, ..Tables::NONE };
    const PACKET: Tables = Tables { packet_raw: true, packet_dgram: true, ..Tables::NONE };
    const NONE: Tables = Tables {
        tcp: false,
        udp: false,
        raw: false,
        unix_stream: false,
        unix_dgram: false,
        unix_seqpacket: false,
        packet_raw: false,
        packet_dgram: false,
        netlink: false,
    };

    fn list(&self) -> [bool; 9] {
        [
            self.tcp,
            self.udp,
            self.raw,
            self.unix_stream,
            self.unix_dgram,
            self.unix_seqpacket,
            self.packet_raw,
            self.packet_dgram,
            self.netlink,
        ]
    }

    fn from_list(list: [bool; 9]) -> Tables {
        let [
            tcp,
            udp,
            raw,
            unix_stream,
            unix_dgram,
            unix_seqpacket,
            packet_raw,
            packet_dgram,
            netlink,
        ] = list;
        Tables {
            tcp,
            udp,
            raw,
            unix_stream,
            unix_dgram,
            unix_seqpacket,
            packet_raw,
            packet_dgram,
            netlink,
        }
    }

    fn add(&mut self, other: Tables, on: bool) {
        let mut list = self.list();
        for (mine, theirs) in list.iter_mut().zip(other.list()) {
            *mine = if theirs { on } else { *mine };
        }
        *self = Tables::from_list(list);
    }

    pub fn count(&self) -> usize {
        self.list().iter().filter(|on| **on).count()
    }

    fn named(name: &[u8]) -> Option<Tables> {
        Some(match name {
            b"all" => Tables::from_list([true; 9]),
            b"inet" => Tables::INET,
            b"tcp" => Tables { tcp: true, ..Tables::NONE },
            b"udp" => Tables { udp: true, ..Tables::NONE },
            b"raw" => Tables { raw: true, ..Tables::NONE },
            b"unix" => Tables::UNIX,
            b"unix_stream" | b"u_str" => Tables { unix_stream: true, ..Tables::NONE },
            b"unix_dgram" | b"u_dgr" => Tables { unix_dgram: true, ..Tables::NONE },
            b"unix_seqpacket" | b"u_seq" => Tables { unix_seqpacket: true, ..Tables::NONE },
            b"packet" => Tables::PACKET,
            b"packet_raw" | b"p_raw" => Tables { packet_raw: true, ..Tables::NONE },
            b"packet_dgram" | b"p_dgr" => Tables { packet_dgram: true, ..Tables::NONE },
            b"netlink" => Tables { netlink: true, ..Tables::NONE },
            _ => return None,
        })
    }
}

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub tables: Tables,
    pub v4: bool,
    pub v6: bool,
    /// Bits `1 << state`.
    pub states: u32,
    pub numeric: bool,
    pub resolve: bool,
    pub processes: bool,
    pub timers: bool,
    pub details: bool,
    pub memory: bool,
    pub info: bool,
    pub summary: bool,
    pub header: bool,
    pub one_line: bool,
    /// Close what is listed.
    pub kill: bool,
    pub tables_named: bool,
    pub filter: Option<Filter>,
    pub collector: Collector,
    pub proc_root: Option<PathBuf>,
    pub json: bool,
    families: Families,
    state_choice: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Families {
    inet: bool,
    inet6: bool,
    unix: bool,
    packet: bool,
    netlink: bool,
}

const ALL: u32 = diag::ALL_STATES;
const LISTEN: u32 = 1 << TcpState::Listen as u32;
const CLOSE: u32 = 1 << TcpState::Close as u32;
const SYN_RECEIVED: u32 = 1 << TcpState::SynReceived as u32;
const TIME_WAIT: u32 = 1 << TcpState::TimeWait as u32;
const ESTABLISHED: u32 = 1 << TcpState::Established as u32;
const SYN_SENT: u32 = 1 << TcpState::SynSent as u32;
const CONNECTED: u32 = ALL & !(LISTEN | CLOSE | TIME_WAIT | SYN_RECEIVED);

const SHORTS: &str = "dhaletuwxnro460spTbEf:mMiA:D:F:vVzZN:KHSO";
const LONGS: &[Long] = &[
    ("numeric", false, 'n'),
    ("resolve", false, 'r'),
    ("options", false, 'o'),
    ("extended", false, 'e'),
    ("memory", false, 'm'),
    ("info", false, 'i'),
    ("processes", false, 'p'),
    ("threads", false, 'T'),
    ("bpf", false, 'b'),
    ("events", false, 'E'),
    ("dccp", false, 'd'),
    ("tcp", false, 't'),
    ("sctp", false, 'S'),
    ("udp", false, 'u'),
    ("raw", false, 'w'),
    ("unix", false, 'x'),
    ("all", false, 'a'),
    ("listening", false, 'l'),
    ("ipv4", false, '4'),
    ("ipv6", false, '6'),
    ("packet", false, '0'),
    ("family", true, 'f'),
    ("socket", true, 'A'),
    ("query", true, 'A'),
    ("summary", false, 's'),
    ("diag", true, 'D'),
    ("filter", true, 'F'),
    ("version", false, 'V'),
    ("help", false, 'h'),
    ("context", false, 'Z'),
    ("contexts", false, 'z'),
    ("net", true, 'N'),
    ("kill", false, 'K'),
    ("no-header", false, 'H'),
    ("oneline", false, 'O'),
    ("mptcp", false, 'M'),
    ("collector", true, '!'),
    ("json", false, 'j'),
    ("proc-root", true, '/'),
];

fn usage(text: String) -> Stop {
    Stop::Usage(format!("{text} (see ss --help)"), 255)
}

impl Options {
    pub fn parse(args: &[OsString]) -> Result<Options, Stop> {
        let mut options = Options { header: true, ..Options::default() };
        let mut words = Vec::new();
        for arg in getopt::parse(args, SHORTS, LONGS).map_err(usage)? {
            match arg {
                Arg::Flag(letter) => options.flag(letter)?,
                Arg::Valued(letter, value) => options.valued(letter, &value)?,
                Arg::Operand(word) => words.push(word),
            }
        }
        let words = options.take_states(&words)?;
        options.settle();
        options.filter = filter::parse(&words).map_err(usage)?;
        Ok(options)
    }

    fn flag(&mut self, letter: char) -> Result<(), Stop> {
        match letter {
            'n' => self.numeric = true,
            'r' => self.resolve = true,
            'o' => self.timers = true,
            'e' => {
                self.timers = true;
                self.details = true;
            }
            'm' => self.memory = true,
            'i' => self.info = true,
            'p' => self.processes = true,
            't' => self.table(b"tcp", CONNECTED),
            'u' => self.table(b"udp", ESTABLISHED),
            'w' => self.table(b"raw", ESTABLISHED),
            'x' => self.family(b"unix")?,
            '4' => self.family(b"inet")?,
            '6' => self.family(b"inet6")?,
            '0' => self.family(b"link")?,
            'a' => self.state_choice = ALL,
            'l' => self.state_choice = LISTEN | CLOSE,
            's' => self.summary = true,
            'j' => self.json = true,
            'H' => self.header = false,
            'O' => self.one_line = true,
            'K' => self.kill = true,
            'v' | 'V' => return Err(Stop::Text(version())),
            'h' => return Err(Stop::Text(HELP.to_owned())),
            refused => {
                let long = LONGS.iter().find(|(_, _, l)| *l == refused).map_or("", |l| l.0);
                return Err(usage(format!("option -{refused} (--{long}) is not done here")));
            }
        }
        Ok(())
    }

    fn valued(&mut self, letter: char, value: &[u8]) -> Result<(), Stop> {
        let shown = || String::from_utf8_lossy(value).into_owned();
        match letter {
            'f' => self.family(value)?,
            'A' => {
                for name in value.split(|&b| b == b',') {
                    let plain = name.strip_prefix(b"!").unwrap_or(name);
                    let tables = Tables::named(plain).ok_or_else(|| {
                        usage(format!("{:?} is illegal socket table id", shown()))
                    })?;
                    self.tables.add(tables, plain.len() == name.len());
                }
                self.tables_named = true;
                if self.state_choice == 0 {
                    self.state_choice = CONNECTED;
                }
            }
            '!' => {
                self.collector = Collector::from_name(value)
                    .ok_or_else(|| usage("--collector is one of auto, proc, bpf".to_owned()))?;
            }
            '/' => self.proc_root = Some(PathBuf::from(OsStr::from_bytes(value))),
            refused => return Err(usage(format!("option -{refused} is not done here"))),
        }
        Ok(())
    }

    fn table(&mut self, name: &[u8], states: u32) {
        self.tables.add(Tables::named(name).unwrap_or_default(), true);
        self.states |= states;
        self.tables_named = true;
    }

    fn family(&mut self, name: &[u8]) -> Result<(), Stop> {
        let states = match name {
            b"inet" => {
                self.families.inet = true;
                CONNECTED
            }
            b"inet6" => {
                self.families.inet6 = true;
                CONNECTED
            }
            b"unix" => {
                self.families.unix = true;
                CONNECTED
            }
            b"link" => {
                self.families.packet = true;
                CLOSE
            }
            b"netlink" => {
                self.families.netlink = true;
                CLOSE
            }
            other => {
                let other = String::from_utf8_lossy(other).into_owned();
                return Err(usage(format!("{other:?} is invalid family")));
            }
        };
        self.states |= states;
        self.tables_named = true;
        Ok(())
    }

    /// `state NAME`, `exclude NAME` before the filter; gives the filter's words.
    fn take_states(&mut self, words: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Stop> {
        let mut rest = words;
        let mut seen = false;
        while let [verb @ .., _] = rest.get(..2).unwrap_or_default() {
            let exclude = match verb.first().map(Vec::as_slice) {
                Some(b"state") => false,
                Some(b"exclude" | b"excl") => true,
                _ => break,
            };
            let bits = state_bits(&rest[1])?;
            if !seen {
                self.state_choice = if exclude { ALL } else { 0 };
                seen = true;
            }
            if exclude {
                self.state_choice &= !bits;
            } else {
                self.state_choice |= bits;
            }
            rest = &rest[2..];
        }
        Ok(rest.to_vec())
    }

    /// A family alone means its tables, a table alone its families; nothing means everything.
    fn settle(&mut self) {
        if !self.tables_named {
            self.tables = Tables::from_list([true; 9]);
            if self.state_choice == 0 {
                self.state_choice = CONNECTED;
            }
        }
        if self.state_choice != 0 {
            self.states = self.state_choice;
        }
        let families = self.families;
        let inet_tables = self.tables.tcp || self.tables.udp || self.tables.raw;
        if (families.inet || families.inet6) && !inet_tables {
            self.tables.add(Tables::INET, true);
        }
        if families.unix
            && !Tables::UNIX.list().iter().zip(self.tables.list()).any(|(a, b)| *a && b)
        {
            self.tables.add(Tables::UNIX, true);
        }
        if families.packet && !(self.tables.packet_raw || self.tables.packet_dgram) {
            self.tables.add(Tables::PACKET, true);
        }
        self.tables.netlink |= families.netlink;
        let both = !families.inet && !families.inet6;
        self.v4 = both || families.inet;
        self.v6 = both || families.inet6;
    }

    /// The extension bits sock_diag is asked with; none where its attributes are not shown.
    pub fn attributes(&self) -> Option<u8> {
        let mut bits = 0;
        if self.memory {
            bits |= 1 << (diag::ATTRIBUTE_SKMEMINFO - 1);
        }
        if self.info {
            bits |= 1 << (diag::ATTRIBUTE_INFO - 1);
            bits |= 1 << (diag::ATTRIBUTE_VEGAS - 1) | 1 << (diag::ATTRIBUTE_CONGESTION - 1);
        }
        (bits != 0 || self.details).then_some(bits)
    }
}

fn state_bits(name: &[u8]) -> Result<u32, Stop> {
    let bits = match name.to_ascii_lowercase().as_slice() {
        b"all" => ALL,
        b"connected" => ALL & !(CLOSE | LISTEN),
        b"synchronized" => ALL & !(CLOSE | LISTEN | SYN_SENT),
        b"bucket" => SYN_RECEIVED | TIME_WAIT,
        b"big" => ALL & !(SYN_RECEIVED | TIME_WAIT),
        b"established" => ESTABLISHED,
        b"syn-sent" => SYN_SENT,
        b"syn-recv" | b"syn-rcv" => SYN_RECEIVED,
        b"fin-wait-1" => 1 << TcpState::FinWait1 as u32,
        b"fin-wait-2" => 1 << TcpState::FinWait2 as u32,
        b"time-wait" => TIME_WAIT,
        b"unconnected" | b"close" | b"closed" => CLOSE,
        b"close-wait" => 1 << TcpState::CloseWait as u32,
        b"last-ack" => 1 << TcpState::LastAck as u32,
        b"listening" | b"listen" => LISTEN,
        b"closing" => 1 << TcpState::Closing as u32,
        other => {
            return Err(usage(format!("wrong state name: {}", String::from_utf8_lossy(other))));
        }
    };
    Ok(bits)
}

fn version() -> String {
    concat!("ss utility (Sockeye ", env!("CARGO_PKG_VERSION"), "), compatible with iproute2 6.1\n")
        .to_owned()
}

const HELP: &str = "\
usage: ss [options] [state NAME | exclude NAME]... [filter]
  -t -u -w -x -0   TCP, UDP, raw, UNIX, packet       -4 -6 -f FAMILY  only these families
  -A LIST          tables by name                    -a -l            all, listening
  -n -r            numbers; names of hosts           -p               processes
  -o -e -m -i      timers, details, memory, TCP         -s               summary
  -H -O            no header; one line a socket      --json           for programs
  -K               close what is listed (needs CAP_NET_ADMIN), and list what was closed
                     --collector auto|proc|bpf  --proc-root DIR
filter: [src|dst] [=] HOST[/PREFIX][:PORT], [sport|dport] OP :PORT, dev = NAME, autobound,
  joined by and, or, not and brackets; OP is = != < > <= >=
";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], tables: usize, states: u32) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        let options = Options::parse(&args).unwrap();
        assert_eq!((options.tables.count(), options.states), (tables, states), "{args:?}");
    }

    #[test]
    fn tables_and_states() {
        check(&[], 9, CONNECTED);
        check(&["-tan"], 1, ALL);
        check(&["-t"], 1, CONNECTED);
        check(&["-u"], 1, ESTABLISHED);
        check(&["-xl"], 3, LISTEN | CLOSE);
        check(&["-4"], 3, CONNECTED);
        check(&["-A", "tcp,unix_dgram"], 2, CONNECTED);
        check(&["-t", "state", "time-wait", "state", "listening"], 1, TIME_WAIT | LISTEN);
        check(&["-t", "exclude", "listening", "sport", "=", ":80"], 1, ALL & !LISTEN);
    }

    #[test]
    fn what_is_not_done_is_refused_by_name() {
        for flag in ["-E", "-Z", "-S", "--bpf"] {
            let refused = Options::parse(&[flag.into()]);
            assert!(matches!(refused, Err(Stop::Usage(text, _)) if text.contains("not done")));
        }
    }
}
