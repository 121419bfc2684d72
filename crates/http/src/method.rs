//! Request methods (RFC 9110 section 9), compared with regard to case.

/// A request method (RFC 9110 section 9); compared with regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method<'b> {
    Get,
    Head,
    Options,
    Post,
    Put,
    Delete,
    Patch,
    Trace,
    /// Any other token. `CONNECT` never gets here: the parser answers it with 501.
    Other(&'b [u8]),
}

impl<'b> Method<'b> {
    pub(crate) fn of(token: &'b [u8]) -> Method<'b> {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"OPTIONS" => Method::Options,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"PATCH" => Method::Patch,
            b"TRACE" => Method::Trace,
            other => Method::Other(other),
        }
    }

    pub fn as_bytes(self) -> &'b [u8] {
        match self {
            Method::Get => b"GET",
            Method::Head => b"HEAD",
            Method::Options => b"OPTIONS",
            Method::Post => b"POST",
            Method::Put => b"PUT",
            Method::Delete => b"DELETE",
            Method::Patch => b"PATCH",
            Method::Trace => b"TRACE",
            Method::Other(token) => token,
        }
    }
}
