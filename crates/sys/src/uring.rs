//! io_uring(7) reduced to what a network server needs: multishot accept, multishot receive into a
//! provided-buffer ring, poll, and cancel.
//!
//! None of these operations carries a pointer to memory of the caller: the kernel writes only into
//! the ring's own buffers, which are handed out as [`RingBuf`] owners after their completion. So
//! every function here is safe, and no future can be dropped "under" an operation.
//!
//! Kernel floor: 6.1 (`SINGLE_ISSUER` with `DEFER_TASKRUN`). Whether it works here is found out by
//! doing: [`Ring::new`] sets everything up and fails with the kernel's own error.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, CancelBuilder, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};

/// Entries of the submission queue; the completion queue has four times as many.
const SUBMISSIONS: u32 = 512;
/// The group number of the only buffer ring.
const GROUP: u16 = 0;
/// The key bits of a user data word; the rest says which operation it was.
pub const KEY_BITS: u32 = 56;
/// Cancellations and others whose completion nobody waits for.
const UNTRACKED: u64 = 0;

const ENTER_GETEVENTS: u32 = 1;
const ENTER_EXT_ARG: u32 = 1 << 3;
const ENTER_NO_IOWAIT: u32 = 1 << 7;

/// How the provided-buffer ring is made.
#[derive(Debug, Clone, Copy)]
pub struct BufferPlan {
    /// A power of two, at most 32768.
    pub count: u16,
    /// Bytes of each.
    pub size: u32,
}

/// What an operation came to.
#[derive(Debug)]
pub enum Event {
    /// A connection, close-on-exec and nonblocking; ours to close.
    Accept(io::Result<OwnedFd>),
    /// Bytes, or `None` at the end of the stream.
    Receive(io::Result<Option<RingBuf>>),
    /// The poll(2) bits that are set.
    Poll(io::Result<u32>),
}

/// One completion. `more` is false when the operation has ended and must be armed anew.
#[derive(Debug)]
pub struct Completion {
    pub key: u64,
    pub event: Event,
    pub more: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Accept = 1,
    Receive = 2,
    Poll = 3,
}

/// A ring of one thread. Dropping it cancels what is in flight and waits for that first.
pub struct Ring {
    ring: IoUring,
    buffers: Rc<Buffers>,
    /// Operations whose terminal completion has not come yet.
    in_flight: usize,
    enter_flags: u32,
}

impl Ring {
    /// Sets up the ring and its buffers; an error says that this kernel, or a sandbox around the
    /// process, does not allow it (`ENOSYS`, `EPERM`, `EINVAL`).
    pub fn new(plan: BufferPlan) -> io::Result<Ring> {
        let mut builder = IoUring::builder();
        builder.dontfork().setup_clamp().setup_submit_all().setup_coop_taskrun();
        builder.setup_single_issuer().setup_defer_taskrun().setup_cqsize(SUBMISSIONS * 4);
        let mut ring = builder.build(SUBMISSIONS)?;
        // A registered ring descriptor only saves a look-up; where it is refused, go on without.
        let _ = ring.submitter().register_ring_fd();
        let buffers = Rc::new(Buffers::new(plan)?);
        let address = buffers.entries.as_ptr() as u64;
        // SAFETY: the entries are page-aligned, `count` of them, and outlive the ring: `Drop` ends
        // every operation before the memory can go.
        unsafe { ring.submitter().register_buf_ring_with_flags(address, plan.count, GROUP, 0) }?;
        let no_iowait = ring.params().is_feature_no_iowait();
        let enter_flags = ENTER_EXT_ARG | if no_iowait { ENTER_NO_IOWAIT } else { 0 };
        ring.submission().sync();
        Ok(Ring { ring, buffers, in_flight: 0, enter_flags })
    }

    /// Accepts until cancelled; each connection is one completion.
    pub fn accept_multishot(&mut self, listener: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let entry = opcode::AcceptMulti::new(Fd(listener.as_raw_fd())).flags(flags).build();
        self.start(entry, Kind::Accept, key)
    }

