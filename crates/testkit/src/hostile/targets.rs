//! Request targets in their four forms, and the paths in them (RFC 9112 section 3.2, RFC 3986).

use super::Answer::{Refused, Served};
use super::{Case, table};

pub(super) fn cases() -> Vec<Case> {
    CASES.to_vec()
}

const CASES: &[Case] = table! {
    "fragment" b"GET /#top HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2: no fragment in a target";
    "fragment hides the path" b"GET /missing#/../ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2";
    "NUL in the target" b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3986 section 2";
    "escape character in the target" b"GET /\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3986 section 2";
    "DEL in the target" b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3986 section 2";
    "path without its slash" b"GET index.html HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2.1";
    "dots without a slash" b"GET ../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2.1";
    "query without a path" b"GET ?a=b HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2.1";
    "asterisk with GET" b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2.4: with OPTIONS alone";
    "asterisk and more" b"OPTIONS *x HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2.4";
    "authority form with GET" b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2.3: with CONNECT alone";
    "CONNECT to a host and port" b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"
        Refused(501), "RFC 9110 section 9.3.6: this is no tunnel";
    "CONNECT to an IPv6 address" b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"
        Refused(501), "RFC 9110 section 9.3.6";
    "CONNECT without a port" b"CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2.3";
    "CONNECT with an empty port" b"CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 9.3.6: an empty port is invalid";
    "CONNECT with a path" b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2.3";
    "scheme of files" b"GET file:///etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2: neither http nor https";
    "scheme of FTP" b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2";
    "scheme of scripts" b"GET javascript:alert(1) HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2";
    "absolute form without slashes" b"GET http:a/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2.1";
    "absolute form with one slash" b"GET http:/a/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2.1";
    "absolute form without a host" b"GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2.1: an empty host is rejected";
    "absolute form with a user" b"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2.4: deprecated, and used to obscure the host";
    "absolute form with a user and password" b"GET http://a:80@b/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9110 section 4.2.4";
    "absolute form with a port too large" b"GET http://a:65536/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.3; a port has 16 bits";
    "absolute form with a port of letters" b"GET http://a:http/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.3";
    "absolute form with a backslash" b"GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "absolute form with an open bracket" b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3986 section 3.2.2";
    "absolute form without a Host field" b"GET http://a/ HTTP/1.1\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2: Host is needed in every form";
    "absolute form with two Host fields" b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2";
    "absolute form with an invalid Host field" b"GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n"
        Refused(400), "RFC 9112 section 3.2";
    "absolute form" b"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 9112 section 3.2.2: a server must accept it";
    "absolute form of another host" b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 9112 section 3.2.2: the Host field is ignored";
    "absolute form in capitals" b"GET HTTP://A/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 3986 section 3.1: schemes are case-insensitive";
    "absolute form without a path" b"GET http://a HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 9110 section 4.2.3: an empty path is /";
    "absolute form with a query alone" b"GET http://a?b=c HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 9110 section 4.2.3";
    "absolute form with a missing path" b"GET http://a:80/missing HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "RFC 9112 section 3.2.2";
    "absolute form as the path" b"GET /http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "RFC 9112 section 3.2.1: a path like any other";
    "OPTIONS for the server" b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[0]), "RFC 9110 section 9.3.7";
    "OPTIONS for a path" b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[0]), "RFC 9110 section 9.3.7";
    "empty query" b"GET /? HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 3986 section 3.4";
    "query of question marks" b"GET /????a=/../ HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 3986 section 3.4: the first mark alone counts";
    "query with a broken escape" b"GET /?a=%zz HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "the query is the application's to decode";
    "raw quotes and brackets in the query" b"GET /?q=\"<[{|}]>\" HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 3986 section 2 forbids them, but clients send them";
    "raw UTF-8 in the path" b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "RFC 3986 section 2 forbids it, but clients send it";
    "raw Latin-1 in the path" b"GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3986 section 2; raw bytes are taken for UTF-8 alone";
    "raw overlong UTF-8 in the path" b"GET /\xc0\xae\xc0\xae/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Refused(400), "RFC 3629 section 3";
    "two slashes" b"GET // HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "empty segments are dropped";
    "two slashes and a host" b"GET //b/missing HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "RFC 9112 section 3.2.1: a path, not a network reference";
    "dot segment" b"GET /./ HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 3986 section 5.2.4";
    "encoded dot segment" b"GET /x/%2e%2E/ HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[200]), "RFC 3986 section 6.2.2.2: %2e is a dot";
    "above the root" b"GET /../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[400]), "RFC 3986 section 5.2.4 would clamp it; no honest client sends it";
    "above the root, encoded" b"GET /%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[400]), "RFC 3986 section 6.2.2.2";
    "above the root, twice encoded" b"GET /%252e%252e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "RFC 3986 section 2.4: decoded once";
    "above the root with backslashes" b"GET /..\\..\\etc\\passwd HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "RFC 3986 section 3.3: a backslash parts no segments";
    "overlong UTF-8 dots" b"GET /%c0%ae%c0%ae/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "RFC 3629 section 3: bytes of a name, never dots";
    "encoded slash" b"GET /..%2fetc/passwd HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "RFC 3986 section 2.2: data of a segment, in no file name";
    "encoded NUL" b"GET /index.html%00.png HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[400]), "in no file name";
    "escape cut short" b"GET /% HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[400]), "RFC 3986 section 2.1";
    "escape of one digit" b"GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[400]), "RFC 3986 section 2.1";
    "escape without hexadecimal digits" b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[400]), "RFC 3986 section 2.1";
    "escape of a code point" b"GET /%u002e HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[400]), "RFC 3986 section 2.1: not part of URIs";
    "encoded line end" b"GET /%0d%0aSet-Cookie:%20a=b HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "a name that is not there; must not split the answer";
    "hidden file" b"GET /.git/config HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "dot files are hidden";
    "hidden file, encoded" b"GET /%2egit/config HTTP/1.1\r\nHost: a\r\n\r\n"
        Served(&[404]), "dot files are hidden";
};
