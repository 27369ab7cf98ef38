//! How a session over a link ends before the end of its stream.

use super::connection::ConnectionError;
use crate::link::Denial;
use crate::proto::{ReceiverError, SenderError};

/// How a publisher's session ended before the end of its stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The protocol ended the session.
    #[error(transparent)]
    Protocol(#[from] SenderError),
    /// The connection to NATS was down for longer than the outage time-out.
    #[error("the connection to NATS was lost and did not come back")]
    Disconnected,
    /// The server denies a permission that the stream needs.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The NATS client failed.
    #[error("NATS: {0}")]
    Nats(String),
    /// The stream was finished before.
    #[error("the stream was finished")]
    Finished,
}

/// How a subscriber's session ended before the end of its stream.
#[derive(Debug, Clone)]
pub(crate) enum SubscribeFailure {
    Protocol(ReceiverError),
    Disconnected,
    Denied(Denial),
    Nats(String),
}

impl From<ConnectionError> for SessionError {
    fn from(error: ConnectionError) -> SessionError {
        match error {
            ConnectionError::Lost => SessionError::Disconnected,
            ConnectionError::Link(error) => SessionError::Nats(error.0),
        }
    }
}

impl From<ConnectionError> for SubscribeFailure {
    fn from(error: ConnectionError) -> SubscribeFailure {
        match error {
            ConnectionError::Lost => SubscribeFailure::Disconnected,
            ConnectionError::Link(error) => SubscribeFailure::Nats(error.0),
        }
    }
}
