//! A sliding window protocol over NATS core pub/sub: streams from one publisher to one or many
//! consumers, in order, without loss, and at the pace of the slowest consumer.
//!
//! NATS core is fast and drops messages: when a publisher outruns a subscriber, the client's queue
//! overflows. Here each consumer grants credit, and the publisher never sends more than that. The
//! publisher retransmits what was lost. Many small messages share a frame, which makes a stream of
//! them faster than plain NATS.
//!
//! ```text
//!   try_send ->+- packer ----+   swp.data.<stream>      +- reassembly -+-> next()
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
//! publisher.send("waits for space").await?;
//! publisher.finish().await?; // every consumer has read everything
//! # Ok(())
//! # }
//! ```
//!
//! # Layers
//! - [`wire`] turns bytes into frames and back.
//! - [`proto`] holds the state machines of both roles, without clock, thread or socket.
//! - `link` is the boundary to what carries frames, and holds the link over an async-nats client.
//! - `driver` runs the state machines over a link, and `api` is what applications use.
//!
//! With `default-features = false` only `wire` and `proto` remain. Feature `sim` adds a seeded
//! network to test them, and code built on them.
//!
//! # Limits
//! - A stream has one publisher, and consumers that take part from its start, or as [`LateJoin`]
//!   says.
//! - Nothing is stored. A consumer whose process died can [resume](SubscribeConfig::resume) while
//!   its publisher retains what the consumer lacks, or can read it again. A publisher whose process
//!   died can [resume](PublishConfig::resume) where its source can be read again.
//! - A message has 0 bytes to 64 MiB (by default), whatever the broker's `max_payload` is.
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
