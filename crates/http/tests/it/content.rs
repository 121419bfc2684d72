//! Media types, content codings and dates.

use std::borrow::Cow;

use sockeye_http::date::{self, DateCell};
use sockeye_http::mime;
use sockeye_http::negotiate::{Available, Encoding, pick};

#[test]
fn types_follow_the_ending() {
    let check = |path: &str, wanted: &str| assert_eq!(mime::of(path.as_bytes()), wanted, "{path}");
    check("index.html", "text/html; charset=utf-8");
    check("a/b/STYLE.CSS", "text/css; charset=utf-8");
    check("app.js", "text/javascript; charset=utf-8");
    check("app.mjs", "text/javascript; charset=utf-8");
    check("notes.txt", "text/plain; charset=utf-8");
    check("notes.md", "text/markdown; charset=utf-8");
    check("data.json", "application/json");
    check("image.svg", "image/svg+xml");
    check("image.png", "image/png");
    check("app.wasm", "application/wasm");
    check("font.woff2", "font/woff2");
    check("archive.tar.gz", "application/gzip");
    check("README", mime::UNKNOWN);
    check("a.b/README", mime::UNKNOWN);
    check(".html", mime::UNKNOWN);
    check("x.", mime::UNKNOWN);
    check("x.nonesuch", mime::UNKNOWN);
    check("", mime::UNKNOWN);
    assert!(matches!(mime::of(b"index.html"), Cow::Borrowed(_)));
    assert_eq!(mime::of(b"a.\xff"), mime::UNKNOWN);
}

#[test]
fn codings_follow_weights_then_preference() {
    let all = Available { zstd: true, brotli: true, gzip: true };
    let gzip = Available { gzip: true, ..Available::default() };
    let check = |value: &str, available: Available, wanted: Encoding| {
        assert_eq!(pick([value.as_bytes()], available), wanted, "{value:?}");
    };
    check("gzip, deflate, br, zstd", all, Encoding::Zstd);
    check("gzip, deflate, br", all, Encoding::Brotli);
    check("gzip, deflate, br, zstd", gzip, Encoding::Gzip);
    check("gzip, deflate, br, zstd", Available::default(), Encoding::Identity);
    check("br;q=0.5, gzip;q=0.8", all, Encoding::Gzip);
    check("br;q=0.5, gzip;q=0.501", all, Encoding::Gzip);
    check("GZIP ; Q=1.000", all, Encoding::Gzip);
    check("x-gzip", all, Encoding::Gzip);
    check("*", all, Encoding::Zstd);
    check("*;q=0.1", gzip, Encoding::Gzip);
    check("zstd;q=0, *", all, Encoding::Brotli);
    check("gzip;q=0", gzip, Encoding::Identity);
    check("gzip;q=0.000, *;q=0", all, Encoding::Identity);
    check("identity", all, Encoding::Identity);
    check("identity, gzip", all, Encoding::Gzip);
    check("identity, gzip;q=0.5", all, Encoding::Identity);
    check("identity;q=0, gzip;q=0.1", all, Encoding::Gzip);
    check("identity;q=0", all, Encoding::Identity);
    check("identity;q=0, *;q=0", all, Encoding::Identity);
    check("", all, Encoding::Identity);
    check(",,;;,", all, Encoding::Identity);
    check("deflate", all, Encoding::Identity);
    for malformed in ["gzip;q=2", "gzip;q=1.001", "gzip;q=0.1234", "gzip;q=", "gzip;q=.5", "gzip;x"]
        .into_iter()
        .chain(["gzip;q=-1", "gzip;q=0.x", "gzip;q=1;q=1", "gzip;q=1.0.0", "gz ip", "gzipx"])
    {
        check(malformed, all, Encoding::Identity);
    }
    assert_eq!(pick(None, all), Encoding::Identity);
    assert_eq!(pick([&b"gzip"[..], b"br"], all), Encoding::Brotli);
    assert_eq!((Encoding::Brotli.name(), Encoding::Zstd.extension()), (Some("br"), Some(".zst")));
}

#[test]
fn dates_are_read_in_three_forms() {
    let check = |text: &str, wanted: Option<u64>| {
        assert_eq!(date::parse(text.as_bytes()), wanted, "{text:?}");
    };
    check("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777));
    check("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777));
    check("Sun Nov  6 08:49:37 1994", Some(784_111_777));
    check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
    check("Thu, 29 Feb 2024 00:00:00 GMT", Some(1_709_164_800));
    check("", None);
    check("Sun, 06 Nov 1994 08:49:37", None);
    check("Sun, 06 Nov 1994 08:49:37 CET", None);
    check("Sun, 06 Nov 1994 25:49:37 GMT", None);
    check("Sun, 31 Feb 1994 08:49:37 GMT extra", None);
    check("784111777", None);
    assert_eq!(date::parse(b"Sun, 06 Nov 1994 08:49:37 G\xffT"), None);
}

#[test]
fn dates_are_written_in_one_form() {
    let check = |second: u64, wanted: &str| {
        assert_eq!(String::from_utf8_lossy(&date::format(second)), wanted);
    };
    check(0, "Thu, 01 Jan 1970 00:00:00 GMT");
    check(784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT");
    check(1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT");
    check(253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT");
    check(u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT");
    for second in (0..4_000_000_000).step_by(77_777_777) {
        assert_eq!(date::parse(&date::format(second)), Some(second));
    }
}

#[test]
fn the_cell_follows_the_second() {
    let mut cell = DateCell::new(0);
    assert_eq!(cell.text(), b"Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(cell.at(1), b"Thu, 01 Jan 1970 00:00:01 GMT");
    assert_eq!(cell.at(1), b"Thu, 01 Jan 1970 00:00:01 GMT");
    assert_eq!(cell.at(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
}
