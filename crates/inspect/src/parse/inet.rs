//! /proc/net/{tcp,udp,udplite,raw,icmp} and their `6` twins: one shape, a line a socket.
//!
//! `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ...`
//! Addresses are hex of the words as they lie in memory, so each word is read native. See
//! proc_net(5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::bytes;
use crate::model::{Inet, TcpState};

/// Parses a whole file; gives the sockets and the number of lines not understood.
pub fn parse(text: &[u8], mut each: impl FnMut(Inet)) -> usize {
    let mut bad = 0;
    for line in bytes::lines(text).skip(1) {
        match parse_line(line) {
            Some(socket) => each(socket),
            None => bad += 1,
        }
    }
    bad
}

fn parse_line(line: &[u8]) -> Option<Inet> {
    let mut fields = bytes::fields(line);
    let _slot = fields.next()?;
    let local = address(fields.next()?)?;
    let remote = address(fields.next()?)?;
    let state = bytes::hex(fields.next()?)?;
    let (send_queue, receive_queue) = hex_pair(fields.next()?)?;
    let (timer, timer_ticks) = hex_pair(fields.next()?)?;
    let retransmits = bytes::hex(fields.next()?)?;
    let uid = bytes::dec32(fields.next()?)?;
    let timeouts = bytes::dec32(fields.next()?)?;
    let inode = bytes::dec(fields.next()?)?;
    Some(Inet {
        local,
        remote,
        state: TcpState::from_number(state as u8),
        send_queue: send_queue as u32,
        receive_queue: receive_queue as u32,
        timer: timer as u8,
        timer_ticks: timer_ticks as u32,
        retransmits: retransmits as u32,
        timeouts,
        uid,
        inode,
        ..Inet::EMPTY
    })
}

fn hex_pair(text: &[u8]) -> Option<(u64, u64)> {
    let colon = memchr::memchr(b':', text)?;
    Some((bytes::hex(&text[..colon])?, bytes::hex(&text[colon + 1..])?))
}

fn address(text: &[u8]) -> Option<SocketAddr> {
    let colon = memchr::memchr(b':', text)?;
    let port = u16::try_from(bytes::hex(&text[colon + 1..])?).ok()?;
    let ip = match colon {
        8 => IpAddr::V4(Ipv4Addr::from(word(&text[..8])?)),
        32 => {
            let mut octets = [0; 16];
            for (index, chunk) in octets.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(&text[index * 8..index * 8 + 8])?);
            }
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn word(text: &[u8]) -> Option<[u8; 4]> {
    Some((bytes::hex(text)? as u32).to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        let mut seen = String::new();
        let text = format!("header\n{line}\n");
        let bad = parse(text.as_bytes(), |s| {
            seen = format!(
                "{} {} {:?} {}/{} {}",
                s.local, s.remote, s.state, s.receive_queue, s.send_queue, s.inode
            );
        });
        assert_eq!(seen, expected);
        assert_eq!(bad, usize::from(expected.is_empty()));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn lines() {
        check(
            "   0: 0100007F:46A0 00000000:0000 0A 00000000:00000001 \
             00:00000000 00000000     0        0 428609 1 0",
            "127.0.0.1:18080 0.0.0.0:0 Listen 1/0 428609",
        );
        check(
            "  12: 0000000000000000FFFF00000100007F:1F90 B80D01200000000000000000010000FF:0050 08 \
             00000002:00000001 02:00000000 00000000 1000 0 99",
            "[::ffff:127.0.0.1]:8080 [2001:db8::ff00:1]:80 CloseWait 1/2 99",
        );
        check("   0: 0100007F:46A0", "");
        check("   0: 0100007:46A0 00000000:0000 0A 0:0 0:0 0 0 0 1", "");
        check("   0: 0100007F:146A0 00000000:0000 0A 0:0 0:0 0 0 0 1", "");
    }
}
