//! RESET: ends a session for its receiver, with a reason.

use super::cursor::Cursor;
use super::error::WireError;
use super::kinds::coded_enum;
use super::put::Put;
use super::seq::PeerId;

/// The longest reason in a RESET, in bytes.
pub const MAX_REASON: usize = 256;

coded_enum! {
    /// Why a session is over for the receiver of a RESET.
    #[non_exhaustive]
    pub enum ResetCode {
        /// Publisher and consumer speak different versions of the wire.
        Version = 1,
        /// Another publisher holds the stream.
        StreamInUse = 2,
        /// The publisher admits no further consumer, or no late join.
        Refused = 3,
        /// The consumer is not a peer of the session, or is no longer one.
        UnknownSession = 4,
        /// The consumer timed out: it sent nothing for the idle time-out, or left too many frames
        /// unacked.
        TimedOut = 5,
        /// The application ended the session before the end of the stream.
        Cancelled = 6,
        /// The consumer broke the protocol, or its SYN cannot be accepted by this publisher.
        Protocol = 7,
        /// The publisher evicted the consumer, because the consumer was too slow for the stream.
        TooSlow = 8,
        /// The publisher can no longer supply the frames that the consumer needs.
        Unavailable = 9,
    }
}

/// The session is over for the receiver of this frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The consumer that leaves or is removed. In an answer to an [`Announce`](super::Announce),
    /// the inbox of the publisher that must not use the stream.
    pub peer: PeerId,
    /// The reason, for programs.
    pub code: ResetCode,
    /// The reason, for people. The encoder cuts the reason at [`MAX_REASON`] bytes.
    ///
    /// A decoded reason is untrusted and may contain control characters. Escape the reason before
    /// display.
    pub reason: String,
}

impl Reset {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut put = Put::array(3);
        put.id(self.peer.0).uint(self.code as u8).str_cut(&self.reason, MAX_REASON);
        put.into_vec()
    }

    pub(super) fn decode(body: &[u8]) -> Result<Reset, WireError> {
        let mut cursor = Cursor::new(body);
        cursor.array(3, "reset")?;
        let reset = Reset {
            peer: cursor.peer()?,
            code: ResetCode::from_code(cursor.uint("reset code")?)
                .ok_or(WireError::OutOfRange("reset code"))?,
            reason: cursor.str(MAX_REASON, "reason")?.to_owned(),
        };
        cursor.finish()?;
        Ok(reset)
    }
}

#[cfg(test)]
mod tests;
