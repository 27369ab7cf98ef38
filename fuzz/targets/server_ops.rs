//! See `swp_fuzz::server_ops`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| swp_fuzz::server_ops(data));
