//! Messages to lines and lines to messages, without reading or writing anything.
//!
//! A reader pushes what it received and takes out messages until there are none. The peer may be
//! another version of the program or someone typing, so every line is judged: too long, not JSON,
//! of another version, or not this kind of message, each with an error that says which. A line that
//! is merely wrong is skipped and the next is read; a line without end is the end of the stream.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::message::{Command, FromWorker, Message, Reply, ToWorker};

/// The version of the messages. It grows when an older reader would misunderstand a newer writer.
pub const VERSION: u32 = 1;

/// The longest line accepted: room for a status with some ten thousand connections.
pub const LINE_BYTES_MAX: usize = 4 << 20;

/// The most a decoder holds: one whole line not yet taken, and one not yet complete.
const BUFFER_BYTES_MAX: usize = 2 * (LINE_BYTES_MAX + 1);

/// How much of a bad line an error repeats.
const EXCERPT_CHARS_MAX: usize = 60;

/// One message as a line, its line feed included.
pub fn encode<T: Message>(message: &T) -> Vec<u8> {
    let envelope = Envelope { version: VERSION, message };
    let mut line = serde_json::to_vec(&envelope)
        .expect("views and commands have string keys and no floats, which always serialize");
    line.push(b'\n');
    line
}

/// Collects bytes and gives them back as messages.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` already given out as messages.
    taken: usize,
    /// Bytes of `buffer` known to hold no line feed beyond `taken`.
    scanned: usize,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Reading,
    /// A line passed the limit: where the next one begins is unknown, so nothing more is read.
    Overflowed,
}

impl Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds received bytes. Take the messages out with [`Self::next_message`] after each push.
    pub fn push(&mut self, bytes: &[u8]) {
        if matches!(self.state, State::Overflowed) {
            return;
        }
        self.forget_taken();
        if self.buffer.len() + bytes.len() > BUFFER_BYTES_MAX {
            self.overflow();
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole message; `Ok(None)` when more bytes are needed.
    pub fn next_message<T: Message>(&mut self) -> Result<Option<T>, Error> {
        if matches!(self.state, State::Overflowed) {
            return Err(Error::LineTooLong);
        }
        while let Some(length) = self.line_length()? {
            let line = &self.buffer[self.taken..self.taken + length];
            let blank = line.trim_ascii().is_empty();
            let message = if blank { None } else { Some(decode(line)) };
            self.taken += length + 1;
            self.scanned = self.taken;
            if let Some(message) = message {
                return message.map(Some);
            }
        }
        Ok(None)
    }

    /// Whether the stream may end here without cutting a message in two.
    pub fn is_between_messages(&self) -> bool {
        self.buffer[self.taken..].trim_ascii().is_empty() && matches!(self.state, State::Reading)
    }

    /// The length of the first whole line, without its line feed.
    fn line_length(&mut self) -> Result<Option<usize>, Error> {
        let found = self.buffer[self.scanned..].iter().position(|&byte| byte == b'\n');
        let end = found.map_or(self.buffer.len(), |offset| self.scanned + offset);
        self.scanned = end;
        if end - self.taken > LINE_BYTES_MAX {
            self.overflow();
            return Err(Error::LineTooLong);
        }
        Ok(found.map(|_| end - self.taken))
    }

    fn forget_taken(&mut self) {
        self.buffer.drain(..self.taken);
        self.scanned -= self.taken;
        self.taken = 0;
    }

    fn overflow(&mut self) {
        *self = Self { state: State::Overflowed, ..Self::default() };
    }
}

/// What was wrong with a line.
#[derive(Debug)]
pub enum Error {
    /// No line feed within [`LINE_BYTES_MAX`]; the decoder reads nothing more.
    LineTooLong,
    /// Not JSON, or JSON without a version.
    NotAMessage { excerpt: String, cause: serde_json::Error },
    /// A message of a version this program does not speak.
    Version { found: u32 },
    /// The right version, but not a message of this kind.
    WrongKind { expected: &'static str, excerpt: String, cause: serde_json::Error },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong => {
                write!(f, "a message has no end of line within {LINE_BYTES_MAX} bytes")
            }
            Self::NotAMessage { excerpt, cause } => {
                write!(f, "not a Sockeye message ({cause}): {excerpt}")
            }
            Self::Version { found } => write!(
                f,
                "the message is of version {found} and this program speaks version {VERSION}: \
                 use the same sockeye on both ends"
            ),
            Self::WrongKind { expected, excerpt, cause } => {
                write!(f, "not a {expected} ({cause}): {excerpt}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotAMessage { cause, .. } | Self::WrongKind { cause, .. } => Some(cause),
            Self::LineTooLong | Self::Version { .. } => None,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    version: u32,
    message: T,
}

/// The first look at a line: its version alone, whatever else is in it.
#[derive(Deserialize)]
struct VersionOnly {
    version: u32,
}

fn decode<T: Message>(line: &[u8]) -> Result<T, Error> {
    let VersionOnly { version } = serde_json::from_slice(line)
        .map_err(|cause| Error::NotAMessage { excerpt: excerpt(line), cause })?;
    if version != VERSION {
        return Err(Error::Version { found: version });
    }
    let envelope: Envelope<T> = serde_json::from_slice(line).map_err(|cause| Error::WrongKind {
        expected: T::NAME,
        excerpt: excerpt(line),
        cause,
    })?;
    Ok(envelope.message)
}

/// The beginning of a line, safe to print.
fn excerpt(line: &[u8]) -> String {
    let head = &line[..line.len().min(EXCERPT_CHARS_MAX)];
    let mut text: String = String::from_utf8_lossy(head).escape_debug().collect();
    if head.len() < line.len() {
        text.push_str("...");
    }
    text
}

/// The fuzz entry: any bytes, in any pieces, decode to the same messages or errors, and every
/// message decoded survives a round trip. Panics where that does not hold.
pub fn fuzz(data: &[u8]) {
    let piece = 1 + usize::from(data.first().copied().unwrap_or(0));
    fuzz_kind::<Command>(data, piece);
    fuzz_kind::<Reply>(data, piece);
    fuzz_kind::<ToWorker>(data, piece);
    fuzz_kind::<FromWorker>(data, piece);
}

fn fuzz_kind<T: Message>(data: &[u8], piece: usize) {
    let whole = transcript::<T>(data, data.len().max(1));
    let pieces = transcript::<T>(data, piece);
    assert_eq!(whole, pieces, "the cut of the input changed what was decoded");
}

/// What a reader sees when the bytes come in pieces of this size.
fn transcript<T: Message>(data: &[u8], piece: usize) -> Vec<Result<Vec<u8>, String>> {
    let mut decoder = Decoder::new();
    let mut seen = Vec::new();
    for chunk in data.chunks(piece) {
        decoder.push(chunk);
        loop {
            match decoder.next_message::<T>() {
                Ok(Some(message)) => seen.push(Ok(round_trip(&message))),
                Ok(None) => break,
                Err(Error::LineTooLong) => return seen,
                Err(error) => seen.push(Err(error.to_string())),
            }
        }
    }
    seen
}

fn round_trip<T: Message>(message: &T) -> Vec<u8> {
    let line = encode(message);
    let mut decoder = Decoder::new();
    decoder.push(&line);
    let again = decoder.next_message::<T>().ok().flatten().map(|message| encode(&message));
    assert_eq!(again.as_deref(), Some(&line[..]), "a message changed in a round trip");
    line
}
