//! The tools on a live kernel, in network and pid namespaces of their own: beside the real lsof,
//! netstat and ss, with collectors A and B beside each other, and the doctor at the bedside.
//!
//! A test that needs a namespace runs this binary again inside one. Where that is not allowed (no
//! root, no unshare(1)), or a real tool is not installed, it says so and checks what it can.
#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails the test")]
#![expect(clippy::print_stderr, reason = "scenes and skipped parts say so")]

mod conditions;
mod differential;
mod doctor;
mod lsof;
mod namespace;
mod oracle;
mod scene;
