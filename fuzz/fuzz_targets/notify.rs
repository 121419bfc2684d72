//! Fuzzes messages of sd_notify(3); what must hold is asserted in `process::notify::fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| process::notify::fuzz(data));
