//! Why an operation of a connection failed, one type for each.

use std::sync::Arc;

use crate::{
    event::CloseReason,
    ledger::{Amount, Position},
    subject::{Outgoing, Subject},
};

/// Why a message was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The server would close the connection because of a message of this size.
    #[error("a message of {size} bytes exceeds the server's max_payload of {max}; send less")]
    TooLarge {
        /// The size of header section and payload.
        size: usize,
        /// The most that the server accepts.
        max: usize,
    },
    /// The message has headers, and the server does not transport them.
    #[error("the server does not transport headers; enable them there, or send none")]
    NoHeaders,
    /// The connection is closed, or about to be.
    #[error("the connection is closed; open another")]
    Closed,
}

/// Why a message was not published at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TryPublishError {
    /// The queue is full. Here is the message; [`Connection::publish`](super::Connection::publish)
    /// waits.
    #[error("the queue of the connection is full; wait, or raise `queue`")]
    Full(Box<Outgoing>),
    /// The message cannot be published.
    #[error(transparent)]
    Refused(#[from] PublishError),
}

impl PublishError {
    /// Tells a full queue, which is worth waiting for, from errors.
    pub(super) fn split(
        result: Result<Position, TryPublishError>,
    ) -> Result<Result<Position, Box<Outgoing>>, Self> {
        match result {
            Ok(position) => Ok(Ok(position)),
            Err(TryPublishError::Full(message)) => Ok(Err(message)),
            Err(TryPublishError::Refused(error)) => Err(error),
        }
    }
}

/// Why a position will never be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// The connection broke after the message was written, at least in part, and before the server
    /// confirmed it. It is not sent again. Several such breaks may count as one, with what was
    /// confirmed between them.
    #[error("the connection broke before the server confirmed the message; it may have it or not")]
    Lost,
    /// The connection is closed.
    #[error("the connection is closed, and the server has not confirmed the message")]
    Closed,
}

/// Why there is no subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// The user may not subscribe to the subject.
    #[error("the server does not permit this user to subscribe to \"{subject}\"")]
    Denied {
        /// The subject.
        subject: Subject,
    },
    /// The account or the user has as many subscriptions as it may have.
    #[error("no subscription to \"{subject}\": the limit is reached; raise it on the server")]
    LimitReached {
        /// The subject.
        subject: Subject,
    },
    /// The connection is closed.
    #[error("the connection is closed; open another")]
    Closed,
}

/// The connection closed with messages that the server has not confirmed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("closed with {} messages that the server has not confirmed", unconfirmed.messages)]
pub struct CloseError {
    /// What was not confirmed. The server may have some of it.
    pub unconfirmed: Amount,
    /// Why the connection is closed.
    pub reason: Arc<CloseReason>,
}
