//! Measures the parser: nanoseconds a request for heads of three sizes, and beside it those of
//! httparse, which checks neither host nor framing, as a measure of the machine. Run it in release:
//! `cargo run --release -p sockeye-http --example parse_time`.

use std::hint::black_box;
use std::io::Write;
use std::mem::MaybeUninit;
use std::time::Instant;

use sockeye_http::{Limits, Scan, parse_head};

const SMALL: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost:8080\r\n\r\n";

const FIVE_FIELDS: &[u8] = b"GET /assets/app.css HTTP/1.1\r\nHost: www.example.org\r\n\
    User-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\n\
    Connection: keep-alive\r\n\r\n";

const BROWSER: &[u8] = b"GET /articles/2026/11/sockets?page=2 HTTP/1.1\r\n\
    Host: www.example.org\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
    Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Referer: https://www.example.org/articles/2026/11/\r\nConnection: keep-alive\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\
    Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\r\n";

fn main() {
    for (name, head) in [("1 field", SMALL), ("5 fields", FIVE_FIELDS), ("browser", BROWSER)] {
        let ours_ns = best_ns(|| parse(head));
        let theirs_ns = best_ns(|| parse_with_httparse(head));
        let bytes = head.len();
        let text =
            format!("{name:9} {bytes:4} bytes {ours_ns:7.1} ns   httparse {theirs_ns:7.1} ns");
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

fn parse(head: &[u8]) {
    let parsed = parse_head(black_box(head), &mut Scan::default(), &Limits::default());
    let _ = black_box(parsed);
}

fn parse_with_httparse(head: &[u8]) {
    let mut slots = [MaybeUninit::uninit(); 100];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(black_box(head), &mut slots);
    let _ = black_box(parsed);
    black_box(&request);
}

fn best_ns(parse: impl Fn()) -> f64 {
    let round_ns = |_| {
        let start = Instant::now();
        (0..HEADS_A_ROUND).for_each(|_| parse());
        start.elapsed().as_nanos() as f64 / f64::from(HEADS_A_ROUND)
    };
    (0..ROUNDS).map(round_ns).fold(f64::MAX, f64::min)
}

const ROUNDS: u32 = 50;

const HEADS_A_ROUND: u32 = 20_000;
