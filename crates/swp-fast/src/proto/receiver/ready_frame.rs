//! A data frame whose body was checked, so that later readers may rely on it.

use bytes::Bytes;

use super::ReceiverError;
use crate::wire::{Digest, Fragment, Frame, Kind, Seq, count_messages};

/// A data frame that the application can read.
#[derive(Debug, Clone)]
pub struct ReadyFrame {
    /// The sequence number of the frame.
    pub seq: Seq,
    /// [`Kind::Data`] or [`Kind::Fragment`].
    pub kind: Kind,
    /// The body. It decodes.
    pub body: Bytes,
    /// Messages that end in the frame.
    pub messages: u32,
    /// The digest that the body was checked with.
    pub digest: Digest,
}

impl ReadyFrame {
    /// Checks that the body decodes. A body that does not is the publisher's fault, because its
    /// digest is right.
    ///
    /// # Errors
    /// [`ReceiverError::Protocol`] if the body does not decode, or belongs to a message of more
    /// than `max_message_bytes`.
    pub(super) fn check(frame: Frame, max_message_bytes: u64) -> Result<ReadyFrame, ReceiverError> {
        let messages = match frame.header.kind {
            Kind::Fragment => match Fragment::decode(&frame.body) {
                Ok(fragment) if fragment.total <= max_message_bytes => {
                    u32::from(fragment.is_last())
                }
                Ok(_) => return Err(ReceiverError::Protocol("a message exceeds its bound")),
                Err(_) => return Err(ReceiverError::Protocol("a fragment does not decode")),
            },
            _ => count_messages(&frame.body)
                .map_err(|_| ReceiverError::Protocol("a body does not decode"))?,
        };
        let (seq, kind, digest) = (frame.header.seq, frame.header.kind, frame.header.digest);
        Ok(ReadyFrame { seq, kind, body: frame.body, messages, digest })
    }

    /// The length of the body, in bytes.
    pub(super) fn body_bytes(&self) -> u64 {
        self.body.len() as u64
    }

    /// Returns true if a message begins at the start of the body.
    pub(super) fn begins_message(&self) -> bool {
        self.kind != Kind::Fragment
            || Fragment::decode(&self.body).is_ok_and(|fragment| fragment.offset == 0)
    }
}

#[cfg(test)]
mod tests;
