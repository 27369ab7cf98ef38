//! Frames that were lost are sent again: to the one consumer that missed one, or, where most of them did,
//! to the whole group once.

use super::Sender;
use crate::config::SUBSCRIPTION_RESERVE;
use crate::proto::{Dest, Transmit};
use crate::time::Time;
use crate::wire::{PeerId, Seq};

/// From so many consumers on, a lost frame waits for the reports of the others before it is decided whom to
/// send it to. With fewer, one frame to the inbox costs no more than one to the group.
const MIN_VOTERS: usize = 3;

/// Frames repeated to the group arrive at each consumer beyond its window: half of what its subscription
/// keeps free for that and for probes, until it is heard of again.
const MAX_GROUP_REPAIRS: u64 = SUBSCRIPTION_RESERVE / 2;

/// To whom a lost frame goes.
enum Verdict {
    Peer,
    Group,
    /// That is not clear yet.
    Wait,
}

impl Sender {
    pub(super) fn next_repair(&mut self, now: Time) -> Option<Transmit> {
        if self.repairs_wait_until.is_some_and(|until| now < until) {
            return None;
        }
        self.repairs_wait_until = None;
        if !self.peers.sum().repairs {
            return None;
        }
        let ids: Vec<PeerId> = self
            .peers
            .values()
            .filter(|peer| peer.losses.has_repairs())
            .map(|peer| peer.id)
            .collect();
        let mut wait_until: Option<Time> = None;
        for id in ids {
            let Some((seq, queued_at)) = self.next_repair_of(id) else { continue };
            let decides_at = queued_at + self.ack_delay() + crate::proto::ACK_DELAY;
            match self.verdict_on(seq) {
                Verdict::Group => return self.repair_group(seq, now),
                Verdict::Wait if now < decides_at => {
                    wait_until = Some(wait_until.map_or(decides_at, |at| at.min(decides_at)));
                }
                Verdict::Peer | Verdict::Wait => return self.repair_peer(id, seq, now),
            }
        }
        self.repairs_wait_until = wait_until;
        None
    }

    /// A consumer's next repair that its window has room for. One that sets no pace, or catches up, can lack it, and
    /// what its window waits for must not wait behind that: losses are not found in the order of the stream.
    fn next_repair_of(&mut self, id: PeerId) -> Option<(Seq, Time)> {
        let peer = self.peers.get_mut(&id)?;
        let next = peer.losses.next_repair()?;
        let fits = |seq| peer.find(&self.queue, seq).is_some_and(|slot| peer.allows(slot));
        match fits(next.0) {
            true => Some(next),
            false => peer.losses.first_repair().filter(|&(seq, _)| fits(seq)),
        }
    }

    fn verdict_on(&self, seq: Seq) -> Verdict {
        let voters = || self.peers.values().filter(|peer| peer.paces());
        let all = voters().count();
        if all < MIN_VOTERS || seq < self.queue.first_seq() {
            return Verdict::Peer;
        }
        let votes = || voters().map(|peer| peer.holds(seq));
        let missing = votes().filter(|vote| *vote == Some(false)).count();
        let unknown = votes().filter(Option::is_none).count();
        if missing * 2 > all {
            match voters().all(|peer| peer.group_repairs_unheard < MAX_GROUP_REPAIRS) {
                true => Verdict::Group,
                false => Verdict::Peer,
            }
        } else if (missing + unknown) * 2 <= all {
            Verdict::Peer
        } else {
            Verdict::Wait
        }
    }

    fn repair_peer(&mut self, id: PeerId, seq: Seq, now: Time) -> Option<Transmit> {
        let peer = self.peers.get_mut(&id)?;
        let frame = peer.find(&self.queue, seq)?.frame.clone();
        peer.losses.note_repaired(seq, now);
        peer.repairs += 1;
        peer.note_sent(now);
        self.stats.retransmits += 1;
        Some(Transmit { to: Dest::Peer(id), frame })
    }

    fn repair_group(&mut self, seq: Seq, now: Time) -> Option<Transmit> {
        let frame = self.queue.get(seq)?.frame.clone();
        for peer in self.peers.values_mut() {
            peer.group_repairs_unheard += 1;
            if peer.losses.note_repaired(seq, now) {
                peer.repairs += 1;
                peer.note_sent(now);
            }
        }
        self.stats.retransmits += 1;
        self.stats.group_retransmits += 1;
        self.last_group_send = now;
        Some(Transmit { to: Dest::Group(self.generation), frame })
    }
}
