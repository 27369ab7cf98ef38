//! A NATS core connection for few subjects and large messages.
#![forbid(unsafe_code)]

#[allow(dead_code, reason = "the connection will use it")]
mod ledger;
mod message;
pub mod parse;
mod subject;
#[allow(dead_code, reason = "the connection will use it")]
mod write;

pub use ledger::{Amount, Position};
pub use message::Message;
pub use subject::{Outgoing, Subject, SubjectError};
