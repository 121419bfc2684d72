//! A filter as the kernel's own program: INET_DIAG_REQ_BYTECODE of linux/inet_diag.h, sock_diag(7).
//!
//! An operation is a code, where to go on yes (bytes ahead) and where on no. Going past the end by
//! four bytes refuses the socket, coming exactly to the end takes it. The kernel then sends only
//! what fits; the filter is applied here too, so the program only has to let enough through.

use std::net::IpAddr;

use crate::parse::diag::{AF_INET, AF_INET6};
use crate::tool::ss::filter::{Filter, Host};

const JUMP: u8 = 1;
const NOP: u8 = 0;
const LOCAL_GE: u8 = 2;
const LOCAL_LE: u8 = 3;
const REMOTE_GE: u8 = 4;
const REMOTE_LE: u8 = 5;
const LOCAL_HOST: u8 = 7;
const REMOTE_HOST: u8 = 8;
const DEVICE: u8 = 9;
const AF_UNSPEC: u8 = 0;

const OPERATION_BYTES: usize = 4;
/// The jump's width is 16 bits; a longer program is not sent.
const PROGRAM_BYTES_MAX: usize = 32 << 10;

/// The program, or nothing where the kernel does not know what the filter asks.
pub fn compile(filter: &Filter) -> Option<Vec<u8>> {
    program(filter).filter(|program| program.len() <= PROGRAM_BYTES_MAX)
}

fn program(filter: &Filter) -> Option<Vec<u8>> {
    Some(match filter {
        Filter::And(one, other) => and(program(one)?, &program(other)?),
        Filter::Or(one, other) => or(program(one)?, &program(other)?),
        Filter::Not(inner) => not(program(inner)?),
        Filter::Host { local, host } => of_host(*local, host)?,
        Filter::PortAtLeast { local, port } => of_port(choose(*local, LOCAL_GE, REMOTE_GE), *port),
        Filter::PortAtMost { local, port } => of_port(choose(*local, LOCAL_LE, REMOTE_LE), *port),
        Filter::Device(index) => with_words(DEVICE, &index.to_ne_bytes()),
        // The kernel means the sockets that did not ask for a port, the filter a range of ports.
        Filter::Autobound => return None,
    })
}

fn choose(local: bool, ours: u8, theirs: u8) -> u8 {
    if local { ours } else { theirs }
}

/// One operation: on yes to what follows, on no beyond the end.
fn operation(code: u8, length: usize) -> [u8; OPERATION_BYTES] {
    let no = ((length + OPERATION_BYTES) as u16).to_ne_bytes();
    [code, length as u8, no[0], no[1]]
}

fn with_words(code: u8, words: &[u8]) -> Vec<u8> {
    let mut bytes = operation(code, OPERATION_BYTES + words.len()).to_vec();
    bytes.extend_from_slice(words);
    bytes
}

/// A port stands where the second operation's `no` would.
fn of_port(code: u8, port: u16) -> Vec<u8> {
    let port = port.to_ne_bytes();
    with_words(code, &[NOP, 0, port[0], port[1]])
}

fn of_host(local: bool, host: &Host) -> Option<Vec<u8>> {
    let code = choose(local, LOCAL_HOST, REMOTE_HOST);
    if host.is_unix() {
        return None;
    }
    let condition = |family: u8, bits: u8, address: &[u8]| {
        let mut words = vec![family, bits, 0, 0];
        let port = host.port().map_or(-1, i32::from);
        words.extend_from_slice(&port.to_ne_bytes());
        words.extend_from_slice(address);
        with_words(code, &words)
    };
    let of_address = |(ip, bits): &(IpAddr, u8)| match ip {
        IpAddr::V4(ip) => condition(AF_INET, *bits, &ip.octets()),
        IpAddr::V6(ip) => condition(AF_INET6, *bits, &ip.octets()),
    };
    let all = host.addresses().iter().map(of_address);
    let any = all.reduce(|one, other| or(one, &other));
    Some(any.unwrap_or_else(|| condition(AF_UNSPEC, 0, &[])))
}

