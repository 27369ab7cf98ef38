//! A sliding window protocol over NATS core pub/sub.
#![forbid(unsafe_code)]

#[cfg(feature = "nats")]
pub mod api;
pub mod config;
#[cfg(feature = "nats")]
mod driver;
pub mod proto;
pub mod time;
pub mod wire;

#[cfg(feature = "nats")]
pub use api::{
    Endpoint, EndpointConfig, EndpointError, Position, PublishError, Publisher, ReceiveError,
    SendError, SessionError, SubscribeError, Subscriber, TrySendError,
};
pub use config::{ConfigError, ConfirmEnd, LateJoin, PublishConfig, SubscribeConfig, UnackedLimit};
#[cfg(feature = "nats")]
pub use driver::ClientEvents;
pub use proto::{PackedBody, PublisherStats, ReadyFrame, SenderEvent, SubscriberStats};
