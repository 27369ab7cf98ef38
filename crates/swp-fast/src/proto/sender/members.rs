//! What the consumers together allow, need and hold back.

use super::{ConsumerStats, LostReason, Sender, State};
use crate::config::Slow;
use crate::proto::ack_delay;
use crate::proto::peer::{Peer, PeerState};
use crate::time::Time;
use crate::wire::PeerId;

impl Sender {
    /// Whether credit, and the bound on what is retained, allow `body_bytes` more.
    pub(super) fn window_open(&self, body_bytes: u64) -> bool {
        if self.pauses_to_move() {
            return false;
        }
        let end_bytes = self.sent_bytes + body_bytes;
        self.peers
            .sum()
            .limit
            .is_some_and(|limit| self.unsent < limit.frames && end_bytes <= limit.bytes)
            && self.may_retain(end_bytes)
    }

    fn may_retain(&self, end_bytes: u64) -> bool {
        self.unsent.since(self.queue.first_seq()) < self.config.retained_frames
            && end_bytes - self.queue.first_bytes() <= self.config.retained_bytes
    }

    /// The consumer that the stream has to wait for, where it has something to send and must not.
    pub(super) fn held_back_by(&self) -> Option<&Peer> {
        let waiting = self.queue.get(self.unsent);
        if self.is_over() || !self.started || (waiting.is_none() && !self.backlog) {
            return None;
        }
        let end_bytes = waiting.map_or(self.sent_bytes + 1, |slot| slot.end_bytes);
        let pacing = || self.peers.values().filter(|peer| peer.paces());
        if pacing().next().is_none() {
            return self.shut_out();
        }
        let frames = pacing().min_by_key(|peer| peer.credit.frames);
        let bytes = pacing().min_by_key(|peer| peer.credit.bytes);
        let first = self.queue.first_seq();
        let retains = |peer: &&Peer| peer.retains_from(first).map_or(u64::MAX, |seq| seq.get());
        frames
            .filter(|peer| peer.credit.frames <= self.unsent)
            .or_else(|| bytes.filter(|peer| peer.credit.bytes < end_bytes))
            .or_else(|| {
                let full = !self.may_retain(end_bytes);
                self.peers.values().filter(|_| full).min_by_key(retains)
            })
    }

    /// Nothing is sent but at somebody's pace. Where those who are to set it catch up, and none of them takes
    /// anything, that is the one nearest to the present: with it the stream could go on.
    fn shut_out(&self) -> Option<&Peer> {
        let behind = || self.peers.values().filter(|peer| peer.required && peer.counts());
        let shut = |peer: &Peer| peer.state == PeerState::Live && peer.is_shut(&self.queue);
        behind().all(shut).then(|| behind().max_by_key(|peer| peer.cumulative)).flatten()
    }

    /// Keeps in mind whom the stream has to wait for, and since when.
    pub(super) fn note_holding(&mut self, now: Time) {
        if self.config.slow == Slow::Wait {
            return;
        }
        let holder = self.held_back_by().map(|peer| peer.id);
        if holder != self.held.map(|(id, _)| id) {
            self.held = holder.map(|id| (id, now));
        }
    }

    /// When the consumer that holds the stream back will have done so for too long, and its id.
    pub(super) fn evicts_at(&self) -> Option<(Time, PeerId)> {
        let Slow::Evict { stalled_for } = self.config.slow else { return None };
        let (id, since) = self.held?;
        let peer = self.peers.get(&id)?;
        Some((since.max(peer.progress_at) + stalled_for, id))
    }

    /// Consumers that hold the stream back for too long, or that it has left behind.
    pub(super) fn too_slow(&self, now: Time) -> Vec<(PeerId, LostReason)> {
        let mut lost = Vec::new();
        if let Some((at, id)) = self.evicts_at().filter(|(at, _)| *at <= now)
            && let Slow::Evict { stalled_for } = self.config.slow
        {
            lost.push((id, LostReason::Stalled(now.since(at) + stalled_for)));
        }
        let first = self.queue.first_seq();
        for peer in self.peers.values().filter(|peer| peer.needs_source(first)) {
            if !self.rewindable || peer.is_caught_up() {
                lost.push((peer.id, LostReason::LeftBehind));
            }
        }
        lost
    }

    /// Lets go of what every consumer that counts holds.
    pub(super) fn release(&mut self) {
        let first = self.queue.first_seq();
        let held = self.peers.values().filter_map(|peer| peer.retains_from(first)).min();
        self.queue.release_below(held.unwrap_or(self.unsent).min(self.unsent));
    }

    /// How many consumers take part that count for `min_consumers` and `quorum`.
    pub fn live_consumers(&self) -> usize {
        let live = |peer: &&Peer| peer.required && peer.state == PeerState::Live;
        self.peers.values().filter(live).count()
    }

    /// Whether several consumers have the stream, or are to have it before it starts.
    pub fn is_shared(&self) -> bool {
        let live = |peer: &&Peer| peer.state == PeerState::Live;
        (!self.started && self.config.min_consumers > 1)
            || self.peers.values().filter(live).nth(1).is_some()
    }

    /// Consumers that report, as they are told.
    pub(super) fn members(&self) -> u32 {
        let reporting = self.peers.values().filter(|peer| peer.counts()).count();
        u32::try_from(reporting).unwrap_or(u32::MAX).max(1)
    }

    /// For how long a report may be held back.
    pub(super) fn ack_delay(&self) -> std::time::Duration {
        ack_delay(self.members_told)
    }

    pub(super) fn consumer_stats(&self, peer: &Peer) -> ConsumerStats {
        ConsumerStats {
            id: peer.id.0,
            name: peer.name.clone(),
            tag: peer.tag.clone(),
            live: peer.state == PeerState::Live,
            finished: peer.state == PeerState::Finished,
            paces: peer.paces(),
            lag_frames: self.unsent.since(peer.cumulative),
            lag_bytes: self.sent_bytes.saturating_sub(peer.consumed_bytes()),
            credit_frames: peer.credit.frames.since(self.unsent),
            credit_bytes: peer.credit.bytes.saturating_sub(self.sent_bytes),
            srtt: peer.rtt.smoothed().unwrap_or_default(),
            retransmits: peer.repairs,
            duplicates: peer.duplicates,
            dropped: peer.dropped,
        }
    }

    /// Whether the stream's end was announced.
    pub(super) fn is_finishing(&self) -> bool {
        matches!(self.state, State::Finishing(_))
    }
}
