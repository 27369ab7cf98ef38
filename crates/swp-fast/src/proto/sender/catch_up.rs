//! Consumers that catch up: frames that are read again for them from the source, and frames for
//! their inboxes. [`CatchUpScheduler`] decides when.

use bytes::BytesMut;

use super::{CatchUpScheduler, LostReason, Sender, WriteError};
use crate::proto::peer::PeerState;
use crate::proto::{Dest, Transmit};
use crate::time::Time;
use crate::wire::{Digest, Kind, MAX_HEADER, PeerId, Seq};

/// What is to be read again from the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewind {
    /// The consumer that needs the frame.
    pub peer: PeerId,
    /// The sequence number of the next frame for [`Sender::write_reread`].
    pub from: Seq,
}

impl Sender {
    /// The source of this stream can be read again, from any frame on. So consumers may resume from
    /// where nothing is retained any more, and join from the start.
    pub fn set_rewindable(&mut self) {
        self.catch_up.set_rewindable();
    }

    /// Returns the next frame that is wanted from the source: of each consumer in turn that needs
    /// one, and whose window has space for it. To be asked again after every input.
    pub fn poll_rewind(&mut self) -> Option<Rewind> {
        // A peer that needs frames which no source can supply is removed at the next
        // `handle_timeout`.
        if self.is_over() || !self.catch_up.is_rewindable() {
            return None;
        }
        let first = self.window.queue().first_seq();
        let mut in_turn = self.peers.in_turn(self.catch_up.last_reread());
        let rewind = in_turn.find_map(|peer| {
            let reread = peer.needs_reread(first)?;
            let from = reread.next_seq();
            let has_space = peer.credit().is_open_at(from, reread.end_bytes())
                && self.window.may_reread(reread);
            let wanted = peer.state() == PeerState::Live && has_space;
            wanted.then_some(Rewind { peer: peer.id(), from })
        })?;
        self.catch_up.note_reread(rewind.peer);
        Some(rewind)
    }

    /// Gives a frame that [`Self::poll_rewind`] wanted. `buf` holds its body behind [`MAX_HEADER`]
    /// bytes of space. `digest` saves the hash, where it is of the session's kind. A frame that the
    /// consumer does not need any more is dropped.
    ///
    /// # Errors
    /// Where the body cannot have been one of this session's.
    pub fn write_reread(
        &mut self,
        rewind: Rewind,
        kind: Kind,
        buf: BytesMut,
        digest: Option<Digest>,
    ) -> Result<(), WriteError> {
        let body_len = buf.len().saturating_sub(MAX_HEADER);
        let max = self.config.max_body_bytes();
        if body_len > max {
            return Err(WriteError::BodyTooLarge { bytes: body_len, max });
        }
        if buf.len() < MAX_HEADER || !kind.is_data() {
            return Err(WriteError::NotData);
        }
        let queue = self.window.queue();
        let (first, first_bytes) = (queue.first_seq(), queue.first_bytes());
        let reread = self.peers.get(rewind.peer).and_then(|peer| peer.needs_reread(first));
        let Some(reread) = reread.filter(|reread| reread.next_seq() == rewind.from) else {
            return Ok(());
        };
        let end_bytes = reread.end_bytes() + body_len as u64;
        let digest = self.digest_of(digest, &buf[MAX_HEADER..]);
        let header = self.control.data_header(kind, rewind.from, digest);
        let frame = self.control.sealer().seal_data(buf, &header);
        self.peers.update(rewind.peer, |peer| peer.push_reread(frame, end_bytes));
        if rewind.from.next() == first && end_bytes != first_bytes {
            self.fail_rewind(rewind.peer, "what is read again is not what was sent");
        }
        Ok(())
    }

    /// Whether this consumer has not caught up.
    pub fn is_catching_up(&self, peer: PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| !peer.is_caught_up())
    }

    /// The source cannot supply what [`Self::poll_rewind`] wanted: the consumer is told so, and
    /// removed.
    pub fn fail_rewind(&mut self, peer: PeerId, reason: &str) {
        self.remove(peer, LostReason::Unavailable(reason.to_owned()));
    }

    /// The next frame for the inbox of a consumer that catches up.
    pub(super) fn next_catch_up(&mut self, now: Time) -> Option<Transmit> {
        if !self.catch_up.may_send(now, self.group_is_done()) {
            return None;
        }
        let (queue, unsent) = (self.window.queue(), self.window.unsent());
        let most_in_flight = self.most_catch_up_in_flight();
        let ready = self.peers.in_turn(self.catch_up.last_sent()).filter(|peer| {
            let in_flight = peer.sent_end(unsent).since(peer.cumulative());
            peer.state() == PeerState::Live && !peer.is_caught_up() && in_flight < most_in_flight
        });
        let ready: Vec<PeerId> = ready.map(|peer| peer.id()).collect();
        let found = ready.into_iter().find_map(|id| {
            let frame = self.peers.update(id, |peer| {
                let seq = peer.poll_catch_up(unsent)?;
                let slot = peer.find(queue, seq).filter(|slot| peer.credit().allows(slot))?;
                let frame = slot.frame.clone();
                peer.note_catch_up_sent(now);
                Some(frame)
            });
            frame.flatten().map(|frame| (id, frame))
        });
        if let Some((id, _)) = &found {
            self.counters.stats.past.caught_up_frames += 1;
            self.catch_up.note_sent(*id);
        }
        self.count_behind();
        self.tell_to_listen();
        found.map(|(id, frame)| Transmit { to: Dest::Peer(id), frame })
    }

    fn most_catch_up_in_flight(&self) -> u64 {
        let unsent = self.window.unsent();
        let group = self.peers.iter().filter(|peer| peer.is_caught_up() && peer.is_unfinished());
        let in_flight = group.map(|peer| unsent.since(peer.cumulative())).max();
        CatchUpScheduler::most_in_flight(in_flight.unwrap_or(0))
    }

    /// Tells consumers that have been sent everything to listen to the group. From now on the group
    /// keeps to their credit.
    fn tell_to_listen(&mut self) {
        let mut reached = Vec::new();
        self.peers.for_each_mut(|peer| {
            if peer.take_tell_to_listen() {
                reached.push(peer.id());
            }
        });
        for id in reached {
            self.send_syn_ack(id);
        }
    }

    /// Tells whether the link has yet to take what it was handed. Consumers that catch up wait as
    /// long, or they would fill the link before the group's next frames are there. A caller that
    /// never tells has a link that is never busy.
    pub fn handle_link(&mut self, busy: bool) {
        self.catch_up.handle_link(busy);
    }
}
