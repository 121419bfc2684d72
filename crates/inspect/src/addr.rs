//! Internet addresses as the C library prints them: inet_ntop(3). Rust's own form differs for
//! v4-compatible addresses (`::1.2.3.4`), and a listing prints twenty thousand of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::bytes;

pub fn push_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => push_v4(out, ip),
        IpAddr::V6(ip) => push_v6(out, ip),
    }
}

pub fn push_v4(out: &mut Vec<u8>, ip: Ipv4Addr) {
    for (index, octet) in ip.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        bytes::push_dec(out, u64::from(octet));
    }
}

pub fn push_v6(out: &mut Vec<u8>, ip: Ipv6Addr) {
    let words = ip.segments();
    let (start, length) = longest_zero_run(&words);
    let embeds_v4 = start == 0 && (length == 6 || length == 5 && words[5] == 0xffff);
    let mut at = 0;
    while at < 8 {
        if at == start && length > 1 {
            out.extend_from_slice(if at == 0 { b"::" } else { b":" });
            at += length;
            continue;
        }
        if embeds_v4 && at == 6 {
            let o = ip.octets();
            return push_v4(out, Ipv4Addr::new(o[12], o[13], o[14], o[15]));
        }
        bytes::push_hex(out, u64::from(words[at]), 1);
        at += 1;
        if at < 8 {
            out.push(b':');
        }
    }
}

/// The first longest run of two or more zero words.
fn longest_zero_run(words: &[u16; 8]) -> (usize, usize) {
    let mut best = (8, 1);
    let mut at = 0;
    while at < 8 {
        let length = words[at..].iter().take_while(|w| **w == 0).count();
        if length > best.1 {
            best = (at, length);
        }
        at += length.max(1);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_c_library_does() {
        for text in [
            "::",
            "::1",
            "1::",
            "fe80::1",
            "2001:db8::ff00:1",
            "1:2:3:4:5:6:7:8",
            "1:0:3:4:5:6:7:8",
            "::ffff:127.0.0.1",
            "::1.2.3.4",
            "1:0:0:4::8",
            "::2:3:4:5:6:7",
            "1:2:3:4:5:6:7:0",
            "ff02::1:0:0:1",
        ] {
            let mut out = Vec::new();
            push_v6(&mut out, text.parse().unwrap());
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        let mut out = Vec::new();
        push_v6(&mut out, "::0.0.2.1".parse().unwrap());
        assert_eq!(out, b"::201");
    }
}
