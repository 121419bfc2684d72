//! Where to listen: `127.0.0.1:8080`, `[::]:80` or `unix:/run/site.sock`.
//!
//! Host names are refused: what they resolve to can change between two starts, and a resolver may
//! keep a server from starting for minutes. Most slips have one obvious repair, so the errors name
//! it. The limit of a Unix socket's path is that of `sun_path`, unix(7).

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// `sun_path` is 108 bytes with its closing zero.
pub const SOCKET_PATH_BYTES_MAX: usize = 107;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl ListenAddress {
    /// Reads an address as people write it; the error completes "the address ...".
    pub fn from_text(text: &str) -> Result<Self, String> {
        match text.strip_prefix("unix:") {
            Some("") => Err("has no path: write unix:/run/site.sock".into()),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| advice(text)),
        }
    }

    /// With the path, if it has one, seen from this folder.
    pub fn seen_from(self, base: &Path) -> Self {
        match self {
            Self::Unix(path) => Self::Unix(base.join(path)),
            Self::Tcp(address) => Self::Tcp(address),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What is wrong with this and how it was probably meant.
fn advice(text: &str) -> String {
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    let port_fits = port.parse::<u16>().is_ok();
    if text.is_empty() {
        "is empty: write ADDRESS:PORT, as in 127.0.0.1:8080".into()
    } else if text.parse::<u16>().is_ok() {
        format!("is a port alone: write 127.0.0.1:{text}, or [::]:{text} for every interface")
    } else if host.is_empty() && port_fits {
        format!("has no host: write 127.0.0.1:{port}, or [::]:{port} for every interface")
    } else if text.starts_with('/') {
        format!("looks like a path: write unix:{text}")
    } else if text.starts_with("http:") || text.starts_with("https:") {
        "is a URL: write only ADDRESS:PORT, as in 127.0.0.1:8080".into()
    } else if text.parse::<std::net::IpAddr>().is_ok() {
        with_port(text)
    } else if host.parse::<Ipv6Addr>().is_ok() && port_fits {
        format!("is an IPv6 address without brackets: write [{host}]:{port}")
    } else if host == "localhost" && port_fits {
        format!("is a name: write 127.0.0.1:{port} or [::1]:{port}")
    } else if port_fits {
        "is a name or not an address: host names are not looked up, write the number".into()
    } else {
        "is not ADDRESS:PORT with a port from 0 to 65535, as in 127.0.0.1:8080".into()
    }
}

fn with_port(host: &str) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(_) => format!("has no port: write [{host}]:8080"),
        Err(_) => format!("has no port: write {host}:8080"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        fn check(text: &str) {
            assert_eq!(ListenAddress::from_text(text).unwrap().to_string(), text);
        }
        check("127.0.0.1:8080");
        check("0.0.0.0:0");
        check("[::]:80");
        check("[::1]:65535");
        check("unix:/run/site.sock");
        check("unix:site.sock");
    }

    #[test]
    fn slips_name_their_repair() {
        fn check(text: &str, expected: &str) {
            let error = ListenAddress::from_text(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        check("", "is empty");
        check("8080", "write 127.0.0.1:8080, or [::]:8080");
        check(":8080", "has no host: write 127.0.0.1:8080");
        check("/run/x.sock", "write unix:/run/x.sock");
        check("unix:", "has no path");
        check("http://127.0.0.1:80", "is a URL");
        check("10.0.0.1", "write 10.0.0.1:8080");
        check("::1", "write [::1]:8080");
        check("fe80::1%eth0:80", "host names are not looked up");
        check("2001:db8::1:80", "has no port");
        check("localhost:80", "write 127.0.0.1:80 or [::1]:80");
        check("example.org:80", "host names are not looked up");
        check("127.0.0.1:65536", "port from 0 to 65535");
        check("127.0.0.1:", "port from 0 to 65535");
    }
}
