//! The kernel's counters: `TCP: inuse 5 orphan 0 ...` of sockstat, and the two-line tables of
//! /proc/net/snmp and /proc/net/netstat, whose first line names the columns of the second.

use crate::bytes;

/// The number after `key` in the line that begins with `family`; 0 where there is none.
pub fn pair(text: &[u8], family: &[u8], key: &[u8]) -> i64 {
    let line = bytes::lines(text).find(|line| bytes::fields(line).next() == Some(family));
    let mut fields = bytes::fields(line.unwrap_or_default());
    fields
        .find(|field| *field == key)
        .and_then(|_| fields.next())
        .and_then(bytes::signed)
        .unwrap_or(0)
}

/// The value of a named column of a two-line table.
pub fn column(text: &[u8], family: &[u8], name: &[u8]) -> Option<i64> {
    let mut of_family = bytes::lines(text).filter(|l| bytes::fields(l).next() == Some(family));
    let (names, values) = (of_family.next()?, of_family.next()?);
    let at = bytes::fields(names).position(|field| field == name)?;
    bytes::signed(bytes::fields(values).nth(at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables() {
        let sockstat = b"sockets: used 92\nTCP: inuse 5 orphan 1 tw 2 alloc 7 mem 3\n";
        assert_eq!(pair(sockstat, b"TCP:", b"tw"), 2);
        assert_eq!(pair(sockstat, b"UDP:", b"inuse"), 0);
        let snmp = b"Ip: A B\nIp: 1 2\nTcp: MaxConn CurrEstab\nTcp: -1 9\nshort";
        assert_eq!(column(snmp, b"Tcp:", b"CurrEstab"), Some(9));
        assert_eq!(column(snmp, b"Tcp:", b"MaxConn"), Some(-1));
        assert_eq!(column(snmp, b"Udp:", b"X"), None);
    }
}
