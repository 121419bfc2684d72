//! RTM_GETLINK of rtnetlink(7): the interfaces with their counters. Layouts: linux/rtnetlink.h,
//! linux/if_link.h.

use crate::bytes::{ne_u32, ne_u64};
use crate::parse::diag;

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    pub name: String,
    /// Bits of linux/if.h, IFF_RUNNING among them.
    pub flags: u32,
    pub mtu: u32,
    pub received: Counts,
    pub sent: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub packets: u64,
    pub bytes: u64,
    pub errors: u64,
    pub dropped: u64,
    pub overruns: u64,
}

const RTM_GETLINK: u16 = 18;
const INFO_BYTES: usize = 16;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_STATS64: u16 = 23;

/// A dump request for all interfaces.
pub fn request() -> Vec<u8> {
    diag::dump_request(RTM_GETLINK, &[0; INFO_BYTES])
}

pub fn parse(payload: &[u8]) -> Option<Link> {
    let mut link = Link { flags: ne_u32(payload, 8)?, ..Link::default() };
    diag::each_attribute(payload.get(INFO_BYTES..)?, |kind, value| match kind {
        IFLA_IFNAME => {
            let name = value.strip_suffix(b"\0").unwrap_or(value);
            link.name = String::from_utf8_lossy(name).escape_debug().to_string();
        }
        IFLA_MTU => link.mtu = ne_u32(value, 0).unwrap_or(0),
        IFLA_STATS64 => (link.received, link.sent) = counts(value),
        _ => {}
    });
    (!link.name.is_empty()).then_some(link)
}

/// Words of `struct rtnl_link_stats64`, summed as /proc/net/dev sums them.
fn counts(stats: &[u8]) -> (Counts, Counts) {
    let word = |at: usize| ne_u64(stats, 8 * at).unwrap_or(0);
    let received = Counts {
        packets: word(0),
        bytes: word(2),
        errors: word(4),
        dropped: word(6).saturating_add(word(15)),
        overruns: word(14),
    };
    let sent = Counts {
        packets: word(1),
        bytes: word(3),
        errors: word(5),
        dropped: word(7),
        overruns: word(18),
    };
    (received, sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message() {
        let mut payload = vec![0; INFO_BYTES];
        payload[8] = 0x49;
        payload.extend_from_slice(&[7, 0, 3, 0, b'l', b'o', 0, 0]);
        payload.extend_from_slice(&[8, 0, 4, 0, 0xdc, 5, 0, 0]);
        let mut stats = vec![0; 8 * 24];
        for (at, byte) in [(0, 1), (1, 2), (6, 3), (15, 4), (18, 5)] {
            stats[8 * at] = byte;
        }
        payload.extend_from_slice(&[196, 0, 23, 0]);
        payload.extend_from_slice(&stats);
        let link = parse(&payload).unwrap();
        assert_eq!((link.name.as_str(), link.flags, link.mtu), ("lo", 0x49, 1500));
        assert_eq!((link.received.packets, link.received.dropped), (1, 7));
        assert_eq!((link.sent.packets, link.sent.overruns), (2, 5));
        assert_eq!(parse(&payload[..20]), None);
    }
}
