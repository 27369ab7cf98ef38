//! Messages as they arrived: all of one frame, or one that was put together from fragments.

use bytes::Bytes;

use crate::wire::{MessageSlices, Messages, count_messages};

/// Messages that arrived together: all of one frame, or one message that was longer than a frame.
///
/// The messages are slices of one buffer. [`Self::iter`] borrows them, which for small messages costs less
/// than a [`Bytes`] each; [`IntoIterator`] gives a [`Bytes`] each.
#[derive(Debug, Clone)]
pub struct Batch {
    /// One message that came in fragments, ...
    whole: Option<Bytes>,
    /// ... or a body whose messages were counted when it arrived.
    packed: Bytes,
}

impl Batch {
    pub(super) fn whole(message: Bytes) -> Batch {
        Batch { whole: Some(message), packed: Bytes::new() }
    }

    pub(super) fn packed(body: Bytes) -> Batch {
        Batch { whole: None, packed: body }
    }

    /// The messages, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        // A body was checked when it arrived: every message in it decodes.
        let packed = MessageSlices::new(&self.packed).flatten();
        self.whole.as_deref().into_iter().chain(packed)
    }

    /// How many messages there are, at least one. Counts them.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
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

/// The messages of a [`Batch`], in order, as slices of its buffer. Each keeps the whole buffer alive.
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
    /// Takes what was not yielded yet. Returns `None` where nothing is left.
    pub fn take_rest(&mut self) -> Option<Batch> {
        let whole = self.whole.take();
        let packed = self.packed.take_rest();
        (whole.is_some() || !packed.is_empty()).then_some(Batch { whole, packed })
    }
}

impl Iterator for BatchMessages {
    type Item = Bytes;

    #[inline]
    fn next(&mut self) -> Option<Bytes> {
        if let Some(message) = self.whole.take() {
            return Some(message);
        }
        // A body was checked when it arrived: every message in it decodes.
        self.packed.next().and_then(Result::ok)
    }
}

#[cfg(test)]
mod tests;
