//! Which consumer the stream has to wait for, and since when. A stream that evicts slow consumers
//! needs that.

use crate::time::Time;
use crate::wire::PeerId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) id: PeerId,
    pub(super) since: Time,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct StallWatch {
    /// The application has more to send than the window allows.
    backlog: bool,
    holder: Option<Holder>,
}

impl StallWatch {
    pub(super) fn set_backlog(&mut self, waiting: bool) {
        self.backlog = waiting;
    }

    pub(super) fn has_backlog(&self) -> bool {
        self.backlog
    }

    /// The consumer that the stream has to wait for now, if there is one.
    pub(super) fn note_holder(&mut self, id: Option<PeerId>, now: Time) {
        if id != self.holder.map(|holder| holder.id) {
            self.holder = id.map(|id| Holder { id, since: now });
        }
    }

    /// The consumer that the stream waits for, and since when.
    pub(super) fn holder(&self) -> Option<Holder> {
        self.holder
    }
}

#[cfg(test)]
mod tests;
