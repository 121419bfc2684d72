//! Lengths and transfer codings: where one message ends and the next begins (RFC 9112 section 6).
//!
//! Most carry a second request, `GET /missing`, where a lax recipient would find it.

use super::Answer::{Refused, RefusedAfter, Served, ServedThenClosed, Waits};
use super::{Case, table};

pub(super) fn cases() -> Vec<Case> {
    CASES.to_vec()
}

const CASES: &[Case] = table! {
    "CL.TE" b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\
          \r\n0\r\n\r\nG"
        Refused(400), "RFC 9112 section 6.1: both is an attempt to smuggle";
    "TE.CL" b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\
          \r\n2b\r\nGET /missing HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1";
    "CL.TE with a length of zero"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\
          \r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1";
    "CL.TE with identity"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: identity\r\n\
          \r\nhello"
        Refused(400), "RFC 9112 section 6.1";
    "CL.TE in HTTP/1.0"
        b"GET / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1";
    "bad length and a coding"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\nTransfer-Encoding: chunked\r\n\
          \r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1";
    "TE.TE with a space before the colon"
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding : x\r\n\
          \r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 5.1";
    "TE.TE twice chunked"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
          Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 7.1: chunked at most once";
    "TE.TE chunked then identity"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\
          Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.3: chunked must be final";
    "TE.TE unknown then chunked"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\n\
          Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1; a repeated field is refused outright";
    "TE.TE with an empty field"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n\
          \r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1";
    "chunked twice in a list"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 7.1";
    "chunked not final"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.3: must be 400";
    "chunked not final but identity"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.3";
    "gzip alone" b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"
        Refused(400), "RFC 9112 section 6.3: a request needs chunked as its final coding";
    "identity alone" b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"
        Refused(400), "RFC 9112 section 7: no longer a coding";
    "empty coding" b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1";
    "gzip under chunked"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
        Refused(501), "RFC 9112 section 6.1: a coding that is not implemented";
    "unknown coding under chunked"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: cow,chunked\r\n\r\n0\r\n\r\n"
        Refused(501), "RFC 9112 section 6.1";
    "identity under chunked"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"
        Refused(501), "RFC 9112 section 7";
    "empty member before chunked"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.1.2 skips it; refused, since proxies differ";
    "empty member after chunked"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.1.2 skips it; refused, since proxies differ";
    "prefix of a coding" b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunk\r\n\r\n"
        Refused(400), "RFC 9112 section 6.3";
    "chunked and a letter" b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"
        Refused(400), "RFC 9112 section 6.3";
    "quoted chunked" b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n"
        Refused(400), "RFC 9112 section 7: a token";
    "chunked with a parameter"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 7.1: it has none";
    "chunked, a space and a word"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked x\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 7";
    "chunked parted by a semicolon"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x;chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 7";
    "chunked with a no-break space"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xa0chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.3: space and tab alone";
    "chunked with a NUL"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9110 section 5.5";
    "chunked with a Kelvin sign"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chun\xe2\x84\xaaed\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 7: U+212A folds to k in Unicode, never here";
    "chunked in HTTP/1.0" b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1: framing is faulty";
    "chunked in HTTP/1.0 with keep-alive"
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n\
          0\r\n\r\n"
        Refused(400), "RFC 9112 section 6.1";
    "two different lengths"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello"
        Refused(400), "RFC 9112 section 6.3: must be 400";
    "two equal lengths"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"
        Refused(400), "RFC 9112 section 6.3 leaves a choice; a joined message is refused";
    "two lengths in odd case"
        b"GET / HTTP/1.1\r\nHost: a\r\ncontent-length: 0\r\nCONTENT-LENGTH: 5\r\n\r\nhello"
        Refused(400), "RFC 9112 section 6.3";
    "list of equal lengths" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello"
        Refused(400), "RFC 9112 section 6.3 leaves a choice; refused";
    "list of different lengths"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 0\r\n\r\nhello"
        Refused(400), "RFC 9112 section 6.3";
    "length and an empty member" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6";
    "empty length" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"
        Refused(400), "RFC 9110 section 8.6: at least one digit";
    "length of whitespace" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \t\r\n\r\n"
        Refused(400), "RFC 9110 section 8.6";
    "length with a plus" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6: digits alone";
    "length with a minus" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6";
    "negative zero" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -0\r\n\r\n"
        Refused(400), "RFC 9110 section 8.6";
    "hexadecimal length" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6";
    "length with a fraction" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5.0\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6";
    "length with an exponent"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e1\r\n\r\n0123456789"
        Refused(400), "RFC 9110 section 8.6";
    "length with an underscore"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n0123456789"
        Refused(400), "RFC 9110 section 8.6; some languages read it as 10";
    "length with a space" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\n0123456789"
        Refused(400), "RFC 9110 section 8.6";
    "quoted length" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \"5\"\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6";
    "length with a parameter" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5;x\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6";
    "length of letters" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: five\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6";
    "length with a NUL" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\0\r\n\r\nhello"
        Refused(400), "RFC 9110 section 5.5";
    "length with a vertical tab"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \x0b5\r\n\r\nhello"
        Refused(400), "RFC 9110 section 5.5";
    "length in Arabic digits"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \xd9\xa5\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6: ASCII digits";
    "length of 2^64"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"
        Refused(400), "RFC 9110 section 8.6: overflow is anticipated";
    "length of 2^64 + 5"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6";
    "length of forty digits"
        b"GET / HTTP/1.1\r\nHost: a\r\n\
          Content-Length: 0000000000000000000000000000000000000005\r\n\r\nhello"
        Refused(400), "RFC 9110 section 8.6; digits are bounded";
    "length of 2^63 - 1"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n"
        Refused(413), "RFC 9110 section 15.5.14";
    "length of 2^32 + 5" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4294967301\r\n\r\nhello"
        Refused(413), "RFC 9110 section 15.5.14; truncated to 32 bits it would be 5";
    "length one past the limit" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n"
        Refused(413), "RFC 9110 section 15.5.14";
    "length past the limit, expecting 100"
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\
          Content-Length: 99999999\r\n\r\n"
        Refused(413), "RFC 9110 section 10.1.1: a final answer instead of 100";
    "bad length in the second request"
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\
          Content-Length: x\r\n\r\n"
        RefusedAfter(&[200], 400), "RFC 9112 section 9.3.2";
    "content shorter than what follows"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /missing HTTP/1.1\r\n\
          Host: a\r\n\r\n"
        Served(&[200, 404]), "RFC 9112 section 6.2: the length decides";
    "request within the content"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 34\r\n\r\n\
          GET /missing HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200, 200]), "RFC 9112 section 6.2: what looks like a request is content";
    "content without a length is the next request"
        b"POST / HTTP/1.1\r\nHost: a\r\n\r\nGET /missing HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[405, 404]), "RFC 9112 section 6.3: no length, no content";
    "length of zero" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\
          GET /missing HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200, 404]), "RFC 9112 section 6.2";
    "length with leading zeros"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\nhello"
        Served(&[200]), "RFC 9110 section 8.6: decimal, so 5";
    "whitespace around a length"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \t 5 \t\r\n\r\nhello"
        Served(&[200]), "RFC 9112 section 5.1";
    "content in HTTP/1.0" b"GET / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"
        ServedThenClosed(&[200]), "RFC 9112 section 6.2";
    "content of HEAD" b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
          Content-Length: 5\r\n\r\nhello"
        ServedThenClosed(&[200]), "RFC 9110 section 9.3.2";
    "content cut short" b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"
        Waits, "RFC 9112 section 8: incomplete, or answered early; never two answers";
};
