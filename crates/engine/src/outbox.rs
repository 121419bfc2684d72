//! What a connection has yet to send: bytes in one flat buffer, and files between them.
//!
//! One flat buffer (head and small body together) is cheaper than a vector of parts, and a file
//! after bytes goes out as `send(MSG_MORE)` and sendfile(2): one segment boundary fewer.

use std::collections::VecDeque;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::rc::Rc;

/// A stretch of a file to send once the flat bytes before `at` have gone.
pub struct FilePiece {
    pub at: usize,
    pub file: Rc<OwnedFd>,
    pub range: Range<u64>,
}

/// Bytes and files queued for sending, in order.
#[derive(Default)]
pub struct OutBuf {
    /// Bytes that others share, sent before everything else, and how many of them have gone.
    shared: Option<(Rc<Vec<u8>>, usize)>,
    flat: Vec<u8>,
    sent: usize,
    files: VecDeque<FilePiece>,
    /// Bytes sent in the connection's life.
    total: u64,
}

/// The next thing to send.
pub enum Next<'a> {
    Nothing,
    /// `more`: a file follows at once.
    Bytes {
        bytes: &'a [u8],
        more: bool,
    },
    File(&'a mut FilePiece),
}

impl OutBuf {
    /// Appends bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        self.flat.extend_from_slice(bytes);
    }

    /// The flat buffer, to append to. (What was there already must stay as it is.)
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.flat
    }

    /// Queues bytes without copying them. Only where nothing is queued, so that they come first;
    /// what is queued later goes behind them.
    pub fn put_shared(&mut self, bytes: Rc<Vec<u8>>) {
        debug_assert!(self.is_empty(), "shared bytes behind others");
        self.shared = Some((bytes, 0)).filter(|(bytes, _)| !bytes.is_empty());
    }

    /// Queues `range` of a file behind what is queued already.
    pub fn push_file(&mut self, file: Rc<OwnedFd>, range: Range<u64>) {
        if !range.is_empty() {
            self.files.push_back(FilePiece { at: self.flat.len(), file, range });
        }
    }

    /// Bytes queued and not sent, those of files included.
    pub fn queued(&self) -> u64 {
        let files: u64 = self.files.iter().map(|f| f.range.end - f.range.start).sum();
        let shared = self.shared.as_ref().map_or(0, |(bytes, sent)| bytes.len() - sent);
        (shared + self.flat.len() - self.sent) as u64 + files
    }

    pub fn is_empty(&self) -> bool {
        self.sent == self.flat.len() && self.files.is_empty() && self.shared.is_none()
    }

    /// Bytes sent in the connection's life.
    pub fn total_sent(&self) -> u64 {
        self.total
    }

    pub(crate) fn next(&mut self) -> Next<'_> {
        if let Some((bytes, sent)) = &self.shared {
            let more = self.sent < self.flat.len() || !self.files.is_empty();
            return Next::Bytes { bytes: &bytes[*sent..], more };
        }
        let until = self.files.front().map_or(self.flat.len(), |piece| piece.at);
        if self.sent < until {
            return Next::Bytes {
                bytes: &self.flat[self.sent..until],
                more: !self.files.is_empty(),
            };
        }
        match self.files.front_mut() {
            Some(piece) => Next::File(piece),
            None => Next::Nothing,
        }
    }

    pub(crate) fn sent_bytes(&mut self, n: usize) {
        self.total += n as u64;
        if let Some((bytes, sent)) = &mut self.shared {
            *sent += n;
            if *sent == bytes.len() {
                self.shared = None;
            }
            return;
        }
        self.sent += n;
        debug_assert!(self.sent <= self.flat.len());
    }

    pub(crate) fn sent_file(&mut self, n: u64) {
        let Some(piece) = self.files.front_mut() else { return };
        piece.range.start += n;
        self.total += n;
        if piece.range.is_empty() {
            self.files.pop_front();
        }
    }

    /// Whether a buffer is needed before something is appended.
    pub(crate) fn has_no_buffer(&self) -> bool {
        self.flat.capacity() == 0
    }

    pub(crate) fn give_buffer(&mut self, buffer: Vec<u8>) {
        debug_assert!(self.flat.is_empty());
        self.flat = buffer;
    }

    /// Takes the buffer away when everything has been sent.
    pub(crate) fn take_buffer(&mut self) -> Option<Vec<u8>> {
        if !self.is_empty() || self.flat.capacity() == 0 {
            return None;
        }
        self.sent = 0;
        Some(std::mem::take(&mut self.flat))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_files_keep_their_order() {
        let file = Rc::new(OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        let mut out = OutBuf::default();
        out.put(b"head");
        out.push_file(file.clone(), 5..8);
        out.push_file(file, 9..9);
        out.put(b"tail");
        assert_eq!(out.queued(), 4 + 3 + 4);
        assert!(matches!(out.next(), Next::Bytes { bytes: b"head", more: true }));
        out.sent_bytes(4);
        assert!(matches!(out.next(), Next::File(piece) if piece.range == (5..8)));
        out.sent_file(1);
        out.sent_file(2);
        assert!(matches!(out.next(), Next::Bytes { bytes: b"tail", more: false }));
        assert!(out.take_buffer().is_none());
        out.sent_bytes(4);
        assert!(matches!(out.next(), Next::Nothing));
        assert!(out.take_buffer().is_some());
        assert_eq!(out.total_sent(), 11);
    }

    #[test]
    fn shared_bytes_go_first_and_in_parts() {
        let mut out = OutBuf::default();
        out.put_shared(Rc::new(b"shared".to_vec()));
        assert!(matches!(out.next(), Next::Bytes { bytes: b"shared", more: false }));
        out.put(b"own");
        assert_eq!(out.queued(), 9);
        out.sent_bytes(2);
        assert!(matches!(out.next(), Next::Bytes { bytes: b"ared", more: true }));
        out.sent_bytes(4);
        assert!(matches!(out.next(), Next::Bytes { bytes: b"own", more: false }));
        out.sent_bytes(3);
        assert!(out.is_empty() && out.total_sent() == 9);
    }
}
