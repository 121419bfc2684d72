//! Requests that are right although they look odd: pipelines, ranges, conditions.

use super::Answer::{Served, ServedThenClosed};
use super::{Case, table};

pub(super) fn cases() -> Vec<Case> {
    CASES.to_vec()
}

const CASES: &[Case] = table! {
    "plain request" b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 9112 section 2.1";
    "pipeline of three"
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /missing HTTP/1.1\r\nHost: a\r\n\r\n\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200, 404, 200]), "RFC 9112 section 9.3.2: in order";
    "pipeline with contents between"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /missing HTTP/1.1\r\n\
          Host: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200, 404, 200]), "RFC 9112 section 9.3.2";
    "pipeline of versions"
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.0\r\n\r\n"
        ServedThenClosed(&[200, 200]), "RFC 9112 section 9.3";
    "pipeline past a close"
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\
          Connection: close\r\n\r\n\
          GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        ServedThenClosed(&[200, 200]), "RFC 9112 section 9.6";
    "first byte" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0\r\n\r\n"
        Served(&[206]), "RFC 9110 section 14.2";
    "last byte" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=-1\r\n\r\n"
        Served(&[206]), "RFC 9110 section 14.1.2";
    "range past the end" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-99999999999\r\n\r\n"
        Served(&[206]), "RFC 9110 section 14.1.2: clamped";
    "range to a number past 64 bits"
        b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=5-99999999999999999999999\r\n\r\n"
        Served(&[206]), "RFC 9110 section 14.1.2";
    "suffix longer than everything"
        b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=-99999999999999999999999\r\n\r\n"
        Served(&[206]), "RFC 9110 section 14.1.2: the whole";
    "two ranges" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0,-1\r\n\r\n"
        Served(&[206]), "RFC 9110 section 14.6";
    "ranges with empty members" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=,0-0 ,, -1,\r\n\r\n"
        Served(&[206]), "RFC 9110 section 5.6.1.2";
    "range unit in capitals" b"GET / HTTP/1.1\r\nHost: a\r\nRange: BYTES=0-0\r\n\r\n"
        Served(&[206]), "RFC 9110 section 14.1: case-insensitive";
    "one range outside, one within"
        b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=999999-,0-0\r\n\r\n"
        Served(&[206]), "RFC 9110 section 14.1.1: satisfiable if one is";
    "overlapping ranges"
        b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-9,5-14,0-,0-,0-,0-\r\n\r\n"
        Served(&[206]), "RFC 9110 section 17.15: made one";
    "range past the end alone" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=999999-\r\n\r\n"
        Served(&[416]), "RFC 9110 section 15.5.17";
    "range from a number past 64 bits"
        b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=99999999999999999999999-\r\n\r\n"
        Served(&[416]), "RFC 9110 section 15.5.17";
    "suffix of nothing" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=-0\r\n\r\n"
        Served(&[416]), "RFC 9110 section 14.1.2: unsatisfiable";
    "range backwards" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=5-2\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.1.1: invalid, so ignored";
    "range of nothing" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=-\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.2";
    "range without ranges" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.2";
    "range of letters" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=a-b\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.2";
    "range with signs" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=+0-+5\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.1.1";
    "range with two dashes" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0--5\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.1.1";
    "one bad range among good" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=0-0,x\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.2: the field is invalid";
    "unknown range unit" b"GET / HTTP/1.1\r\nHost: a\r\nRange: lines=0-5\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.2";
    "range without an equals sign" b"GET / HTTP/1.1\r\nHost: a\r\nRange: bytes 0-5\r\n\r\n"
        Served(&[200]), "RFC 9110 section 14.2";
    "range with a stale If-Range"
        b"GET / HTTP/1.1\r\nHost: a\r\nIf-Range: \"stale\"\r\nRange: bytes=0-0\r\n\r\n"
        Served(&[200]), "RFC 9110 section 13.1.5";
    "range with a weak If-Range"
        b"GET / HTTP/1.1\r\nHost: a\r\nIf-Range: W/\"x\"\r\nRange: bytes=0-0\r\n\r\n"
        Served(&[200]), "RFC 9110 section 13.1.5: strong comparison";
    "If-Match of anything" b"GET / HTTP/1.1\r\nHost: a\r\nIf-Match: *\r\n\r\n"
        Served(&[200]), "RFC 9110 section 13.1.1";
    "If-Match of something else" b"GET / HTTP/1.1\r\nHost: a\r\nIf-Match: \"x\", \"y\"\r\n\r\n"
        Served(&[412]), "RFC 9110 section 13.1.1";
    "If-None-Match of anything" b"GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n"
        Served(&[304]), "RFC 9110 section 13.1.2";
    "If-None-Match unquoted" b"GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: x\r\n\r\n"
        Served(&[200]), "RFC 9110 section 8.8.3: no tag, so no match";
    "unmodified since long ago"
        b"GET / HTTP/1.1\r\nHost: a\r\n\
          If-Unmodified-Since: Thu, 01 Jan 1970 00:00:01 GMT\r\n\r\n"
        Served(&[412]), "RFC 9110 section 13.1.4";
    "modified since far ahead"
        b"GET / HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n"
        Served(&[304]), "RFC 9110 section 13.1.3";
    "modified since no date"
        b"GET / HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: yesterday\r\n\r\n"
        Served(&[200]), "RFC 9110 section 13.1.3: ignored";
    "weights that are none"
        b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=2, br;q=x, ;;, zstd;q=0\r\n\r\n"
        Served(&[200]), "RFC 9110 section 12.4.2: passed over";
    "nothing acceptable"
        b"GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: identity;q=0, *;q=0\r\n\r\n"
        Served(&[200]), "RFC 9110 section 12.5.3: sent without a coding";
};
