//! A sliding window protocol over NATS core pub/sub.
#![forbid(unsafe_code)]

pub mod wire;