    /// Receives into the ring's buffers until cancelled, the stream ends, or buffers run out
    /// (`ENOBUFS`).
    pub fn receive_multishot(&mut self, socket: BorrowedFd<'_>, key: u64) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(Fd(socket.as_raw_fd()), GROUP).build();
        self.start(entry, Kind::Receive, key)
    }

    /// Completes once when one of the poll(2) bits is set.
    pub fn poll_once(&mut self, fd: BorrowedFd<'_>, bits: u32, key: u64) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fd(fd.as_raw_fd()), bits).build();
        self.start(entry, Kind::Poll, key)
    }

    /// Asks for every operation on the descriptor to end. Each still completes (`ECANCELED`, or as
    /// it would have); only then may the descriptor be closed.
    pub fn cancel(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let which = CancelBuilder::fd(Fd(fd.as_raw_fd())).all();
        self.push(opcode::AsyncCancel2::new(which).build().user_data(UNTRACKED))
    }

    /// Submits what is queued, waits for a completion or the end of the timeout (`None`: without
    /// end), and appends what has completed. Interruption and timeout are not errors.
    pub fn wait(&mut self, timeout: Option<Duration>, out: &mut Vec<Completion>) -> io::Result<()> {
        let ready = !self.ring.completion().is_empty();
        let want = u32::from(!ready && timeout != Some(Duration::ZERO));
        self.enter(want, timeout)?;
        self.reap(out);
        Ok(())
    }

    /// Buffers lent out and not yet returned.
    pub fn lent(&self) -> usize {
        usize::from(self.buffers.lent.get())
    }

    /// Whether a buffer is free for the kernel to fill.
    pub fn has_free_buffer(&self) -> bool {
        self.buffers.lent.get() < self.buffers.plan.count
    }

    fn start(&mut self, entry: squeue::Entry, kind: Kind, key: u64) -> io::Result<()> {
        debug_assert!(key >> KEY_BITS == 0, "the key is wider than KEY_BITS");
        self.push(entry.user_data((kind as u64) << KEY_BITS | key))?;
        self.in_flight += 1;
        Ok(())
    }

    fn push(&mut self, entry: squeue::Entry) -> io::Result<()> {
        if self.ring.submission().is_full() {
            self.enter(0, Some(Duration::ZERO))?;
        }
        // SAFETY: no operation built here points to memory of a caller (see the module's text).
        let pushed = unsafe { self.ring.submission().push(&entry) };
        pushed.map_err(|_| io::Error::other("io_uring: the submission queue stays full"))
    }

