//! One error type per operation.

use crate::config::ConfigError;
use crate::driver::{Denial, SessionError, SubscribeFailure};
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
    /// Not a name that a NATS subject can hold.
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
        "consumers can join from the start, and a session be gone on with, only where the stream can be read again"
    )]
    NoPast,
    /// The stream is not to be had.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The client failed.
    #[error("NATS: {0}")]
    Nats(String),
    /// The system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// [`super::Publisher::try_send`] did not take the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// Back-pressure: the queue is full, because the bus or a consumer is slower than the producer.
    #[error("blocked: the consumers are slower than this producer")]
    Blocked,
    /// Longer than `max_message_bytes`.
    #[error("a message of {bytes} bytes exceeds the bound")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// What is sent to this stream must be found again in its past: only packed bodies can be.
    #[error("a stream that can be read again takes packed bodies only: use send_packed")]
    PackedOnly,
    /// The session is over, or finishing.
    #[error(transparent)]
    Closed(SessionError),
}

/// [`super::Publisher::send`] or [`super::Publisher::send_packed`] failed; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Longer than `max_message_bytes`.
    #[error("a message of {bytes} bytes exceeds the bound")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// What is sent to this stream must be found again in its past: only packed bodies can be.
    #[error("a stream that can be read again takes packed bodies only: use send_packed")]
    PackedOnly,
    /// A body of the block is longer than frames of this session take.
    #[error("a body of {bytes} bytes does not fit frames of {max}")]
    BodyTooLarge {
        /// Its length.
        bytes: usize,
        /// The longest that fits.
        max: usize,
    },
    /// The block is not one that can be sent.
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
    /// Not a name that a NATS subject can hold.
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
    /// No publisher let this consumer in within the time-out.
    #[error("no publisher of this stream answered within {:.1} s", .0.as_secs_f64())]
    NoPublisher(std::time::Duration),
    /// The publisher said no, or the session ended at once.
    #[error(transparent)]
    Session(#[from] ReceiveError),
    /// The client failed.
    #[error("NATS: {0}")]
    Nats(String),
    /// The system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(String),
}

/// A [`super::Subscriber`] failed before the end of the stream. Everything delivered before is whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Ended by the protocol.
    #[error(transparent)]
    Protocol(#[from] ReceiverError),
    /// NATS was away for longer than the outage time-out.
    #[error("the connection to NATS was lost and did not come back")]
    Disconnected,
    /// The server forbids what the stream needs.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The client failed.
    #[error("NATS: {0}")]
    Nats(String),
}

impl From<SubscribeFailure> for ReceiveError {
    fn from(failure: SubscribeFailure) -> Self {
        match failure {
            SubscribeFailure::Disconnected => ReceiveError::Disconnected,
            SubscribeFailure::Denied(denial) => ReceiveError::Denied(denial),
            SubscribeFailure::Nats(error) => ReceiveError::Nats(error),
        }
    }
}
