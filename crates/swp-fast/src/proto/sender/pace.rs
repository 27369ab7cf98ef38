//! What the consumers together allow, need, and hold back.

use std::time::Duration;

use super::stall::Holder;
use super::{LostReason, Sender};
use crate::config::Slow;
use crate::proto::ack_delay;
use crate::proto::peer::{Peer, PeerState};
use crate::time::Time;
use crate::wire::PeerId;

impl Sender {
    /// Whether credit, and the bound on what is retained, allow a frame with a body of
    /// `body_bytes`.
    pub(super) fn window_open(&self, body_bytes: u64) -> bool {
        let limit = self.peers.sum().limit;
        !self.group.pauses(self.last_now)
            && limit.is_some_and(|limit| self.window.allows(limit, body_bytes))
    }

    /// The consumer that the stream has to wait for, where frames wait that may not be sent.
    pub(super) fn held_back_by(&self) -> Option<&Peer> {
        let waits = self.window.next().is_some() || self.stall.has_backlog();
        if self.is_over() || !self.membership.has_started() || !waits {
            return None;
        }
        let (unsent, end_bytes) = (self.window.unsent(), self.window.next_end_bytes());
        let pacing = || self.peers.iter().filter(|peer| peer.paces());
        if pacing().next().is_none() {
            return self.shut_out();
        }
        let frames = pacing().min_by_key(|peer| peer.credit().get().frames);
        let bytes = pacing().min_by_key(|peer| peer.credit().get().bytes);
        let first = self.window.queue().first_seq();
        let retains = |peer: &&Peer| peer.retains_from(first).map_or(u64::MAX, |seq| seq.get());
        frames
            .filter(|peer| peer.credit().get().frames <= unsent)
            .or_else(|| bytes.filter(|peer| peer.credit().get().bytes < end_bytes))
            .or_else(|| {
                let full = !self.window.may_retain(end_bytes);
                self.peers.iter().filter(|_| full).min_by_key(retains)
            })
    }

    /// Returns the consumer that the stream waits for where every consumer that should set the pace
    /// is live, catches up, and takes nothing: the consumer with the highest cumulative ack. The
    /// stream could continue with this consumer.
    fn shut_out(&self) -> Option<&Peer> {
        let counting =
            || self.peers.iter().filter(|peer| peer.identity().counts && peer.is_unfinished());
        let queue = self.window.queue();
        let shut = |peer: &Peer| peer.state() == PeerState::Live && peer.is_shut(queue);
        counting().all(shut).then(|| counting().max_by_key(|peer| peer.cumulative())).flatten()
    }

    /// Keeps in mind which consumer the stream has to wait for, and since when.
    pub(super) fn note_holding(&mut self, now: Time) {
        if self.config.slow != Slow::Wait {
            let holder = self.held_back_by().map(Peer::id);
            self.stall.note_holder(holder, now);
        }
    }

    /// When the consumer that holds the stream back is to be evicted.
    pub(super) fn evicts_at(&self) -> Option<Time> {
        self.next_eviction().map(|eviction| eviction.at)
    }

    fn next_eviction(&self) -> Option<Eviction> {
        let Slow::Evict { stalled_for } = self.config.slow else { return None };
        let Holder { id, since } = self.stall.holder()?;
        let progress_at = self.peers.get(id)?.liveness().progress_at();
        Some(Eviction { id, at: since.max(progress_at) + stalled_for, stalled_for })
    }

    /// The consumers that hold the stream back for too long, or that it has left behind.
    pub(super) fn stalled_or_left_behind(&self, now: Time) -> Vec<(PeerId, LostReason)> {
        let mut lost = Vec::new();
        if let Some(due) = self.next_eviction().filter(|eviction| eviction.at <= now) {
            lost.push((due.id, LostReason::Stalled(now.since(due.at) + due.stalled_for)));
        }
        let first = self.window.queue().first_seq();
        for peer in self.peers.iter().filter(|peer| peer.needs_source(first)) {
            if !self.catch_up.is_rewindable() || peer.is_caught_up() {
                lost.push((peer.id(), LostReason::LeftBehind));
            }
        }
        lost
    }

    /// Releases the frames that every consumer that counts holds.
    pub(super) fn release(&mut self) {
        let first = self.window.queue().first_seq();
        let needed = self.peers.iter().filter_map(|peer| peer.retains_from(first)).min();
        self.window.release_below(needed.unwrap_or(self.window.unsent()));
    }

    /// How many consumers take part that count for `min_consumers` and `quorum`.
    pub fn live_consumers(&self) -> usize {
        let live = |peer: &&Peer| peer.identity().counts && peer.state() == PeerState::Live;
        self.peers.iter().filter(live).count()
    }

    /// Whether several consumers have the stream, or are to have it before it starts.
    pub fn is_shared(&self) -> bool {
        let live = |peer: &&Peer| peer.state() == PeerState::Live;
        (!self.membership.has_started() && self.config.min_consumers > 1)
            || self.peers.iter().filter(live).nth(1).is_some()
    }

    /// How many consumers send acks, as they are told.
    pub(super) fn consumers_to_tell(&self) -> u32 {
        let acking = self.peers.iter().filter(|peer| peer.is_unfinished()).count();
        u32::try_from(acking).unwrap_or(u32::MAX).max(1)
    }

    /// How long a consumer may delay an ack.
    pub(super) fn ack_delay(&self) -> Duration {
        ack_delay(self.membership.consumers_told())
    }

    /// Counts the consumers that have not caught up.
    pub(super) fn count_behind(&mut self) {
        let behind = self.peers.iter().filter(|peer| !peer.is_caught_up()).count();
        self.catch_up.set_behind(behind);
    }

    /// Whether the group has nothing to send, and does not wait for credit either.
    pub(super) fn group_is_done(&self) -> bool {
        !self.stall.has_backlog() && self.window.is_drained()
    }
}

/// The next eviction, if nothing changes.
struct Eviction {
    id: PeerId,
    at: Time,
    stalled_for: Duration,
}