    fn enter(&mut self, want: u32, timeout: Option<Duration>) -> io::Result<()> {
        let limit = timeout.map(|t| KernelTimespec {
            seconds: t.as_secs() as i64,
            nanoseconds: i64::from(t.subsec_nanos()),
        });
        let argument = GetEventsArgument {
            sigmask: 0,
            sigmask_size: 0,
            min_wait_microseconds: 0,
            timespec: limit.as_ref().map_or(0, |limit| std::ptr::from_ref(limit) as u64),
        };
        let submit = self.ring.submission().len() as u32;
        let flags = self.enter_flags | ENTER_GETEVENTS;
        // SAFETY: `argument` has the layout of io_uring_getevents_arg, and it and the timespec it
        // points to live until the call returns.
        let result = unsafe { self.ring.submitter().enter(submit, want, flags, Some(&argument)) };
        match result {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    fn reap(&mut self, out: &mut Vec<Completion>) {
        let buffers = &self.buffers;
        let in_flight = &mut self.in_flight;
        for entry in self.ring.completion() {
            if let Some(completion) = decode(&entry, buffers) {
                *in_flight -= usize::from(!completion.more);
                out.push(completion);
            }
        }
    }
}

impl Drop for Ring {
    /// The kernel may write into the buffers until the last operation has ended, so end them all;
    /// should that not succeed, the buffers are left mapped for ever rather than freed too early.
    fn drop(&mut self) {
        const ROUNDS: usize = 100;
        let all = opcode::AsyncCancel2::new(CancelBuilder::any()).build().user_data(UNTRACKED);
        let mut discarded = Vec::new();
        let mut rounds = 0;
        while self.in_flight > 0 && rounds < ROUNDS {
            let asked = self.push(all.clone());
            if asked
                .and_then(|()| self.wait(Some(Duration::from_millis(10)), &mut discarded))
                .is_err()
            {
                break;
            }
            discarded.clear();
            rounds += 1;
        }
        if self.in_flight > 0 {
            std::mem::forget(Rc::clone(&self.buffers));
        }
    }
}

fn decode(entry: &cqueue::Entry, buffers: &Rc<Buffers>) -> Option<Completion> {
    let (result, flags) = (entry.result(), entry.flags());
    let value = if result < 0 { Err(io::Error::from_raw_os_error(-result)) } else { Ok(result) };
    let word = entry.user_data();
    let kind = word >> KEY_BITS;
    let event = if kind == Kind::Accept as u64 {
        // SAFETY: a successful accept completion carries a descriptor made for this entry alone.
        Event::Accept(value.map(|fd| unsafe { OwnedFd::from_raw_fd(fd as RawFd) }))
    } else if kind == Kind::Receive as u64 {
        let id = cqueue::buffer_select(flags);
        let buffer = id.map(|id| buffers.lend(id, value.as_ref().map_or(0, |n| *n as u32)));
        Event::Receive(value.map(|n| buffer.filter(|_| n > 0)))
    } else if kind == Kind::Poll as u64 {
        Event::Poll(value.map(|bits| bits as u32))
    } else {
        return None;
    };
    Some(Completion { key: word & ((1 << KEY_BITS) - 1), event, more: cqueue::more(flags) })
}

/// `struct __kernel_timespec`.
#[repr(C)]
struct KernelTimespec {
    seconds: i64,
    nanoseconds: i64,
}

/// `struct io_uring_getevents_arg`, see io_uring_enter(2), `IORING_ENTER_EXT_ARG`.
#[repr(C)]
struct GetEventsArgument {
    sigmask: u64,
    sigmask_size: u32,
    min_wait_microseconds: u32,
    timespec: u64,
}

/// The provided buffers (io_uring_register_buf_ring(3)): their bytes, and the ring of entries in
/// which they are offered to the kernel.
struct Buffers {
    plan: BufferPlan,
    bytes: Mapping,
    entries: Mapping,
    tail: Cell<u16>,
    lent: Cell<u16>,
}

impl Buffers {
    fn new(plan: BufferPlan) -> io::Result<Buffers> {
        assert!(plan.count.is_power_of_two(), "a buffer ring has a power of two of entries");
        let bytes = Mapping::new(usize::from(plan.count) * plan.size as usize)?;
        let entries = Mapping::new(usize::from(plan.count) * size_of::<BufRingEntry>())?;
        let buffers =
            Buffers { plan, bytes, entries, tail: Cell::new(0), lent: Cell::new(plan.count) };
        (0..plan.count).for_each(|id| buffers.give_back(id));
        Ok(buffers)
    }

    fn lend(self: &Rc<Self>, id: u16, length: u32) -> RingBuf {
        self.lent.set(self.lent.get() + 1);
        RingBuf { owner: Rc::clone(self), id, start: 0, end: length.min(self.plan.size) }
    }

    /// Offers buffer `id` to the kernel (again).
    fn give_back(&self, id: u16) {
        let index = usize::from(self.tail.get() & (self.plan.count - 1));
        let base = self.entries.as_ptr().cast::<BufRingEntry>();
        // SAFETY: the index is below `count`, for which the mapping has room.
        let slot = unsafe { base.add(index) };
        // SAFETY: the kernel does not read the slot before the tail below says so, and nobody else
        // has a reference to it.
        let entry = unsafe { &mut *slot };
        entry.set_addr(self.address(id) as u64);
        entry.set_len(self.plan.size);
        entry.set_bid(id);
        self.tail.set(self.tail.get().wrapping_add(1));
        self.lent.set(self.lent.get() - 1);
        // SAFETY: `base` is the first entry of a live ring.
        let tail = unsafe { BufRingEntry::tail(base) };
        // SAFETY: the tail is an aligned u16 inside the mapping, shared with the kernel, which is
        // why it is written as an atomic.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail.get(), Ordering::Release);
    }

    fn address(&self, id: u16) -> *mut u8 {
        self.bytes.as_ptr().wrapping_add(usize::from(id) * self.plan.size as usize)
    }
}

/// Bytes received into one of the ring's buffers. The kernel does not touch the buffer until this
/// is dropped, which offers it again.
pub struct RingBuf {
    owner: Rc<Buffers>,
    id: u16,
    start: u32,
    end: u32,
}

impl RingBuf {
    /// Leaves out the first `n` bytes from now on.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "advance by {n} in {} bytes", self.len());
        self.start += n as u32;
    }
}

impl std::ops::Deref for RingBuf {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let start = self.owner.address(self.id).wrapping_add(self.start as usize);
        let length = (self.end - self.start) as usize;
        // SAFETY: `start..end` lies in buffer `id`, which the mapping (zeroed, hence initialised)
        // holds and which the kernel leaves alone while this value lives.
        unsafe { std::slice::from_raw_parts(start, length) }
    }
}

