//! The publisher's control frames: numbered, sealed, and queued until they are sent.

use std::collections::VecDeque;

use bytes::Bytes;

use super::SenderIds;
use crate::proto::{Dest, Transmit};
use crate::wire::{Control, Digest, Header, Key, Kind, PeerId, Sealer, Seq};

/// Control frames that wait. Most inputs cause at most one, and the caller empties the queue after
/// each input. A probe of the group causes two for each consumer that does not listen to the group,
/// so with more than half as many such consumers the last are asked by no probe. Nothing is lost:
/// their own acks and SYNs keep them connected, and a SYN is answered again.
const MAX_CONTROL: usize = 256;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct ControlQueue {
    ids: SenderIds,
    sealer: Sealer,
    /// The sequence number of the newest control frame.
    last: Seq,
    frames: VecDeque<Transmit>,
}

impl ControlQueue {
    pub(super) fn new(ids: SenderIds, key: Option<Key>) -> ControlQueue {
        let sealer = Sealer::new(key);
        ControlQueue { ids, sealer, last: Seq::ZERO, frames: VecDeque::new() }
    }

    pub(super) fn ids(&self) -> SenderIds {
        self.ids
    }

    pub(super) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// The header of a data frame of this session.
    pub(super) fn data_header(&self, kind: Kind, seq: Seq, digest: Digest) -> Header {
        let SenderIds { session, epoch, .. } = self.ids;
        Header { kind, session, epoch, seq, digest }
    }

    /// Seals a control frame that is sent at once.
    pub(super) fn seal(&mut self, control: &Control) -> Bytes {
        let SenderIds { session, epoch, .. } = self.ids;
        self.last = self.last.next();
        self.sealer.seal_control(session, epoch, self.last, control)
    }

    /// Queues a control frame. Returns false where the queue is full, and drops the frame.
    pub(super) fn push(&mut self, to: Dest, control: &Control) -> bool {
        if self.frames.len() >= MAX_CONTROL {
            return false;
        }
        let frame = self.seal(control);
        self.frames.push_back(Transmit { to, frame });
        true
    }

    pub(super) fn pop(&mut self) -> Option<Transmit> {
        self.frames.pop_front()
    }

    /// Drops what waits for the inbox of a consumer that was removed.
    pub(super) fn drop_for(&mut self, id: PeerId) {
        self.frames.retain(|transmit| transmit.to != Dest::Peer(id));
    }
}

#[cfg(test)]
mod tests;
