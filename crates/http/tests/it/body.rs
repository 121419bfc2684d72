//! The body decoder: payload, what is consumed, limits.

use sockeye_http::{BodyDecoder, Decoded, Framing, Limits};

/// The payload and the number of bytes used, or the status of the refusal.
fn decode(framing: Framing, input: &[u8], piece_bytes: usize) -> Result<(Vec<u8>, usize), u16> {
    let mut decoder = BodyDecoder::new(framing, &Limits::default());
    let (mut payload, mut used) = (Vec::new(), 0);
    for piece in input.chunks(piece_bytes) {
        let mut rest = piece;
        while !rest.is_empty() && !decoder.is_done() {
            let decoded = decoder.decode(rest).map_err(|refused| refused.status.code())?;
            payload.extend_from_slice(&rest[decoded.data]);
            rest = &rest[decoded.consumed..];
            used += decoded.consumed;
        }
    }
    Ok((payload, used))
}

#[test]
fn payload_is_found_in_pieces_of_any_size() {
    let check = |framing: Framing, input: &str, payload: &str, rest: &str| {
        for piece_bytes in 1..=input.len() {
            let wanted = (payload.as_bytes().to_vec(), input.len() - rest.len());
            assert_eq!(decode(framing, input.as_bytes(), piece_bytes), Ok(wanted), "{input:?}");
        }
    };
    check(Framing::None, "next", "", "next");
    check(Framing::Length(0), "next", "", "next");
    check(Framing::Length(5), "hellonext", "hello", "next");
    check(Framing::Length(5), "hel", "hel", "");
    check(Framing::Chunked, "0\r\n\r\nnext", "", "next");
    check(Framing::Chunked, "5\r\nhello\r\n0\r\n\r\nnext", "hello", "next");
    check(Framing::Chunked, "2\r\nhe\r\n00003\r\nllo\r\n0\r\n\r\n", "hello", "");
    check(Framing::Chunked, "A;x=\"y\"\r\n0123456789\r\n0\r\nX: y\r\n\r\nn", "0123456789", "n");
    check(Framing::Chunked, "5 ; x\r\n\r\n0\r\n\r\n0\r\n\r\n", "\r\n0\r\n", "");
    check(Framing::Chunked, "5\r\nhe", "he", "");
}

#[test]
fn one_call_gives_one_stretch_of_payload() {
    let mut decoder = BodyDecoder::new(Framing::Chunked, &Limits::default());
    let input = b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nnext";
    let wanted = |consumed, data, done| Ok(Decoded { consumed, data, done });
    assert_eq!(decoder.decode(input), wanted(5, 3..5, false));
    assert_eq!(decoder.decode(&input[5..]), wanted(8, 5..8, false));
    assert_eq!(decoder.decode(&input[13..]), wanted(7, 7..7, true));
    assert_eq!(decoder.decode(&input[20..]), wanted(0, 0..0, true));
}

#[test]
fn a_known_length_is_done_with_its_last_byte() {
    let mut decoder = BodyDecoder::new(Framing::Length(3), &Limits::default());
    assert_eq!(decoder.decode(b"ab"), Ok(Decoded { consumed: 2, data: 0..2, done: false }));
    assert_eq!(decoder.decode(b"cdef"), Ok(Decoded { consumed: 1, data: 0..1, done: true }));
}

#[test]
fn a_refusal_stays_one() {
    let mut decoder = BodyDecoder::new(Framing::Chunked, &Limits::default());
    assert!(decoder.decode(b"5x").is_err());
    assert!(decoder.decode(b"x").is_err());
}

#[test]
fn limits_are_exact() {
    let limits =
        Limits { body_bytes: 4, extension_bytes: 3, trailer_bytes: 8, ..Limits::default() };
    let check = |input: &str, wanted: u16| {
        let mut decoder = BodyDecoder::new(Framing::Chunked, &limits);
        let mut rest = input.as_bytes();
        let mut status = 0;
        while !rest.is_empty() && status == 0 {
            match decoder.decode(rest) {
                Ok(decoded) => rest = &rest[decoded.consumed..],
                Err(refused) => status = refused.status.code(),
            }
        }
        assert_eq!(status, wanted, "{input:?}");
    };
    check("4\r\nabcd\r\n0\r\n\r\n", 0);
    check("5\r\n", 413);
    check("2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n", 0);
    check("2\r\nab\r\n3\r\n", 413);
    check("1;ab\r\na\r\n0\r\n\r\n", 0);
    check("1;abc\r\na\r\n0\r\n\r\n", 400);
    check("1;a\r\na\r\n0;a\r\n\r\n", 400);
    check("0\r\nX: y\r\n\r\n", 0);
    check("0\r\nX: yz\r\n\r\n", 431);
}
