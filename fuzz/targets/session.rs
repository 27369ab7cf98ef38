//! See `swp_fuzz::session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| swp_fuzz::session(data));
