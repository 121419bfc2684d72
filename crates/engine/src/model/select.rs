//! `select`: select(2). Its bitmaps end at descriptor 1023: a connection whose number is higher is
//! refused by name (the program sets the descriptor limit of such a worker so that accept says
//! `EMFILE` instead).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

use sys::select::{FD_SETSIZE, FdSet, select};

use super::{Event, Interest, Poller};
use crate::slab::Key;

pub struct Select {
    read: FdSet,
    write: FdSet,
    /// Whose descriptor each number is.
    keys: Vec<Option<Key>>,
    highest: usize,
}

impl Default for Select {
    fn default() -> Self {
        Select {
            read: FdSet::default(),
            write: FdSet::default(),
            keys: vec![None; FD_SETSIZE],
            highest: 0,
        }
    }
}

impl Poller for Select {
    fn edge_triggered(&self) -> bool {
        false
    }

    fn add(&mut self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        self.modify(fd, key, interest)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, key: Key, interest: Interest) -> io::Result<()> {
        self.remove(fd, key);
        if interest.read {
            self.read.insert(fd)?;
        }
        if interest.write {
            self.write.insert(fd)?;
        }
        let number = fd.as_raw_fd() as usize;
        if let Some(entry) = self.keys.get_mut(number).filter(|_| interest.read || interest.write) {
            *entry = Some(key);
            self.highest = self.highest.max(number);
        }
        Ok(())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>, _: Key) {
        self.read.remove(fd);
        self.write.remove(fd);
        if let Some(entry) = self.keys.get_mut(fd.as_raw_fd() as usize) {
            *entry = None;
        }
        while self.highest > 0 && self.keys[self.highest].is_none() {
            self.highest -= 1;
        }
    }

    fn wait(&mut self, timeout: Option<Duration>, events: &mut Vec<Event>) -> io::Result<()> {
        let found = select(self.highest, &self.read, &self.write, timeout)?;
        let mut left = found.count;
        for number in 0..=self.highest {
            if left == 0 {
                break;
            }
            let (read, write) = (found.readable.contains(number), found.writable.contains(number));
            left -= usize::from(read) + usize::from(write);
            if let (true, Some(key)) = (read || write, self.keys[number]) {
                events.push(Event { key, read, write, read_closed: false, drain: false });
            }
        }
        Ok(())
    }
}
