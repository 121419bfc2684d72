//! What is known of one path: its file, and the precompressed variants beside it.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use engine::Tick;
use http::date::DATE_BYTES;
use http::etag::ETag;
use http::negotiate::{Available, Encoding};
use http::response;
use http::{Status, Version};

/// Which file it was, and in what state: another of these means another file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    pub device: u64,
    pub inode: u64,
    pub size: u64,
    pub modified_ns: u64,
    pub changed_ns: u64,
}

/// The bytes of a representation.
pub enum Content {
    /// Inside `Representation::ready`.
    Memory,
    File(Rc<OwnedFd>),
}

/// A file as it can be sent.
pub struct Representation {
    pub stamp: Stamp,
    pub encoding: Encoding,
    pub tag: ETag,
    /// Unix time of the last change.
    pub modified: u64,
    pub content: Content,
    /// Every field but Date, Content-Length and Connection, each with its line end.
    pub fields: Vec<u8>,
    /// A whole response of status 200 to an HTTP/1.1 GET that keeps the connection, as of
    /// `dated`; with the content behind it when that is in memory.
    ready: RefCell<Rc<Vec<u8>>>,
    dated: Cell<u64>,
    /// Where in `ready` the head ends.
    head_length: usize,
}

/// Where the date stands in `ready`: behind `HTTP/1.1 200 OK` and `Date: `.
const DATE_AT: usize = b"HTTP/1.1 200 OK\r\nDate: ".len();

impl Representation {
    pub fn new(
        stamp: Stamp,
        encoding: Encoding,
        content_type: &str,
        vary: bool,
        content: Content,
        bytes: &[u8],
    ) -> Representation {
        let tag = ETag::new(stamp.modified_ns, stamp.size, stamp.inode);
        let modified = stamp.modified_ns / 1_000_000_000;
        let fields = render_fields(&tag, modified, encoding, content_type, vary);
        let mut ready = Vec::with_capacity(fields.len() + 100 + bytes.len());
        response::head(&mut ready, Status::OK, &[b' '; DATE_BYTES])
            .rendered(&fields)
            .content_length(stamp.size)
            .connection(Version::Http11, true)
            .finish();
        let head_length = ready.len();
        ready.extend_from_slice(bytes);
        let (ready, dated) = (RefCell::new(Rc::new(ready)), Cell::new(0));
        Representation {
            stamp,
            encoding,
            tag,
            modified,
            content,
            fields,
            ready,
            dated,
            head_length,
        }
    }

    pub fn size(&self) -> u64 {
        self.stamp.size
    }

    /// The ready response with this date. It is rendered once a second; whoever is still sending
    /// an older one keeps it.
    pub fn ready(&self, second: u64, date: &[u8; DATE_BYTES]) -> Rc<Vec<u8>> {
        let mut ready = self.ready.borrow_mut();
        if self.dated.replace(second) != second {
            Rc::make_mut(&mut ready)[DATE_AT..DATE_AT + DATE_BYTES].copy_from_slice(date);
        }
        ready.clone()
    }

    /// Appends a part of the content, where it is in memory.
    pub fn append_content(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let content = &self.ready.borrow()[self.head_length..];
        out.extend_from_slice(&content[range]);
    }
}

fn render_fields(
    tag: &[u8],
    modified: u64,
    encoding: Encoding,
    content_type: &str,
    vary: bool,
) -> Vec<u8> {
    let mut fields = Vec::with_capacity(200);
    let mut field = |name: &str, value: &[u8]| {
        for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
            fields.extend_from_slice(piece);
        }
    };
    field("Content-Type", content_type.as_bytes());
    if let Some(name) = encoding.name() {
        field("Content-Encoding", name.as_bytes());
    }
    field("Last-Modified", &http::date::format(modified));
    field("ETag", tag);
    field("Accept-Ranges", b"bytes");
    if vary {
        field("Vary", b"Accept-Encoding");
    }
    fields
}

/// One path of the site.
#[derive(Default)]
pub struct Entry {
    pub content_type: String,
    /// The file itself first, then its variants.
    pub representations: Vec<Representation>,
    /// When it was last compared with the disk.
    pub checked: Cell<Tick>,
}

impl Entry {
    /// The file as it is, uncompressed.
    pub fn identity(&self) -> Option<&Representation> {
        self.representations.first()
    }

    pub fn has_variants(&self) -> bool {
        self.representations.len() > 1
    }

    pub fn available(&self) -> Available {
        let has = |encoding| self.representations.iter().any(|r| r.encoding == encoding);
        Available {
            zstd: has(Encoding::Zstd),
            brotli: has(Encoding::Brotli),
            gzip: has(Encoding::Gzip),
        }
    }

    pub fn variant(&self, encoding: Encoding) -> Option<&Representation> {
        self.representations.iter().find(|r| r.encoding == encoding).or(self.identity())
    }

    /// Bytes of memory the entry takes, about.
    pub fn weight(&self) -> usize {
        let texts =
            self.representations.iter().map(|r| r.ready.borrow().len() + r.fields.len() + 300);
        200 + texts.sum::<usize>()
    }

    /// Descriptors it holds.
    pub fn open_files(&self) -> usize {
        self.representations.iter().filter(|r| matches!(r.content, Content::File(_))).count()
    }
}
