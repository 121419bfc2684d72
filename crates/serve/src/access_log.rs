//! The access log: a line for each response, collected during a turn of the engine and written
//! with one write(2) at its end. A log that cannot be written costs its lines and one message,
//! never the server.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;

use http::date::DATE_BYTES;
use http::response::append_decimal;

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// The "combined" format that every log reader knows.
    #[default]
    Combined,
    /// One JSON object a line.
    Json,
}

/// Collected lines from which on they are written before the turn's end.
const BUFFER_BYTES: usize = 64 * 1024;
/// The longest text of one field; the rest is cut off.
const FIELD_BYTES_MAX: usize = 2048;

/// What a line says of the request; the bytes sent are known later.
pub struct Request<'a> {
    pub peer: Option<SocketAddr>,
    /// Unix time in UTC.
    pub second: u64,
    pub line: &'a [u8],
    pub status: u16,
    pub referer: Option<&'a [u8]>,
    pub user_agent: Option<&'a [u8]>,
}

/// A line that waits for the count of bytes sent.
pub struct Line {
    before: Vec<u8>,
    after: Vec<u8>,
}

/// One engine's end of the log.
pub struct AccessLog {
    format: Format,
    file: RefCell<Option<File>>,
    buffer: RefCell<Vec<u8>>,
    failing: Cell<bool>,
    report: Box<dyn Fn(&str)>,
}

impl AccessLog {
    /// Without a file nothing is logged. `report` is told once when writing begins to fail, and
    /// once when it works again.
    pub fn new(file: Option<File>, format: Format, report: impl Fn(&str) + 'static) -> AccessLog {
        AccessLog {
            format,
            file: RefCell::new(file),
            buffer: RefCell::default(),
            failing: Cell::new(false),
            report: Box::new(report),
        }
    }

    /// Whether lines are wanted at all.
    pub fn is_on(&self) -> bool {
        self.file.borrow().is_some()
    }

    /// Writes to another file from now on (after the old one was renamed away).
    pub fn reopen(&self, file: File) {
        self.flush();
        *self.file.borrow_mut() = Some(file);
    }

    pub fn line(&self, request: &Request<'_>) -> Line {
        match self.format {
            Format::Combined => combined(request),
            Format::Json => json(request),
        }
    }

    /// Adds a finished line.
    pub fn add(&self, line: &Line, bytes_sent: u64) {
        let mut buffer = self.buffer.borrow_mut();
        buffer.extend_from_slice(&line.before);
        append_decimal(&mut buffer, bytes_sent);
        buffer.extend_from_slice(&line.after);
        if buffer.len() >= BUFFER_BYTES {
            drop(buffer);
            self.flush();
        }
    }

    /// Writes what the turn has collected.
    pub fn flush(&self) {
        let mut buffer = self.buffer.borrow_mut();
        if buffer.is_empty() {
            return;
        }
        if let Some(file) = &*self.file.borrow() {
            let written = write_whole(file, &buffer);
            self.note(written);
        }
        buffer.clear();
    }

    fn note(&self, written: io::Result<()>) {
        match written {
            Err(error) if !self.failing.replace(true) => (self.report)(&format!(
                "cannot write the access log: {error}; serving goes on without it (free the disk, \
                 or name another file and run `sockeye reopen-logs`)"
            )),
            Ok(()) if self.failing.replace(false) => {
                (self.report)("the access log is written again");
            }
            _ => {}
        }
    }
}

fn write_whole(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)
}

fn combined(request: &Request<'_>) -> Line {
    let mut before = Vec::with_capacity(200);
    append_peer(&mut before, request.peer);
    before.extend_from_slice(b" - - [");
    append_time(&mut before, request.second);
    before.extend_from_slice(b"] \"");
    append_escaped(&mut before, request.line);
    before.extend_from_slice(b"\" ");
    append_decimal(&mut before, u64::from(request.status));
    before.push(b' ');
    let mut after = Vec::with_capacity(100);
    for field in [request.referer, request.user_agent] {
        after.extend_from_slice(b" \"");
        append_escaped(&mut after, field.unwrap_or(b"-"));
        after.push(b'"');
    }
    after.push(b'\n');
    Line { before, after }
}

