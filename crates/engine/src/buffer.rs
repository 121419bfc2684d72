//! Buffers that connections borrow only while bytes are in them. The pool is a stack, so the
//! buffer used last, which is still in the cache, is the next to be used.

use crate::INBOX_BYTES;
use sys::uring::RingBuf;

/// Buffers of each kind that are kept for reuse; more are freed when they come back.
const KEPT_MAX: usize = 256;
/// A send buffer that grew beyond this is freed instead of kept.
const OUT_KEPT_BYTES: usize = 128 * 1024;
/// What a new send buffer has room for.
const OUT_BYTES: usize = 8 * 1024;

/// A receive buffer of [`INBOX_BYTES`].
pub type ReadBuf = Box<[u8; INBOX_BYTES]>;

#[derive(Default)]
pub struct Pool {
    read: Vec<ReadBuf>,
    out: Vec<Vec<u8>>,
}

impl Pool {
    pub fn take_read(&mut self) -> ReadBuf {
        self.read.pop().unwrap_or_else(|| Box::new([0; INBOX_BYTES]))
    }

    pub fn give_read(&mut self, buffer: ReadBuf) {
        if self.read.len() < KEPT_MAX {
            self.read.push(buffer);
        }
    }

    pub fn take_out(&mut self) -> Vec<u8> {
        self.out.pop().unwrap_or_else(|| Vec::with_capacity(OUT_BYTES))
    }

    pub fn give_out(&mut self, mut buffer: Vec<u8>) {
        if self.out.len() < KEPT_MAX && (1..=OUT_KEPT_BYTES).contains(&buffer.capacity()) {
            buffer.clear();
            self.out.push(buffer);
        }
    }
}

/// What a connection has received and its protocol has not consumed.
#[derive(Default)]
pub enum Inbox {
    /// Nothing, and no buffer.
    #[default]
    Empty,
    /// A buffer of the pool; the bytes are `start..end` of it.
    Pool { buffer: ReadBuf, start: u32, end: u32 },
    /// One of the ring's own buffers, parsed in place.
    Ring(RingBuf),
}

impl Inbox {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Inbox::Empty => &[],
            Inbox::Pool { buffer, start, end } => &buffer[*start as usize..*end as usize],
            Inbox::Ring(buffer) => buffer,
        }
    }

    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Forgets the first `n` bytes; at none left the buffer goes back to the pool or the ring.
    pub fn consume(&mut self, n: usize, pool: &mut Pool) {
        assert!(n <= self.len(), "consume {n} of {} bytes", self.len());
        match self {
            Inbox::Empty => {}
            Inbox::Pool { start, .. } => *start += n as u32,
            Inbox::Ring(buffer) => buffer.advance(n),
        }
        if self.len() == 0 {
            self.release(pool);
        }
    }

    /// Gives the buffer back, whatever is in it.
    pub fn release(&mut self, pool: &mut Pool) {
        if let Inbox::Pool { buffer, .. } = std::mem::take(self) {
            pool.give_read(buffer);
        }
    }

    /// The free room behind the bytes, made as large as it can be; empty when the inbox is full.
    pub fn room(&mut self, pool: &mut Pool) -> &mut [u8] {
        self.make_pool(pool);
        let Inbox::Pool { buffer, start, end } = self else { return &mut [] };
        if *start > 0 && *end as usize == INBOX_BYTES {
            buffer.copy_within(*start as usize..*end as usize, 0);
            *end -= *start;
            *start = 0;
        }
        &mut buffer[*end as usize..]
    }

    /// Counts `n` bytes, which were written to the start of [`Inbox::room`], as received.
    pub fn filled(&mut self, n: usize) {
        if let Inbox::Pool { end, .. } = self {
            *end += n as u32;
        }
        debug_assert!(self.len() <= INBOX_BYTES);
    }

    /// Appends as much of `bytes` as there is room for; returns how much.
    pub fn append(&mut self, bytes: &[u8], pool: &mut Pool) -> usize {
        let room = self.room(pool);
        let n = room.len().min(bytes.len());
        room[..n].copy_from_slice(&bytes[..n]);
        self.filled(n);
        n
    }

    /// Moves bytes out of a ring's buffer, so that the ring gets it back.
    pub fn make_pool(&mut self, pool: &mut Pool) {
        let (start, end, mut buffer) = match self {
            Inbox::Pool { .. } => return,
            Inbox::Empty => (0, 0, pool.take_read()),
            Inbox::Ring(bytes) => (0, bytes.len(), pool.take_read()),
        };
        buffer[start..end].copy_from_slice(self.bytes());
        *self = Inbox::Pool { buffer, start: start as u32, end: end as u32 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emptied_inbox_holds_no_buffer() {
        let mut pool = Pool::default();
        let mut inbox = Inbox::default();
        assert_eq!(inbox.append(b"hello", &mut pool), 5);
        inbox.consume(2, &mut pool);
        assert_eq!(inbox.bytes(), b"llo");
        inbox.consume(3, &mut pool);
        assert!(matches!(inbox, Inbox::Empty));
        assert_eq!(pool.read.len(), 1);
    }

    #[test]
    fn a_full_inbox_makes_room_by_moving_and_then_has_none() {
        let mut pool = Pool::default();
        let mut inbox = Inbox::default();
        inbox.append(&[b'a'; INBOX_BYTES], &mut pool);
        assert_eq!(inbox.append(b"x", &mut pool), 0);
        inbox.consume(10, &mut pool);
        assert_eq!(inbox.append(b"xyz", &mut pool), 3);
        assert_eq!(inbox.len(), INBOX_BYTES - 7);
        assert!(inbox.bytes().ends_with(b"xyz"));
    }
}
