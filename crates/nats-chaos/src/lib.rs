//! A TCP proxy between NATS clients and their server that makes the bus worse than it is: by seed it
//! loses, repeats, reorders, delays and corrupts messages; on demand it cuts connections, refuses new
//! ones, and stands still. For tests; it is no part of what users run.
//!
//! ```text
//!   client --PUB, HPUB--> [ split into messages | mangle ] --> server
//!   client <--MSG, HMSG-- [ mangle | split into messages ] <-- server
//! ```
//!
//! - **Whole messages.** It reads the NATS protocol just far enough to tell messages from the rest. What
//!   is not a message (CONNECT, SUB, PING, ...) passes untouched and in order.
//! - **By seed.** Each connection and direction has its own random numbers, made of the proxy's seed, the
//!   connection's number and the direction. What reaches it when is the network's affair, as always.
//! - **Nobody goes around it.** A server of a cluster tells its clients of the others in its INFO line
//!   (`connect_urls`), and a client would reconnect straight to those. The proxy takes that field out.
//!   The fields `host` and `port` stay; clients do not dial them.
//! - **Bounded.** A line has at most [`LINE_BYTES_MAX`] bytes and a message [`MESSAGE_BYTES_MAX`]; what is
//!   longer ends its connection. At most 8 messages wait to be overtaken, for at most 5 ms.
//! - **Plain text only.** TLS would hide what is to be told apart.
#![forbid(unsafe_code)]

mod counts;
mod faults;
mod mangle;
mod proxy;
mod pump;
mod split;

pub use counts::Counts;
pub use faults::Faults;
pub use proxy::ChaosProxy;
pub use split::{LINE_BYTES_MAX, MESSAGE_BYTES_MAX, Message, Origin, SplitError, Splitter, Unit};
