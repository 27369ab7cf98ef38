//! Fragments back to the message that they were cut from.

use bytes::{Bytes, BytesMut};

use crate::wire::Fragment;

/// The buffer grows at most this far ahead of what has arrived, so that a length from the network
/// cannot allocate without a bound. 1 MiB is 64 ordinary frames.
const RESERVE_BYTES: usize = 1 << 20;

/// Fragments that do not make up a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// The message is longer than this consumer accepts.
    #[error("a message of {total} bytes exceeds the bound of {max}")]
    TooLong {
        /// The length of the message, in bytes.
        total: u64,
        /// The bound, in bytes.
        max: u64,
    },
    /// A fragment does not follow the one before it.
    #[error("a fragment at {offset} came where {expected} was due")]
    OutOfPlace {
        /// The offset that the fragment states.
        offset: u64,
        /// The offset where the next fragment must start.
        expected: u64,
    },
}

/// Puts one message at a time together.
///
/// Holds at most the bound given to [`Assembler::new`]. The memory of the longest message is kept:
/// if the application drops a message before the next one begins, the next one is put together in
/// the same memory. That needs no fresh pages, and the memory may still lie in a cache.
#[derive(Debug)]
pub struct Assembler {
    max_bytes: u64,
    /// The length of the message that has begun.
    total: u64,
    message: BytesMut,
}

impl Assembler {
    /// Accepts messages of up to `max_bytes`.
    pub fn new(max_bytes: u64) -> Assembler {
        Assembler { max_bytes, total: 0, message: BytesMut::new() }
    }

    /// Returns true if a message has begun and not ended. No whole message may come then.
    pub fn is_open(&self) -> bool {
        !self.message.is_empty()
    }

    /// Takes the next fragment. Returns the message with its last fragment.
    ///
    /// # Errors
    /// If the fragment does not continue the message, or the message is too long. The message that
    /// has begun is dropped.
    pub fn push(&mut self, fragment: &Fragment) -> Result<Option<Bytes>, AssembleError> {
        let expected = self.message.len() as u64;
        if expected == 0 {
            self.total = fragment.total;
            // Succeeds if the message before was dropped. If not, the buffer grows below.
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
        if self.message.capacity() - self.message.len() < fragment.part.len() {
            let missing = (self.total - expected) as usize;
            self.message.reserve(missing.min(RESERVE_BYTES.max(self.message.len())));
        }
        self.message.extend_from_slice(&fragment.part);
        Ok(fragment.is_last().then(|| self.message.split().freeze()))
    }
}

#[cfg(test)]
mod tests;
