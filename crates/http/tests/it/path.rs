//! Request paths: clean ones below the root, or a refusal.

use std::borrow::Cow;

use sockeye_http::listing::{append_html, append_path, append_segment};
use sockeye_http::path::{NAME_BYTES_MAX, PATH_BYTES_MAX, PathError, clean};

#[test]
fn paths_are_decoded_and_normalized() {
    let check = |raw: &str, path: &str, is_directory: bool, is_hidden: bool| {
        let cleaned = clean(raw.as_bytes()).unwrap_or_else(|error| panic!("{raw}: {error:?}"));
        assert_eq!(String::from_utf8_lossy(&cleaned.path), path, "{raw}");
        assert_eq!((cleaned.is_directory, cleaned.is_hidden), (is_directory, is_hidden), "{raw}");
    };
    check("/", "", true, false);
    check("/a", "a", false, false);
    check("/a/", "a", true, false);
    check("/a/b.html", "a/b.html", false, false);
    check("//", "", true, false);
    check("//a///b//", "a/b", true, false);
    check("/a/./b", "a/b", false, false);
    check("/a/.", "a", true, false);
    check("/a/..", "", true, false);
    check("/a/../b", "b", false, false);
    check("/a/b/../../c/", "c", true, false);
    check("/%61%2d%7E", "a-~", false, false);
    check("/a%20b%c3%a9", "a bé", false, false);
    check("/%2e", "", true, false);
    check("/a/%2E%2e/b", "b", false, false);
    check("/%252e", "%2e", false, false);
    check("/a\\..\\b", "a\\..\\b", false, false);
    check("/a?b", "a?b", false, false);
    check("/%0d%0a", "\r\n", false, false);
    check("/...", "...", false, true);
    check("/.git/config", ".git/config", false, true);
    check("/%2egit", ".git", false, true);
    check("/a/.b", "a/.b", false, true);
    check("/.well-known/acme", ".well-known/acme", false, false);
    check("/.well-known/", ".well-known", true, false);
    check("/a/.well-known/b", "a/.well-known/b", false, true);
    check("/.well-known/.b", ".well-known/.b", false, true);
    check("/.git/../a", "a", false, false);
}

#[test]
fn paths_that_name_nothing_are_refused() {
    let check = |raw: &str, wanted: PathError, status: u16| {
        assert_eq!(clean(raw.as_bytes()).err(), Some(wanted), "{raw}");
        assert_eq!(wanted.status().code(), status);
    };
    check("", PathError::NotAbsolute, 400);
    check("*", PathError::NotAbsolute, 400);
    check("a/b", PathError::NotAbsolute, 400);
    check("/..", PathError::AboveRoot, 400);
    check("/../", PathError::AboveRoot, 400);
    check("/a/../../b", PathError::AboveRoot, 400);
    check("/%2e%2e/a", PathError::AboveRoot, 400);
    check("//../a", PathError::AboveRoot, 400);
    check("/%", PathError::BadEncoding, 400);
    check("/%4", PathError::BadEncoding, 400);
    check("/%zz", PathError::BadEncoding, 400);
    check("/%+1", PathError::BadEncoding, 400);
    check("/%00", PathError::Nul, 400);
    check("/a\0b", PathError::Nul, 400);
    check("/a%2fb", PathError::EncodedSlash, 404);
    check("/..%2F..", PathError::EncodedSlash, 404);
}

#[test]
fn lengths_are_those_of_the_system() {
    let name = |bytes: usize| format!("/{}", "a".repeat(bytes));
    assert!(clean(name(NAME_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(clean(name(NAME_BYTES_MAX + 1).as_bytes()), Err(PathError::TooLong));
    let path = |bytes: usize| format!("/{}", "a/".repeat(bytes / 2) + &"b".repeat(bytes % 2));
    assert!(clean(path(PATH_BYTES_MAX).as_bytes()).is_ok());
    assert_eq!(clean(path(PATH_BYTES_MAX + 2).as_bytes()), Err(PathError::TooLong));
}

#[test]
fn a_clean_path_costs_no_memory() {
    for raw in ["/", "/index.html", "/a/b/c/", "/a.b/c-d_e~f"] {
        let cleaned = clean(raw.as_bytes()).expect("clean");
        assert!(matches!(cleaned.path, Cow::Borrowed(_)), "{raw}");
    }
}

#[test]
fn names_in_a_listing_stay_names() {
    let check = |append: fn(&mut Vec<u8>, &[u8]), text: &[u8], wanted: &str| {
        let mut out = Vec::new();
        append(&mut out, text);
        assert_eq!(String::from_utf8_lossy(&out), wanted);
    };
    check(append_html, b"<a href=\"x\">&'", "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    check(append_html, b"a\xffb", "a\u{fffd}b");
    check(append_segment, b"a b/c?d#e:f\xff", "a%20b%2Fc%3Fd%23e%3Af%FF");
    check(append_segment, b"a-b.c_d~e", "a-b.c_d~e");
    check(append_path, b"/a b/\r\n", "/a%20b/%0D%0A");
}
