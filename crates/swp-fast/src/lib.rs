//! A sliding window protocol over NATS core pub/sub.
#![forbid(unsafe_code)]

pub mod config;
pub mod proto;
#[cfg(feature = "sim")]
pub mod sim;
pub mod time;
pub mod wire;
