//! A NATS core connection for few subjects and large messages.
#![forbid(unsafe_code)]

mod message;
pub mod parse;

pub use message::Message;
