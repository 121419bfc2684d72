//! A whole connection without a socket: bytes in, one line an answer out.

use sockeye_http::{BadRequest, BodyDecoder, Head, Limits, Scan, parse_head};

/// What a connection comes to: the requests that were understood, and how it ended.
#[derive(Debug, Default)]
pub struct Exchange {
    /// Method and raw target of each.
    pub requests: Vec<String>,
    /// The payloads, one a request.
    pub payloads: Vec<Vec<u8>>,
    pub end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// All bytes were used up between requests.
    #[default]
    Idle,
    /// A head or a content is incomplete.
    Waits,
    /// The last request asked for the close.
    Closed,
    RefusedHead(BadRequest),
    /// Refused within the content of the last request.
    RefusedBody(BadRequest),
}

/// Runs all requests in `bytes`.
pub fn run(bytes: &[u8]) -> Exchange {
    let limits = Limits::default();
    let mut exchange = Exchange::default();
    let mut rest = bytes;
    while exchange.end == End::Idle && !rest.is_empty() {
        match parse_head(rest, &mut Scan::default(), &limits) {
            Err(refusal) => exchange.end = End::RefusedHead(refusal),
            Ok(None) => exchange.end = End::Waits,
            Ok(Some(head)) => rest = exchange.one(&head, &rest[head.len..], &limits),
        }
    }
    exchange
}

impl Exchange {
    /// Notes a request, reads its content and returns what follows.
    fn one<'b>(&mut self, head: &Head<'_>, content: &'b [u8], limits: &Limits) -> &'b [u8] {
        let method = String::from_utf8_lossy(head.method.as_bytes());
        self.requests.push(format!("{method} {}", String::from_utf8_lossy(head.raw_target)));
        self.payloads.push(Vec::new());
        let mut decoder = BodyDecoder::new(head.framing, limits);
        let mut rest = content;
        while !decoder.is_done() {
            if rest.is_empty() {
                self.end = End::Waits;
                return rest;
            }
            match decoder.decode(rest) {
                Err(refusal) => {
                    self.end = End::RefusedBody(refusal);
                    return rest;
                }
                Ok(decoded) => {
                    let payload = self.payloads.last_mut().expect("one was pushed above");
                    payload.extend_from_slice(&rest[decoded.data]);
                    rest = &rest[decoded.consumed..];
                }
            }
        }
        if !head.keep_alive {
            self.end = End::Closed;
        }
        rest
    }
}
