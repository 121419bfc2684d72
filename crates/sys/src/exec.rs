//! execve(2) in place: the program changes, the process stays.
//!
//! Pid, children, blocked and pending signals and the descriptors without `FD_CLOEXEC` stay. The
//! standard library's `exec` would unblock all signals first, and one that came then, before the
//! new program blocks it again, would end the process.

use std::ffi::{CStr, CString, c_char};
use std::io;

/// Becomes the program at `path`. Returns only when that failed, and nothing has changed then.
pub fn exec(path: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    let pointers = |texts: &[CString]| -> Vec<*const c_char> {
        texts.iter().map(|text| text.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer and point to texts that end with a zero byte;
    // all of them live until the call returns, if it does.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_program_that_is_not_there_changes_nothing() {
        let error = super::exec(c"/nonexistent/program", &[c"program".into()], &[]);
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    }
}
