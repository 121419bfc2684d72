//! Request lines, line ends, methods and versions (RFC 9112 sections 2 and 3).

use super::Answer::{Refused, RefusedAfter, Served, ServedThenClosed, Waits};
use super::{Case, table};

pub(super) fn cases() -> Vec<Case> {
    CASES.to_vec()
}

const CASES: &[Case] = table! {
    "bare LF ends the request line" b"GET / HTTP/1.1\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2 allows LF alone; refused, since proxies differ";
    "bare LF ends a field line" b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2; refused, since proxies differ";
    "bare LF ends the head" b"GET / HTTP/1.1\r\nHost: a\r\n\n"
        Refused(400), "RFC 9112 section 2.2";
    "bare LF everywhere" b"GET / HTTP/1.1\nHost: a\n\n"
        Refused(400), "RFC 9112 section 2.2";
    "two bare LF before CRLF"
        b"GET / HTTP/1.1\r\nHost: a\n\nGET /missing HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2";
    "LF CR ends a line" b"GET / HTTP/1.1\n\rHost: a\n\r\n\r"
        Refused(400), "RFC 9112 section 2.2";
    "bare CR ends the request line" b"GET / HTTP/1.1\rHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2: a bare CR is invalid";
    "bare CR within a field value" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2";
    "bare CR hides a field" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 5\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2";
    "bare CR before the blank line" b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"
        Refused(400), "RFC 9112 section 2.2";
    "CR CR LF ends the request line" b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2";
    "CR CR LF ends a field line" b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2";
    "bare LF ahead of the request line" b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2: only empty lines of CRLF are skipped";
    "bare CR ahead of the request line" b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2";
    "space ahead of the request line" b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "tab ahead of the request line" b"\tGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "NUL ahead of the request line" b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2: no token character";
    "byte order mark ahead of the request line"
        b"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "many empty lines ahead"
        b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2 asks for one to be skipped; more are bounded";
    "two spaces after the method" b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3: single spaces";
    "two spaces before the version" b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "tab after the method" b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "tab before the version" b"GET /\tHTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "vertical tab after the method" b"GET\x0b/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3 lets a recipient be lenient here; refused";
    "form feed before the version" b"GET /\x0cHTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "no-break space after the method" b"GET\xa0/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "space after the version" b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "word after the version" b"GET / HTTP/1.1 x\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "second request line within the first" b"GET / GET /missing HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2: no whitespace in the target";
    "two versions" b"GET / HTTP/1.1 HTTP/1.0\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "no target" b"GET HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "empty target" b"GET  HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "method alone" b"GET\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "HTTP/0.9 request" b"GET /\r\n"
        Refused(400), "RFC 1945 section 5.1: not served";
    "HTTP/0.9 request with fields" b"GET /\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3";
    "no method" b" / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.1";
    "slash in the method" b"G/T / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 9.1: a method is a token";
    "parentheses in the method" b"GET() / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 9.1";
    "colon in the method" b"GET: / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 9.1";
    "NUL in the method" b"GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 9.1";
    "byte above ASCII in the method" b"G\xc3\x8bT / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 9.1";
    "quoted method" b"\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 9.1";
    "method of 33 characters" b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(501), "RFC 9112 section 3: longer than any implemented";
    "lower-case method" b"get / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[0]), "RFC 9110 section 9.1: another method; 501 or 405";
    "unknown method" b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[0]), "RFC 9110 section 9.1";
    "method of marks alone" b"!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[0]), "RFC 9110 section 5.6.2: all token characters";
    "lower-case version" b"GET / http/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3: case-sensitive";
    "version without a minor" b"GET / HTTP/1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "version with a comma" b"GET / HTTP/1,1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "version with two minor digits" b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3: one digit each";
    "version with two major digits" b"GET / HTTP/01.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "version with a sign" b"GET / HTTP/+1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "version with a space" b"GET / HTTP/1. 1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "version with a letter" b"GET / HTTP/1.x\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "another protocol's version" b"GET / HTTPS/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "ICAP version" b"GET / ICAP/1.0\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "NUL in the version" b"GET / HTTP/1.1\0\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.3";
    "version 0.9" b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"
        Refused(505), "RFC 9110 section 15.6.6";
    "version 1.2" b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"
        Refused(505), "RFC 9110 section 2.5 would allow it; nobody sends it, so it is refused";
    "version 2.0" b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"
        Refused(505), "RFC 9110 section 15.6.6";
    "version 9.9" b"GET / HTTP/9.9\r\nHost: a\r\n\r\n"
        Refused(505), "RFC 9110 section 15.6.6";
    "preface of HTTP/2" b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        Refused(505), "RFC 9113 section 3.4: meant to fail on an HTTP/1.1 server";
    "start of a TLS handshake" b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
        Refused(400), "RFC 8446 section 5.1: TLS on the plain port";
    "start of an SSH session" b"SSH-2.0-OpenSSH_9.6\r\n"
        Refused(400), "RFC 4253 section 4.2";
    "PROXY protocol line" b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "not configured, so it is a malformed request line";
    "a response" b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
        Refused(400), "RFC 9112 section 2.1: a server reads requests";
    "good request, then garbage" b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x00\x01\x02"
        RefusedAfter(&[200], 400), "RFC 9112 section 9.3.2";
    "good request, then a bare LF" b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\nGET / HTTP/1.1\r\n\r\n"
        RefusedAfter(&[200], 400), "RFC 9112 section 2.2";
    "good request, then a bad version"
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/3.0\r\nHost: a\r\n\r\n"
        RefusedAfter(&[200], 505), "RFC 9112 section 9.3.2";
    "three good requests, then two spaces"
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /missing HTTP/1.1\r\nHost: a\r\n\r\n\
          GET / HTTP/1.1\r\nHost: a\r\n\r\nGET  / HTTP/1.1\r\nHost: a\r\n\r\n"
        RefusedAfter(&[200, 404, 200], 400), "RFC 9112 section 9.3.2";
    "one empty line ahead" b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 9112 section 2.2: at least one is skipped";
    "empty lines between requests"
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200, 200]), "RFC 9112 section 2.2";
    "HTTP/1.0 without a Host" b"GET / HTTP/1.0\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 1945 section 10 knows no Host";
    "HTTP/1.0 with a Host" b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 9112 section 9.3";
    "half a method" b"GE"
        Waits, "RFC 9112 section 3";
    "half a version" b"GET / HTTP/1."
        Waits, "RFC 9112 section 3";
    "CR of the request line" b"GET / HTTP/1.1\r"
        Waits, "RFC 9112 section 3";
    "head without its blank line" b"GET / HTTP/1.1\r\nHost: a\r\n"
        Waits, "RFC 9112 section 2.1";
    "head without its last LF" b"GET / HTTP/1.1\r\nHost: a\r\n\r"
        Waits, "RFC 9112 section 2.1";
    "empty line alone" b"\r\n"
        Waits, "RFC 9112 section 2.2";
};
