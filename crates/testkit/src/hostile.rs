//! Requests that a server must refuse, or must understand although they look odd: plain data, to be
//! run through a parser and over real sockets alike.
//!
//! They gather the ways in which recipients are known to disagree, since each disagreement lets
//! one request hide in another (RFC 9112 section 11.2): line ends, spaces, lengths, codings, chunk
//! sizes, hosts, targets, versions. Statuses suppose a site whose `/` is a page of at least 100
//! bytes and whose `/missing` is not there, limits as by default (head 16 KiB, 100 fields, target
//! 8 KiB, body 1 MiB), and no handler for any method but GET, HEAD and OPTIONS.

mod chunks;
mod fields;
mod framing;
mod large;
mod lines;
mod served;
mod targets;

use std::borrow::Cow;

/// One exchange: what a client sends in one go, and what it must see.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is odd about it; unique.
    pub name: &'static str,
    pub bytes: Cow<'static, [u8]>,
    pub answer: Answer,
    /// The rule that decides, or the reason where the rules leave a choice.
    pub why: &'static str,
}

/// What a client must see. Interim answers (1xx) are not counted; status 0 stands for any final
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The first request is refused with this status and the connection closed; nothing else is
    /// answered.
    Refused(u16),
    /// First these answers in order, then a refusal with this status, then the close.
    RefusedAfter(&'static [u16], u16),
    /// The head is good, its content is not. Whoever reads content before answering refuses with
    /// this status; whoever has answered already only closes. Nothing after it is answered.
    BadContent(u16),
    /// These answers in order, and the connection stays open.
    Served(&'static [u16]),
    /// These answers in order, then the server closes.
    ServedThenClosed(&'static [u16]),
    /// Nothing yet: more bytes must come.
    Waits,
}

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        lines::cases(),
        targets::cases(),
        fields::cases(),
        framing::cases(),
        chunks::cases(),
        served::cases(),
        large::cases(),
    ]
    .concat()
}

/// A table of cases: name, bytes, answer, reason.
macro_rules! table {
    ($($name:literal $bytes:literal $answer:expr, $why:literal;)*) => {
        &[$($crate::hostile::Case {
            name: $name,
            bytes: std::borrow::Cow::Borrowed($bytes),
            answer: $answer,
            why: $why,
        },)*]
    };
}

use table;
