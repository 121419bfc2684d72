//! Fuzzes control messages; what must hold is asserted in `control::fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| control::fuzz(data));
