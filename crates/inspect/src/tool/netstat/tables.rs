//! `netstat -r` and `-i`: the routing tables and the interfaces, in net-tools' columns.

use std::net::Ipv4Addr;

use super::Options;
use crate::addr;
use crate::bytes::{push_dec, push_dec_right, push_left};
use crate::collect::sockets;
use crate::json::Json;
use crate::names::Names;
use crate::parse::link::{self, Counts, Link};
use crate::parse::route::{self, Route, Route6};
use crate::source::{self, Source};
use crate::tool::Stop;
use crate::tool::socket_json;

/// Bits of linux/route.h and linux/ipv6_route.h with their letters, in the order they are printed.
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;
const FLAGS: [(u32, u8); 13] = [
    (UP, b'U'),
    (0x2, b'G'),
    (0x4, b'H'),
    (0x8, b'R'),
    (0x10, b'D'),
    (0x20, b'M'),
    (0x1_0000, b'd'),
    (0x2_0000, b'a'),
    (0x4_0000, b'c'),
    (0x20_0000, b'o'),
    (0x40_0000, b'e'),
    (0x40, b'u'),
    (0x80, b'w'),
];
const CACHED6: u32 = 0x100_0000;
const FLAGS6: [(u32, u8); 11] = [
    (UP, b'U'),
    (REJECT, b'!'),
    (0x2, b'G'),
    (0x4, b'H'),
    (0x1_0000, b'D'),
    (0x4_0000, b'A'),
    (0x2_0000, b'a'),
    (0x40_0000, b'e'),
    (0x20, b'm'),
    (0x20_0000, b'n'),
    (0x200_0000, b'f'),
];

/// The tables of the families asked for; IPv4 where none is.
pub fn routes(source: &Source, options: &Options) -> Result<Vec<u8>, Stop> {
    let names = Names::read(false, !options.numeric_hosts);
    let (mut routes, mut routes6) = (Vec::new(), Vec::new());
    let mut text = Vec::new();
    let mut read = |name: &std::ffi::CStr| match source::read(source.root(), name, &mut text) {
        Ok(()) => Ok(std::mem::take(&mut text)),
        Err(_) => {
            let name = name.to_string_lossy();
            Err(Stop::Failed(format!("read {name}: this system has no such table"), 1))
        }
    };
    if options.routes_of_v4() {
        route::parse(&read(c"net/route")?, |route| routes.push(route));
    }
    if options.routes_of_v6() {
        route::parse6(&read(c"net/ipv6_route")?, |route| routes6.push(route));
    }
    routes.retain(|route| route.flags & UP != 0);
    routes6.retain(|route| route.flags & CACHED6 == 0);
    if options.json {
        return Ok(routes_json(&routes, &routes6));
    }
    let mut out = Vec::new();
    if options.routes_of_v4() {
        out.extend_from_slice(b"Kernel IP routing table\n");
        out.extend_from_slice(route_header(options).as_bytes());
        routes.iter().for_each(|route| route_row(&mut out, route, &names, options));
    }
    if options.routes_of_v6() {
        out.extend_from_slice(
            b"Kernel IPv6 routing table\nDestination                    Next Hop                   \
              Flag Met Ref  Use If\n",
        );
        routes6.iter().for_each(|route| route6_row(&mut out, route, &names, options));
    }
    Ok(out)
}

/// `-e` gives what route(8) gives, `-ee` everything.
fn route_header(options: &Options) -> String {
    let rest = match options.extend {
        0 => "Flags   MSS Window  irtt Iface",
        1 => "Flags Metric Ref    Use Iface",
        _ => "Flags Metric Ref    Use Iface    MSS   Window irtt",
    };
    format!("Destination     Gateway         Genmask         {rest}\n")
}

