//! A NATS core connection for few subjects and large messages.
//!
//! It publishes and subscribes, and nothing else: no JetStream, no services, no requests, no
//! WebSockets. What it does, it does with few copies, few system calls and few wake-ups, and it
//! tells exactly what it does not know to be delivered.
//!
//! ```no_run
//! use nats_link::{ConnectOptions, Connection, Delivery, Outgoing, Subject, SubscribeOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = ConnectOptions::new(["nats://user:password@127.0.0.1:4222"])?;
//! let connection = Connection::connect(options).await?;
//!
//! let ticks: Subject = "ticks.>".parse()?;
//! let mut subscription = connection.subscribe(ticks, SubscribeOptions::default()).await?;
//!
//! let eurusd: Subject = "ticks.EURUSD".parse()?;
//! let position = connection.publish(Outgoing::new(eurusd, "1.0842")).await?;
//! connection.confirmed(position).await?; // the server has read it
//!
//! match subscription.next().await {
//!     Some(Delivery::Message(message)) => println!("{:?}", message.payload()),
//!     Some(Delivery::Gap(gap)) => println!("messages are missing here: {gap:?}"),
//!     None => println!("no more: {:?}", subscription.end()),
//! }
//! connection.close().await?; // everything that no break has lost is confirmed
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! ```text
//!   publisher --> queue --> socket      in the publisher's thread while nothing else is queued,
//!                                       else in the connection's task, with vectored writes
//!   consumer  <-- queue <-- socket      the connection's task reads into large buffers, and hands
//!                                       slices of them to the subscriptions
//! ```
//!
//! - **Bytes stay bytes.** Subjects, reply subjects and header sections are what the sender wrote.
//!   They need not be UTF-8, and headers need not be well formed. Nothing that a server sends can
//!   panic the connection, and an odd line costs its neighbours nothing. [`parse`] is the part
//!   that does this. It does no I/O, and can be used by itself.
//! - **Publishing needs no runtime.** [`Connection::try_publish`] may be called from any thread.
//!   For many small messages, [`Connection::try_queue`] leaves the writing to the task.
//! - **Locks** are held for queue operations, never during a system call, except that TLS encrypts
//!   and writes under a lock of its own.
//!
//! # Bounds
//!
//! | What | Bound | Memory |
//! |---|---|---|
//! | messages to be written | [`QueueOptions`] | `bytes` |
//! | messages for a consumer | [`SubscribeOptions`] | twice `bytes`, and one read buffer |
//! | read buffers in reuse | 8 MiB | 256 KiB each, up to 4 MiB for large messages |
//! | a line of the server | [`Limits`](parse::Limits) | twice `line_bytes` |
//! | a message of the server | [`Limits`](parse::Limits) | `message_bytes` from its first line |
//! | encryption | 384 KiB | 128 KiB to read, 256 KiB to write |
//! | events that nobody has taken | 256 | some 100 KiB, and subjects that were denied |
//! | servers that a server names | 256 | some 100 KiB |
//!
//! A queue costs some 100 bytes for each message, beside those of the message.
//!
//! A [`Message`] that the application keeps may keep a read buffer alive that is up to
//! [`SLICE_FACTOR`](parse::SLICE_FACTOR) times as large. [`Message::detach`] ends that.
//!
//! # When the connection breaks
//!
//! The connection opens itself anew, over the servers of the options and those that servers name.
//!
//! - Subscriptions are made again before anything else is written. Each yields
//!   [`Gap::Disconnected`] where messages may be missing. Nobody knows how many.
//! - Messages that were queued stay queued, in order, and are written on the next connection.
//! - Messages that were written and not confirmed are **not** sent again: the server may have them.
//!   [`Event::Disconnected`] tells their number, and [`Connection::confirmed`] fails for each with
//!   [`PositionError::Lost`]. So each message reaches a server at most once, and a sender that
//!   must know waits for its confirmation.
//! - A server that announces its stop (lame duck mode) is left in order if another is known:
//!   what was written is confirmed first, and nothing that was published is lost.
//! - If every server refuses the credentials twice in turn, the connection closes.
//!   Otherwise it goes on for ever, or for as long as [`ReconnectOptions::give_up_after`] says.
//!
//! # Encryption
//!
//! [`TlsOptions`] says when the connection is encrypted. Where encryption was meant, a server
//! without it is refused before anything is sent. The URL `nats://` alone does not mean it: then an
//! attacker on the way can make a server look as if it had no TLS. Use `tls://` against that.
//!
//! A server names others of its cluster before TLS begins. So their certificates must name the
//! server of the options, unless the server has named them again under encryption.
//!
//! # Cancel safety
//!
//! | Method | If the future is dropped |
//! |---|---|
//! | [`Connection::connect`] | there is no connection |
//! | [`Connection::publish`] | the message is not published |
//! | [`Connection::subscribe`] | there is no subscription |
//! | [`Connection::written`], [`Connection::confirmed`] | nothing changes |
//! | [`Connection::connected`], [`Connection::closed`] | nothing changes |
//! | [`Connection::close`] | the connection closes nevertheless |
//! | [`Subscription::next`], [`Events::next`] | nothing is lost |
#![forbid(unsafe_code)]

mod connection;
mod credentials;
mod event;
mod fault;
mod handshake;
mod info;
mod ledger;
mod message;
mod options;
mod outbox;
pub mod parse;
mod pool;
mod serve;
mod server;
mod shared;
mod socket;
mod subject;
mod subscription;
mod task;
mod tls;
mod write;

pub use connection::{
    CloseError, Connection, PositionError, PublishError, Statistics, SubscribeError,
    TryPublishError,
};
pub use credentials::{Credentials, CredentialsError};
pub use event::{CloseReason, DisconnectReason, Event, Events, State};
pub use fault::ServerError;
pub use handshake::ConnectError;
pub use info::ServerInfo;
pub use ledger::{Amount, Position};
pub use message::Message;
pub use options::{ConnectOptions, QueueOptions, ReconnectOptions, TlsOptions};
pub use server::{ServerUrl, ServerUrlError};
pub use subject::{Outgoing, Subject, SubjectError};
pub use subscription::{
    Delivery, Gap, SubscribeOptions, Subscription, SubscriptionEnd, SubscriptionReport,
};
pub use tls::TlsError;
