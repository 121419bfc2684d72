//! Port numbers to service names and addresses to host names, from /etc/services and /etc/hosts.
//!
//! The domain name system is never asked: a listing must not wait for a server, least of all when
//! the network is what is being looked into. See services(5), hosts(5).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};

use crate::bytes;
use crate::source;

/// Names for numbers; empty where numbers were asked for.
#[derive(Debug, Default)]
pub struct Names {
    services: BTreeMap<(u16, Transport), Vec<u8>>,
    hosts: BTreeMap<IpAddr, Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    Tcp,
    Udp,
    Raw,
}

impl Names {
    pub fn read(services: bool, hosts: bool) -> Names {
        let mut names = Names::default();
        if services {
            names.services = parse_services(&etc(c"services"));
            names.add_protocols(&etc(c"protocols"));
        }
        if hosts {
            names.hosts = parse_hosts(&etc(c"hosts"));
        }
        names
    }

    pub fn service(&self, port: u16, transport: Transport) -> Option<&[u8]> {
        self.services.get(&(port, transport)).map(Vec::as_slice)
    }

    pub fn host(&self, ip: IpAddr) -> Option<&[u8]> {
        self.hosts.get(&ip).map(Vec::as_slice)
    }

    /// The port of a service name, for `-i :http`.
    pub fn port(&self, name: &[u8], transport: Option<Transport>) -> Option<u16> {
        let wanted = |t: Transport| transport.is_none_or(|w| w == t);
        let mut rows = self.services.iter();
        rows.find(|((_, t), n)| wanted(*t) && n.as_slice() == name).map(|((port, _), _)| *port)
    }

    /// The addresses of a host name.
    pub fn addresses(&self, name: &[u8]) -> Vec<IpAddr> {
        self.hosts.iter().filter(|(_, n)| n.as_slice() == name).map(|(ip, _)| *ip).collect()
    }

    /// A raw socket's "port" is its protocol: protocols(5).
    fn add_protocols(&mut self, text: &[u8]) {
        for (name, number) in entries(text).filter_map(|line| two(line)) {
            if let Some(number) = bytes::dec(number).and_then(|n| u16::try_from(n).ok()) {
                self.services.entry((number, Transport::Raw)).or_insert_with(|| name.to_vec());
            }
        }
    }
}

fn etc(name: &std::ffi::CStr) -> Vec<u8> {
    let mut text = Vec::new();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(directory) = rustix::fs::open("/etc", flags, Mode::empty()) {
        let _ = source::read(directory.as_fd(), name, &mut text);
    }
    text
}

fn entries(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes::lines(text).map(|line| line.split(|&b| b == b'#').next().unwrap_or_default())
}

fn two(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = bytes::fields(line);
    Some((fields.next()?, fields.next()?))
}

fn parse_services(text: &[u8]) -> BTreeMap<(u16, Transport), Vec<u8>> {
    let mut services = BTreeMap::new();
    for (name, what) in entries(text).filter_map(|line| two(line)) {
        let Some(slash) = memchr::memchr(b'/', what) else { continue };
        let transport = match &what[slash + 1..] {
            b"tcp" => Transport::Tcp,
            b"udp" => Transport::Udp,
            _ => continue,
        };
        let port = bytes::dec(&what[..slash]).and_then(|n| u16::try_from(n).ok());
        if let Some(port) = port {
            services.entry((port, transport)).or_insert_with(|| name.to_vec());
        }
    }
    services
}

fn parse_hosts(text: &[u8]) -> BTreeMap<IpAddr, Vec<u8>> {
    let mut hosts = BTreeMap::new();
    for (address, name) in entries(text).filter_map(|line| two(line)) {
        let ip = std::str::from_utf8(address).ok().and_then(|text| text.parse().ok());
        if let Some(ip) = ip {
            hosts.entry(ip).or_insert_with(|| name.to_vec());
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let services =
            parse_services(b"# x\nhttp 80/tcp www # web\nhttp 80/udp\nbad\nx 99999/tcp\n");
        let names =
            Names { services, hosts: parse_hosts(b"127.0.0.1 localhost lo\n::1 ip6\nx y\n") };
        assert_eq!(names.service(80, Transport::Tcp), Some(&b"http"[..]));
        assert_eq!(names.service(99, Transport::Tcp), None);
        assert_eq!(names.port(b"http", Some(Transport::Udp)), Some(80));
        assert_eq!(names.host("::1".parse().unwrap()), Some(&b"ip6"[..]));
        assert_eq!(names.addresses(b"localhost").len(), 1);
    }
}
