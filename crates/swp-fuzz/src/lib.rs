//! The bodies of the fuzz targets: each takes any bytes and panics if a promise is broken.
//!
//! ```text
//!   fuzz/targets/*.rs  libFuzzer hands over bytes  -+
//!                                                   +->  frame_decode, session, capture_read, server_ops
//!   tests/seeds.rs     replays fuzz/seeds/*        -+
//! ```
//!
//! They stand apart from libFuzzer so that the kept seeds run in every `cargo test`, on a stable
//! toolchain and without a C++ compiler.
#![forbid(unsafe_code)]

mod capture;
mod frames;
mod server;
mod session;

pub use capture::{capture_read, compact};
pub use frames::frame_decode;
pub use server::server_ops;
pub use session::session;
