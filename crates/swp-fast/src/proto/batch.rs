//! Messages that arrived together.

use bytes::Bytes;

use crate::wire::{MessageSlices, Messages, count_messages};

/// All messages of one frame, or one message that came in fragments.
///
/// The messages are slices of one buffer. [`Self::iter`] borrows them. [`IntoIterator`] gives a
/// [`Bytes`] for each, which costs more for small messages.
#[derive(Debug, Clone)]
pub struct Batch {
    /// A message that came in fragments. `packed` is empty then.
    whole: Option<Bytes>,
    /// The body of a packed frame. It was checked when it arrived.
    packed: Bytes,
}

impl Batch {
    /// A batch of one message, put together from fragments.
    pub(super) fn whole(message: Bytes) -> Batch {
        Batch { whole: Some(message), packed: Bytes::new() }
    }

    /// The messages of a packed body, which was checked.
    pub(super) fn packed(body: Bytes) -> Batch {
        Batch { whole: None, packed: body }
    }

    /// Returns the messages, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        // `flatten` skips nothing: the body was checked when it arrived.
        let packed = MessageSlices::new(&self.packed).flatten();
        self.whole.as_deref().into_iter().chain(packed)
    }

    /// Returns the number of messages, at least one. Walks over them.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        let packed = count_messages(&self.packed).unwrap_or(0) as usize;
        usize::from(self.whole.is_some()) + packed
    }
}

impl IntoIterator for Batch {
    type Item = Bytes;
    type IntoIter = BatchMessages;

    fn into_iter(self) -> BatchMessages {
        BatchMessages { whole: self.whole, packed: Messages::new(self.packed) }
    }
}

/// The messages of a [`Batch`], in order, as slices of its buffer. Each message keeps the whole
/// buffer alive.
#[derive(Debug, Clone)]
pub struct BatchMessages {
    whole: Option<Bytes>,
    packed: Messages,
}

impl Default for BatchMessages {
    /// No messages.
    fn default() -> Self {
        BatchMessages { whole: None, packed: Messages::new(Bytes::new()) }
    }
}

impl BatchMessages {
    /// Takes the messages that were not yielded yet. Returns `None` if none is left.
    pub fn take_rest(&mut self) -> Option<Batch> {
        let whole = self.whole.take();
        let packed = self.packed.take_rest();
        (whole.is_some() || !packed.is_empty()).then_some(Batch { whole, packed })
    }

    /// Returns true if every message was taken.
    pub fn is_empty(&self) -> bool {
        self.whole.is_none() && self.packed.is_empty()
    }
}

impl Iterator for BatchMessages {
    type Item = Bytes;

    #[inline]
    fn next(&mut self) -> Option<Bytes> {
        if let Some(message) = self.whole.take() {
            return Some(message);
        }
        // No error is hidden here: the body was checked when it arrived.
        self.packed.next().and_then(Result::ok)
    }
}

#[cfg(test)]
mod tests;