fn route_row(out: &mut Vec<u8>, route: &Route, names: &Names, options: &Options) {
    let rejected = route.flags & REJECT != 0;
    let mut cell = Vec::new();
    push_network(&mut cell, route.destination, names, options);
    push_left(out, &cell[..cell.len().min(15)], 16);
    cell.clear();
    match names.host(route.gateway.into()).filter(|_| !route.gateway.is_unspecified()) {
        _ if rejected => cell.push(b'-'),
        Some(name) => cell.extend_from_slice(name),
        None => addr::push_v4(&mut cell, route.gateway),
    }
    push_left(out, &cell[..cell.len().min(15)], 16);
    push_left(out, route.mask.to_string().as_bytes(), 16);
    push_left(out, &letters(route.flags, &FLAGS, rejected), 5);
    let Route { metric, references, uses, mtu, window, irtt, interface, .. } = route;
    let rest = match (options.extend, rejected) {
        (0, true) => "     - -          - -".to_owned(),
        (0, false) => format!(" {mtu:5} {window:<5} {irtt:6} {interface}"),
        (1, true) => format!(" {metric:<6} -  {uses:7} -"),
        (1, false) => format!(" {metric:<6} {references:<2} {uses:7} {interface}"),
        (_, true) => format!(" {metric:<6} -  {uses:7} -        -     -      -"),
        (_, false) => format!(
            " {metric:<6} {references:<3} {uses:6} {interface:<6.6}   {mtu:<5} {window:<6} {irtt}"
        ),
    };
    out.extend_from_slice(rest.as_bytes());
    out.push(b'\n');
}

fn push_network(out: &mut Vec<u8>, network: Ipv4Addr, names: &Names, options: &Options) {
    match names.host(network.into()) {
        _ if network.is_unspecified() && !options.numeric_hosts => {
            out.extend_from_slice(b"default")
        }
        Some(name) if !network.is_unspecified() => out.extend_from_slice(name),
        _ => addr::push_v4(out, network),
    }
}

/// A route that rejects has no `U` and no `G`, but a `!`.
fn letters(flags: u32, known: &[(u32, u8)], rejected: bool) -> Vec<u8> {
    let shown = |bit: u32| flags & bit != 0 && !(rejected && bit <= 2);
    let start = if rejected { vec![b'!'] } else { Vec::new() };
    let all = known.iter().filter(|(bit, _)| shown(*bit)).map(|(_, letter)| *letter);
    start.into_iter().chain(all).collect()
}

fn route6_row(out: &mut Vec<u8>, route: &Route6, names: &Names, options: &Options) {
    let push = |cell: &mut Vec<u8>, ip: std::net::Ipv6Addr| match names.host(ip.into()) {
        _ if ip.is_unspecified() && !options.numeric_hosts => cell.extend_from_slice(b"[::]"),
        Some(name) if !ip.is_unspecified() => cell.extend_from_slice(name),
        _ => addr::push_v6(cell, ip),
    };
    let mut cell = Vec::new();
    push(&mut cell, route.destination);
    cell.push(b'/');
    push_dec(&mut cell, u64::from(route.prefix));
    push_left(out, &cell, 31);
    cell.clear();
    push(&mut cell, route.next_hop);
    push_left(out, &cell, 27);
    push_left(out, &letters(route.flags, &FLAGS6, false), 5);
    let metric = route.metric as i32;
    let Route6 { references, uses, interface, .. } = route;
    out.extend_from_slice(format!("{metric:<3} {references} {uses:6} {interface}\n").as_bytes());
}

fn routes_json(routes: &[Route], routes6: &[Route6]) -> Vec<u8> {
    let mut json = Json::new();
    json.object(|j| {
        j.key("version").number(socket_json::VERSION);
        j.key("routes").array(|j| {
            for route in routes {
                let bits = route.mask.to_bits().count_ones();
                j.object(|j| {
                    j.key("destination").string(route.destination.to_string().as_bytes());
                    j.key("prefix").number(bits);
                    j.key("next_hop").string(route.gateway.to_string().as_bytes());
                    j.key("interface").string(route.interface.as_bytes());
                    j.key("metric").number(route.metric);
                    j.key("flags").string(&letters(route.flags, &FLAGS, route.flags & REJECT != 0));
                });
            }
            for route in routes6 {
                j.object(|j| {
                    j.key("destination").string(route.destination.to_string().as_bytes());
                    j.key("prefix").number(route.prefix);
                    j.key("next_hop").string(route.next_hop.to_string().as_bytes());
                    j.key("interface").string(route.interface.as_bytes());
                    j.key("metric").number(route.metric);
                    j.key("flags").string(&letters(route.flags, &FLAGS6, false));
                });
            }
        });
    });
    json.finish()
}

