//! One error type per operation.

use crate::config::ConfigError;
use crate::driver::{SessionError, SubscribeFailure};
use crate::link::Denial;
use crate::proto::{BlockError, ReceiverError};

/// [`super::Endpoint::new`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The client is not connected.
    #[error("the NATS client is not connected: {0}")]
    NotConnected(String),
}

/// [`super::Endpoint::publish`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// A NATS subject cannot hold this name.
    #[error("'{stream}' cannot name a stream: {reason}")]
    InvalidStream {
        /// The name.
        stream: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// [`crate::LateJoin::FromStart`] and [`crate::PublishConfig::resume`] need
    /// [`super::Endpoint::publish_rewindable`].
    #[error(
        "joining from the start and resuming a publisher need a source that can be read again: \
         use publish_rewindable"
    )]
    NoPast,
    /// The session ended while it claimed the stream.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The NATS client failed.
    #[error("NATS: {0}")]
    Nats(String),
    /// The system returned no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// [`super::Publisher::try_send`] did not accept the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// Back-pressure: the queue is full, because NATS or a consumer is slower than the producer.
    #[error("blocked: the consumers are slower than this producer")]
    Blocked,
    /// The message is longer than `max_message_bytes`.
    #[error("a message of {bytes} bytes exceeds the bound")]
    TooLarge {
        /// The length of the message.
        bytes: usize,
    },
    /// The stream's source has to hold everything that is sent, and only packed bodies come from
    /// it.
    #[error("a stream that can be read again takes packed bodies only: use send_packed")]
    PackedOnly,
    /// The session is over, or finishing.
    #[error(transparent)]
    Closed(SessionError),
}

/// [`super::Publisher::send`] or [`super::Publisher::send_packed`] failed. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The message is longer than `max_message_bytes`.
    #[error("a message of {bytes} bytes exceeds the bound")]
    TooLarge {
        /// The length of the message.
        bytes: usize,
    },
    /// The stream's source has to hold everything that is sent, and only packed bodies come from
    /// it.
    #[error("a stream that can be read again takes packed bodies only: use send_packed")]
    PackedOnly,
    /// A body of the block is longer than frames of this session take.
    #[error("a body of {bytes} bytes does not fit frames of {max}")]
    BodyTooLarge {
        /// The length of the body.
        bytes: usize,
        /// The longest that fits.
        max: usize,
    },
    /// The block is malformed.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The session is over, or finishing.
    #[error(transparent)]
    Closed(SessionError),
}

/// [`super::Endpoint::subscribe`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A NATS subject cannot hold this name.
    #[error("'{stream}' cannot name a stream: {reason}")]
    InvalidStream {
        /// The name.
        stream: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No publisher accepted this consumer within the time-out.
    #[error("no publisher of this stream answered within {:.1} s", .0.as_secs_f64())]
    NoPublisher(std::time::Duration),
    /// The publisher refused this consumer, or the session ended at once.
    #[error(transparent)]
    Session(#[from] ReceiveError),
    /// The NATS client failed.
    #[error("NATS: {0}")]
    Nats(String),
    /// The system returned no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// A [`super::Subscriber`] failed before the end of the stream. Everything that it returned before
/// is complete and in order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The protocol ended the session.
    #[error(transparent)]
    Protocol(#[from] ReceiverError),
    /// The connection to NATS was down for longer than the outage time-out.
    #[error("the connection to NATS was lost and did not come back")]
    Disconnected,
    /// The server denies a permission that the stream needs.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The NATS client failed.
    #[error("NATS: {0}")]
    Nats(String),
}

impl From<SubscribeFailure> for ReceiveError {
    fn from(failure: SubscribeFailure) -> Self {
        match failure {
            SubscribeFailure::Protocol(error) => ReceiveError::Protocol(error),
            SubscribeFailure::Disconnected => ReceiveError::Disconnected,
            SubscribeFailure::Denied(denial) => ReceiveError::Denied(denial),
            SubscribeFailure::Nats(error) => ReceiveError::Nats(error),
        }
    }
}
