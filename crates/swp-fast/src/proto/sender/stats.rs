//! The publisher's counters as they stand.

use super::Sender;
use crate::proto::peer::{Peer, PeerState};
use crate::proto::stats::{ConsumerStats, PublisherStats};

impl Sender {
    /// Returns the counters as they stand.
    pub fn stats(&self) -> PublisherStats {
        let mut stats = self.counters.stats.clone();
        stats.retained_frames = self.window.queue().len() as u64;
        stats.generation = self.group.generation();
        stats.rtt = self.counters.rtt.summary();
        stats.held_back_by = self.held_back_by().map(|peer| peer.id().0);
        stats.consumers = self.peers.iter().map(|peer| self.consumer_stats(peer)).collect();
        stats
    }

    fn consumer_stats(&self, peer: &Peer) -> ConsumerStats {
        let (unsent, sent_bytes) = (self.window.unsent(), self.window.sent_bytes());
        let (identity, counters, credit) = (peer.identity(), peer.counters(), peer.credit().get());
        ConsumerStats {
            id: identity.id.0,
            name: identity.name.clone(),
            tag: identity.tag.clone(),
            live: peer.state() == PeerState::Live,
            finished: !peer.is_unfinished(),
            paces: peer.paces(),
            lag_frames: unsent.since(peer.cumulative()),
            lag_bytes: sent_bytes.saturating_sub(peer.credit().consumed_bytes()),
            credit_frames: credit.frames.since(unsent),
            credit_bytes: credit.bytes.saturating_sub(sent_bytes),
            srtt: peer.rtt().smoothed().unwrap_or_default(),
            retransmits: counters.retransmits,
            duplicates: counters.duplicates,
            dropped: counters.dropped,
        }
    }
}