fn json(request: &Request<'_>) -> Line {
    let mut before = Vec::with_capacity(300);
    before.extend_from_slice(b"{\"time\":\"");
    append_rfc3339(&mut before, request.second);
    before.extend_from_slice(b"\",\"peer\":\"");
    append_peer(&mut before, request.peer);
    before.extend_from_slice(b"\",\"request\":");
    append_json(&mut before, request.line);
    before.extend_from_slice(b",\"status\":");
    append_decimal(&mut before, u64::from(request.status));
    for (name, value) in [("referer", request.referer), ("user_agent", request.user_agent)] {
        if let Some(value) = value {
            before.extend_from_slice(b",\"");
            before.extend_from_slice(name.as_bytes());
            before.extend_from_slice(b"\":");
            append_json(&mut before, value);
        }
    }
    before.extend_from_slice(b",\"bytes_sent\":");
    Line { before, after: b"}\n".to_vec() }
}

fn append_peer(out: &mut Vec<u8>, peer: Option<SocketAddr>) {
    match peer {
        // Writing to memory does not fail.
        Some(peer) => drop(write!(out, "{}", peer.ip())),
        None => out.extend_from_slice(b"unix:"),
    }
}

/// `22/Nov/2026:16:14:00 +0000`, from the pieces of `Sun, 22 Nov 2026 16:14:00 GMT`.
fn append_time(out: &mut Vec<u8>, second: u64) {
    let date: [u8; DATE_BYTES] = http::date::format(second);
    for piece in [&date[5..7], b"/", &date[8..11], b"/", &date[12..16], b":", &date[17..25]] {
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(b" +0000");
}

/// `2026-11-22T16:14:00Z`.
fn append_rfc3339(out: &mut Vec<u8>, second: u64) {
    let date: [u8; DATE_BYTES] = http::date::format(second);
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = MONTHS.chunks(3).position(|name| name == &date[8..11]).unwrap_or(0) + 1;
    let month = [b'0' + (month / 10) as u8, b'0' + (month % 10) as u8];
    for piece in [&date[12..16], b"-", &month, b"-", &date[5..7], b"T", &date[17..25], b"Z"] {
        out.extend_from_slice(piece);
    }
}

/// As nginx escapes: quotes, backslashes and whatever is not printable ASCII become `\xHH`, so
/// that no request can forge a line or move a terminal's cursor.
fn append_escaped(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in &text[..text.len().min(FIELD_BYTES_MAX)] {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f..=0xff => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\x");
                out.extend_from_slice(&digits);
            }
            byte => out.push(byte),
        }
    }
}

fn append_json(out: &mut Vec<u8>, text: &[u8]) {
    let text = String::from_utf8_lossy(&text[..text.len().min(FIELD_BYTES_MAX)]);
    // Writing a string to memory does not fail.
    drop(serde_json::to_writer(out, &text));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request<'static> {
        Request {
            peer: Some("[::1]:5".parse().unwrap()),
            second: 1_795_363_200,
            line: b"GET /\"\n\xff HTTP/1.1",
            status: 200,
            referer: None,
            user_agent: Some(b"a\\b"),
        }
    }

    fn written(format: Format) -> String {
        let log = AccessLog::new(None, format, |_| ());
        log.add(&log.line(&request()), 12);
        String::from_utf8(log.buffer.take()).unwrap()
    }

    #[test]
    fn combined_lines_cannot_be_forged() {
        assert_eq!(
            written(Format::Combined),
            "::1 - - [22/Nov/2026:16:00:00 +0000] \"GET /\\x22\\x0A\\xFF HTTP/1.1\" 200 12 \"-\" \
             \"a\\x5Cb\"\n"
        );
    }

    #[test]
    fn json_lines_are_json() {
        let line = written(Format::Json);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["time"], "2026-11-22T16:00:00Z");
        assert_eq!(value["request"], "GET /\"\n\u{fffd} HTTP/1.1");
        assert_eq!((&value["status"], &value["bytes_sent"]), (&200.into(), &12.into()));
    }

    #[test]
    fn a_full_disk_is_said_once_and_costs_lines_only() {
        let said = std::rc::Rc::new(RefCell::new(Vec::new()));
        let heard = said.clone();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let log = AccessLog::new(Some(full), Format::Combined, move |text: &str| {
            heard.borrow_mut().push(text.to_owned());
        });
        for _ in 0..3 {
            log.add(&log.line(&request()), 1);
            log.flush();
        }
        log.reopen(tempfile::tempfile().unwrap());
        log.add(&log.line(&request()), 1);
        log.flush();
        let said = said.borrow();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("No space left on device"), "{said:?}");
    }
}
