//! "Who holds this port": the answer the server gives beside "address already in use".

use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use crate::collect::{holders, sockets};
use crate::model::{Arena, Inet, TcpState};
use crate::parse;
use crate::source::{self, Source};

/// One process that has a listening socket open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// 0 where no process that we may read has it.
    pub pid: u32,
    pub name: String,
    pub uid: u32,
}

/// The processes whose listening TCP sockets keep `addr` from being bound: the same port, and an
/// address that overlaps. Cheap: where nothing listens there, no process is looked at.
pub fn listener_holders(addr: SocketAddr) -> Vec<Holder> {
    let Ok(source) = Source::live() else { return Vec::new() };
    let states = 1 << TcpState::Listen as u32;
    let want = sockets::Want { tcp: true, states, ..sockets::Want::NOTHING };
    let found = sockets::collect(&source, &want, &mut Arena::default());
    let listeners: Vec<&Inet> = found
        .inet
        .iter()
        .filter(|s| s.state == TcpState::Listen && overlaps(s.local, addr))
        .collect();
    if listeners.is_empty() {
        return Vec::new();
    }
    let all = holders::scan(&source);
    let mut result = Vec::new();
    for listener in listeners {
        let of = all.of(listener.inode);
        if of.is_empty() {
            result.push(Holder { pid: 0, name: String::new(), uid: listener.uid });
        }
        result.extend(of.iter().map(|h| holder(&source, h.pid, listener.uid)));
    }
    result.sort_by_key(|h| h.pid);
    result.dedup_by_key(|h| h.pid);
    result
}

fn overlaps(bound: SocketAddr, wanted: SocketAddr) -> bool {
    if bound.port() != wanted.port() {
        return false;
    }
    let (bound, wanted) = (plain(bound.ip()), plain(wanted.ip()));
    bound == wanted
        || wanted.is_unspecified() && (wanted.is_ipv6() || bound.is_ipv4())
        || bound.is_unspecified() && (bound.is_ipv6() || wanted.is_ipv4())
}

fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn holder(source: &Source, pid: u32, socket_uid: u32) -> Holder {
    let mut text = Vec::new();
    let mut uid = socket_uid;
    if let Ok(directory) = source.process(pid) {
        if let Ok(stat) = rustix::fs::fstat(directory.as_fd()) {
            uid = stat.st_uid;
        }
        let _ = source::read(directory.as_fd(), c"stat", &mut text);
    }
    let name = parse::stat::parse(&text).map(|s| s.comm).unwrap_or_default();
    Holder { pid, name: String::from_utf8_lossy(name).into_owned(), uid }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn own_listener_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let found = listener_holders(address);
        let own = found.iter().find(|h| h.pid == std::process::id()).expect("this process");
        assert_eq!(own.uid, rustix::process::getuid().as_raw());
        assert!(!own.name.is_empty());
        drop(listener);
        assert_eq!(listener_holders(address), []);
    }

    #[test]
    fn overlap() {
        let check = |bound: &str, wanted: &str, expected| {
            assert_eq!(overlaps(bound.parse().unwrap(), wanted.parse().unwrap()), expected);
        };
        check("127.0.0.1:80", "127.0.0.1:80", true);
        check("127.0.0.1:80", "127.0.0.1:81", false);
        check("127.0.0.1:80", "127.0.0.2:80", false);
        check("0.0.0.0:80", "127.0.0.2:80", true);
        check("[::]:80", "127.0.0.2:80", true);
        check("127.0.0.1:80", "[::]:80", true);
        check("0.0.0.0:80", "[::1]:80", false);
        check("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true);
    }
}
