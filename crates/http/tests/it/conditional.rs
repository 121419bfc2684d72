//! Preconditions, entity tags and If-Range.

use sockeye_http::conditional::{Verdict, evaluate, range_applies};
use sockeye_http::etag::{ETag, matches_strongly, matches_weakly, tags};
use sockeye_http::{Limits, Scan, parse_head};

const TAG: &[u8] = b"\"tag\"";

/// Sun, 06 Nov 1994 08:49:37 GMT.
const CHANGED: u64 = 784_111_777;

const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

fn verdict(method: &str, fields: &[(&str, &str)]) -> Verdict {
    let bytes = request(method, fields);
    let head = parse_head(bytes.as_bytes(), &mut Scan::default(), &Limits::default());
    evaluate(&head.expect("well formed").expect("complete"), TAG, CHANGED)
}

fn request(method: &str, fields: &[(&str, &str)]) -> String {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("{method} / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

#[test]
fn preconditions_are_evaluated_in_order() {
    use Verdict::{NotModified, PreconditionFailed, Proceed};
    let check = |method: &str, fields: &[(&str, &str)], wanted: Verdict| {
        assert_eq!(verdict(method, fields), wanted, "{method} {fields:?}");
    };
    check("GET", &[], Proceed);
    check("GET", &[("If-Match", "*")], Proceed);
    check("GET", &[("If-Match", "\"tag\"")], Proceed);
    check("GET", &[("If-Match", "\"x\", \"tag\"")], Proceed);
    check("GET", &[("If-Match", "\"x\""), ("If-Match", "\"tag\"")], Proceed);
    check("GET", &[("If-Match", "\"x\"")], PreconditionFailed);
    check("GET", &[("If-Match", "W/\"tag\"")], PreconditionFailed);
    check("GET", &[("If-Match", "")], PreconditionFailed);
    check("PUT", &[("If-Match", "\"x\"")], PreconditionFailed);
    check("GET", &[("If-Unmodified-Since", SAME)], Proceed);
    check("GET", &[("If-Unmodified-Since", AFTER)], Proceed);
    check("GET", &[("If-Unmodified-Since", BEFORE)], PreconditionFailed);
    check("GET", &[("If-Unmodified-Since", "nonsense")], Proceed);
    // If-Match, where present, takes the place of If-Unmodified-Since.
    check("GET", &[("If-Match", "*"), ("If-Unmodified-Since", BEFORE)], Proceed);
    check("GET", &[("If-None-Match", "*")], NotModified);
    check("HEAD", &[("If-None-Match", "\"tag\"")], NotModified);
    check("GET", &[("If-None-Match", "W/\"tag\"")], NotModified);
    check("GET", &[("If-None-Match", "\"a,b\" , W/\"c\",\"tag\"")], NotModified);
    check("GET", &[("If-None-Match", "\"x\"")], Proceed);
    check("GET", &[("If-None-Match", "tag")], Proceed);
    check("GET", &[("If-None-Match", "\"tag")], Proceed);
    check("PUT", &[("If-None-Match", "*")], PreconditionFailed);
    check("PUT", &[("If-None-Match", "\"x\"")], Proceed);
    check("GET", &[("If-Modified-Since", SAME)], NotModified);
    check("GET", &[("If-Modified-Since", AFTER)], NotModified);
    check("GET", &[("If-Modified-Since", BEFORE)], Proceed);
    check("GET", &[("If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")], NotModified);
    check("GET", &[("If-Modified-Since", "Sun Nov  6 08:49:37 1994")], NotModified);
    check("GET", &[("If-Modified-Since", "784111777")], Proceed);
    check("GET", &[("If-Modified-Since", SAME), ("If-Modified-Since", SAME)], Proceed);
    check("PUT", &[("If-Modified-Since", SAME)], Proceed);
    // If-None-Match, where present, takes the place of If-Modified-Since.
    check("GET", &[("If-None-Match", "\"x\""), ("If-Modified-Since", AFTER)], Proceed);
    check("GET", &[("If-Match", "\"x\""), ("If-None-Match", "*")], PreconditionFailed);
}

#[test]
fn ranges_apply_to_the_version_that_the_client_has() {
    let check = |fields: &[(&str, &str)], now: u64, wanted: bool| {
        let bytes = request("GET", fields);
        let head = parse_head(bytes.as_bytes(), &mut Scan::default(), &Limits::default());
        let head = head.expect("well formed").expect("complete");
        assert_eq!(range_applies(&head, TAG, CHANGED, now), wanted, "{fields:?} at {now}");
    };
    let later = CHANGED + 60;
    check(&[], later, true);
    check(&[("If-Range", "\"tag\"")], later, true);
    check(&[("If-Range", "\"x\"")], later, false);
    check(&[("If-Range", "W/\"tag\"")], later, false);
    check(&[("If-Range", SAME)], later, true);
    check(&[("If-Range", SAME)], CHANGED, false);
    check(&[("If-Range", AFTER)], later, false);
    check(&[("If-Range", BEFORE)], later, false);
    check(&[("If-Range", "")], later, false);
    check(&[("If-Range", "\"tag\""), ("If-Range", "\"tag\"")], later, false);
}

#[test]
fn tags_are_compared_as_the_rfc_tabulates() {
    let check = |one: &str, other: &str, strongly: bool, weakly: bool| {
        assert_eq!(matches_strongly(one.as_bytes(), other.as_bytes()), strongly);
        assert_eq!(matches_weakly(one.as_bytes(), other.as_bytes()), weakly);
    };
    // RFC 9110 section 8.8.3.2.
    check("W/\"1\"", "W/\"1\"", false, true);
    check("W/\"1\"", "W/\"2\"", false, false);
    check("W/\"1\"", "\"1\"", false, true);
    check("\"1\"", "\"1\"", true, true);
}

#[test]
fn lists_of_tags_end_at_the_first_malformed_one() {
    let check = |value: &str, wanted: &[&str]| {
        let listed: Vec<String> =
            tags(value.as_bytes()).map(|tag| String::from_utf8_lossy(tag).into_owned()).collect();
        assert_eq!(listed, wanted, "{value:?}");
    };
    check("", &[]);
    check("\"\"", &["\"\""]);
    check("\"a\",W/\"b\" ,, \"c,d\"", &["\"a\"", "W/\"b\"", "\"c,d\""]);
    check("\"a\", b, \"c\"", &["\"a\""]);
    check("\"a\"\"b\"", &[]);
    check("\"a", &[]);
    check("w/\"a\"", &[]);
    check("\"a b\"", &[]);
}

#[test]
fn a_made_tag_is_strong_and_one_tag() {
    for tag in [ETag::new(0, 0, 0), ETag::new(1, 16, 255), ETag::new(u64::MAX, u64::MAX, u64::MAX)]
    {
        assert_eq!(tags(&tag).collect::<Vec<_>>(), [&tag[..]]);
        assert!(matches_strongly(&tag, &tag));
    }
    assert_eq!(&ETag::new(1, 16, 255)[..], b"\"1-10-ff\"");
}
