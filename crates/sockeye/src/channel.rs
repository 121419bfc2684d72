//! A channel between two processes of the family, for those that have no engine: the master, and
//! an acceptor. Messages of `control` over a nonblocking Unix stream.

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use control::{Decoder, Message, encode};

/// Bytes waiting for a peer that does not read, from which on it is given up.
const OUTGOING_BYTES_MAX: usize = 16 << 20;

/// One end, reading messages of the type `In`.
pub struct Channel<In> {
    stream: UnixStream,
    decoder: Decoder,
    outgoing: Vec<u8>,
    /// The peer has closed, or has been given up.
    pub closed: bool,
    kind: PhantomData<In>,
}

impl<In: Message> Channel<In> {
    pub fn new(stream: UnixStream) -> io::Result<Channel<In>> {
        stream.set_nonblocking(true)?;
        Ok(Channel {
            stream,
            decoder: Decoder::new(),
            outgoing: Vec::new(),
            closed: false,
            kind: PhantomData,
        })
    }

    /// Sends, now or when the peer reads.
    pub fn send(&mut self, message: &impl Message) {
        self.outgoing.extend_from_slice(&encode(message));
        if self.outgoing.len() > OUTGOING_BYTES_MAX {
            self.closed = true;
        }
        self.flush();
    }

    pub fn flush(&mut self) {
        while !self.outgoing.is_empty() && !self.closed {
            match self.stream.write(&self.outgoing) {
                Ok(n) => drop(self.outgoing.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.closed = true,
            }
        }
    }

    /// Nothing is on its way within this process, in either direction.
    pub fn is_quiet(&self) -> bool {
        self.outgoing.is_empty() && self.decoder.is_between_messages()
    }

    pub fn wants_to_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// The messages that have come; a peer that has closed, or sends what is no message, sets
    /// `closed`, and the error says the latter.
    pub fn receive(&mut self) -> (Vec<In>, Option<control::Error>) {
        let mut messages = Vec::new();
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => self.closed = true,
                Ok(n) => {
                    self.decoder.push(&bytes[..n]);
                    if let Err(error) = self.take(&mut messages) {
                        return (messages, Some(error));
                    }
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => self.closed = true,
            }
            return (messages, None);
        }
    }

    fn take(&mut self, messages: &mut Vec<In>) -> Result<(), control::Error> {
        while let Some(message) = self.decoder.next_message()? {
            messages.push(message);
        }
        Ok(())
    }
}

impl<In> AsFd for Channel<In> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
