//! /proc/net/route and /proc/net/ipv6_route: the main routing tables, proc_net(5).

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::bytes;

/// A line of /proc/net/route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub interface: String,
    pub destination: Ipv4Addr,
    pub gateway: Ipv4Addr,
    pub mask: Ipv4Addr,
    /// Bits of linux/route.h.
    pub flags: u32,
    pub references: u32,
    pub uses: u32,
    pub metric: u32,
    pub mtu: u32,
    pub window: u32,
    pub irtt: u32,
}

pub fn parse(text: &[u8], mut each: impl FnMut(Route)) {
    bytes::lines(text).skip(1).filter_map(line).for_each(&mut each);
}

fn line(line: &[u8]) -> Option<Route> {
    let fields: Vec<&[u8]> = bytes::fields(line).collect();
    let number = |at: usize| bytes::dec32(fields.get(at)?);
    // An address is the kernel's four bytes as one number of this machine.
    let address = |at: usize| {
        let word = u32::try_from(bytes::hex(fields.get(at)?)?).ok()?;
        Some(Ipv4Addr::from(word.to_ne_bytes()))
    };
    Some(Route {
        interface: String::from_utf8_lossy(fields.first()?).into_owned(),
        destination: address(1)?,
        gateway: address(2)?,
        flags: u32::try_from(bytes::hex(fields.get(3)?)?).ok()?,
        references: number(4)?,
        uses: number(5)?,
        metric: number(6)?,
        mask: address(7)?,
        mtu: number(8)?,
        window: number(9)?,
        irtt: number(10)?,
    })
}

/// A line of /proc/net/ipv6_route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route6 {
    pub interface: String,
    pub destination: Ipv6Addr,
    pub prefix: u8,
    pub next_hop: Ipv6Addr,
    pub flags: u32,
    pub references: u32,
    pub uses: u32,
    pub metric: u32,
}

pub fn parse6(text: &[u8], mut each: impl FnMut(Route6)) {
    bytes::lines(text).filter_map(line6).for_each(&mut each);
}

fn line6(line: &[u8]) -> Option<Route6> {
    let fields: Vec<&[u8]> = bytes::fields(line).collect();
    let number = |at: usize| u32::try_from(bytes::hex(fields.get(at)?)?).ok();
    let address = |at: usize| {
        let text = std::str::from_utf8(fields.get(at)?).ok().filter(|text| text.len() == 32)?;
        Some(Ipv6Addr::from(u128::from_str_radix(text, 16).ok()?))
    };
    Some(Route6 {
        destination: address(0)?,
        prefix: u8::try_from(number(1)?).ok()?,
        next_hop: address(4)?,
        metric: number(5)?,
        references: number(6)?,
        uses: number(7)?,
        flags: number(8)?,
        interface: String::from_utf8_lossy(fields.get(9)?).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_tables() {
        let text =
            b"Iface\tDestination\tGateway\neth0\t00000000\t010200C0\t0003\t1\t2\t3\t00FFFFFF\t\
                     1400\t5\t6   \nshort\t0\n";
        let mut found = Vec::new();
        parse(text, |route| found.push(route));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].gateway.to_string(), "192.0.2.1");
        assert_eq!((found[0].flags, found[0].metric, found[0].mtu), (3, 3, 1400));

        let text = b"fd000000000000000000000000000000 40 00000000000000000000000000000000 00 \
                     fe800000000000000000000000000001 00000100 00000001 00000002 00000003 x\n!\n";
        let mut found = Vec::new();
        parse6(text, |route| found.push(route));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].prefix, found[0].metric, found[0].uses), (64, 256, 2));
        assert_eq!(found[0].next_hop.to_string(), "fe80::1");
    }
}
