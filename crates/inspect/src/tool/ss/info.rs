//! `ss -i`: what TCP itself says of a connection, `struct tcp_info` of linux/tcp.h. Older kernels
//! give a shorter structure; what is missing counts as zero and is not shown.

use crate::bytes::{ne_u32, ne_u64, push_dec};
use crate::parse::diag;

/// How a member is shown where it is not zero.
#[derive(Clone, Copy)]
enum Show {
    /// ` name:7`
    Number(usize),
    /// ` name:7` of eight bytes.
    Long(usize),
    /// Microseconds shown in milliseconds.
    Milli(usize),
}

/// Microseconds of the first retransmission timeout, which is no news.
const RTO_INITIAL_US: u32 = 3_000_000;
/// A slow-start threshold beyond this is none.
const SSTHRESH_NONE: u32 = 0xffff;

const BEFORE_RATES: [(&str, Show); 8] = [
    ("bytes_sent", Show::Long(200)),
    ("bytes_retrans", Show::Long(208)),
    ("bytes_acked", Show::Long(120)),
    ("bytes_received", Show::Long(128)),
    ("segs_out", Show::Number(136)),
    ("segs_in", Show::Number(140)),
    ("data_segs_out", Show::Number(156)),
    ("data_segs_in", Show::Number(152)),
];

const AFTER_LOSS: [(&str, Show); 7] = [
    ("rcv_rtt", Show::Milli(92)),
    ("rcv_space", Show::Number(96)),
    ("rcv_ssthresh", Show::Number(64)),
    ("notsent", Show::Number(144)),
    ("minrtt", Show::Milli(148)),
    ("rcv_ooopack", Show::Number(224)),
    ("snd_wnd", Show::Number(228)),
];

/// Appends everything about one connection from its attributes.
pub fn push(out: &mut Vec<u8>, attributes: &[u8], options_shown: bool, numeric: bool) {
    let (mut info, mut congestion, mut bbr) = (None, &b""[..], None);
    diag::each_attribute(attributes, |kind, value| match kind {
        diag::ATTRIBUTE_INFO => info = Some(value),
        diag::ATTRIBUTE_CONGESTION => congestion = value,
        diag::ATTRIBUTE_BBR => bbr = Some(value),
        _ => {}
    });
    let Some(info) = info else { return };
    let i = Info { bytes: info, numeric };
    if options_shown {
        i.push_options(out);
    }
    let name = congestion.split(|b| *b == 0).next().unwrap_or_default();
    if !name.is_empty() {
        out.push(b' ');
        out.extend_from_slice(name);
    }
    i.push_timing(out);
    BEFORE_RATES.iter().for_each(|(name, show)| i.push_member(out, name, *show));
    if let Some(bbr) = bbr {
        push_bbr(out, bbr, numeric);
    }
    i.push_rates(out);
    i.push_losses(out);
    AFTER_LOSS.iter().for_each(|(name, show)| i.push_member(out, name, *show));
}

struct Info<'a> {
    bytes: &'a [u8],
    numeric: bool,
}

