//! Who joins, and where.

use super::Window;
use crate::wire::{PeerId, SackRanges, Seq};

/// What is fixed when a consumer joins.
#[derive(Debug, Clone)]
pub(in crate::proto) struct Identity {
    pub(in crate::proto) id: PeerId,
    pub(in crate::proto) name: String,
    pub(in crate::proto) tag: String,
    /// The stream goes at this consumer's pace, and frames are retained for it (see
    /// `PublishConfig::tag`).
    pub(in crate::proto) counts: bool,
    /// The id under which the consumer took part before. A consumer that is lost while it rejoins
    /// counts as lost like any other.
    pub(in crate::proto) replaces: Option<PeerId>,
}

impl Identity {
    /// A name for people: the consumer's own, and the id, which alone is unique.
    pub(in crate::proto) fn display(&self) -> String {
        match self.name.is_empty() {
            true => self.id.to_string(),
            false => format!("{} ({})", self.name, self.id),
        }
    }
}

/// Where and how a consumer joins.
#[derive(Debug)]
pub(in crate::proto) struct Joining {
    pub(in crate::proto) identity: Identity,
    /// The first frame for this consumer, and the byte offset of that frame.
    pub(in crate::proto) start: Seq,
    pub(in crate::proto) start_bytes: u64,
    pub(in crate::proto) window: Window,
    /// What the consumer holds above `start`, where it has to catch up. `None` where it joins the
    /// group at once.
    pub(in crate::proto) catches_up: Option<SackRanges>,
    /// The consumer misses nothing that was sent.
    pub(in crate::proto) misses_nothing: bool,
}