impl Drop for RingBuf {
    fn drop(&mut self) {
        self.owner.give_back(self.id);
    }
}

impl std::fmt::Debug for RingBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RingBuf {} ({} bytes)", self.id, self.len())
    }
}

/// Anonymous private memory that a forked child does not inherit (`MADV_DONTFORK`).
struct Mapping {
    start: *mut libc::c_void,
    length: usize,
}

impl Mapping {
    fn new(length: usize) -> io::Result<Mapping> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice replaces nothing.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping = Mapping { start, length };
        // SAFETY: advice about exactly the mapping made above.
        crate::check(unsafe { libc::madvise(start, length, libc::MADV_DONTFORK) })?;
        Ok(mapping)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.start.cast()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`; its owners have ended every use of it.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    /// A ring, or `None` where this kernel or sandbox has none.
    fn ring(count: u16) -> Option<Ring> {
        Ring::new(BufferPlan { count, size: 64 }).ok()
    }

    fn wait_for(ring: &mut Ring, n: usize) -> Vec<Completion> {
        let mut out = Vec::new();
        for _ in 0..1000 {
            ring.wait(Some(Duration::from_millis(50)), &mut out).unwrap();
            if out.len() >= n {
                break;
            }
        }
        out
    }

    #[test]
    fn accepts_and_receives_until_cancelled() {
        let Some(mut ring) = ring(8) else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        ring.accept_multishot(listener.as_fd(), 7).unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let found = wait_for(&mut ring, 1).remove(0);
        assert!(found.key == 7 && found.more);
        let Event::Accept(Ok(socket)) = found.event else { panic!("{found:?}") };
        ring.receive_multishot(socket.as_fd(), 9).unwrap();
        client.write_all(b"hello").unwrap();
        let found = wait_for(&mut ring, 1).remove(0);
        let Event::Receive(Ok(Some(mut bytes))) = found.event else { panic!("{found:?}") };
        bytes.advance(1);
        assert_eq!((&*bytes, ring.lent()), (&b"ello"[..], 1));
        drop(bytes);
        assert_eq!(ring.lent(), 0);
        ring.cancel(socket.as_fd()).unwrap();
        let found = wait_for(&mut ring, 1).remove(0);
        assert!(!found.more && matches!(found.event, Event::Receive(Err(_))), "{found:?}");
    }

    #[test]
    fn running_out_of_buffers_is_said_and_mended() {
        let Some(mut ring) = ring(1) else { return };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        ring.receive_multishot(socket.as_fd(), 1).unwrap();
        client.write_all(&[b'x'; 128]).unwrap();
        let mut found = wait_for(&mut ring, 2);
        let last = found.pop().unwrap();
        assert!(!last.more, "{last:?}");
        let Event::Receive(Err(error)) = &last.event else { panic!("{last:?}") };
        assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
        drop(found);
        assert!(ring.has_free_buffer());
        ring.receive_multishot(socket.as_fd(), 1).unwrap();
        let found = wait_for(&mut ring, 1).remove(0);
        assert!(matches!(found.event, Event::Receive(Ok(Some(_)))), "{found:?}");
    }
}
