//! Fragments back into the message that they were cut from.

use bytes::{Bytes, BytesMut};

use crate::wire::Fragment;

/// Grown at most this far ahead of what has arrived, so that a length from the network alone cannot
/// make anyone allocate: 1 MiB is 64 ordinary frames.
const RESERVE_BYTES: usize = 1 << 20;

/// Fragments that do not make up a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// Longer than this side accepts.
    #[error("a message of {total} bytes exceeds the bound of {max}")]
    TooLong {
        /// Its length.
        total: u64,
        /// The bound.
        max: u64,
    },
    /// A piece that does not follow on the one before.
    #[error("a fragment at {offset} came where {expected} was due")]
    OutOfPlace {
        /// Where the piece says it belongs.
        offset: u64,
        /// Where the next piece must start.
        expected: u64,
    },
}

/// One message at a time. Holds at most the bound given to [`Assembler::new`], and keeps the memory of the longest
/// message so far: who drops a message before the next begins has that put together in the same place, which
/// needs no fresh pages and may still lie in a cache.
#[derive(Debug)]
pub struct Assembler {
    max_bytes: u64,
    total: u64,
    message: BytesMut,
}

impl Assembler {
    /// Accepts messages of up to `max_bytes`.
    pub fn new(max_bytes: u64) -> Assembler {
        Assembler { max_bytes, total: 0, message: BytesMut::new() }
    }

    /// Whether a message has begun and not ended; whole messages must not come then.
    pub fn is_open(&self) -> bool {
        !self.message.is_empty()
    }

    /// Takes the next piece; returns the message with its last one.
    ///
    /// # Errors
    /// Where the piece does not fit what came before it; the message begun is dropped.
    pub fn push(&mut self, fragment: &Fragment) -> Result<Option<Bytes>, AssembleError> {
        let expected = self.message.len() as u64;
        if expected == 0 {
            self.total = fragment.total;
            // Where the message before is gone. If not, room is made below, piece by piece.
            let _ = self.message.try_reclaim(fragment.total.min(self.max_bytes) as usize);
        }
        if fragment.total > self.max_bytes {
            self.message.clear();
            return Err(AssembleError::TooLong { total: fragment.total, max: self.max_bytes });
        }
        if fragment.offset != expected || fragment.total != self.total {
            self.message.clear();
            return Err(AssembleError::OutOfPlace { offset: fragment.offset, expected });
        }
        if self.message.capacity() - self.message.len() < fragment.piece.len() {
            let missing = (self.total - expected) as usize;
            self.message.reserve(missing.min(RESERVE_BYTES.max(self.message.len())));
        }
        self.message.extend_from_slice(&fragment.piece);
        Ok(fragment.is_last().then(|| self.message.split().freeze()))
    }
}

#[cfg(test)]
mod tests;
