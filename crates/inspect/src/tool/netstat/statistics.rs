//! `netstat -s`: the kernel's counters of /proc/net/snmp, snmp6, netstat and sctp/snmp, in the
//! sentences of net-tools. See proc_net(5).

use std::ffi::CStr;

use super::Options;
use super::phrases::{self, Shown};
use crate::bytes;
use crate::json::Json;
use crate::model::Protocol;
use crate::source::{self, Source};
use crate::tool::Stop;
use crate::tool::socket_json;

/// One table with its counters, in the kernel's order.
#[derive(Debug, Default)]
struct Table {
    name: String,
    counters: Vec<(String, u64)>,
}

/// The tables of the family and protocols asked for.
pub fn page(source: &Source, options: &Options) -> Result<Vec<u8>, Stop> {
    let mut text = Vec::new();
    let mut read = |name: &CStr| match source::read(source.root(), name, &mut text) {
        Ok(()) => Ok(std::mem::take(&mut text)),
        Err(_) => {
            let name = name.to_string_lossy();
            Err(Stop::Failed(format!("read {name}: this system has no such table"), 1))
        }
    };
    let mut tables = Vec::new();
    if options.routes_of_v6() {
        tables.extend(single_lines(&read(c"net/snmp6")?, table_of_6));
        // net-tools counts the segments of both families under the newer one too.
        tables.extend(two_lines(&read(c"net/snmp")?).into_iter().filter(|t| t.name == "Tcp"));
    } else {
        tables.extend(two_lines(&read(c"net/snmp")?));
        tables.extend(two_lines(&read(c"net/netstat")?));
        if let Ok(sctp) = read(c"net/sctp/snmp") {
            tables.extend(single_lines(&sctp, |_| Some("Sctp")));
        }
    }
    tables.retain(|table| is_wanted(&table.name, options));
    Ok(if options.json { document(&tables) } else { sentences(&tables) })
}

/// Tables that net-tools has no protocol for are always there.
fn is_wanted(table: &str, options: &Options) -> bool {
    match table {
        "Tcp" | "TcpExt" => options.wants(Protocol::Tcp),
        "Udp" | "Udp6" => options.wants(Protocol::Udp),
        "Ip" | "Icmp" | "Ip6" | "Icmp6" => options.wants(Protocol::Raw),
        "Sctp" => options.wants_other_families(),
        _ => true,
    }
}

/// `Ip: Forwarding ...`, and below it `Ip: 2 ...`.
fn two_lines(text: &[u8]) -> Vec<Table> {
    let mut lines = bytes::lines(text);
    let mut tables = Vec::new();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let mut names = bytes::fields(names);
        let Some(name) = names.next().and_then(|name| name.strip_suffix(b":")) else { continue };
        let values = bytes::fields(values).skip(1).map(value);
        let names = names.map(|name| String::from_utf8_lossy(name).into_owned());
        let name = String::from_utf8_lossy(name).into_owned();
        tables.push(Table { name, counters: names.zip(values).collect() });
    }
    tables
}

/// `Ip6InReceives 699934`: a table for every run of names of one kind.
fn single_lines(text: &[u8], table_of: impl Fn(&str) -> Option<&'static str>) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in bytes::lines(text) {
        let mut fields = bytes::fields(line);
        let (Some(name), Some(number)) = (fields.next(), fields.next()) else { continue };
        let name = String::from_utf8_lossy(name).into_owned();
        let Some(table) = table_of(&name) else { continue };
        if tables.last().is_none_or(|last| last.name != table) {
            tables.push(Table { name: table.to_owned(), counters: Vec::new() });
        }
        if let Some(last) = tables.last_mut() {
            last.counters.push((name, value(number)));
        }
    }
    tables
}

fn table_of_6(name: &str) -> Option<&'static str> {
    ["Ip6", "Icmp6", "Udp6", "UdpLite6"].into_iter().find(|table| name.starts_with(table))
}

/// The kernel prints "no limit" as -1.
fn value(text: &[u8]) -> u64 {
    bytes::dec(text).or_else(|| Some(bytes::signed(text)? as u64)).unwrap_or(0)
}

/// Which histogram the lines are in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Plain,
    In,
    Out,
}

impl Part {
    fn indent(self) -> &'static str {
        if self == Part::Plain { "    " } else { "        " }
    }
}

fn sentences(tables: &[Table]) -> Vec<u8> {
    let mut out = String::new();
    let mut part = Part::Plain;
    for table in tables {
        // IcmpMsg goes on where the histogram of Icmp ended.
        if table.name != "IcmpMsg" {
            part = Part::Plain;
        }
        out.push_str(&format!("{}:\n", table.name));
        for (name, count) in &table.counters {
            part = push_counter(&mut out, part, &table.name, name, *count);
        }
    }
    out.into_bytes()
}

/// Gives the part that the next line is in.
fn push_counter(out: &mut String, part: Part, table: &str, name: &str, count: u64) -> Part {
    if phrases::is_setting(table, name) {
        return part;
    }
    let Some((_, shown, phrase)) = phrases::find(table, name) else {
        if count > 0 {
            out.push_str(&format!("{}{name}: {count}\n", part.indent()));
        }
        return part;
    };
    let (next, title) = match shown {
        Shown::Always | Shown::Nonzero => (Part::Plain, ""),
        Shown::In => (Part::In, "ICMP input histogram:"),
        Shown::Out => (Part::Out, "ICMP output histogram:"),
    };
    if next != part && next != Part::Plain {
        // net-tools sets a title as deep as the line before it.
        out.push_str(&format!("{}{title}\n", part.indent()));
    }
    if count > 0 || shown == Shown::Always {
        let line = phrase.replacen("{}", &count.to_string(), 1);
        out.push_str(&format!("{}{line}\n", next.indent()));
    }
    next
}

fn document(tables: &[Table]) -> Vec<u8> {
    let mut json = Json::new();
    json.object(|j| {
        j.key("version").number(socket_json::VERSION);
        j.key("statistics").object(|j| {
            for table in tables {
                j.key(&table.name).object(|j| {
                    for (name, count) in &table.counters {
                        j.key(name).number(*count);
                    }
                });
            }
        });
    });
    json.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tables: &[Table], expected: &str) {
        assert_eq!(String::from_utf8(sentences(tables)).unwrap(), expected);
    }

    #[test]
    fn counters_as_sentences() {
        check(
            &two_lines(
                b"Ip: Forwarding DefaultTTL InReceives InHdrErrors\nIp: 2 64 7 0\n\
                  Icmp: InMsgs InDestUnreachs OutMsgs OutEchos\nIcmp: 2 2 0 0\n\
                  IcmpMsg: InType3\nIcmpMsg: 2\n\
                  Tcp: MaxConn ActiveOpens New\nTcp: -1 0 5\nbad\n",
            ),
            "Ip:\n    Forwarding: 2\n    7 total packets received\n\
             Icmp:\n    2 ICMP messages received\n    ICMP input histogram:\n        \
             destination unreachable: 2\n    0 ICMP messages sent\n    ICMP output histogram:\n\
             IcmpMsg:\n        InType3: 2\n\
             Tcp:\n    0 active connection openings\n    New: 5\n",
        );
        check(
            &single_lines(b"Ip6InReceives \t3\nUdp6NoPorts 0\nUdpLite6InErrors 1\nx\n", table_of_6),
            "Ip6:\n    3 total packets received\nUdp6:\n    0 packets to unknown port received\n\
             UdpLite6:\n    UdpLite6InErrors: 1\n",
        );
    }
}
