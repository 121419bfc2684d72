//! Chunk sizes, extensions, line ends and trailers (RFC 9112 section 7.1).

use super::Answer::{BadContent, Served, Waits};
use super::{Case, table};

pub(super) fn cases() -> Vec<Case> {
    let with_head = |body: &Case| {
        let bytes = [CHUNKED_HEAD, &body.bytes].concat().into();
        Case { bytes, ..body.clone() }
    };
    BODIES.iter().map(with_head).chain(CODINGS.iter().cloned()).collect()
}

const CHUNKED_HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

/// What follows that head.
const BODIES: &[Case] = table! {
    "chunk with a bare LF after its size" b"5\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1: lines of chunks end in CRLF";
    "chunk with a bare CR after its size" b"5\rhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk with a bare LF after its data" b"5\r\nhello\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk with a bare CR after its data" b"5\r\nhello\r0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk without a line end after its data" b"5\r\nhello0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk with two bytes in place of its line end" b"5\r\nhelloXX0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1; some skip two bytes unseen";
    "chunk longer than its size" b"4\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk shorter than its size" b"6\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1: the CR is data, the LF is then no CR";
    "chunk size with 0x" b"0x5\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1; some would read 0 and end here";
    "chunk size with a plus" b"+5\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size with a minus" b"-5\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size of minus zero" b"-0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size with an underscore" b"0_5\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1; some languages skip it";
    "chunk size with a letter past f" b"5g\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size of letters" b"xyz\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "empty chunk size" b"\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1; some read it as 0";
    "empty chunk size with an extension" b";a=b\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size after a space" b" 5\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size before a space" b"5 \r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.1 knows whitespace only before an extension";
    "chunk size before a tab" b"5\t\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.1";
    "chunk size parted by a space" b"0 5\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size with a comma" b"5,5\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size with a point" b"5.0\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size with a NUL" b"5\0\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "quoted chunk size" b"\"5\"\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size of 2^64" b"10000000000000000\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1: overflow is anticipated";
    "chunk size of 2^64 + 5" b"10000000000000005\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "chunk size of seventeen digits" b"00000000000000005\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1; digits are bounded";
    "chunk size of 2^64 - 1" b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n"
        BadContent(413), "RFC 9110 section 15.5.14";
    "chunk size of 2^63" b"8000000000000000\r\nhello\r\n0\r\n\r\n"
        BadContent(413), "RFC 9110 section 15.5.14; negative as a signed number";
    "chunk size of 2^32 + 5" b"100000005\r\nhello\r\n0\r\n\r\n"
        BadContent(413), "RFC 9110 section 15.5.14; truncated to 32 bits it would be 5";
    "chunk size one past the limit" b"100001\r\nhello"
        BadContent(413), "RFC 9110 section 15.5.14";
    "chunks that add up past the limit" b"1\r\na\r\n100000\r\nhello"
        BadContent(413), "RFC 9110 section 15.5.14";
    "bare LF in a chunk extension" b"5;a\nb\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.1; TERM.EXT: some end the line here";
    "bare LF ends a chunk extension" b"5;a=b\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.1";
    "bare CR in a chunk extension" b"5;a\rb\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.1";
    "NUL in a chunk extension" b"5;a\0\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.1";
    "line end in a quoted chunk extension" b"5;a=\"\r\nhello\r\n\"\r\nhello\r\n0\r\n\r\n"
        BadContent(400), "RFC 9110 section 5.6.4: a quoted string holds no line end";
    "last chunk with a bare LF" b"0\n\n"
        BadContent(400), "RFC 9112 section 7.1";
    "trailer section ended by a bare LF" b"0\r\n\n"
        BadContent(400), "RFC 9112 section 7.1.2";
    "trailer line ended by a bare LF" b"0\r\nX: y\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.2";
    "bare CR in a trailer" b"0\r\nX: a\rb\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.2";
    "trailer without a colon" b"0\r\nnonsense\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.2";
    "trailer with an empty name" b"0\r\n: y\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.2";
    "trailer with a space before its colon" b"0\r\nX : y\r\n\r\n"
        BadContent(400), "RFC 9112 section 5.1";
    "folded trailer" b"0\r\nX: y\r\n z\r\n\r\n"
        BadContent(400), "RFC 9112 section 5.2";
    "NUL in a trailer" b"0\r\nX: \0\r\n\r\n"
        BadContent(400), "RFC 9110 section 5.5";
    "request in place of the trailer section" b"0\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.2: the blank line is missing";
    "request in place of the blank line's end" b"0\r\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1.2";
    "request in place of a chunk" b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        BadContent(400), "RFC 9112 section 7.1";
    "no chunks" b"0\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7.1";
    "one chunk" b"5\r\nhello\r\n0\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7.1";
    "chunk size in capitals" b"A\r\n0123456789\r\n0\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7.1";
    "chunk size with leading zeros" b"0005\r\nhello\r\n000\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7.1";
    "chunk extensions" b"5;a;b=c;d=\"e;f\"\r\nhello\r\n0;end\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7.1.1: ignored";
    "whitespace around a chunk extension" b"5 ; a = b\r\nhello\r\n0\t;x\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7.1.1: bad whitespace is parsed and removed";
    "trailers" b"5\r\nhello\r\n0\r\nX: y\r\nDigest: z\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7.1.2: may be discarded";
    "trailer that would be a length" b"0\r\nContent-Length: 50\r\nHost: b\r\n\r\n"
        Served(&[200]), "RFC 9110 section 6.5.1: never merged, so it has no effect";
    "chunk that looks like an end" b"5\r\n0\r\n\r\n\r\n0\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7.1: the size decides";
    "chunked, then the next request" b"0\r\n\r\nGET /missing HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200, 404]), "RFC 9112 section 9.3.2";
    "chunk cut short" b"5\r\nhel"
        Waits, "RFC 9112 section 8: incomplete, or answered early; never two answers";
    "last chunk without its blank line" b"5\r\nhello\r\n0\r\n"
        Waits, "RFC 9112 section 8";
};

/// The coding's name in forms that are right.
const CODINGS: &[Case] = table! {
    "coding in capitals"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n"
        Served(&[200]), "RFC 9112 section 7: case-insensitive";
    "whitespace around the coding"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tchunked \r\n\r\n0\r\n\r\n"
        Served(&[200]), "RFC 9112 section 5.1";
    "coding without a space"
        b"GET / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
        Served(&[200]), "RFC 9112 section 5.1";
};
