//! Many connections that ask once and then stay: what an idle keep-alive connection costs the
//! server is measured over these.

use std::io;
use std::time::Duration;

use crate::address::Address;
use crate::peer::Peer;

use super::CONNECTIONS_MAX;

/// Open connections, each of which has had one whole response; closed when dropped.
#[derive(Debug)]
pub struct Held {
    peers: Vec<Peer>,
}

/// Opens `connections`, one after another, and asks for `target` once on each.
pub fn hold(address: &Address, target: &str, connections: usize) -> io::Result<Held> {
    if connections > CONNECTIONS_MAX {
        let text = format!("{connections} connections are more than {CONNECTIONS_MAX}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut peers = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut peer = Peer::connect(address)?;
        peer.send(request.as_bytes())?;
        let response = peer.read_response()?;
        if response.status != 200 || response.close {
            let text = format!("{address}{target} answered {} and will not stay", response.status);
            return Err(io::Error::other(text));
        }
        peers.push(peer);
    }
    Ok(Held { peers })
}

impl Held {
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// How many the server has kept open; an end or a reset is seen without waiting.
    pub fn still_open(&mut self) -> usize {
        self.peers
            .iter_mut()
            .filter_map(|peer| peer.is_open(Duration::ZERO).ok())
            .filter(|o| *o)
            .count()
    }
}
