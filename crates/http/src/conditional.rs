//! Preconditions, in the order of RFC 9110 section 13.2.2.
//!
//! A date that cannot be read, or a repeated field that must be single, counts as absent.

use crate::date;
use crate::etag;
use crate::known::Known;
use crate::method::Method;
use crate::request::Head;

/// What the preconditions of a request say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Perform the request.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
}

/// Evaluates the preconditions for a representation that exists, with its entity tag and the second
/// of its last change.
pub fn evaluate(head: &Head<'_>, tag: &[u8], last_modified: u64) -> Verdict {
    if !holds_unchanged(head, tag, last_modified) {
        return Verdict::PreconditionFailed;
    }
    let is_read = matches!(head.method, Method::Get | Method::Head);
    if head.header(Known::IfNoneMatch).is_some() {
        return match (lists(head, Known::IfNoneMatch, tag, etag::matches_weakly), is_read) {
            (false, _) => Verdict::Proceed,
            (true, true) => Verdict::NotModified,
            (true, false) => Verdict::PreconditionFailed,
        };
    }
    match date_of(head, Known::IfModifiedSince) {
        Some(since) if is_read && last_modified <= since => Verdict::NotModified,
        _ => Verdict::Proceed,
    }
}

/// Whether the Range field counts: without If-Range always, with it only when the client holds
/// parts of this very version (RFC 9110 section 13.1.5). A date proves that only when it is exactly
/// the last change and that lies at least a second before `now`, both in Unix seconds.
pub fn range_applies(head: &Head<'_>, tag: &[u8], last_modified: u64, now: u64) -> bool {
    let Some(validator) = head.header(Known::IfRange) else {
        return true;
    };
    match validator {
        _ if head.single(Known::IfRange).is_none() => false,
        [b'"', ..] => etag::matches_strongly(validator, tag),
        _ => date::parse(validator) == Some(last_modified) && last_modified < now,
    }
}

/// Steps 1 and 2: If-Match, or without it If-Unmodified-Since.
fn holds_unchanged(head: &Head<'_>, tag: &[u8], last_modified: u64) -> bool {
    if head.header(Known::IfMatch).is_some() {
        return lists(head, Known::IfMatch, tag, etag::matches_strongly);
    }
    match date_of(head, Known::IfUnmodifiedSince) {
        Some(since) => last_modified <= since,
        None => true,
    }
}

/// Whether the field is `*` or lists the tag.
fn lists(head: &Head<'_>, field: Known, tag: &[u8], same: fn(&[u8], &[u8]) -> bool) -> bool {
    if head.single(field) == Some(b"*") {
        return true;
    }
    head.values(field).flat_map(etag::tags).any(|listed| same(listed, tag))
}

fn date_of(head: &Head<'_>, field: Known) -> Option<u64> {
    date::parse(head.single(field)?)
}