/// What refuses the first now refuses both: its jumps past the end go past the longer one.
fn and(mut one: Vec<u8>, other: &[u8]) -> Vec<u8> {
    let length = one.len();
    let mut at = 0;
    while at + OPERATION_BYTES <= length {
        let no = usize::from(u16::from_ne_bytes([one[at + 2], one[at + 3]]));
        if at + no == length + OPERATION_BYTES {
            let no = (no + other.len()) as u16;
            one[at + 2..at + 4].copy_from_slice(&no.to_ne_bytes());
        }
        at += usize::from(one[at + 1]).max(OPERATION_BYTES);
    }
    one.extend_from_slice(other);
    one
}

/// Behind the first a jump over the second; who is refused lands behind that jump.
fn or(mut one: Vec<u8>, other: &[u8]) -> Vec<u8> {
    let past = ((OPERATION_BYTES + other.len()) as u16).to_ne_bytes();
    one.extend_from_slice(&[JUMP, OPERATION_BYTES as u8, past[0], past[1]]);
    one.extend_from_slice(other);
    one
}

/// Who passes is sent beyond the end, who is refused comes to it.
fn not(mut inner: Vec<u8>) -> Vec<u8> {
    let beyond = ((2 * OPERATION_BYTES) as u16).to_ne_bytes();
    inner.extend_from_slice(&[JUMP, OPERATION_BYTES as u8, beyond[0], beyond[1]]);
    inner
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tool::ss::filter;

    /// The kernel's interpreter, for sockets that are ports: `inet_diag_bc_run`.
    fn takes(program: &[u8], local: u16, remote: u16) -> bool {
        let mut left = program.len() as i64;
        let mut at = 0;
        while left > 0 {
            let (code, yes) = (program[at], i64::from(program[at + 1]));
            let no = i64::from(u16::from_ne_bytes([program[at + 2], program[at + 3]]));
            let word = |at: usize| u16::from_ne_bytes([program[at], program[at + 1]]);
            let fits = match code {
                JUMP => false,
                LOCAL_GE => local >= word(at + 6),
                LOCAL_LE => local <= word(at + 6),
                REMOTE_GE => remote >= word(at + 6),
                REMOTE_LE => remote <= word(at + 6),
                LOCAL_HOST => local == word(at + 8),
                REMOTE_HOST => remote == word(at + 8),
                other => panic!("operation {other}"),
            };
            let step = if fits { yes } else { no };
            left -= step;
            at += step as usize;
        }
        left == 0
    }

    fn check(words: &str) {
        let filter = filter::parse(&[words.into()]).unwrap().unwrap();
        let program = compile(&filter).unwrap();
        for (local, remote) in [(80, 4000), (81, 4000), (80, 4001), (1, 1), (65_535, 80)] {
            let ends = [local, remote].map(|port| ([10, 0, 0, 1], port).into());
            let socket =
                crate::model::Inet { local: ends[0], remote: ends[1], ..crate::model::Inet::EMPTY };
            let expected = filter.matches(&filter::Subject::Inet(&socket));
            assert_eq!(takes(&program, local, remote), expected, "{words}: {local} {remote}");
        }
    }

    #[test]
    fn programs_say_what_the_filter_says() {
        for words in [
            "sport = :80",
            "dport != :4000",
            "sport >= :80 and sport <= :81",
            "sport > :80",
            "not sport = :80 or dport = :4001",
            "sport = :80 and dport = :4000 and not sport = :81",
            "not ( sport = :80 and not dport = :4000 )",
            "( sport = :1 or sport = :80 ) and ( dport = :1 or dport = :4001 )",
            "not not not sport = :80",
        ] {
            check(words);
        }
    }

    #[test]
    fn what_the_kernel_cannot_ask_is_left_to_us() {
        for words in ["autobound", "src unix:*", "sport = :80 or src unix:*"] {
            let filter = filter::parse(&[words.into()]).unwrap().unwrap();
            assert_eq!(compile(&filter), None, "{words}");
        }
    }
}
