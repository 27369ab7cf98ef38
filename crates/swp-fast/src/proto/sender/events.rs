//! What a publisher tells its application: ids, events, and how a session ends.

use std::time::Duration;

use crate::wire::{PeerId, SessionId};

/// The numbers that name a publisher. They are random, and the caller's to draw.
#[derive(Debug, Clone, Copy)]
pub struct SenderIds {
    /// The session.
    pub session: SessionId,
    /// Counts the restarts of the session.
    pub epoch: u32,
    /// The publisher's own inbox.
    pub inbox: PeerId,
}

/// Why a publisher's session ended before its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SenderError {
    /// Another publisher holds the stream.
    #[error("another publisher holds this stream")]
    StreamInUse,
    /// Too few consumers are left.
    #[error("lost consumer {name}: {reason}")]
    ConsumerLost {
        /// Name and id of the consumer that was lost last.
        name: String,
        /// Why the consumer was lost.
        reason: LostReason,
    },
    /// The application aborted the session.
    #[error("the session was aborted")]
    Aborted,
}

/// Why a consumer was lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LostReason {
    /// The publisher heard nothing of the consumer for the idle time-out.
    #[error("nothing heard for {}", format_seconds(.0))]
    TimedOut(Duration),
    /// See [`crate::config::UnackedLimit`].
    #[error("{0} frames sent to it went unanswered")]
    TooManyUnacked(u32),
    /// The consumer left.
    #[error("it left: {0}")]
    Left(String),
    /// See [`crate::config::Slow::Evict`].
    #[error("it held the stream back for {} without taking anything", format_seconds(.0))]
    Stalled(Duration),
    /// The consumer sets no pace, and frames that it needs are no longer retained.
    #[error("it fell behind by more than what is retained")]
    LeftBehind,
    /// No source can supply the frames that the consumer needs.
    #[error("{0}")]
    Unavailable(String),
}

fn format_seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SenderEvent {
    /// A consumer takes part.
    Joined {
        /// Name and id.
        name: String,
        /// How many consumers there are now.
        consumers: usize,
        /// The consumer resumes in the place of this one: its own id, where it was lost for a
        /// while.
        replaces: Option<PeerId>,
    },
    /// The publisher refused a consumer.
    Refused {
        /// Name and id.
        name: String,
        /// Why the consumer was refused.
        reason: String,
    },
    /// A consumer was lost. The stream goes on if enough are left.
    Lost {
        /// The consumer's id.
        id: PeerId,
        /// Name and id.
        name: String,
        /// Why the consumer was lost.
        reason: LostReason,
    },
    /// A consumer has consumed the stream to its end.
    Finished {
        /// Name and id.
        name: String,
    },
    /// All consumers have finished: the session is over.
    Closed,
    /// The session is over before the end of the stream.
    Failed(SenderError),
}
