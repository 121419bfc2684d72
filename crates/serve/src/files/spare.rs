//! Descriptors kept aside for files. Connections may take all there are (`EMFILE`), and each of
//! them would then be told 503, since a file must be opened to be looked at; so a few descriptors
//! are held open on nothing, and given up for the length of one look-up (open(2), getrlimit(2)).

use std::cell::RefCell;
use std::fs::File;
use std::io;

use rustix::io::Errno;

/// As many as one look-up has open at a time: a folder, the page in it, and its content.
const SPARE: usize = 3;

pub struct Spare(RefCell<Vec<File>>);

impl Spare {
    pub fn new() -> Spare {
        let spare = Spare(RefCell::default());
        spare.refill();
        spare
    }

    /// Looks up once more, with the descriptors kept aside, when there are no others.
    pub fn with<T>(&self, mut look_up: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        match look_up() {
            Err(error) if is_exhaustion(&error) && !self.0.borrow().is_empty() => {
                self.0.borrow_mut().clear();
                look_up()
            }
            result => result,
        }
    }

    /// Takes back what was given up. `false`: not all could be had, so descriptors are short.
    pub fn refill(&self) -> bool {
        let mut spare = self.0.borrow_mut();
        while spare.len() < SPARE {
            let Ok(file) = File::open("/dev/null") else { return false };
            spare.push(file);
        }
        true
    }
}

fn is_exhaustion(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exhausted() -> io::Error {
        Errno::MFILE.into()
    }

    #[test]
    fn a_look_up_is_repeated_with_what_was_kept() {
        let spare = Spare::new();
        let mut tries = 0;
        let found = spare.with(|| {
            tries += 1;
            if tries == 1 { Err(exhausted()) } else { Ok(spare.0.borrow().len()) }
        });
        assert_eq!((found.unwrap(), tries), (0, 2));
        // With nothing left there is nothing to repeat for.
        assert!(spare.with(|| Err::<(), _>(exhausted())).is_err());
        assert!(spare.refill());
        assert_eq!(spare.0.borrow().len(), SPARE);
        assert!(spare.with(|| Err::<(), _>(Errno::NOENT.into())).is_err());
        assert_eq!(spare.0.borrow().len(), SPARE);
    }
}
