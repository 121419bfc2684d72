//! Field lines, and the fields with a meaning of their own but for lengths (RFC 9112 section 5).

use super::Answer::{Refused, Served, ServedThenClosed};
use super::{Case, table};

pub(super) fn cases() -> Vec<Case> {
    CASES.to_vec()
}

const CASES: &[Case] = table! {
    "space before the colon" b"GET / HTTP/1.1\r\nHost : a\r\n\r\n"
        Refused(400), "RFC 9112 section 5.1: must be rejected";
    "tab before the colon" b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"
        Refused(400), "RFC 9112 section 5.1";
    "space before the colon of a length"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello"
        Refused(400), "RFC 9112 section 5.1";
    "folded value" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"
        Refused(400), "RFC 9112 section 5.2: reject obs-fold";
    "value folded with a tab" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n"
        Refused(400), "RFC 9112 section 5.2";
    "fold of whitespace alone" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n \r\n\r\n"
        Refused(400), "RFC 9112 section 5.2";
    "folded Transfer-Encoding"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9112 section 5.2";
    "first field indented" b"GET / HTTP/1.1\r\n Host: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2: reject or skip; rejected";
    "first line of whitespace" b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 2.2";
    "line without a colon" b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n"
        Refused(400), "RFC 9112 section 5";
    "empty name" b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.1: a name is a token";
    "space within the name" b"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.1";
    "slash in the name" b"GET / HTTP/1.1\r\nHost: a\r\nX/Y: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "parentheses in the name" b"GET / HTTP/1.1\r\nHost: a\r\nX(y): b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "brackets in the name" b"GET / HTTP/1.1\r\nHost: a\r\n[x]: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "at sign in the name" b"GET / HTTP/1.1\r\nHost: a\r\nx@y: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "quoted name" b"GET / HTTP/1.1\r\nHost: a\r\n\"X\": b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "semicolon in the name" b"GET / HTTP/1.1\r\nHost: a\r\nX;y: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "equals sign for a colon" b"GET / HTTP/1.1\r\nHost: a\r\nX= b\r\n\r\n"
        Refused(400), "RFC 9112 section 5";
    "NUL in the name" b"GET / HTTP/1.1\r\nHost: a\r\nX\0Y: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "NUL ends the name of a length"
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length\0: 5\r\n\r\nhello"
        Refused(400), "RFC 9110 section 5.6.2";
    "DEL in the name" b"GET / HTTP/1.1\r\nHost: a\r\nX\x7f: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "byte above ASCII in the name" b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "long s in the name of a coding"
        b"GET / HTTP/1.1\r\nHost: a\r\nTran\xc5\xbffer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2: U+017F folds to s in Unicode, never here";
    "vertical tab before a name" b"GET / HTTP/1.1\r\nHost: a\r\n\x0bX: b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.6.2";
    "NUL in a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.5: reject or replace; rejected";
    "NUL ends a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0\r\n\r\n"
        Refused(400), "RFC 9110 section 5.5";
    "escape character in a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\r\n\r\n"
        Refused(400), "RFC 9110 section 5.5";
    "DEL in a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n"
        Refused(400), "RFC 9110 section 5.5";
    "vertical tab ahead of a value"
        b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"
        Refused(400), "RFC 9110 section 5.5: no whitespace here";
    "form feed after a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x0c\r\n\r\n"
        Refused(400), "RFC 9110 section 5.5";
    "backspace in a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x08b\r\n\r\n"
        Refused(400), "RFC 9110 section 5.5";
    "no Host" b"GET / HTTP/1.1\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2: must be 400";
    "no Host among others" b"GET / HTTP/1.1\r\nX-Host: a\r\nAccept: */*\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2";
    "two Hosts" b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2: must be 400";
    "two equal Hosts" b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2";
    "two Hosts, one in capitals" b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nHOST: b\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2";
    "two Hosts in HTTP/1.0" b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2";
    "empty Host" b"GET / HTTP/1.1\r\nHost:\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2.1: an http URI has a host";
    "Host of whitespace" b"GET / HTTP/1.1\r\nHost: \t \r\n\r\n"
        Refused(400), "RFC 9110 section 4.2.1";
    "Host with a space" b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "Hosts in a list" b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "Hosts in a list without a space" b"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2 allows the comma; two joined fields look so";
    "Host with a slash" b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"
        Refused(400), "RFC 9110 section 7.2";
    "Host with a scheme" b"GET / HTTP/1.1\r\nHost: http://a\r\n\r\n"
        Refused(400), "RFC 9110 section 7.2";
    "Host with a user" b"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n"
        Refused(400), "RFC 9110 section 7.2: without user information";
    "Host with a query" b"GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"
        Refused(400), "RFC 9110 section 7.2";
    "Host with a fragment" b"GET / HTTP/1.1\r\nHost: a#b\r\n\r\n"
        Refused(400), "RFC 9110 section 7.2";
    "Host with a backslash" b"GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "Host with markup" b"GET / HTTP/1.1\r\nHost: <b>\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "Host with a broken escape" b"GET / HTTP/1.1\r\nHost: a%2\r\n\r\n"
        Refused(400), "RFC 3986 section 2.1";
    "Host with bytes above ASCII" b"GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "Host with two ports" b"GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.3";
    "Host with a port of letters" b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.3";
    "Host with a signed port" b"GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.3";
    "Host with a port too large" b"GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"
        Refused(400), "a port has 16 bits";
    "Host of a port alone" b"GET / HTTP/1.1\r\nHost: :80\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2.1";
    "Host with an unclosed bracket" b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "Host with an empty bracket" b"GET / HTTP/1.1\r\nHost: []\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "Host with a word after the bracket" b"GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "Host of a bare IPv6 address" b"GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2: in brackets";
    "unknown expectation" b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\n\r\n"
        Refused(417), "RFC 9110 section 10.1.1";
    "empty expectation" b"GET / HTTP/1.1\r\nHost: a\r\nExpect:\r\n\r\n"
        Refused(417), "RFC 9110 section 10.1.1";
    "expectation with more" b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\n\r\n"
        Refused(417), "RFC 9110 section 10.1.1";
    "two expectations"
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: x\r\n\r\n"
        Refused(417), "RFC 9110 section 10.1.1";
    "expectation without content"
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"
        Served(&[200]), "RFC 9110 section 10.1.1: a final answer, no 100";
    "expectation in capitals, content sent"
        b"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello"
        Served(&[200]), "RFC 9110 section 10.1.1: case-insensitive";
    "expectation in HTTP/1.0" b"GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 9110 section 10.1.1: ignored";
    "close" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 9112 section 9.6: nothing after it is processed";
    "close in capitals" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 9110 section 7.6.1: case-insensitive";
    "close in a list" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x,, close\t,y\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 9110 section 7.6.1";
    "close in a second field"
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 9110 section 5.3: the lines are one list";
    "close and keep-alive"
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 9112 section 9.3: close wins";
    "close within a longer word" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n"
        Served(&[200]), "RFC 9110 section 7.6.1: whole tokens";
    "keep-alive in HTTP/1.0" b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"
        Served(&[200]), "RFC 9112 section 9.3";
    "HTTP/1.0 and close" b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n"
        ServedThenClosed(&[200]), "RFC 9112 section 9.3";
    "Connection names Host" b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Host\r\n\r\n"
        Served(&[200]), "RFC 9110 section 7.6.1 concerns forwarding";
    "upgrade to h2c"
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\n\
          Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        Served(&[200]), "RFC 9110 section 7.8: a server may ignore it";
    "empty value" b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n"
        Served(&[200]), "RFC 9110 section 5.5";
    "value of whitespace" b"GET / HTTP/1.1\r\nHost: a\r\nX: \t \r\n\r\n"
        Served(&[200]), "RFC 9112 section 5.1";
    "no space after the colon" b"GET / HTTP/1.1\r\nHost:a\r\n\r\n"
        Served(&[200]), "RFC 9112 section 5.1";
    "whitespace around the Host" b"GET / HTTP/1.1\r\nHost: \t a \t\r\n\r\n"
        Served(&[200]), "RFC 9112 section 5.1";
    "tab within a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n"
        Served(&[200]), "RFC 9110 section 5.5";
    "colons in a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: :a:b:\r\n\r\n"
        Served(&[200]), "RFC 9112 section 5: the first colon ends the name";
    "bytes above ASCII in a value" b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\xfe\xe9\r\n\r\n"
        Served(&[200]), "RFC 9110 section 5.5: obs-text is opaque";
    "name of marks alone" b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~: b\r\n\r\n"
        Served(&[200]), "RFC 9110 section 5.6.2";
    "underscore for a hyphen" b"GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n"
        Served(&[200]), "RFC 9110 section 5.6.2: another field, not a length";
    "names in odd case" b"gEt / HTTP/1.1\r\nhOsT: a\r\nCONNECTION: close\r\n\r\n"
        ServedThenClosed(&[0]), "RFC 9110 section 5.1: names in any case, methods in theirs";
    "Host with an empty port" b"GET / HTTP/1.1\r\nHost: a:\r\n\r\n"
        Served(&[200]), "RFC 3986 section 3.2.3 allows it";
    "Host of an IPv6 address" b"GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"
        Served(&[200]), "RFC 3986 section 3.2.2";
    "Host of an IPv4 address" b"GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n"
        Served(&[200]), "RFC 3986 section 3.2.2";
    "Host with escapes and marks" b"GET / HTTP/1.1\r\nHost: a_b~%41!$&'()*+;=\r\n\r\n"
        Served(&[200]), "RFC 3986 section 3.2.2";
};
