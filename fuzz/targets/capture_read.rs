//! See `swp_fuzz::capture_read`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| swp_fuzz::capture_read(data));
