//! The head of a request as parsed: method, target, version, framing and fields.
//!
//! A [`Head`] borrows the receive buffer and copies nothing. It keeps no table of fields: known
//! ones have a slot with their offsets, and the rest is read again from the checked bytes by the
//! few who ask, so that the head stays small enough to be returned by value (RFC 9110, RFC 9112).

use std::fmt;

use crate::bytes;
use crate::known::Known;
use crate::method::Method;
use crate::target::Target;

/// The head of one request, checked, within the receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'b> {
    pub method: Method<'b>,
    pub target: Target<'b>,
    /// The request target as it was sent, for logs.
    pub raw_target: &'b [u8],
    pub version: Version,
    /// Bytes of the head in the buffer: skipped empty lines and the final blank line included.
    pub len: usize,
    pub framing: Framing,
    /// Whether the client lets the connection serve a next request.
    pub keep_alive: bool,
    /// Whether the client waits for a `100 Continue` before it sends content.
    pub expect_continue: bool,
    pub(crate) fields: Fields<'b>,
}

/// The versions that are served; all others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    Http10,
    Http11,
}

/// How the content of a message is delimited (RFC 9112 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no content.
    None,
    /// Exactly so many bytes follow.
    Length(u64),
    /// Chunks follow, up to the one of size zero.
    Chunked,
}

impl<'b> Head<'b> {
    /// The path as sent, before any `?`. For `OPTIONS *` it is `*`.
    pub fn path(&self) -> &'b [u8] {
        match self.target {
            Target::Origin { path, .. } | Target::Absolute { path, .. } => path,
            Target::Asterisk => b"*",
        }
    }

    /// What follows the first `?`, if there is one.
    pub fn query(&self) -> Option<&'b [u8]> {
        match self.target {
            Target::Origin { query, .. } | Target::Absolute { query, .. } => query,
            Target::Asterisk => None,
        }
    }

    /// The host and port that the request is for: an absolute target wins over the Host field (RFC
    /// 9112 section 3.2.2). `None` only in HTTP/1.0.
    pub fn authority(&self) -> Option<&'b [u8]> {
        match self.target {
            Target::Absolute { authority, .. } => Some(authority),
            Target::Origin { .. } | Target::Asterisk => self.header(Known::Host),
        }
    }

    /// The value of the first field of this name.
    pub fn header(&self, known: Known) -> Option<&'b [u8]> {
        self.fields.first(known)
    }

    /// The values of all fields of this name, in order.
    pub fn values(&self, known: Known) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        self.fields.values(known)
    }

    /// The value of a field that must not be repeated; `None` also when it is.
    pub fn single(&self, known: Known) -> Option<&'b [u8]> {
        self.header(known).filter(|_| !self.fields.is_repeated(known))
    }

    /// The value of the first field of any name.
    pub fn find(&self, name: &str) -> Option<&'b [u8]> {
        match Known::of(name.as_bytes()) {
            Some(known) => self.header(known),
            None => self
                .headers()
                .find_map(|field| field.0.eq_ignore_ascii_case(name.as_bytes()).then_some(field.1)),
        }
    }

    /// All fields in order, as (name, value).
    pub fn headers(&self) -> Headers<'b> {
        self.fields.all()
    }

    /// Whether a field is present that can change which representation is sent, or how much of it;
    /// without one, a server can answer from what it has prepared.
    pub fn has_conditions(&self) -> bool {
        self.fields.present & CONDITIONS != 0
    }
}

impl Version {
    pub const fn text(self) -> &'static str {
        match self {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }
}

/// The fields of a head as (name, value), made by [`Head::headers`].
#[derive(Clone, Debug)]
pub struct Headers<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Headers<'b> {
    type Item = (&'b [u8], &'b [u8]);

    /// The lines were checked by the parser: each has a colon, ends in CRLF and holds no other CR.
    fn next(&mut self) -> Option<Self::Item> {
        let end = memchr::memchr(b'\r', self.rest)?;
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(2..).unwrap_or_default();
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = line.split_at_checked(colon)?;
        Some((name, bytes::trim(value.get(1..)?)))
    }
}

/// Where the fields are: their lines, and for the known ones the place of the first value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fields<'b> {
    head: &'b [u8],
    /// From the first field to the end of the last, the blank line left out.
    lines: &'b [u8],
    places: [Place; Known::COUNT],
    present: u32,
    repeated: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    start: u16,
    end: u16,
}

impl<'b> Fields<'b> {
    /// `head` is where offsets count from; the field lines begin at `start`.
    pub(crate) fn none(head: &'b [u8]) -> Fields<'b> {
        let nowhere = Place { start: 0, end: 0 };
        Fields { head, lines: &[], places: [nowhere; Known::COUNT], present: 0, repeated: 0 }
    }

    /// Notes that `known` has its value at these offsets, which the head's ceiling keeps in `u16`.
    #[inline]
    pub(crate) fn note(&mut self, known: Known, start: usize, end: usize) {
        if self.present & known.bit() != 0 {
            self.repeated |= known.bit();
            return;
        }
        self.present |= known.bit();
        self.places[known as usize] = Place { start: start as u16, end: end as u16 };
    }

    /// The field lines turned out to lie at these offsets, and the head to end at `len`.
    pub(crate) fn finish(&mut self, start: usize, end: usize, len: usize) {
        self.lines = self.head.get(start..end).unwrap_or_default();
        self.head = self.head.get(..len).unwrap_or_default();
    }

    #[inline]
    pub(crate) fn first(&self, known: Known) -> Option<&'b [u8]> {
        if self.present & known.bit() == 0 {
            return None;
        }
        let place = self.places[known as usize];
        self.head.get(usize::from(place.start)..usize::from(place.end))
    }

    pub(crate) fn values(&self, known: Known) -> impl Iterator<Item = &'b [u8]> + use<'b> {
        let name = known.name().as_bytes();
        let is_named = move |field: &(&[u8], &[u8])| field.0.eq_ignore_ascii_case(name);
        // Reading the lines again is for the rare head that repeats this field.
        let repeated = self.is_repeated(known).then(|| self.all().filter(is_named).skip(1));
        let others = repeated.into_iter().flatten().map(|field| field.1);
        self.first(known).into_iter().chain(others)
    }

    pub(crate) fn all(&self) -> Headers<'b> {
        Headers { rest: self.lines }
    }

    pub(crate) fn is_repeated(&self, known: Known) -> bool {
        self.repeated & known.bit() != 0
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
        out.debug_list().entries(self.all().map(text)).finish()
    }
}

const CONDITIONS: u32 = Known::AcceptEncoding.bit()
    | Known::IfMatch.bit()
    | Known::IfModifiedSince.bit()
    | Known::IfNoneMatch.bit()
    | Known::IfRange.bit()
    | Known::IfUnmodifiedSince.bit()
    | Known::Range.bit();