impl Info<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    fn word(&self, at: usize) -> u32 {
        ne_u32(self.bytes, at).unwrap_or(0)
    }

    fn long(&self, at: usize) -> u64 {
        ne_u64(self.bytes, at).unwrap_or(0)
    }

    fn push_options(&self, out: &mut Vec<u8>) {
        let options = self.byte(5);
        for (bit, name) in
            [(1, " ts"), (2, " sack"), (8, " ecn"), (16, " ecnseen"), (32, " fastopen")]
        {
            if options & bit != 0 {
                out.extend_from_slice(name.as_bytes());
            }
        }
    }

    fn push_member(&self, out: &mut Vec<u8>, name: &str, show: Show) {
        match show {
            Show::Number(at) => push_number(out, name, u64::from(self.word(at))),
            Show::Long(at) => push_number(out, name, self.long(at)),
            Show::Milli(at) if matches!(self.word(at), 0 | u32::MAX) => {}
            Show::Milli(at) => {
                let text = format!(" {name}:{}", general(f64::from(self.word(at)) / 1000.0));
                out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn push_timing(&self, out: &mut Vec<u8>) {
        let milli = |at| general(f64::from(self.word(at)) / 1000.0);
        let mut text = String::new();
        if self.byte(5) & 4 != 0 {
            text += &format!(" wscale:{},{}", self.byte(6) & 15, self.byte(6) >> 4);
        }
        if !matches!(self.word(8), 0 | RTO_INITIAL_US) {
            text += &format!(" rto:{}", milli(8));
        }
        out.extend_from_slice(text.as_bytes());
        push_number(out, "backoff", u64::from(self.byte(4)));
        if self.word(68) != 0 {
            let text = format!(" rtt:{}/{}", milli(68), milli(72));
            out.extend_from_slice(text.as_bytes());
        }
        self.push_member(out, "ato", Show::Milli(12));
        for (name, at) in [("mss", 16), ("pmtu", 60), ("rcvmss", 20), ("advmss", 84), ("cwnd", 80)]
        {
            push_number(out, name, u64::from(self.word(at)));
        }
        if self.word(76) < SSTHRESH_NONE {
            push_number(out, "ssthresh", u64::from(self.word(76)));
        }
    }

    fn push_rates(&self, out: &mut Vec<u8>) {
        let (rtt, mss, window) = (self.word(68), self.word(16), self.word(80));
        if rtt > 0 && mss > 0 && window > 0 {
            let bits = f64::from(window) * f64::from(mss) * 8_000_000.0 / f64::from(rtt);
            self.push_rate(out, " send ", bits);
        }
        for (name, at) in [("lastsnd", 44), ("lastrcv", 52), ("lastack", 56)] {
            push_number(out, name, u64::from(self.word(at)));
        }
        let known = |rate: u64| rate != 0 && rate != u64::MAX;
        if known(self.long(104)) {
            self.push_rate(out, " pacing_rate ", self.long(104) as f64 * 8.0);
            if known(self.long(112)) {
                self.push_rate(out, "/", self.long(112) as f64 * 8.0);
            }
        }
        if self.long(160) != 0 {
            self.push_rate(out, " delivery_rate ", self.long(160) as f64 * 8.0);
        }
        push_number(out, "delivered", u64::from(self.word(192)));
        push_number(out, "delivered_ce", u64::from(self.word(196)));
        if self.byte(7) & 1 != 0 {
            out.extend_from_slice(b" app_limited");
        }
        self.push_busy(out);
    }

    fn push_busy(&self, out: &mut Vec<u8>) {
        let busy = self.long(168);
        if busy == 0 {
            return;
        }
        let mut text = format!(" busy:{}ms", busy / 1000);
        for (name, at) in [("rwnd_limited", 176), ("sndbuf_limited", 184)] {
            let limited = self.long(at);
            if limited != 0 {
                let share = 100.0 * limited as f64 / busy as f64;
                text += &format!(" {name}:{}ms({share:.1}%)", limited / 1000);
            }
        }
        out.extend_from_slice(text.as_bytes());
    }

    fn push_rate(&self, out: &mut Vec<u8>, name: &str, bits: f64) {
        let text = format!("{name}{}bps", rate(bits, self.numeric));
        out.extend_from_slice(text.as_bytes());
    }

    fn push_losses(&self, out: &mut Vec<u8>) {
        push_number(out, "unacked", u64::from(self.word(24)));
        let (now, total) = (self.word(36), self.word(100));
        if now != 0 || total != 0 {
            out.extend_from_slice(format!(" retrans:{now}/{total}").as_bytes());
        }
        push_number(out, "lost", u64::from(self.word(32)));
        // Of a listener, `sacked` is its backlog.
        let listening = self.byte(0) == crate::model::TcpState::Listen as u8;
        if !listening {
            push_number(out, "sacked", u64::from(self.word(28)));
        }
        push_number(out, "dsack_dups", u64::from(self.word(216)));
        push_number(out, "fackets", u64::from(self.word(40)));
        if self.word(88) != 3 {
            out.extend_from_slice(format!(" reordering:{}", self.word(88)).as_bytes());
        }
        push_number(out, "reord_seen", u64::from(self.word(220)));
    }
}

/// `struct tcp_bbr_info` of linux/inet_diag.h: bandwidth, least round trip, gains in 256ths.
fn push_bbr(out: &mut Vec<u8>, bbr: &[u8], numeric: bool) {
    let word = |at| ne_u32(bbr, at).unwrap_or(0);
    let bandwidth = ne_u64(bbr, 0).unwrap_or(0) as f64 * 8.0;
    let mut text = format!(" bbr:(bw:{}bps", rate(bandwidth, numeric));
    text += &format!(",mrtt:{}", general(f64::from(word(8)) / 1000.0));
    for (name, at) in [("pacing_gain", 12), ("cwnd_gain", 16)] {
        if word(at) != 0 {
            text += &format!(",{name}:{}", general(f64::from(word(at)) / 256.0));
        }
    }
    text.push(')');
    out.extend_from_slice(text.as_bytes());
}

fn push_number(out: &mut Vec<u8>, name: &str, n: u64) {
    if n != 0 {
        out.push(b' ');
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        push_dec(out, n);
    }
}

/// Bits a second, as ss shortens them.
fn rate(bits: f64, numeric: bool) -> String {
    if numeric {
        return format!("{bits:.0}");
    }
    for (unit, name) in [(1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e3, 'k')] {
        if bits >= unit {
            return format!("{}{name}", significant(bits / unit, 3));
        }
    }
    general(bits)
}

/// `%g` of printf(3) for what is neither huge nor tiny.
fn general(n: f64) -> String {
    significant(n, 6)
}

/// So many digits, no trailing zeros.
fn significant(n: f64, digits: usize) -> String {
    let whole = if n < 1.0 { 0 } else { n.log10().floor() as usize + 1 };
    let text = format!("{n:.*}", digits.saturating_sub(whole));
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (n, expected) in [
            (0.0, "0"),
            (0.016, "0.016"),
            (201.0, "201"),
            (1.25, "1.25"),
            (204.123_456, "204.123"),
            (123_456.7, "123457"),
        ] {
            assert_eq!(general(n), expected);
        }
        assert_eq!(rate(2_500_000.0, false), "2.5M");
        assert_eq!(rate(873_093_333_333.0, false), "873G");
        assert_eq!(rate(1_234.0, false), "1.23k");
        assert_eq!(rate(2_500_000.0, true), "2500000");
    }

    #[test]
    fn a_short_structure_is_enough() {
        let mut info = vec![0; 104];
        info[16..20].copy_from_slice(&1448u32.to_ne_bytes());
        info[88..92].copy_from_slice(&3u32.to_ne_bytes());
        for length in 0..=info.len() {
            let attribute = [
                &((length + 4) as u16).to_ne_bytes()[..],
                &diag::ATTRIBUTE_INFO.to_ne_bytes(),
                &info[..length],
            ]
            .concat();
            push(&mut Vec::new(), &attribute, true, true);
        }
        let header = [108u16.to_ne_bytes(), diag::ATTRIBUTE_INFO.to_ne_bytes()].concat();
        let mut out = Vec::new();
        push(&mut out, &[header, info].concat(), true, true);
        assert_eq!(String::from_utf8(out).unwrap(), " mss:1448");
    }
}
