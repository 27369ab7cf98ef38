//! A sliding window protocol over NATS core pub/sub: streams from one publisher to one or many consumers,
//! ordered, without loss, and held to the pace of the slowest consumer.
//!
//! NATS core is fast and drops messages: when a publisher outruns a subscriber, the client's queue
//! overflows and messages are gone. Here a consumer grants credit, the publisher never sends more than
//! that, what is lost on the way is repaired, and many small messages share a frame, so that for them
//! the reliable stream is faster than the bus beneath it.
//!
//! ```text
//!   try_send ->+- outbox ----+   swp.data.<stream>      +- reassembly -+-> next()
//!   (threads)  | open frame  |== data, probe, FIN =====>| credit       |
//!              | retransmits |<= ack, SACK, credit =====| acks         |   x 1..N consumers
//!              +-------------+   swp.ctl.<stream>       +--------------+
//! ```
//!
//! ```no_run
//! use futures_util::StreamExt;
//! use swp_fast::{Endpoint, EndpointConfig, PublishConfig, SubscribeConfig};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = async_nats::connect("127.0.0.1:4222").await?;
//! let endpoint = Endpoint::new(client, EndpointConfig::default()).await?;
//!
//! let publisher = endpoint.publish("ticks", PublishConfig::default()).await?;
//! tokio::spawn({
//!     let endpoint = endpoint.clone();
//!     async move {
//!         let mut subscriber = endpoint.subscribe("ticks", SubscribeConfig::default()).await?;
//!         while let Some(message) = subscriber.next().await {
//!             println!("{:?}", message?);
//!         }
//!         Ok::<(), swp_fast::SubscribeError>(())
//!     }
//! });
//! publisher.ready().await?; // a consumer has joined
//! publisher.try_send(b"from any thread, without a runtime")?; // Err(Blocked) is back-pressure
//! publisher.send("waits for room").await?;
//! publisher.finish().await?; // every consumer has read everything
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//! [`wire`] turns bytes into frames; [`proto`] holds the state machines of both ends, without clock, thread
//! or socket; `api` and the driver under it run them over async-nats. With `default-features = false`
//! only the first two remain; feature `sim` adds a seeded network to test them, and code built on them.
//!
//! # Limits
//! - A stream has one publisher, and consumers that take part from its start, or as [`LateJoin`] says.
//! - Nothing is stored: a consumer that died can [resume](SubscribeConfig::resume) while its publisher
//!   retains, or can read again, what it lacks; a publisher that died can be
//!   [gone on with](PublishConfig::resume) where its stream can be read again.
//! - Messages are 0 bytes to 64 MiB (by default), whatever the broker's `max_payload` is.
//! - A key authenticates frames; it does not encrypt them. Use TLS to the broker for that.
#![forbid(unsafe_code)]

#[cfg(feature = "nats")]
pub mod api;
pub mod config;
#[cfg(feature = "nats")]
mod driver;
#[cfg(feature = "nats")]
mod link;
pub mod proto;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(any(test, feature = "sim"))]
pub mod testing;
pub mod time;
pub mod wire;

#[cfg(feature = "nats")]
pub use api::{
    Endpoint, EndpointConfig, EndpointError, PublishError, Publisher, ReceiveError, SendError,
    SessionError, SubscribeError, Subscriber, TrySendError,
};
pub use config::{
    ConfigError, ConfirmEnd, LateJoin, PublishConfig, PublishResume, Slow, SubscribeConfig,
    UnackedLimit,
};
#[cfg(feature = "nats")]
pub use driver::{OpenPast, PastFrame, PastFrames};
#[cfg(feature = "nats")]
pub use link::{ClientEvents, Denial};
pub use proto::{
    Batch, BatchMessages, BlockError, ConsumerStats, LostReason, PackedBody, Position,
    PublisherStats, ReadyFrame, ReceiverError, SenderError, SenderEvent, SubscriberStats,
};

pub use wire::Resume;

/// The README's example must compile.
#[cfg(all(doctest, feature = "nats"))]
#[doc = include_str!("../../../README.md")]
struct Readme;
