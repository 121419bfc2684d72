//! From an entry to a response: the quick way for a plain request, and the whole of RFC 9110's
//! conditional and range rules for the others.

use http::conditional::{self, Verdict};
use http::negotiate::pick;
use http::range::{self, ByteRange, Multipart, RangeRequest};
use http::{Head, Known, Method, Status, Version, response};

use super::entry::{Content, Entry, Representation};
use crate::reply::{Answered, Reply};

/// From this size on a ready response is sent from where it is. Smaller ones are copied, so that
/// several of them can go out in one send.
const SHARED_BYTES_MIN: usize = 1024;

/// A plain GET on a connection that is kept: the response stands ready. `None`: the request asks
/// for more than that.
pub fn quick(entry: &Entry, head: &Head<'_>, reply: &mut Reply<'_>) -> Option<Answered> {
    let plain = head.method == Method::Get
        && reply.keep_alive
        && head.version == Version::Http11
        && (!head.has_conditions() || only_encodings(entry, head));
    if !plain {
        return None;
    }
    let file = entry.identity()?;
    let ready = file.ready(reply.second, reply.date);
    if ready.len() >= SHARED_BYTES_MIN && reply.out.is_empty() {
        reply.out.put_shared(ready);
    } else {
        reply.out.put(&ready);
    }
    if let Content::File(descriptor) = &file.content {
        reply.out.push_file(descriptor.clone(), 0..file.size());
    }
    Some(Answered { status: Status::OK, content: file.size() })
}

/// Whether the only field that could matter is Accept-Encoding, and there is nothing to choose.
fn only_encodings(entry: &Entry, head: &Head<'_>) -> bool {
    const OTHERS: [Known; 6] = [
        Known::IfMatch,
        Known::IfNoneMatch,
        Known::IfModifiedSince,
        Known::IfUnmodifiedSince,
        Known::IfRange,
        Known::Range,
    ];
    !entry.has_variants() && OTHERS.iter().all(|known| head.header(*known).is_none())
}

/// Any GET or HEAD.
pub fn full(entry: &Entry, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
    let encoding = pick(head.values(Known::AcceptEncoding), entry.available());
    let Some(file) = entry.variant(encoding) else {
        return reply.error(head, Status::INTERNAL_SERVER_ERROR);
    };
    match conditional::evaluate(head, &file.tag, file.modified) {
        Verdict::Proceed => {}
        Verdict::NotModified => return not_modified(file, head, reply),
        Verdict::PreconditionFailed => return reply.error(head, Status::PRECONDITION_FAILED),
    }
    match ranges(file, head, reply) {
        RangeRequest::Ignore => whole(file, head, reply),
        RangeRequest::Unsatisfiable => unsatisfiable(file, head, reply),
        RangeRequest::Satisfiable(ranges) => match *ranges {
            [one] => part(file, one, head, reply),
            _ => parts(entry, file, &ranges, head, reply),
        },
    }
}

/// Range means something for GET alone (RFC 9110 section 14.2).
fn ranges(file: &Representation, head: &Head<'_>, reply: &Reply<'_>) -> RangeRequest {
    match head.single(Known::Range) {
        Some(value)
            if head.method == Method::Get
                && conditional::range_applies(head, &file.tag, file.modified, reply.second) =>
        {
            range::parse(value, file.size())
        }
        _ => RangeRequest::Ignore,
    }
}

fn not_modified(file: &Representation, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
    response::head(reply.out.buffer(), Status::NOT_MODIFIED, reply.date)
        .rendered(&file.fields)
        .connection(head.version, reply.keep_alive)
        .finish();
    Answered { status: Status::NOT_MODIFIED, content: 0 }
}

fn whole(file: &Representation, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
    response::head(reply.out.buffer(), Status::OK, reply.date)
        .rendered(&file.fields)
        .content_length(file.size())
        .connection(head.version, reply.keep_alive)
        .finish();
    let everything = ByteRange { start: 0, end: file.size() };
    let sent = head.method != Method::Head;
    if sent {
        append_content(file, everything, reply);
    }
    Answered { status: Status::OK, content: if sent { file.size() } else { 0 } }
}

fn part(file: &Representation, one: ByteRange, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
    let mut content_range = Vec::with_capacity(60);
    one.append_content_range(&mut content_range, file.size());
    response::head(reply.out.buffer(), Status::PARTIAL_CONTENT, reply.date)
        .rendered(&file.fields)
        .field("Content-Range", &content_range)
        .content_length(one.length())
        .connection(head.version, reply.keep_alive)
        .finish();
    append_content(file, one, reply);
    Answered { status: Status::PARTIAL_CONTENT, content: one.length() }
}

fn parts(
    entry: &Entry,
    file: &Representation,
    ranges: &[ByteRange],
    head: &Head<'_>,
    reply: &mut Reply<'_>,
) -> Answered {
    let boundary = boundary(file);
    let multipart = Multipart {
        boundary: &boundary,
        content_type: entry.content_type.as_bytes(),
        length: file.size(),
    };
    let length = multipart.content_length(ranges);
    let mut content_type = Vec::with_capacity(100);
    multipart.append_content_type(&mut content_type);
    let type_line = file.fields.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    response::head(reply.out.buffer(), Status::PARTIAL_CONTENT, reply.date)
        .field("Content-Type", &content_type)
        // The file's own type is the first of its fields, and belongs to the parts.
        .rendered(&file.fields[type_line..])
        .content_length(length)
        .connection(head.version, reply.keep_alive)
        .finish();
    for range in ranges {
        multipart.append_part_head(reply.out.buffer(), *range);
        append_content(file, *range, reply);
    }
    multipart.append_end(reply.out.buffer());
    Answered { status: Status::PARTIAL_CONTENT, content: length }
}

fn unsatisfiable(file: &Representation, head: &Head<'_>, reply: &mut Reply<'_>) -> Answered {
    let mut content_range = Vec::with_capacity(40);
    range::append_unsatisfied(&mut content_range, file.size());
    let fields = [("Content-Range", &content_range[..])];
    reply.error_with(head, Status::RANGE_NOT_SATISFIABLE, &fields)
}

fn append_content(file: &Representation, range: ByteRange, reply: &mut Reply<'_>) {
    match &file.content {
        Content::Memory => {
            file.append_content(range.start as usize..range.end as usize, reply.out.buffer());
        }
        Content::File(descriptor) => {
            reply.out.push_file(descriptor.clone(), range.start..range.end);
        }
    }
}

/// A boundary that the content does not contain, as far as chance can tell: a hash of the file's
/// identity that a reader cannot predict without knowing its inode and times.
fn boundary(file: &Representation) -> Vec<u8> {
    let stamp = file.stamp;
    let words = [stamp.inode, stamp.modified_ns, stamp.changed_ns, stamp.size, stamp.device];
    let mut boundary = b"sockeye-".to_vec();
    for seed in [0xcbf2_9ce4_8422_2325u64, 0x9e37_79b9_7f4a_7c15] {
        let mut hash = seed;
        for byte in words.iter().flat_map(|word| word.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        response::append_hexadecimal(&mut boundary, hash);
    }
    boundary
}
