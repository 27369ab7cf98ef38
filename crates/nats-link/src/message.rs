//! A message as the server delivered it: one run of bytes, and where its parts lie.

use std::fmt;

use bytes::Bytes;

/// A message that a server delivered.
///
/// Subject, reply subject, header section and payload are the bytes that the server sent,
/// unchecked. They share one allocation: a copy of the message alone, or a slice of a read buffer.
/// A slice keeps its read buffer alive, which is at most
/// [`SLICE_FACTOR`](crate::parse::SLICE_FACTOR) times as large. [`Self::detach`] ends that.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// From the subject to the end of the payload, with what stands between them on the wire.
    pub(crate) frame: Bytes,
    pub(crate) sid: u64,
    pub(crate) parts: Parts,
    /// The read buffer that `frame` is a slice of; `None` for a copy.
    pub(crate) buffer: Option<BufferId>,
}

/// Offsets of a message's parts in its frame. The subject starts at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) subject_end: u32,
    /// Both are 0 without a reply subject.
    pub(crate) reply: (u32, u32),
    pub(crate) header_start: u32,
    pub(crate) payload_start: u32,
}

/// Which read buffer a slice keeps alive, and its size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BufferId {
    pub(crate) generation: u32,
    pub(crate) capacity: u32,
}

impl Message {
    fn range(&self, start: u32, end: u32) -> &[u8] {
        &self.frame[start as usize..end as usize]
    }

    /// The subject that the message was published to.
    #[must_use]
    pub fn subject(&self) -> &[u8] {
        self.range(0, self.parts.subject_end)
    }

    /// The subject that an answer goes to.
    #[must_use]
    pub fn reply(&self) -> Option<&[u8]> {
        let (start, end) = self.parts.reply;
        (end > start).then(|| self.range(start, end))
    }

    /// The header section as the publisher sent it: a status line, header lines and an empty line.
    /// Empty if the message has no headers.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        self.range(self.parts.header_start, self.parts.payload_start)
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.frame[self.parts.payload_start as usize..]
    }

    /// The subject, sharing the message's memory.
    #[must_use]
    pub fn subject_bytes(&self) -> Bytes {
        self.frame.slice(..self.parts.subject_end as usize)
    }

    /// The reply subject, sharing the message's memory.
    #[must_use]
    pub fn reply_bytes(&self) -> Option<Bytes> {
        self.reply().map(|reply| self.frame.slice_ref(reply))
    }

    /// The header section, sharing the message's memory. See [`Self::header`].
    #[must_use]
    pub fn header_bytes(&self) -> Bytes {
        let (start, end) = (self.parts.header_start, self.parts.payload_start);
        self.frame.slice(start as usize..end as usize)
    }

    /// The payload, sharing the message's memory.
    #[must_use]
    pub fn payload_bytes(&self) -> Bytes {
        self.frame.slice(self.parts.payload_start as usize..)
    }

    /// Turns the message into its payload, without touching a reference count.
    #[must_use]
    pub fn into_payload(mut self) -> Bytes {
        self.frame.split_off(self.parts.payload_start as usize)
    }

    /// The size in bytes that bounds of queues count: from the subject to the end of the payload.
    #[must_use]
    pub fn size(&self) -> usize {
        self.frame.len()
    }

    /// Copies the message out of its read buffer. Does nothing to a message that is a copy already.
    pub fn detach(&mut self) {
        if self.buffer.take().is_some() {
            self.frame = Bytes::copy_from_slice(&self.frame);
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        f.debug_struct("Message")
            .field("subject", &text(self.subject()))
            .field("reply", &self.reply().map(text))
            .field("header", &text(self.header()))
            .field("payload_len", &self.payload().len())
            .finish_non_exhaustive()
    }
}
