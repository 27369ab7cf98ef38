//! Every way in which a command can fail: one sentence for the user, and the exit code of its class.

use swp_fast::wire::ResetCode;
use swp_fast::{LostReason, ReceiverError, SenderError};
use swp_fast::{PublishError, ReceiveError, SendError, SessionError, SubscribeError};
use swp_replay::capture::{CaptureError, WriteError};
use swp_replay::disk::DiskError;
use swp_replay::generate::GenerateError;

/// Why a command did not do all that it was asked for. The text is one sentence that says what to do,
/// where anything can be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// It could not be done: no such file, no server, refused, the output exists.
    #[error("{0}")]
    Failed(String),
    /// It cannot be asked for: a stream name that is no subject, a size out of bounds.
    #[error("{0}")]
    Usage(String),
    /// Data is corrupt, missing, or not what it should be.
    #[error("{0}")]
    Incomplete(String),
    /// The other end went away.
    #[error("{0}")]
    PeerLost(String),
    /// Ctrl-C or SIGTERM.
    #[error("{0}")]
    Interrupted(String),
}

impl Error {
    /// The exit code, as the README lists them. 130 is what shells use for Ctrl-C.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Error::Failed(_) => 1,
            Error::Usage(_) => 2,
            Error::Incomplete(_) => 3,
            Error::PeerLost(_) => 4,
            Error::Interrupted(_) => 130,
        }
    }
}

impl From<CaptureError> for Error {
    fn from(error: CaptureError) -> Self {
        let text = error.to_string();
        match error {
            CaptureError::IsDirectory { .. } => {
                Error::Failed(format!("{text}; name a capture file in it"))
            }
            CaptureError::Io { .. } | CaptureError::Stopped { .. } => Error::Failed(text),
            CaptureError::Version { .. } => {
                Error::Failed(format!("{text}; use the program that wrote it"))
            }
            _ => Error::Incomplete(text),
        }
    }
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        let text = error.to_string();
        match error {
            WriteError::Exists { .. } => {
                Error::Failed(format!("{text}; --force replaces it, or name another"))
            }
            WriteError::Option { .. } => Error::Usage(text),
            WriteError::Full { .. } => Error::Failed(format!("{text}; what was written is kept")),
            WriteError::Record(_) | WriteError::Body(_) => {
                Error::Incomplete(format!("the stream carries something that is no record: {text}"))
            }
            _ => Error::Failed(text),
        }
    }
}

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::NoUring(_) => Error::Failed(format!("{error}; use --io pread")),
            _ => Error::Failed(error.to_string()),
        }
    }
}

impl From<GenerateError> for Error {
    fn from(error: GenerateError) -> Self {
        match error {
            GenerateError::Write(error) => error.into(),
            other => Error::Usage(other.to_string()),
        }
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        let text = error.to_string();
        match error {
            SessionError::Protocol(SenderError::StreamInUse) => Error::Failed(format!(
                "{text}; wait until it is done, or choose another name with --to"
            )),
            SessionError::Protocol(SenderError::ConsumerLost { reason, .. }) => match reason {
                LostReason::Left(_) | LostReason::TimedOut(_) => Error::PeerLost(text),
                _ => Error::PeerLost(text),
            },
            _ => Error::Failed(text),
        }
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::InvalidStream { .. } | PublishError::Config(_) => {
                Error::Usage(error.to_string())
            }
            PublishError::Session(error) => error.into(),
            other => Error::Failed(other.to_string()),
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Closed(error) => error.into(),
            other => Error::Incomplete(format!("the capture cannot be sent: {other}")),
        }
    }
}

impl From<SubscribeError> for Error {
    fn from(error: SubscribeError) -> Self {
        let text = error.to_string();
        match error {
            SubscribeError::InvalidStream { .. } | SubscribeError::Config(_) => Error::Usage(text),
            SubscribeError::NoPublisher(_) => {
                Error::Failed(format!("{text}; start `swp-replay play` with this stream as --to"))
            }
            // Before a publisher let this side in, its no is a refusal and not a loss; unless it gave up itself.
            SubscribeError::Session(ReceiveError::Protocol(ReceiverError::Reset {
                code,
                reason,
            })) if code != ResetCode::Cancelled => {
                Error::Failed(format!("the publisher refused this consumer: {reason}"))
            }
            SubscribeError::Session(error) => error.into(),
            _ => Error::Failed(text),
        }
    }
}

impl From<ReceiveError> for Error {
    fn from(error: ReceiveError) -> Self {
        let text = error.to_string();
        match error {
            ReceiveError::Protocol(ReceiverError::Reset { .. } | ReceiverError::TimedOut(_)) => {
                Error::PeerLost(text)
            }
            ReceiveError::Protocol(ReceiverError::Protocol(_) | ReceiverError::Fragments(_)) => {
                Error::Incomplete(text)
            }
            _ => Error::Failed(text),
        }
    }
}

#[cfg(test)]
mod tests;
