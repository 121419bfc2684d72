//! /proc/net/netlink and /proc/net/packet: small tables of small facts. See netlink(7), packet(7).

use crate::bytes;
use crate::model::{OtherFamily, OtherSocket};

/// `sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode`.
pub fn netlink(text: &[u8], mut each: impl FnMut(OtherSocket)) -> usize {
    rows(text, netlink_line, &mut each)
}

/// `sk RefCnt Type Proto Iface R Rmem User Inode`.
pub fn packet(text: &[u8], mut each: impl FnMut(OtherSocket)) -> usize {
    rows(text, packet_line, &mut each)
}

fn rows(
    text: &[u8],
    parse: fn(&[&[u8]]) -> Option<OtherSocket>,
    each: &mut dyn FnMut(OtherSocket),
) -> usize {
    let mut bad = 0;
    for line in bytes::lines(text).skip(1) {
        let fields: Vec<&[u8]> = bytes::fields(line).collect();
        match parse(&fields) {
            Some(socket) => each(socket),
            None => bad += 1,
        }
    }
    bad
}

fn netlink_line(fields: &[&[u8]]) -> Option<OtherSocket> {
    Some(OtherSocket {
        family: OtherFamily::Netlink,
        protocol: bytes::dec32(fields.get(1)?)?,
        id: bytes::signed(fields.get(2)?)? as u32,
        groups: bytes::hex(fields.get(3)?)? as u32,
        receive_queue: bytes::dec32(fields.get(4)?)?,
        send_queue: bytes::dec32(fields.get(5)?)?,
        references: bytes::dec32(fields.get(7)?)?,
        inode: bytes::dec(fields.get(9)?)?,
        interface: 0,
        namespace: 0,
    })
}

fn packet_line(fields: &[&[u8]]) -> Option<OtherSocket> {
    Some(OtherSocket {
        family: OtherFamily::Packet,
        references: bytes::dec32(fields.get(1)?)?,
        id: bytes::dec32(fields.get(2)?)?,
        protocol: bytes::hex(fields.get(3)?)? as u32,
        interface: bytes::dec32(fields.get(4)?)?,
        receive_queue: bytes::dec32(fields.get(6)?)?,
        inode: bytes::dec(fields.get(8)?)?,
        groups: 0,
        send_queue: 0,
        namespace: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut seen = Vec::new();
        let text = b"sk Eth\n00000000f4 0  1105  00000111 0  0  0  2  0  14432\nshort 1\n";
        assert_eq!(netlink(text, |s| seen.push((s.protocol, s.id, s.groups, s.inode))), 1);
        assert_eq!(seen, [(0, 1105, 0x111, 14_432)]);
        let mut seen = Vec::new();
        let text = b"sk RefCnt\n00000000bc 3  3  0003  2  1  0  0  428626\n";
        assert_eq!(packet(text, |s| seen.push((s.id, s.protocol, s.interface, s.inode))), 0);
        assert_eq!(seen, [(3, 3, 2, 428_626)]);
    }
}
