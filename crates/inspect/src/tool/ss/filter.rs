//! ss's filter: `sport = :80 and not dst 10.0.0.0/8`. Words to a tree, and the tree over one
//! socket.
//!
//! Grammar as in ss(8): a juxtaposition is an `and`, `not` binds closest, `or` and `and` are read
//! from left to right with `and` before `or`. Depth is bounded, since the words come from outside.

use std::net::IpAddr;

use crate::bytes;
use crate::model::{Inet, Unix};
use crate::names::{Names, Transport};

/// Brackets and `not`s deeper than this are refused rather than risk the stack.
const DEPTH_MAX: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    Or(Box<Filter>, Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    Host { local: bool, host: Host },
    PortAtLeast { local: bool, port: u16 },
    PortAtMost { local: bool, port: u16 },
    Device(u32),
    Autobound,
}

/// An address with a prefix, a port, or both; or the path of a UNIX socket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    addresses: Vec<(IpAddr, u8)>,
    port: Option<u16>,
    unix: Option<Vec<u8>>,
}

/// What a filter is applied to.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    Inet(&'a Inet),
    Unix(&'a Unix, &'a [u8]),
    Other,
}

/// `None` where there are no words.
pub fn parse(words: &[Vec<u8>]) -> Result<Option<Filter>, String> {
    let tokens = words.iter().flat_map(|w| bytes::fields(w)).map(<[u8]>::to_vec).collect();
    let mut parser = Parser { tokens, at: 0, names: None };
    if parser.tokens.is_empty() {
        return Ok(None);
    }
    let filter = parser.or(0)?;
    match parser.peek() {
        None => Ok(Some(filter)),
        Some(word) => Err(format!("unexpected {:?} in the filter", String::from_utf8_lossy(word))),
    }
}

struct Parser {
    tokens: Vec<Vec<u8>>,
    at: usize,
    names: Option<Names>,
}

impl Parser {
    fn peek(&self) -> Option<&[u8]> {
        self.tokens.get(self.at).map(Vec::as_slice)
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned()
    }

    fn take(&mut self, words: &[&[u8]]) -> bool {
        let taken = self.peek().is_some_and(|word| words.contains(&word));
        self.at += usize::from(taken);
        taken
    }

