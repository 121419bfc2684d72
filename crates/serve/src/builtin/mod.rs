//! The built-in site: what is served when no folder is named. A page that shows, live, the
//! server's own processes, sockets and connections, from a status document it asks for again and
//! again. Only clients on this machine get either.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;

use http::{Head, Method, Status};

use crate::reply::{Answered, Reply};

/// What gives the status document (JSON), when asked; `None` when it could not be had.
pub type StatusSource = Rc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<Vec<u8>>>>>>;

/// Where the status document is.
pub const STATUS_PATH: &[u8] = b"/status.json";

struct Page {
    path: &'static [u8],
    content_type: &'static str,
    content: &'static [u8],
}

const PAGES: [Page; 4] = [
    Page {
        path: b"/",
        content_type: "text/html; charset=utf-8",
        content: include_bytes!("index.html"),
    },
    Page {
        path: b"/style.css",
        content_type: "text/css; charset=utf-8",
        content: include_bytes!("style.css"),
    },
    Page {
        path: b"/page.js",
        content_type: "text/javascript; charset=utf-8",
        content: include_bytes!("page.js"),
    },
    Page {
        path: b"/favicon.svg",
        content_type: "image/svg+xml",
        content: include_bytes!("favicon.svg"),
    },
];

/// What the pages may load: themselves.
const POLICY: &[u8] =
    b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const METHODS: &str = "GET, HEAD, OPTIONS";

/// The built-in site of one engine.
pub struct BuiltIn {
    pub status: StatusSource,
}

/// What the site does with a request.
pub enum Outcome {
    Answered(Answered),
    /// The status has to be asked for first.
    AskStatus,
}

impl BuiltIn {
    pub fn answer(
        &self,
        head: &Head<'_>,
        peer: Option<SocketAddr>,
        reply: &mut Reply<'_>,
    ) -> Outcome {
        // A peer without an address came through a Unix socket of this machine.
        if peer.is_some_and(|peer| !peer.ip().to_canonical().is_loopback()) {
            return Outcome::Answered(reply.error(head, Status::FORBIDDEN));
        }
        let path = head.path();
        let page = PAGES.iter().find(|page| page.path == path);
        let known = page.is_some() || path == STATUS_PATH || path == b"*";
        if !known {
            return Outcome::Answered(reply.error(head, Status::NOT_FOUND));
        }
        match (head.method, page) {
            (Method::Get | Method::Head, Some(page)) => {
                let fields = [("Content-Security-Policy", POLICY), ("Cache-Control", b"no-cache")];
                let status = Status::OK;
                let answered = reply.whole(head, status, page.content_type, &fields, page.content);
                Outcome::Answered(answered)
            }
            (Method::Get | Method::Head, None) => Outcome::AskStatus,
            _ => Outcome::Answered(reply.allow(head, METHODS)),
        }
    }
}

/// The answer once the status has been had, or not.
pub fn answer_status(status: Option<&[u8]>, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
    let Some(status) = status else { return reply.error(head, Status::SERVICE_UNAVAILABLE) };
    let fields = [("Cache-Control", &b"no-store"[..])];
    reply.whole(head, Status::OK, "application/json", &fields, status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: Option<&str>, path: &str, status: Option<Status>) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let limits = http::Limits::default();
        let head = http::parse_head(request.as_bytes(), &mut http::Scan::default(), &limits);
        let mut out = engine::OutBuf::default();
        let mut reply = Reply {
            out: &mut out,
            date: &http::date::format(0),
            second: 0,
            now: engine::Tick::default(),
            keep_alive: true,
        };
        let site = BuiltIn { status: Rc::new(|| Box::pin(async { None })) };
        let address = peer.map(|peer| peer.parse().unwrap());
        let answered = match site.answer(&head.unwrap().unwrap(), address, &mut reply) {
            Outcome::Answered(answered) => Some(answered.status),
            Outcome::AskStatus => None,
        };
        assert_eq!(answered, status, "{path} for {peer:?}");
    }

    #[test]
    fn only_this_machine_gets_anything() {
        for path in ["/", "/page.js", "/status.json", "/missing"] {
            for peer in ["192.0.2.1:5", "[2001:db8::1]:5", "[::ffff:192.0.2.1]:5", "0.0.0.0:5"] {
                check(Some(peer), path, Some(Status::FORBIDDEN));
            }
        }
        for peer in [None, Some("127.0.0.1:5"), Some("127.9.9.9:5"), Some("[::1]:5")] {
            check(peer, "/", Some(Status::OK));
            check(peer, "/status.json", None);
        }
        check(Some("[::ffff:127.0.0.1]:5"), "/", Some(Status::OK));
    }
}
