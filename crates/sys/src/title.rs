//! The process title that ps(1) shows: the memory of the arguments, overwritten (proc(5),
//! `/proc/PID/cmdline`), and the short name of prctl(2) `PR_SET_NAME`.

use std::sync::atomic::{AtomicUsize, Ordering};

static START: AtomicUsize = AtomicUsize::new(0);
static LENGTH: AtomicUsize = AtomicUsize::new(0);

/// Finds the memory of the arguments. Call it once, first thing in `main`, **after** the last use
/// of `std::env::args`, which reads the same memory; before it `set` changes the short name only.
pub fn prepare() {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
    // Fields 48 and 49 (proc(5)); counting starts behind the parenthesised name, at field 3.
    let Some((_, rest)) = stat.rsplit_once(')') else { return };
    let fields: Vec<usize> = rest.split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    let (Some(&start), Some(&end)) = (fields.get(45), fields.get(46)) else { return };
    if start != 0 && end > start {
        LENGTH.store(end - start, Ordering::SeqCst);
        START.store(start, Ordering::SeqCst);
    }
}

/// Shows `title` in ps(1), cut to the room that the original arguments had. The short name (15
/// bytes, `/proc/PID/comm`) stays the program's.
pub fn set(title: &str) {
    let (start, length) = (START.load(Ordering::SeqCst), LENGTH.load(Ordering::SeqCst));
    if start == 0 {
        return;
    }
    let memory = std::ptr::with_exposed_provenance_mut::<u8>(start);
    let copied = title.len().min(length - 1);
    // SAFETY: the kernel says that `length` bytes from `start` are this process's argument area:
    // mapped, writable, on the initial stack, read by nobody else (see `prepare`).
    unsafe { std::ptr::write_bytes(memory, 0, length) };
    // SAFETY: the same area, and at most `length - 1` bytes of it.
    unsafe { std::ptr::copy_nonoverlapping(title.as_ptr(), memory, copied) };
}
