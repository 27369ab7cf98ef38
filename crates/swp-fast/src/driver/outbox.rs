//! The packer as producers and the publisher's task share it: one lock, and a flag that tells a
//! producer to wake the task.

use crate::proto::{Packer, Position, Refused};

/// What stands behind the producers' lock.
pub(crate) struct Outbox {
    pub(crate) packer: Packer,
    /// The task sleeps until something is accepted. While a flush is under way this is false: the
    /// task looks here by itself when the flush has returned.
    awaited: bool,
}

/// A message that the packer accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) position: Position,
    /// The task waits for this message: call `PublishShared::note_accepted`.
    pub(crate) awaited: bool,
}

impl Outbox {
    pub(crate) fn new(packer: Packer) -> Outbox {
        Outbox { packer, awaited: true }
    }

    /// Adds to an accepted message whether the task waits for it. True once, until
    /// [`Self::await_more`].
    #[inline]
    pub(crate) fn accepted(
        &mut self,
        pushed: Result<Position, Refused>,
    ) -> Result<Accepted, Refused> {
        pushed.map(|position| Accepted { position, awaited: std::mem::take(&mut self.awaited) })
    }

    /// The task sleeps until something is accepted.
    pub(super) fn await_more(&mut self) {
        self.awaited = true;
    }
}
