//! bpf(2), as much of it as loading and reading a BPF iterator needs: load a tracing program, link
//! it to an iterator, open the iterator for reading. What the program says is the caller's
//! business; the kernel's verifier checks it before anything runs.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_PROG_TYPE_TRACING: u32 = 26;
const BPF_TRACE_ITER: u32 = 28;

/// `struct bpf_insn`: one instruction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Instruction {
    pub code: u8,
    /// Destination register in the low four bits, source register in the high ones.
    pub registers: u8,
    pub offset: i16,
    pub immediate: i32,
}

/// `union bpf_attr` as BPF_PROG_LOAD reads it, up to the last field we set.
#[repr(C)]
#[derive(Default)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
    btf_fd: u32,
    function_record_size: u32,
    functions: u64,
    function_count: u32,
    line_record_size: u32,
    lines: u64,
    line_count: u32,
    attach_btf_id: u32,
    attach_program: u32,
    padding: u32,
}

/// The same for BPF_LINK_CREATE and BPF_ITER_CREATE: numbers only, no pointers.
#[repr(C)]
#[derive(Default)]
struct PlainAttributes {
    words: [u32; 12],
}

/// Loads an iterator program for the kernel function of that BTF id.
pub fn load_iterator(
    instructions: &[Instruction],
    license: &CStr,
    attach_btf_id: u32,
) -> io::Result<OwnedFd> {
    let attributes = LoadAttributes {
        program_type: BPF_PROG_TYPE_TRACING,
        instruction_count: instructions.len() as u32,
        instructions: instructions.as_ptr() as u64,
        license: license.as_ptr() as u64,
        expected_attach_type: BPF_TRACE_ITER,
        attach_btf_id,
        ..LoadAttributes::default()
    };
    let size = size_of::<LoadAttributes>();
    // SAFETY: the attributes, the instructions and the license outlive the call, are as long as
    // said, and the kernel only reads them: no log buffer is given.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attributes, size) };
    owned(fd)
}

/// Links a loaded iterator program, which makes it readable.
pub fn link_iterator(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut words = [0; 12];
    words[0] = program.as_raw_fd() as u32;
    words[2] = BPF_TRACE_ITER;
    plain(BPF_LINK_CREATE, PlainAttributes { words })
}

/// Opens the linked iterator: reading from it runs the program over every element.
pub fn open_iterator(link: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut words = [0; 12];
    words[0] = link.as_raw_fd() as u32;
    plain(BPF_ITER_CREATE, PlainAttributes { words })
}

fn plain(command: libc::c_long, attributes: PlainAttributes) -> io::Result<OwnedFd> {
    let size = size_of::<PlainAttributes>();
    // SAFETY: the attributes outlive the call, are as long as said, hold no pointer, and are only
    // read.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, command, &raw const attributes, size) };
    owned(fd)
}

/// The descriptor that bpf(2) has just made; close-on-exec is set by the kernel.
fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel returned a new descriptor, which nobody else knows.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as libc::c_int) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_none_is_refused() {
        let nothing = [Instruction::default()];
        assert!(load_iterator(&nothing, c"GPL", 0).is_err());
        assert_eq!(size_of::<Instruction>(), 8);
        assert_eq!(std::mem::offset_of!(LoadAttributes, attach_btf_id), 108);
    }
}
