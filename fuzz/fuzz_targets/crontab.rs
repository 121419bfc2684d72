//! Fuzzes crontabs; what must hold is asserted in `schedule::fuzz`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| schedule::fuzz::crontab(data));
