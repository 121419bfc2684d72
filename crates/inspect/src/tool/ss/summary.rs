//! `ss -s`: the counts of /proc/net/sockstat, sockstat6 and one of /proc/net/snmp.

use std::os::fd::AsFd;

use crate::source::{self, Source};

pub fn print(source: &Source, out: &mut Vec<u8>) {
    let (v4, v6, snmp) =
        (read(source, c"sockstat"), read(source, c"sockstat6"), read(source, c"snmp"));
    let of = |text: &[u8], family: &[u8], key: &[u8]| crate::counters::pair(text, family, key);
    let (tcp4, tcp6) = (of(&v4, b"TCP:", b"inuse"), of(&v6, b"TCP6:", b"inuse"));
    let (udp4, udp6) = (of(&v4, b"UDP:", b"inuse"), of(&v6, b"UDP6:", b"inuse"));
    let (raw4, raw6) = (of(&v4, b"RAW:", b"inuse"), of(&v6, b"RAW6:", b"inuse"));
    let (frag4, frag6) = (of(&v4, b"FRAG:", b"inuse"), of(&v6, b"FRAG6:", b"inuse"));
    let waiting = of(&v4, b"TCP:", b"tw");
    let allocated = of(&v4, b"TCP:", b"alloc");
    let established = crate::counters::column(&snmp, b"Tcp:", b"CurrEstab").unwrap_or(0);
    let closed = allocated - (tcp4 + tcp6 - waiting);
    let text = format!(
        "Total: {}\nTCP:   {} (estab {established}, closed {closed}, orphaned {}, \
         timewait {waiting})\n\n\
         Transport Total     IP        IPv6\n",
        of(&v4, b"sockets:", b"used"),
        allocated + waiting,
        of(&v4, b"TCP:", b"orphan"),
    );
    out.extend_from_slice(text.as_bytes());
    for (name, four, six) in [
        ("RAW", raw4, raw6),
        ("UDP", udp4, udp6),
        ("TCP", tcp4, tcp6),
        ("INET", raw4 + udp4 + tcp4, raw6 + udp6 + tcp6),
        ("FRAG", frag4, frag6),
    ] {
        let line = format!("{name}\t  {:<9} {four:<9} {six:<9}\n", four + six);
        out.extend_from_slice(line.as_bytes());
    }
    out.push(b'\n');
}

fn read(source: &Source, name: &std::ffi::CStr) -> Vec<u8> {
    let mut text = Vec::new();
    if let Ok(net) = source::open_dir(source.root(), c"net") {
        let _ = source::read(net.as_fd(), name, &mut text);
    }
    text
}
