//! Wakers that are a packed number instead of a reference-counted allocation.
//!
//! Cloning one copies a word and dropping one does nothing, so a task costs no atomic operation.
//! The price is that the number may outlive its task: whoever wakes must check it (the executor
//! packs a generation into it). See `std::task::RawWaker`.

use std::task::{RawWaker, RawWakerVTable, Waker};

/// What to do with the packed number when its waker is woken, on any thread.
pub trait PackedWake: 'static {
    fn wake(packed: u64);
}

/// A waker that calls `W::wake(packed)`. Two of them are equal (`will_wake`) when both agree.
pub fn packed<W: PackedWake>(packed: u64) -> Waker {
    let data = std::ptr::without_provenance(packed as usize);
    // SAFETY: the vtable's functions never dereference the data pointer (it is a number), they may
    // be called from any thread, and clone/drop have nothing to count: the RawWaker contract holds.
    unsafe { Waker::from_raw(RawWaker::new(data, vtable::<W>())) }
}

fn vtable<W: PackedWake>() -> &'static RawWakerVTable {
    const {
        &RawWakerVTable::new(
            |data| RawWaker::new(data, vtable::<W>()),
            |data| W::wake(data.addr() as u64),
            |data| W::wake(data.addr() as u64),
            |_| (),
        )
    }
}

const _: () = assert!(usize::BITS == 64, "a packed waker needs 64-bit pointers");

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    static LAST: AtomicU64 = AtomicU64::new(0);
    struct Record;
    impl PackedWake for Record {
        fn wake(packed: u64) {
            LAST.store(packed, Ordering::SeqCst);
        }
    }

    #[test]
    fn wakes_with_its_number_and_knows_its_equal() {
        let waker = packed::<Record>(0xfeed_0000_0000_0007);
        assert!(waker.will_wake(&waker.clone()));
        assert!(!waker.will_wake(&packed::<Record>(8)));
        std::thread::spawn(move || waker.wake()).join().unwrap();
        assert_eq!(LAST.load(Ordering::SeqCst), 0xfeed_0000_0000_0007);
    }
}
