//! The packer as producers and the publisher's task share it: one lock, and who wakes the task.

use crate::proto::{Packer, Position, Refused};

/// What is behind the producers' lock.
pub(crate) struct Outbox {
    pub(crate) packer: Packer,
    /// The task sleeps until something is accepted: the producer that brings it wakes the task. Not while a
    /// flush is under way, behind which the task looks here by itself.
    awaited: bool,
}

impl Outbox {
    pub(crate) fn new(packer: Packer) -> Outbox {
        Outbox { packer, awaited: true }
    }

    /// Adds whether the task waits for what was accepted, and has to be woken; true once.
    #[inline]
    pub(crate) fn accepted(
        &mut self,
        pushed: Result<Position, Refused>,
    ) -> Result<(Position, bool), Refused> {
        pushed.map(|position| (position, std::mem::take(&mut self.awaited)))
    }

    /// The task is to be woken by what comes next, for nothing else will have it look here.
    pub(crate) fn await_more(&mut self) {
        self.awaited = true;
    }
}
