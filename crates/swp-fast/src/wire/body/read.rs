//! Reads the messages of a packed body.

use bytes::Bytes;

use super::bin::split_bin;
use crate::wire::error::WireError;

/// Iterates over the messages of a packed body, as slices of its buffer. After an error the
/// iterator yields nothing more.
///
/// Each slice keeps the buffer of the whole frame alive. Copy a message that is kept for long.
#[derive(Debug, Clone)]
pub struct Messages {
    body: Bytes,
    /// The offset of the next message.
    at: usize,
}

impl Messages {
    /// Creates an iterator over `body`, the body of a frame of
    /// [`Kind::Data`](crate::wire::Kind::Data).
    pub fn new(body: Bytes) -> Messages {
        Messages { body, at: 0 }
    }

    /// Takes the messages that were not read yet, as a packed body, and leaves no message.
    pub fn take_rest(&mut self) -> Bytes {
        let at = std::mem::replace(&mut self.at, self.body.len());
        self.body.slice(at..)
    }

    /// Returns true if every message was read.
    pub fn is_empty(&self) -> bool {
        self.at == self.body.len()
    }
}

impl Iterator for Messages {
    type Item = Result<Bytes, WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.body[self.at..];
        if rest.is_empty() {
            return None;
        }
        match split_bin(rest) {
            Ok((head, len)) => {
                let start = self.at + head;
                self.at = start + len;
                Some(Ok(self.body.slice(start..start + len)))
            }
            Err(error) => {
                self.at = self.body.len();
                Some(Err(error))
            }
        }
    }
}

/// Iterates over the messages of a packed body, as borrowed slices. After an error the iterator
/// yields nothing more.
///
/// The iterator costs less than [`Messages`], which counts a reference for each message. Use this
/// iterator if no message is kept.
#[derive(Debug, Clone)]
pub struct MessageSlices<'a> {
    rest: &'a [u8],
}

impl<'a> MessageSlices<'a> {
    /// Creates an iterator over `body`, the body of a frame of
    /// [`Kind::Data`](crate::wire::Kind::Data).
    pub fn new(body: &'a [u8]) -> MessageSlices<'a> {
        MessageSlices { rest: body }
    }
}

impl<'a> Iterator for MessageSlices<'a> {
    type Item = Result<&'a [u8], WireError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (message, rest) = match split_bin(self.rest) {
            Ok((head, len)) => (Ok(&self.rest[head..head + len]), &self.rest[head + len..]),
            Err(error) => (Err(error), &[][..]),
        };
        self.rest = rest;
        Some(message)
    }
}

/// Checks every length in a packed body, and returns the number of messages.
///
/// # Errors
///
/// Returns the error that [`Messages`] yields for the same body.
pub fn count_messages(body: &[u8]) -> Result<u32, WireError> {
    MessageSlices::new(body).try_fold(0, |count, message| message.map(|_| count + 1))
}

#[cfg(test)]
mod tests;