const IFF_UP: u32 = 0x1;
const LETTERS: [(u32, u8); 13] = [
    (0x200, b'A'),
    (0x2, b'B'),
    (0x4, b'D'),
    (0x8, b'L'),
    (0x1000, b'M'),
    (0x8000, b'd'),
    (0x100, b'P'),
    (0x20, b'N'),
    (0x80, b'O'),
    (0x10, b'p'),
    (0x800, b's'),
    (0x400, b'm'),
    (0x40, b'R'),
];

/// The interfaces that are up, or with `-a` all.
pub fn interfaces(source: &Source, options: &Options) -> Result<Vec<u8>, Stop> {
    let failed = |why: &str| Stop::Failed(format!("ask for the interfaces: {why}"), 1);
    if !source.is_live() {
        return Err(failed("a recorded /proc does not have them"));
    }
    let mut links: Vec<Link> = Vec::new();
    let socket = sockets::Diag::connect_to(None);
    let mut socket = socket.map_err(|errno| failed(&std::io::Error::from(errno).to_string()))?;
    if !socket.dump(&link::request(), |payload| links.extend(link::parse(payload))) {
        return Err(failed("the kernel refused"));
    }
    links.retain(|link| options.all || link.flags & IFF_UP != 0);
    links.sort_by(|one, other| by_number(&one.name).cmp(&by_number(&other.name)));
    if options.json {
        return Ok(links_json(&links));
    }
    let mut out =
        b"Kernel Interface table\nIface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    \
                    TX-OK TX-ERR TX-DRP TX-OVR Flg\n"
            .to_vec();
    links.iter().for_each(|link| link_row(&mut out, link));
    Ok(out)
}

/// `eth9` before `eth10`.
fn by_number(name: &str) -> (&str, u64) {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem, name[stem.len()..].parse().unwrap_or(0))
}

fn link_row(out: &mut Vec<u8>, link: &Link) {
    let cut = link.name.char_indices().nth(15).map_or(link.name.len(), |(at, _)| at);
    push_left(out, &link.name.as_bytes()[..cut], 16);
    push_dec_right(out, u64::from(link.mtu), 5);
    out.push(b' ');
    let counts = |out: &mut Vec<u8>, counts: &Counts| {
        for (count, width) in [(counts.packets, 8), (counts.errors, 6), (counts.dropped, 6)] {
            push_dec_right(out, count, width);
            out.push(b' ');
        }
    };
    counts(out, &link.received);
    push_left(out, link.received.overruns.to_string().as_bytes(), 7);
    counts(out, &link.sent);
    push_dec_right(out, link.sent.overruns, 6);
    out.push(b' ');
    if link.flags == 0 {
        out.extend_from_slice(b"[NO FLAGS]");
    }
    let up = (IFF_UP, b'U');
    let all = LETTERS.iter().chain([&up]).filter(|(bit, _)| link.flags & bit != 0);
    out.extend(all.map(|(_, letter)| *letter));
    out.push(b'\n');
}

fn links_json(links: &[Link]) -> Vec<u8> {
    let side = |j: &mut Json, counts: &Counts| {
        j.key("packets").number(counts.packets);
        j.key("bytes").number(counts.bytes);
        j.key("errors").number(counts.errors);
        j.key("dropped").number(counts.dropped);
        j.key("overruns").number(counts.overruns);
    };
    let mut json = Json::new();
    json.object(|j| {
        j.key("version").number(socket_json::VERSION);
        j.key("interfaces").array(|j| {
            for link in links {
                j.object(|j| {
                    j.key("name").string(link.name.as_bytes());
                    j.key("mtu").number(link.mtu);
                    j.key("up").boolean(link.flags & IFF_UP != 0);
                    j.key("received").object(|j| side(j, &link.received));
                    j.key("sent").object(|j| side(j, &link.sent));
                });
            }
        });
    });
    json.finish()
}
