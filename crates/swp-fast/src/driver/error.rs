//! How a session over NATS ends before its time.

use super::Denial;
use super::link::LinkError;
use crate::proto::SenderError;

/// How a publisher's session ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Ended by the protocol.
    #[error(transparent)]
    Protocol(#[from] SenderError),
    /// NATS was away for longer than the outage time-out.
    #[error("the connection to NATS was lost and did not come back")]
    Disconnected,
    /// The server forbids what the stream needs.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// The client failed.
    #[error("NATS: {0}")]
    Nats(String),
    /// Finished already.
    #[error("the stream was finished")]
    Finished,
}

/// Why a subscriber's task ended, where the protocol does not know.
#[derive(Debug, Clone)]
pub(crate) enum SubscribeFailure {
    Disconnected,
    Denied(Denial),
    Nats(String),
}

impl From<LinkError> for SessionError {
    fn from(error: LinkError) -> SessionError {
        match error {
            LinkError::Lost => SessionError::Disconnected,
            LinkError::Client(error) => SessionError::Nats(error),
        }
    }
}

impl From<LinkError> for SubscribeFailure {
    fn from(error: LinkError) -> SubscribeFailure {
        match error {
            LinkError::Lost => SubscribeFailure::Disconnected,
            LinkError::Client(error) => SubscribeFailure::Nats(error),
        }
    }
}
