//! What the handshake has settled: which session a consumer is in, which bodies it accepts, and
//! which generations of the group it listens to.

use crate::proto::FIRST_GENERATION;
use crate::wire::{Frame, Header, Integrity, Probe, SessionId, SynAck};

/// See the [module](self). Replaced as a whole when a publisher readmits the consumer.
#[derive(Debug, Clone)]
pub(super) struct Session {
    id: SessionId,
    epoch: u32,
    integrity: Integrity,
    max_body_bytes: u32,
    /// The generation of the group that the consumer listens to; 0 for none.
    generation: u32,
    /// Frames to the generation before may still be on their way.
    moving: bool,
    /// While the consumer listens to the group, the group keeps to this consumer's credit.
    paces: bool,
}

impl Session {
    /// The session that this SYN-ACK, with this header, accepts the consumer into.
    pub(super) fn new(header: &Header, syn_ack: &SynAck) -> Session {
        Session {
            id: header.session,
            epoch: header.epoch,
            integrity: syn_ack.integrity,
            max_body_bytes: syn_ack.max_body_bytes,
            generation: syn_ack.generation,
            moving: true,
            paces: syn_ack.paces,
        }
    }

    /// The session's id.
    pub(super) fn id(&self) -> SessionId {
        self.id
    }

    /// The session's epoch.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Returns true if a frame with this header belongs to the session in its epoch.
    pub(super) fn owns(&self, header: &Header) -> bool {
        self.id == header.session && self.epoch == header.epoch
    }

    /// Returns true if a frame with this header comes from a restarted publisher of the session.
    pub(super) fn is_restarted_by(&self, header: &Header) -> bool {
        self.id == header.session && self.epoch < header.epoch
    }

    /// Returns true if the body has the digest and the size that were agreed.
    pub(super) fn allows_body(&self, frame: &Frame) -> bool {
        frame.header.digest.integrity() == self.integrity
            && frame.body.len() <= self.max_body_bytes as usize
    }

    /// The largest body of a data frame, in bytes.
    pub(super) fn max_body_bytes(&self) -> u32 {
        self.max_body_bytes
    }

    /// What must be kept free for each missing frame, in bytes.
    ///
    /// A credit ends at a place in the stream. The publisher sends frames to the group without
    /// regard to the credit of a consumer that catches up or that sets no pace. So a consumer
    /// accepts such a frame only if every frame that is missing before it still finds space.
    pub(super) fn reserve_bytes(&self) -> u32 {
        let sent_for_credit = self.generation > 0 && self.paces;
        if sent_for_credit { 0 } else { self.max_body_bytes }
    }

    /// A further SYN-ACK of the session may name a newer generation to listen to.
    pub(super) fn handle_syn_ack(&mut self, syn_ack: &SynAck) {
        if syn_ack.generation > self.generation {
            self.generation = syn_ack.generation;
            self.moving = true;
        }
    }

    /// A probe of the newest generation comes behind everything that was sent to the one before.
    pub(super) fn handle_probe(&mut self, probe: &Probe) {
        self.moving &= probe.generation != self.generation;
    }

    /// The newest generation that the consumer listens to; 0 for none.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether the generation before the newest is still to be listened to.
    pub(super) fn is_moving(&self) -> bool {
        self.moving
    }
}

/// The generations to listen to, the newest last, at most three. None for `newest` = 0.
pub(super) fn generations(newest: u32, moving: bool) -> impl Iterator<Item = u32> + Clone {
    // Announcements always go to the first, and nothing else does once the group has left it.
    let others = newest.saturating_sub(u32::from(moving)).max(FIRST_GENERATION + 1)..=newest;
    (newest > 0).then_some(FIRST_GENERATION).into_iter().chain(others)
}

#[cfg(test)]
mod tests;
