//! Parsers of kernel text and netlink bytes into plain data: no file, no clock, no allocation a
//! field.
//!
//! Each takes bytes and gives what could be read; a line that is not understood is skipped and
//! counted by the caller, and no input makes one panic (`fuzz` goes through them all).

pub mod btf;
pub mod diag;
pub mod fdinfo;
pub mod inet;
pub mod link;
pub mod locks;
pub mod maps;
pub mod mounts;
pub mod other;
pub mod route;
pub mod stat;
pub mod status;
pub mod unix;

/// For the fuzzers: every text parser over the same bytes.
pub fn fuzz_text(text: &[u8]) {
    let _ = stat::parse(text);
    let _ = status::parse(text);
    route::parse(text, |_| ());
    route::parse6(text, |_| ());
    let _ = link::parse(text);
    let _ = status::limit(text, b"Max open files");
    inet::parse(text, |_| ());
    unix::parse(text, |_| ());
    other::netlink(text, |_| ());
    other::packet(text, |_| ());
    maps::parse(text, |_| ());
    let _ = locks::parse(text);
    let _ = fdinfo::parse(text);
    let _ = mounts::parse(text);
}
