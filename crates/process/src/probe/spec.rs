//! How a probe is written in a configuration. Pure.
//!
//! Addresses are numbers: a look-up of a name may wait for a network, which a master must not, and
//! a program that is to be probed is on this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What tells that a program is ready, or well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProbeSpec {
    /// Nothing: it is when it runs.
    None,
    /// It says so itself ([`crate::notify`]).
    Notify,
    /// It accepts a connection.
    Tcp(SocketAddr),
    /// It answers a GET with a status of 200 to 399.
    Http(HttpSpec),
    /// This command of the shell's exits with 0. Starting it is the caller's business.
    Exec(String),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpSpec {
    pub address: SocketAddr,
    /// The Host field.
    pub host: String,
    /// Path and query.
    pub target: String,
}

impl ProbeSpec {
    /// Reads `none`, `notify`, `tcp:PORT`, `tcp:ADDRESS:PORT`, `http://ADDRESS[:PORT][/PATH]` or
    /// `exec:COMMAND`. The error says what would be right.
    pub fn from_text(text: &str) -> Result<ProbeSpec, String> {
        let text = text.trim();
        let spec = match text {
            "none" => Some(ProbeSpec::None),
            "notify" => Some(ProbeSpec::Notify),
            _ => None,
        };
        if let Some(spec) = spec {
            return Ok(spec);
        }
        if let Some(address) = text.strip_prefix("tcp:") {
            return Ok(ProbeSpec::Tcp(socket_address(address, None)?));
        }
        if let Some(rest) = text.strip_prefix("http://") {
            return HttpSpec::from_text(rest).map(ProbeSpec::Http);
        }
        match text.strip_prefix("exec:").map(str::trim) {
            Some("") => Err("exec: needs a command behind the colon".to_owned()),
            Some(command) => Ok(ProbeSpec::Exec(command.to_owned())),
            None if text.starts_with("https:") => {
                Err(format!("{text:?}: write http://, or exec: and a command that speaks TLS"))
            }
            None => Err(format!(
                "{text:?} is no probe: write none, notify, tcp:PORT, tcp:ADDRESS:PORT, \
                 http://ADDRESS:PORT/PATH or exec:COMMAND"
            )),
        }
    }
}

impl HttpSpec {
    fn from_text(text: &str) -> Result<HttpSpec, String> {
        let at = text.find(['/', '?']).unwrap_or(text.len());
        let (host, target) = text.split_at(at);
        let bad = |byte: u8| !(b'!'..=b'~').contains(&byte) || byte == b'#';
        if let Some(bad) = target.bytes().find(|byte| bad(*byte)) {
            let shown = (bad as char).escape_default();
            return Err(format!("{target:?} holds '{shown}': write it as %{bad:02X}"));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(HttpSpec {
            address: socket_address(host, Some(80))?,
            host: host.to_owned(),
            target: format!("{slash}{target}"),
        })
    }

    /// The bytes to send.
    pub(super) fn request(&self) -> Vec<u8> {
        let HttpSpec { host, target, .. } = self;
        let fields = "User-Agent: sockeye\r\nAccept: */*\r\nConnection: close";
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n\r\n").into_bytes()
    }
}

/// `PORT`, `ADDRESS:PORT`, or, where a port is known, `ADDRESS`.
fn socket_address(text: &str, default_port: Option<u16>) -> Result<SocketAddr, String> {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let wrong = || {
        let example = "such as 127.0.0.1:8080 or [::1]:8080";
        Err(format!("{text:?} is no address: write a number and a port, {example}"))
    };
    let address = match (text.rsplit_once(':'), default_port) {
        (None, None) => text.parse().ok().map(|port| SocketAddr::new(local, port)),
        (None, Some(port)) => host(text).map(|host| SocketAddr::new(host, port)),
        (Some((name, port)), _) => match (host(name), port.parse()) {
            (Some(host), Ok(port)) => Some(SocketAddr::new(host, port)),
            _ => host(text).zip(default_port).map(|(host, port)| SocketAddr::new(host, port)),
        },
    };
    match address {
        Some(address) if address.port() != 0 => Ok(address),
        _ => wrong(),
    }
}

/// `localhost` is the one name that needs no look-up.
fn host(text: &str) -> Option<IpAddr> {
    if text == "localhost" {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(six) => six.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_read_or_refused_with_what_would_be_right() {
        let check = |text: &str, expected: Option<ProbeSpec>| {
            let found = ProbeSpec::from_text(text);
            assert_eq!(found.clone().ok(), expected, "{text:?}: {found:?}");
        };
        let tcp = |text: &str| Some(ProbeSpec::Tcp(text.parse().unwrap()));
        let http = |address: &str, host: &str, target: &str| {
            Some(ProbeSpec::Http(HttpSpec {
                address: address.parse().unwrap(),
                host: host.to_owned(),
                target: target.to_owned(),
            }))
        };
        check("none", Some(ProbeSpec::None));
        check(" notify ", Some(ProbeSpec::Notify));
        check("tcp:9000", tcp("127.0.0.1:9000"));
        check("tcp:10.0.0.1:9000", tcp("10.0.0.1:9000"));
        check("tcp:localhost:9000", tcp("127.0.0.1:9000"));
        check("tcp:[::1]:9000", tcp("[::1]:9000"));
        let health = http("127.0.0.1:9000", "127.0.0.1:9000", "/health?a=b");
        check("http://127.0.0.1:9000/health?a=b", health);
        check("http://localhost", http("127.0.0.1:80", "localhost", "/"));
        check("http://[::1]/x", http("[::1]:80", "[::1]", "/x"));
        check("http://[::1]:8080?q", http("[::1]:8080", "[::1]:8080", "/?q"));
        check("exec: test -e /run/x", Some(ProbeSpec::Exec("test -e /run/x".to_owned())));
        let wrong = [
            "",
            "tcp",
            "tcp:",
            "tcp:0",
            "tcp:70000",
            "tcp:a.example:80",
            "tcp:::1:80",
            "udp:53",
            "http://",
            "http://example.org/",
            "http://127.0.0.1:x/",
            "http://127.0.0.1/a b",
            "http://127.0.0.1/\r\nX: y",
            "http://127.0.0.1/#a",
            "https://127.0.0.1/",
            "exec:",
            "None",
            "9000",
        ];
        wrong.into_iter().for_each(|text| check(text, None));
    }
}
