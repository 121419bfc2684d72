//! Fuzzes configuration files; what must hold is asserted in `sockeye::config::fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| sockeye::config::fuzz(data));
