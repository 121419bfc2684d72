//! Writing one response into a connection's output: what every source of answers needs.

use engine::{OutBuf, Tick};
use http::date::DATE_BYTES;
use http::{Head, Method, Status, response};

/// Where a response goes, and what it has to know.
pub struct Reply<'a> {
    pub out: &'a mut OutBuf,
    pub date: &'a [u8; DATE_BYTES],
    /// Unix time in UTC.
    pub second: u64,
    pub now: Tick,
    /// What becomes of the connection after this response.
    pub keep_alive: bool,
}

/// What was answered, for the log and the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: Status,
    /// Bytes of content behind the head.
    pub content: u64,
}

impl Reply<'_> {
    /// An error page, or whatever a status without content is.
    pub fn error(&mut self, head: &Head<'_>, status: Status) -> Answered {
        self.error_with(head, status, &[])
    }

    /// An error page with fields of its own.
    pub fn error_with(
        &mut self,
        head: &Head<'_>,
        status: Status,
        fields: &[(&str, &[u8])],
    ) -> Answered {
        let page = response::error_page(status);
        self.whole(head, status, "text/html; charset=utf-8", fields, page)
    }

    /// A whole response from memory.
    pub fn whole(
        &mut self,
        head: &Head<'_>,
        status: Status,
        content_type: &str,
        fields: &[(&str, &[u8])],
        content: &[u8],
    ) -> Answered {
        let mut writer = response::head(self.out.buffer(), status, self.date);
        if status.allows_content() && !content.is_empty() {
            writer.field("Content-Type", content_type);
        }
        for (name, value) in fields {
            writer.field(name, value);
        }
        writer.content_length(content.len() as u64);
        writer.connection(head.version, self.keep_alive).finish();
        let sent = response::has_content(head.method, status);
        if sent {
            self.out.put(content);
        }
        Answered { status, content: if sent { content.len() as u64 } else { 0 } }
    }

    /// The answer to a method that the resource does not have (RFC 9110 section 15.5.6), or to
    /// OPTIONS, which asks for just that list.
    pub fn allow(&mut self, head: &Head<'_>, methods: &str) -> Answered {
        let fields = [("Allow", methods.as_bytes())];
        match head.method {
            Method::Options => self.whole(head, Status::NO_CONTENT, "", &fields, b""),
            Method::Other(_) => self.error(head, Status::NOT_IMPLEMENTED),
            _ => self.error_with(head, Status::METHOD_NOT_ALLOWED, &fields),
        }
    }
}
