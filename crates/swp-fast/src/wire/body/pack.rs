//! Packs messages into the body of a frame.

use bytes::{BufMut, BytesMut};

use super::HASH_RUN;
use super::bin::{message_len, put_bin_len};
use crate::wire::MAX_HEADER;

/// A frame that is being filled with messages.
///
/// The frame has one buffer, allocated at once, for header and body. The header is later written in
/// front of the messages without copying them.
#[derive(Debug)]
pub struct OpenFrame {
    buf: BytesMut,
    messages: u32,
    /// The frame is full when its body has this many bytes.
    full: usize,
    /// The body never has more bytes than this.
    limit: usize,
}

impl OpenFrame {
    /// Creates an empty frame for a body that blake3 will hash, and allocates `limit` bytes of
    /// body.
    ///
    /// `limit` is at most `u32::MAX`, as in the SYN-ACK. If `limit` is [`HASH_RUN`] or more, the
    /// frame is full when its body has filled every whole run within `limit`; see
    /// [`BODY_LIMIT`](super::BODY_LIMIT).
    pub fn new(limit: usize) -> OpenFrame {
        let full = if limit < HASH_RUN { limit } else { limit - limit % HASH_RUN };
        OpenFrame::full_at(full, limit)
    }

    /// Creates an empty frame for a body that blake3 will not hash, and allocates `limit` bytes of
    /// body. The frame is full when its body has `limit` bytes.
    pub fn unhashed(limit: usize) -> OpenFrame {
        OpenFrame::full_at(limit, limit)
    }

    fn full_at(full: usize, limit: usize) -> OpenFrame {
        let limit = limit.min(u32::MAX as usize);
        let mut buf = BytesMut::with_capacity(MAX_HEADER + limit);
        buf.put_bytes(0, MAX_HEADER);
        OpenFrame { buf, messages: 0, full, limit }
    }

    /// Packs a message and returns true.
    ///
    /// Returns false and changes nothing if the frame is full, or the message exceeds the space
    /// that is left. An empty frame takes any message of up to `limit` less
    /// [`MESSAGE_OVERHEAD`](super::MESSAGE_OVERHEAD) bytes.
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> bool {
        let after = self.body_len() + message_len(message.len());
        if after > self.limit || self.is_full() {
            return false;
        }
        put_bin_len(&mut self.buf, message.len());
        self.buf.extend_from_slice(message);
        self.messages += 1;
        true
    }

    /// Returns true if the frame takes no further message of any length.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.body_len() >= self.full
    }

    /// Returns the number of messages in the frame.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// Returns the length of the body, in bytes.
    #[inline]
    pub fn body_len(&self) -> usize {
        self.buf.len() - MAX_HEADER
    }

    /// Returns true if the frame has no message.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Returns the body.
    pub fn body(&self) -> &[u8] {
        &self.buf[MAX_HEADER..]
    }

    /// Takes the buffer and the number of messages, and leaves an empty frame.
    ///
    /// The body in the buffer follows [`MAX_HEADER`] bytes of free space. A body of less than a
    /// quarter of the limit is copied to a smaller buffer. A short body would otherwise occupy the
    /// memory of a full frame until it is acked.
    pub fn take(&mut self) -> (BytesMut, u32) {
        let messages = std::mem::take(&mut self.messages);
        if self.body_len() < self.limit / 4 {
            let small = BytesMut::from(&self.buf[..]);
            self.buf.truncate(MAX_HEADER);
            return (small, messages);
        }
        let full = std::mem::replace(self, OpenFrame::full_at(self.full, self.limit));
        (full.buf, messages)
    }

    /// Returns the buffer. The body in the buffer follows [`MAX_HEADER`] bytes of free space.
    pub fn into_buf(self) -> BytesMut {
        self.buf
    }
}

/// Returns a buffer with a packed body of one message, behind [`MAX_HEADER`] bytes of free space.
///
/// Use this function in place of an [`OpenFrame`] for a single message that would leave most of the
/// frame empty.
pub fn encode_message(message: &[u8]) -> BytesMut {
    let mut buf = BytesMut::with_capacity(MAX_HEADER + message_len(message.len()));
    buf.put_bytes(0, MAX_HEADER);
    put_bin_len(&mut buf, message.len());
    buf.extend_from_slice(message);
    buf
}

#[cfg(test)]
mod tests;
