//! The bodies of the fuzz targets: each takes any bytes and panics if a promise is broken.
//!
//! ```text
//!   fuzz/targets/*.rs  libFuzzer hands over bytes  -+
//!                                                   +->  frame_decode, session, capture_read
//!   tests/seeds.rs     replays fuzz/seeds/*        -+
//! ```
//!
//! They stand apart from libFuzzer so that the kept seeds run in every `cargo test`, on a stable
//! toolchain and without a C++ compiler.
#![forbid(unsafe_code)]

mod capture;
mod frames;
mod session;

pub use capture::{capture_read, compact};
pub use frames::frame_decode;
pub use session::session;
