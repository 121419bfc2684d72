//! Reads HTTP/1.1 responses from bytes as they come, strictly: what a server frames wrongly is
//! an error here, since the tests exist to find it (RFC 9112 sections 4, 6 and 7.1).
//!
//! The load generator meets the same head a million times, so a head equal to the one before is
//! recognised by comparison and not parsed again.

use std::ops::Range;

/// The longest response head that is accepted, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// The longest line of a chunk's size or of one trailer, in bytes.
const LINE_BYTES_MAX: u32 = 4096;

/// Why bytes are not a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// One whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    pub status: u16,
    /// The server will close: `Connection: close`, or a body that only the end delimits.
    pub close: bool,
    pub body_bytes: u64,
}

/// What one look at the input gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    pub consumed: usize,
    /// The part of the input that is body.
    pub body: Range<usize>,
    pub finished: Option<Finished>,
}

/// The state of one connection's response.
///
/// ```text
/// Head -> Length | Chunked | UntilEnd -> (finished) -> Head
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    partial: Vec<u8>,
    phase: Phase,
    status: u16,
    close: bool,
    body_bytes: u64,
}

/// The last head that was read, shared by all the connections of one client.
#[derive(Debug, Default)]
pub struct Known {
    head: Vec<u8>,
    parsed: Option<Head>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Phase {
    #[default]
    Head,
    Length(u64),
    Chunked(Chunk),
    UntilEnd,
}

#[derive(Clone, Copy, Debug)]
enum Chunk {
    Size { value: u64, digits: u32 },
    SizeEnd { value: u64 },
    Data(u64),
    DataReturn,
    DataEnd,
    Trailer { bytes: u32 },
    TrailerEnd { bytes: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    close: bool,
    framing: Framing,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Framing {
    Absent,
    Length(u64),
    Chunked,
}

impl Known {
    /// The bytes of the last head, with the empty line at its end.
    pub fn head(&self) -> &[u8] {
        &self.head
    }
}

impl Reader {
    /// Whether not one byte of a response has been seen.
    pub fn is_fresh(&self) -> bool {
        matches!(self.phase, Phase::Head) && self.partial.is_empty()
    }

    /// How many bytes are certainly body, so that they may be dropped unseen.
    pub fn body_ahead(&self) -> u64 {
        match self.phase {
            Phase::Length(left) | Phase::Chunked(Chunk::Data(left)) => left,
            Phase::UntilEnd => u64::MAX,
            Phase::Head | Phase::Chunked(_) => 0,
        }
    }

    /// Counts `bytes` of body that were dropped unseen; no more than `body_ahead` gave.
    pub fn skip_body(&mut self, bytes: u64) -> Option<Finished> {
        self.body_bytes += bytes;
        match &mut self.phase {
            Phase::Length(left) => {
                *left = left.saturating_sub(bytes);
                (*left == 0).then(|| self.finish())
            }
            Phase::Chunked(Chunk::Data(left)) => {
                *left = left.saturating_sub(bytes);
                if *left == 0 {
                    self.phase = Phase::Chunked(Chunk::DataReturn);
                }
                None
            }
            Phase::Head | Phase::Chunked(_) | Phase::UntilEnd => None,
        }
    }

    /// Takes what it can from `input`, which is not empty, for one response. `head_only` is
    /// for HEAD requests, whose replies have a length and no body.
    pub fn step(
        &mut self,
        input: &[u8],
        known: &mut Known,
        head_only: bool,
    ) -> Result<Step, Malformed> {
        match self.phase {
            Phase::Head => self.step_head(input, known, head_only),
            Phase::Length(_) | Phase::UntilEnd => {
                let bytes = (input.len() as u64).min(self.body_ahead()) as usize;
                let finished = self.skip_body(bytes as u64);
                Ok(Step { consumed: bytes, body: 0..bytes, finished })
            }
            Phase::Chunked(chunk) => self.step_chunked(input, chunk),
        }
    }

    /// The stream ended: a response that only the end delimits is whole now.
    pub fn end(&mut self) -> Option<Finished> {
        matches!(self.phase, Phase::UntilEnd).then(|| self.finish())
    }

    fn finish(&mut self) -> Finished {
        let finished =
            Finished { status: self.status, close: self.close, body_bytes: self.body_bytes };
        self.phase = Phase::Head;
        self.body_bytes = 0;
        finished
    }

    fn step_head(
        &mut self,
        input: &[u8],
        known: &mut Known,
        head_only: bool,
    ) -> Result<Step, Malformed> {
        if let Some(head) = known.parsed
            && self.partial.is_empty()
            && input.starts_with(&known.head)
        {
            return Ok(self.begin_body(known.head.len(), head, head_only));
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(input);
        let searched = before.saturating_sub(3);
        let Some(at) = memchr::memmem::find(&self.partial[searched..], b"\r\n\r\n") else {
            if self.partial.len() > HEAD_BYTES_MAX {
                return Err(Malformed("a head longer than the limit"));
            }
            return Ok(Step { consumed: input.len(), body: 0..0, finished: None });
        };
        self.partial.truncate(searched + at + 4);
        let consumed = self.partial.len() - before;
        let head = parse_head(&self.partial)?;
        std::mem::swap(&mut known.head, &mut self.partial);
        known.parsed = Some(head);
        self.partial.clear();
        Ok(self.begin_body(consumed, head, head_only))
    }

    fn begin_body(&mut self, consumed: usize, head: Head, head_only: bool) -> Step {
        let step = |finished| Step { consumed, body: 0..0, finished };
        if (100..200).contains(&head.status) && head.status != 101 {
            return step(None);
        }
        self.status = head.status;
        self.close = head.close;
        self.body_bytes = 0;
        let bodiless = head_only || matches!(head.status, 101 | 204 | 304);
        if bodiless || head.framing == Framing::Length(0) {
            return step(Some(self.finish()));
        }
        self.phase = match head.framing {
            Framing::Length(bytes) => Phase::Length(bytes),
            Framing::Chunked => Phase::Chunked(Chunk::Size { value: 0, digits: 0 }),
            Framing::Absent => {
                self.close = true;
                Phase::UntilEnd
            }
        };
        step(None)
    }

    /// Data goes by the slice, all else of the coding by the byte.
    fn step_chunked(&mut self, input: &[u8], mut chunk: Chunk) -> Result<Step, Malformed> {
        for (at, byte) in input.iter().enumerate() {
            if let Chunk::Data(left) = chunk {
                let bytes = left.min((input.len() - at) as u64) as usize;
                self.phase = Phase::Chunked(chunk);
                let finished = self.skip_body(bytes as u64);
                return Ok(Step { consumed: at + bytes, body: at..at + bytes, finished });
            }
            match next_chunk_state(chunk, *byte)? {
                Some(next) => chunk = next,
                None => {
                    let finished = Some(self.finish());
                    return Ok(Step { consumed: at + 1, body: 0..0, finished });
                }
            }
        }
        self.phase = Phase::Chunked(chunk);
        Ok(Step { consumed: input.len(), body: 0..0, finished: None })
    }
}

/// RFC 9112 section 7.1, one byte at a time; `None` is the end of the body.
fn next_chunk_state(chunk: Chunk, byte: u8) -> Result<Option<Chunk>, Malformed> {
    let next = match (chunk, byte) {
        (Chunk::Size { value, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') if digits < 15 => {
            let digit = (byte as char).to_digit(16).unwrap_or(0);
            Chunk::Size { value: value * 16 + u64::from(digit), digits: digits + 1 }
        }
        (Chunk::Size { value, digits: 1.. }, b'\r') => Chunk::SizeEnd { value },
        (Chunk::Size { digits: 1.., .. }, b';') => {
            return Err(Malformed("a chunk extension, which no server here sends"));
        }
        (Chunk::SizeEnd { value: 0 }, b'\n') => Chunk::Trailer { bytes: 0 },
        (Chunk::SizeEnd { value }, b'\n') => Chunk::Data(value),
        (Chunk::DataReturn, b'\r') => Chunk::DataEnd,
        (Chunk::DataEnd, b'\n') => Chunk::Size { value: 0, digits: 0 },
        (Chunk::Trailer { bytes }, b'\r') => Chunk::TrailerEnd { bytes },
        (Chunk::Trailer { bytes }, _) if bytes < LINE_BYTES_MAX => {
            Chunk::Trailer { bytes: bytes + 1 }
        }
        (Chunk::TrailerEnd { bytes: 0 }, b'\n') => return Ok(None),
        (Chunk::TrailerEnd { .. }, b'\n') => Chunk::Trailer { bytes: 0 },
        _ => return Err(Malformed("a chunked body whose coding is broken")),
    };
    Ok(Some(next))
}

fn parse_head(head: &[u8]) -> Result<Head, Malformed> {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r"));
    let status_line = lines.next().flatten().ok_or(Malformed("a bare LF in the head"))?;
    let status = parse_status(status_line)?;
    let version_1_0 = status_line.starts_with(b"HTTP/1.0");
    let mut parsed = Head { status, close: version_1_0, framing: Framing::Absent };
    for line in lines {
        match line {
            None => break,
            Some(b"") => return Ok(parsed),
            Some(line) => parse_field(line, &mut parsed)?,
        }
    }
    Err(Malformed("a bare LF in the head"))
}

fn parse_status(line: &[u8]) -> Result<u16, Malformed> {
    let code = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "));
    let code = code.ok_or(Malformed("a status line that is not HTTP/1.x"))?;
    match code {
        [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..]
        | [a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |byte: &u8| u16::from(byte - b'0');
            Ok(digit(a) * 100 + digit(b) * 10 + digit(c))
        }
        _ => Err(Malformed("a status code that is not three digits")),
    }
}

fn parse_field(line: &[u8], head: &mut Head) -> Result<(), Malformed> {
    let colon = memchr::memchr(b':', line).ok_or(Malformed("a header line without a colon"))?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if name.eq_ignore_ascii_case(b"content-length") {
        let length = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
        let length = length.ok_or(Malformed("a Content-Length that is not a number"))?;
        if head.framing != Framing::Absent {
            return Err(Malformed("a body framed twice"));
        }
        head.framing = Framing::Length(length);
    } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
        if head.framing != Framing::Absent || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Malformed("a body framed twice, or by an unknown coding"));
        }
        head.framing = Framing::Chunked;
    } else if name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"close") {
        head.close = true;
    } else if name.eq_ignore_ascii_case(b"connection") && value.eq_ignore_ascii_case(b"keep-alive")
    {
        head.close = false;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Finished, Known, Malformed, Reader};

