//! Fuzzes request paths; what must hold is asserted in `http::fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| http::fuzz::uri(data));
