//! The bodies of the fuzz targets: each takes any bytes at all and panics where a promise is broken.
//!
//! ```text
//!   fuzz/targets/*.rs  libFuzzer hands over bytes  -+
//!                                                   +->  frame_decode, session, capture_read
//!   tests/seeds.rs     replays fuzz/seeds/*        -+
//! ```
//!
//! They live apart from libFuzzer so that the seeds that it found run in every `cargo test`, on a stable
//! toolchain and without a C++ compiler.
#![forbid(unsafe_code)]

mod capture;
mod frames;
mod session;

pub use capture::{capture_read, compact};
pub use frames::frame_decode;
pub use session::session;
