//! Ranges: which bytes, in which order, and the exact text of a multipart answer.

use sockeye_http::range::{ByteRange, Multipart, RANGES_MAX, RangeRequest, parse};

/// `ignore`, `unsatisfiable` or the ranges as `start-end` with the end left out.
fn text(request: RangeRequest) -> String {
    match request {
        RangeRequest::Ignore => "ignore".to_owned(),
        RangeRequest::Unsatisfiable => "unsatisfiable".to_owned(),
        RangeRequest::Satisfiable(ranges) => {
            let texts: Vec<String> =
                ranges.iter().map(|range| format!("{}-{}", range.start, range.end)).collect();
            texts.join(" ")
        }
    }
}

#[test]
fn ranges_are_read_clamped_and_joined() {
    let check = |value: &str, wanted: &str| {
        assert_eq!(text(parse(value.as_bytes(), 100)), wanted, "{value:?}");
    };
    check("bytes=0-0", "0-1");
    check("bytes=0-99", "0-100");
    check("bytes=10-", "10-100");
    check("bytes=-10", "90-100");
    check("bytes=-1000", "0-100");
    check("bytes=90-1000", "90-100");
    check("bytes=0-99999999999999999999999", "0-100");
    check("BYTES=1-2", "1-3");
    check("bytes= 1-2 ,\t5-6", "1-3 5-7");
    check("bytes=,,1-2,,", "1-3");
    check("bytes=5-6,1-2", "5-7 1-3");
    check("bytes=0-4,5-9", "0-10");
    check("bytes=5-9,0-4", "0-10");
    check("bytes=0-9,5-14,40-49", "0-15 40-50");
    check("bytes=0-9,20-29,5-24", "0-30");
    check("bytes=40-49,0-9,20-29,5-24", "40-50 0-30");
    check("bytes=0-,0-,0-", "0-100");
    check("bytes=100-,0-0", "0-1");
    check("bytes=100-", "unsatisfiable");
    check("bytes=100-200", "unsatisfiable");
    check("bytes=-0", "unsatisfiable");
    check("bytes=99999999999999999999999-", "unsatisfiable");
    for ignored in
        ["", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=5", "bytes=5-2", "bytes=a-b"]
            .into_iter()
            .chain(["bytes=1-2,x", "bytes=+1-2", "bytes=1--2", "bytes=--1", "bytes=1-2-3"])
            .chain(["bytes =1-2", "lines=1-2", "bytes=1 -2", "bytes=0x1-2", "byte=1-2"])
    {
        check(ignored, "ignore");
    }
}

#[test]
fn an_empty_representation_has_no_ranges() {
    for value in ["bytes=0-", "bytes=0-0", "bytes=-5"] {
        assert_eq!(parse(value.as_bytes(), 0), RangeRequest::Ignore, "{value}");
    }
}

#[test]
fn too_many_ranges_are_ignored() {
    let specs = |count: u64| {
        let list: Vec<String> = (0..count).map(|at| format!("{}-{}", at * 3, at * 3)).collect();
        format!("bytes={}", list.join(","))
    };
    let limit = RANGES_MAX as u64;
    let RangeRequest::Satisfiable(ranges) = parse(specs(limit).as_bytes(), 10_000) else {
        panic!("{limit} ranges are served");
    };
    assert_eq!(ranges.len(), RANGES_MAX);
    assert_eq!(parse(specs(limit + 1).as_bytes(), 10_000), RangeRequest::Ignore);
}

#[test]
fn a_multipart_answer_has_the_length_it_says() {
    let multipart = Multipart { boundary: b"B0undary", content_type: b"text/plain", length: 26 };
    let content: Vec<u8> = (b'a'..=b'z').collect();
    let ranges = [ByteRange { start: 0, end: 3 }, ByteRange { start: 24, end: 26 }];
    let mut out = Vec::new();
    for range in ranges {
        multipart.append_part_head(&mut out, range);
        out.extend_from_slice(&content[range.start as usize..range.end as usize]);
    }
    multipart.append_end(&mut out);
    let wanted = "\r\n--B0undary\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-2/26\r\n\r\n\
        abc\r\n--B0undary\r\nContent-Type: text/plain\r\nContent-Range: bytes 24-25/26\r\n\r\n\
        yz\r\n--B0undary--\r\n";
    assert_eq!(String::from_utf8_lossy(&out), wanted);
    assert_eq!(multipart.content_length(&ranges), out.len() as u64);
}