    fn or(&mut self, depth: usize) -> Result<Filter, String> {
        let mut left = self.and(depth)?;
        while self.take(&[b"|", b"||", b"or"]) {
            left = Filter::Or(Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Filter, String> {
        let mut left = self.one(depth)?;
        loop {
            let joined = self.take(&[b"&", b"&&", b"and"]);
            let ends = self.peek().is_none_or(|w| matches!(w, b")" | b"|" | b"||" | b"or"));
            if !joined && ends {
                return Ok(left);
            }
            left = Filter::And(Box::new(left), Box::new(self.one(depth)?));
        }
    }

    fn one(&mut self, depth: usize) -> Result<Filter, String> {
        if depth > DEPTH_MAX {
            return Err(format!("the filter is nested deeper than {DEPTH_MAX}"));
        }
        if self.take(&[b"!", b"not"]) {
            return Ok(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take(&[b"("]) {
            let inner = self.or(depth + 1)?;
            return if self.take(&[b")"]) {
                Ok(inner)
            } else {
                Err("no ) in the filter".to_owned())
            };
        }
        let word = self.next().ok_or("the filter ends too early")?;
        match word.as_slice() {
            b"src" => self.host(true, false),
            b"dst" => self.host(false, false),
            b"sport" => self.host(true, true),
            b"dport" => self.host(false, true),
            b"dev" => self.device(),
            b"autobound" => Ok(Filter::Autobound),
            other => Err(format!("{:?} in the filter is not done", String::from_utf8_lossy(other))),
        }
    }

    fn host(&mut self, local: bool, is_port: bool) -> Result<Filter, String> {
        let operator = self.operator();
        let word = self.next().ok_or("the filter ends where a host or port should be")?;
        let host = self.parse_host(&word, is_port)?;
        let not = |filter| Filter::Not(Box::new(filter));
        if operator == Operator::Equal {
            return Ok(Filter::Host { local, host });
        }
        if operator == Operator::NotEqual && is_port {
            return Ok(not(Filter::Host { local, host }));
        }
        let port = host.port.filter(|_| is_port).ok_or("only ports are compared so")?;
        Ok(match operator {
            Operator::AtLeast => Filter::PortAtLeast { local, port },
            Operator::AtMost => Filter::PortAtMost { local, port },
            Operator::Above => not(Filter::PortAtMost { local, port }),
            Operator::Below => not(Filter::PortAtLeast { local, port }),
            Operator::Equal | Operator::NotEqual => return Err("not a comparison".to_owned()),
        })
    }

    fn operator(&mut self) -> Operator {
        const WORDS: [(&[&[u8]], Operator); 6] = [
            (&[b"=", b"==", b"eq"], Operator::Equal),
            (&[b"!=", b"ne", b"neq"], Operator::NotEqual),
            (&[b">=", b"ge", b"geq"], Operator::AtLeast),
            (&[b"<=", b"le", b"leq"], Operator::AtMost),
            (&[b">", b"gt"], Operator::Above),
            (&[b"<", b"lt"], Operator::Below),
        ];
        let found = WORDS.iter().find(|(words, _)| self.peek().is_some_and(|w| words.contains(&w)));
        self.at += usize::from(found.is_some());
        found.map_or(Operator::Equal, |(_, operator)| *operator)
    }

    fn device(&mut self) -> Result<Filter, String> {
        let operator = self.operator();
        let word = self.next().ok_or("the filter ends where a device should be")?;
        let index = bytes::dec32(&word).or_else(|| interface_index(&word));
        let index =
            index.ok_or_else(|| format!("no device {:?}", String::from_utf8_lossy(&word)))?;
        match operator {
            Operator::Equal => Ok(Filter::Device(index)),
            Operator::NotEqual => Ok(Filter::Not(Box::new(Filter::Device(index)))),
            _ => Err("devices are only equal or not".to_owned()),
        }
    }

    fn parse_host(&mut self, word: &[u8], is_port: bool) -> Result<Host, String> {
        if let Some(path) = word.strip_prefix(b"unix:") {
            return Ok(Host { unix: Some(path.to_vec()), ..Host::default() });
        }
        let word = word.strip_prefix(b"inet:").or(word.strip_prefix(b"inet6:")).unwrap_or(word);
        let (address, port) = if is_port {
            (&b""[..], Some(word.strip_prefix(b":").unwrap_or(word)))
        } else {
            split_host(word)?
        };
        let mut host = Host::default();
        if let Some(port) = port.filter(|p| !p.is_empty() && *p != b"*") {
            host.port = Some(self.port(port)?);
        }
        if !address.is_empty() && address != b"*" {
            host.addresses = self.addresses(address)?;
        }
        Ok(host)
    }

    fn names(&mut self) -> &Names {
        self.names.get_or_insert_with(|| Names::read(true, true))
    }

    fn port(&mut self, text: &[u8]) -> Result<u16, String> {
        if let Some(number) = bytes::dec(text) {
            let shown = || format!("port {number} is more than 65535");
            return u16::try_from(number).map_err(|_| shown());
        }
        let names = self.names();
        names
            .port(text, Some(Transport::Tcp))
            .or_else(|| names.port(text, None))
            .ok_or_else(|| format!("{:?} does not look like a port", String::from_utf8_lossy(text)))
    }

    fn addresses(&mut self, text: &[u8]) -> Result<Vec<(IpAddr, u8)>, String> {
        let shown = String::from_utf8_lossy(text).into_owned();
        let bad = || format!("an address or prefix is expected rather than {shown:?}");
        let mut parts = text.splitn(2, |&b| b == b'/');
        let address = parts.next().unwrap_or_default();
        let prefix = parts.next();
        let parsed = std::str::from_utf8(address).ok().and_then(|a| a.parse::<IpAddr>().ok());
        let Some(ip) = parsed else {
            let found = self.names().addresses(address);
            let whole = |ip: IpAddr| (ip, if ip.is_ipv4() { 32 } else { 128 });
            let list: Vec<_> = found.into_iter().map(whole).collect();
            return if list.is_empty() || prefix.is_some() { Err(bad()) } else { Ok(list) };
        };
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match prefix {
            None => longest,
            Some(bits) => bytes::dec(bits)
                .and_then(|b| u8::try_from(b).ok())
                .filter(|b| *b <= longest)
                .ok_or_else(bad)?,
        };
        Ok(vec![(ip, bits)])
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    AtLeast,
    AtMost,
    Above,
    Below,
}

/// `1.2.3.4/8:80`, `[::1]:80`, `*:80`, `::1`: the address and the port.
fn split_host(word: &[u8]) -> Result<(&[u8], Option<&[u8]>), String> {
    if let Some(inside) = word.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inside).ok_or("no ] in the filter's address")?;
        return Ok((&inside[..end], inside[end + 1..].strip_prefix(b":")));
    }
    let from = memchr::memchr(b'/', word).unwrap_or(0);
    match memchr::memrchr(b':', &word[from..]) {
        Some(colon) => Ok((&word[..from + colon], Some(&word[from + colon + 1..]))),
        None => Ok((word, None)),
    }
}

fn interface_index(name: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(name).ok()?;
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None);
    rustix::net::netdevice::name_to_index(&socket.ok()?, name).ok()
}

impl Filter {
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Filter::Or(one, other) => one.matches(subject) || other.matches(subject),
            Filter::And(one, other) => one.matches(subject) && other.matches(subject),
            Filter::Not(inner) => !inner.matches(subject),
            Filter::Host { local, host } => host.matches(*local, subject),
            Filter::PortAtLeast { local, port } => {
                port_of(*local, subject).is_some_and(|p| p >= *port)
            }
            Filter::PortAtMost { local, port } => {
                port_of(*local, subject).is_some_and(|p| p <= *port)
            }
            Filter::Device(index) => {
                matches!(subject, Subject::Inet(inet) if inet.interface == *index)
            }
            Filter::Autobound => is_autobound(subject),
        }
    }
}

fn port_of(local: bool, subject: &Subject<'_>) -> Option<u16> {
    match subject {
        Subject::Inet(inet) if local => Some(inet.local.port()),
        Subject::Inet(inet) => Some(inet.remote.port()),
        Subject::Unix(..) | Subject::Other => None,
    }
}

/// The default range of ip_local_port_range.
const EPHEMERAL: std::ops::RangeInclusive<u16> = 32_768..=60_999;

fn is_autobound(subject: &Subject<'_>) -> bool {
    match subject {
        Subject::Inet(inet) => EPHEMERAL.contains(&inet.local.port()),
        Subject::Unix(_, path) => {
            let hex = |b: &u8| b.is_ascii_hexdigit() && !b.is_ascii_uppercase();
            path.is_empty() || path.len() == 6 && path[1..].iter().all(hex)
        }
        Subject::Other => false,
    }
}

impl Host {
    /// Each with the bits that count; none stands for any.
    pub fn addresses(&self) -> &[(IpAddr, u8)] {
        &self.addresses
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    pub fn is_unix(&self) -> bool {
        self.unix.is_some()
    }

    fn matches(&self, local: bool, subject: &Subject<'_>) -> bool {
        match (subject, &self.unix) {
            (Subject::Inet(inet), None) => {
                let end = if local { inet.local } else { inet.remote };
                self.port.is_none_or(|port| port == end.port())
                    && (self.addresses.is_empty()
                        || self.addresses.iter().any(|(ip, bits)| within(end.ip(), *ip, *bits)))
            }
            (Subject::Unix(_, path), Some(pattern)) if local => glob(pattern, path),
            _ => false,
        }
    }
}

/// Whether the first `bits` agree; an IPv4 prefix also covers the mapped addresses of IPv6 sockets.
fn within(ip: IpAddr, prefix: IpAddr, bits: u8) -> bool {
    let ip = if prefix.is_ipv4() { ip.to_canonical() } else { ip };
    match (ip, prefix) {
        (IpAddr::V4(ip), IpAddr::V4(prefix)) => {
            let differ = ip.to_bits() ^ prefix.to_bits();
            differ.checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(prefix)) => {
            let differ = ip.to_bits() ^ prefix.to_bits();
            differ.checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// `*` stands for any bytes, as in ss's `unix:` patterns.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let mut parts = pattern.split(|&b| b == b'*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut last_matched = first.len() == pattern.len() && rest.is_empty();
    for part in parts {
        match memchr::memmem::rfind(rest, part) {
            Some(at) => {
                rest = &rest[at + part.len()..];
                last_matched = rest.is_empty() || part.is_empty();
            }
            None => return false,
        }
    }
    last_matched
}

/// For the fuzzers.
pub fn fuzz(text: &[u8]) {
    let words: Vec<Vec<u8>> = text.split(|&b| b == b'\n').map(<[u8]>::to_vec).collect();
    if let Ok(Some(filter)) = parse(&words) {
        let _ = filter.matches(&Subject::Inet(&Inet::EMPTY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, local: &str, remote: &str, expected: bool) {
        let filter = parse(&[words.as_bytes().to_vec()]).unwrap().unwrap();
        let (local, remote) = (local.parse().unwrap(), remote.parse().unwrap());
        let socket = Inet { local, remote, ..Inet::EMPTY };
        assert_eq!(filter.matches(&Subject::Inet(&socket)), expected, "{words}");
    }

    #[test]
    fn filters() {
        for (words, expected) in [
            ("sport = :80", true),
            ("sport :80", true),
            ("sport = 80", true),
            ("dport != :4000", false),
            ("dport >= :4000", true),
            ("dport > :4000", false),
            ("dport lt 4001", true),
            ("src 10.0.0.1", true),
            ("src = 10.0.0.0/8", true),
            ("dst 10.0.0.0/30:4000", true),
            ("dst 10.0.0.0/31", false),
            ("src 0.0.0.0/0", true),
            ("dst *:4000", true),
            ("not sport = :81 and ( dst 10.0.0.9 or dport = :4000 )", true),
            ("sport = :81 | sport = :80 & dport = :1", false),
            ("sport = :80 | sport = :81 & dport = :1", true),
            ("! ( sport = :80 )", false),
            ("autobound", false),
            ("src unix:*", false),
        ] {
            check(words, "10.0.0.1:80", "10.0.0.2:4000", expected);
        }
        check("dst 10.0.0.0/8", "[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.2]:1", true);
        check("src [::1]:80", "[::1]:80", "[::1]:1", true);
        check("src fe80::/10", "[fe80::1]:80", "[::1]:1", true);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bad in
            ["sport", "( sport = :1", "foo", "src x.invalid/8", "sport = :99999", "src 1.2.3.4/33"]
        {
            assert!(parse(&[bad.as_bytes().to_vec()]).is_err(), "{bad}");
        }
        let deep = "! ".repeat(10_000) + "sport = :1";
        assert!(parse(&[deep.into_bytes()]).is_err());
        assert_eq!(parse(&[]), Ok(None));
    }

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("/run/*", "/run/x", true),
            ("*", "", true),
            ("/a", "/ab", false),
            ("*.sock", "/a.sock", true),
            ("/a*b*c", "/axxbyyc", true),
            ("/a*b", "/abc", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }
}