    /// Feeds `input` in pieces of `piece` bytes and gives the responses and the bodies.
    fn read(input: &[u8], piece: usize) -> Result<(Vec<Finished>, Vec<u8>), Malformed> {
        let (mut reader, mut known) = (Reader::default(), Known::default());
        let (mut all, mut body) = (Vec::new(), Vec::new());
        for mut part in input.chunks(piece) {
            while !part.is_empty() {
                let step = reader.step(part, &mut known, false)?;
                body.extend_from_slice(&part[step.body.clone()]);
                all.extend(step.finished);
                part = &part[step.consumed..];
            }
        }
        all.extend(reader.end());
        Ok((all, body))
    }

    #[test]
    fn responses_are_read_alike_in_any_pieces() {
        let check = |input: &str, expected: &[(u16, u64, bool)], body: &str| {
            for piece in 1..=input.len() {
                let (all, bytes) = read(input.as_bytes(), piece).unwrap();
                let all: Vec<_> = all.iter().map(|r| (r.status, r.body_bytes, r.close)).collect();
                assert_eq!(all, expected, "{input:?} in pieces of {piece}");
                assert_eq!(bytes, body.as_bytes(), "{input:?} in pieces of {piece}");
            }
        };
        let ok = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
        check(ok, &[(200, 3, false)], "abc");
        check(&format!("{ok}{ok}"), &[(200, 3, false), (200, 3, false)], "abcabc");
        check("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", &[(204, 0, false)], "");
        check("HTTP/1.1 200\r\nConnection: close\r\n\r\nxy", &[(200, 2, true)], "xy");
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            &[(200, 3, false)],
            "abc",
        );
        check(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n",
            &[(200, 0, false)],
            "",
        );
        check("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", &[], "abc");
    }

    #[test]
    fn broken_responses_are_refused() {
        let check = |input: &str| {
            assert!(read(input.as_bytes(), input.len()).is_err(), "{input:?} was accepted");
        };
        check("HTTP/2 200 OK\r\n\r\n");
        check("HTTP/1.1 20 OK\r\n\r\n");
        check("HTTP/1.1 200 OK\nA: b\r\n\r\n");
        check("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n");
        check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n");
        check("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
        check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc");
        check("HTTP/1.1 200 OK\r\nno colon\r\n\r\n");
    }
}
