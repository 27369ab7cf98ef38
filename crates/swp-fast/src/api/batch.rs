//! Messages as they arrived: borrowed, many at a time.

use bytes::Bytes;

use crate::wire::{MessageSlices, count_messages};

/// Messages that arrived together: all of one frame, or one that was longer than a frame.
///
/// They are slices of one buffer, borrowed from it: of small messages a [`Bytes`] each costs its reader more
/// than reading them does.
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

    /// How many there are, at least one. Counts them.
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        let packed = count_messages(&self.packed).unwrap_or(0) as usize;
        usize::from(self.whole.is_some()) + packed
    }
}
