//! `-i [46][protocol][@host][:service|port]`: which Internet files, lsof(8).

use std::net::IpAddr;

use crate::bytes;
use crate::model::{Inet, Protocol};
use crate::names::{Names, Transport};

/// One `-i` value; all of them together are alternatives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InetSpec {
    pub v6: Option<bool>,
    pub protocol: Option<Protocol>,
    pub host: Option<Vec<u8>>,
    pub hosts: Vec<IpAddr>,
    /// Ranges, both ends in; none means any port.
    pub ports: Vec<(u16, u16)>,
    pub services: Vec<Vec<u8>>,
    pub text: Vec<u8>,
}

impl InetSpec {
    pub fn parse(value: &[u8]) -> Result<InetSpec, String> {
        let mut spec = InetSpec { text: value.to_vec(), ..InetSpec::default() };
        let mut rest = value;
        if let [digit @ (b'4' | b'6'), after @ ..] = rest {
            spec.v6 = Some(*digit == b'6');
            rest = after;
        }
        let end = rest.iter().position(|b| matches!(b, b'@' | b':')).unwrap_or(rest.len());
        spec.protocol = match rest[..end].to_ascii_lowercase().as_slice() {
            b"" => None,
            b"tcp" => Some(Protocol::Tcp),
            b"udp" => Some(Protocol::Udp),
            b"udplite" => Some(Protocol::UdpLite),
            other => return Err(format!("unknown protocol {:?} in -i", text(other))),
        };
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix(b"@") {
            rest = spec.take_host(after)?;
        }
        if let Some(ports) = rest.strip_prefix(b":") {
            spec.take_ports(ports)?;
        } else if !rest.is_empty() {
            return Err(format!("unacceptable -i value {:?}", text(value)));
        }
        Ok(spec)
    }

    fn take_host<'a>(&mut self, rest: &'a [u8]) -> Result<&'a [u8], String> {
        if let Some(inside) = rest.strip_prefix(b"[") {
            let end = memchr::memchr(b']', inside)
                .ok_or_else(|| format!("no ] after the address in {:?}", text(rest)))?;
            self.set_host(&inside[..end]);
            return Ok(&inside[end + 1..]);
        }
        let end = memchr::memchr(b':', rest).unwrap_or(rest.len());
        if end == 0 {
            return Err("no host after @ in -i".to_owned());
        }
        self.set_host(&rest[..end]);
        Ok(&rest[end..])
    }

    fn set_host(&mut self, host: &[u8]) {
        match std::str::from_utf8(host).ok().and_then(|h| h.parse::<IpAddr>().ok()) {
            Some(ip) => self.hosts.push(ip),
            None => self.host = Some(host.to_vec()),
        }
    }

    fn take_ports(&mut self, list: &[u8]) -> Result<(), String> {
        for part in list.split(|&b| b == b',') {
            let mut ends = part.splitn(2, |&b| b == b'-');
            let first = ends.next().and_then(port);
            let last = ends.next().map(port);
            match (first, last) {
                (Some(first), None) => self.ports.push((first, first)),
                (Some(first), Some(Some(last))) if first <= last => self.ports.push((first, last)),
                _ if is_service(part) => self.services.push(part.to_vec()),
                _ => return Err(format!("unacceptable port {:?} in -i", text(part))),
            }
        }
        Ok(())
    }

    /// Turns names into numbers, by /etc/services and /etc/hosts.
    pub fn resolve(&mut self) -> Result<(), String> {
        if self.services.is_empty() && self.host.is_none() {
            return Ok(());
        }
        let names = Names::read(true, true);
        let transport = match self.protocol {
            Some(Protocol::Tcp) => Some(Transport::Tcp),
            Some(Protocol::Udp) => Some(Transport::Udp),
            _ => None,
        };
        for service in &self.services {
            let port = names
                .port(service, transport)
                .ok_or_else(|| format!("service {:?} is not in /etc/services", text(service)))?;
            self.ports.push((port, port));
        }
        if let Some(host) = &self.host {
            self.hosts = names.addresses(host);
            if self.hosts.is_empty() {
                return Err(format!(
                    "host {:?} is not in /etc/hosts; give its address",
                    text(host)
                ));
            }
        }
        Ok(())
    }

    pub fn matches(&self, socket: &Inet) -> bool {
        self.protocol.is_none_or(|p| p == socket.protocol)
            && self.v6.is_none_or(|v6| v6 == socket.is_v6())
            && self.matches_end(socket.local.ip(), socket.local.port())
            || self.protocol.is_none_or(|p| p == socket.protocol)
                && self.v6.is_none_or(|v6| v6 == socket.is_v6())
                && self.matches_end(socket.remote.ip(), socket.remote.port())
    }

    fn matches_end(&self, ip: IpAddr, port: u16) -> bool {
        let host = self.hosts.is_empty()
            || self.hosts.iter().any(|h| h.to_canonical() == ip.to_canonical());
        let port_fits = self.ports.is_empty()
            || self.ports.iter().any(|(first, last)| (*first..=*last).contains(&port));
        host && port_fits
    }
}

fn port(text: &[u8]) -> Option<u16> {
    bytes::dec(text).and_then(|n| u16::try_from(n).ok())
}

fn is_service(text: &[u8]) -> bool {
    let first = text.first().is_some_and(u8::is_ascii_alphabetic);
    first && text.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn check(spec: &str, local: &str, remote: &str, expected: bool) {
        let spec = InetSpec::parse(spec.as_bytes()).unwrap();
        let (local, remote): (SocketAddr, SocketAddr) =
            (local.parse().unwrap(), remote.parse().unwrap());
        let socket = Inet { local, remote, ..Inet::EMPTY };
        assert_eq!(spec.matches(&socket), expected, "{spec:?}");
    }

    #[test]
    fn specs() {
        for (spec, expected) in [
            ("", true),
            ("4", true),
            ("6", false),
            ("tcp", true),
            ("4TCP:80", true),
            ("UDP", false),
            (":80", true),
            (":9-5000", true),
            (":81,4000", true),
            (":81", false),
            ("@10.0.0.1", true),
            ("@10.0.0.2:80", false),
            ("@10.0.0.2:4000", true),
            ("@[::1]", false),
        ] {
            check(spec, "10.0.0.1:80", "10.0.0.2:4000", expected);
        }
        check("@127.0.0.1", "[::ffff:127.0.0.1]:80", "[::]:0", true);
        for bad in ["x", "@", "@[::1", ":5-1", ":70000", "tcp@h:/"] {
            assert!(InetSpec::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
