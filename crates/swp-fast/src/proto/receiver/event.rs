//! What a [`super::Receiver`] tells its caller: events, and why a session failed.

use std::time::Duration;

use crate::proto::AssembleError;
use crate::wire::ResetCode;

/// Why a consumer's session ended before the end of the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// The publisher refused this consumer, or reset the session.
    #[error("the publisher ended the session: {reason}")]
    Reset {
        /// The code of the publisher's RESET.
        code: ResetCode,
        /// The reason that the publisher gave, without control characters.
        reason: String,
    },
    /// Nothing was heard from the publisher for the idle time-out.
    #[error("the publisher was not heard for {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The publisher removed this consumer, and accepted none of its SYNs within the idle time-out.
    #[error(
        "the publisher removed this consumer ({reason}) and did not readmit it within the idle \
         time-out"
    )]
    NotReadmitted {
        /// Why the publisher removed this consumer.
        reason: String,
    },
    /// The publisher speaks another version of the wire.
    #[error(
        "the publisher speaks wire version {theirs}, this consumer speaks {}",
        crate::wire::VERSION
    )]
    Version {
        /// The publisher's version.
        theirs: u8,
    },
    /// Fragments did not make up a message.
    #[error(transparent)]
    Fragments(#[from] AssembleError),
    /// A frame with a correct header and digest has content that no publisher may send.
    #[error("the publisher broke the protocol: {0}")]
    Protocol(&'static str),
    /// The application cancelled the session or detached from it.
    #[error("cancelled")]
    Cancelled,
}

/// A change in a consumer's session, for the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiverEvent {
    /// The publisher accepted this consumer.
    Connected,
    /// The publisher had removed this consumer, and has readmitted it. The stream continues without
    /// a gap.
    Reconnected,
    /// This consumer has everything, and the publisher knows it or can no longer be told.
    Ended,
    /// The session failed before the end of the stream.
    Failed(ReceiverError),
}
