//! Lost frames are sent again: to the inbox of the consumer that missed one, or to the whole group
//! where most consumers did.

use super::Sender;
use crate::config::SUBSCRIPTION_RESERVE;
use crate::proto::loss::Due;
use crate::proto::{ACK_DELAY, Dest, Transmit};
use crate::time::Time;
use crate::wire::{PeerId, Seq};

/// From so many consumers on, a lost frame waits for the acks of the other consumers before the
/// sender decides where to retransmit it. With fewer, one frame to the inbox costs no more than one
/// to the group.
const MIN_VOTERS: usize = 3;

/// Frames that are retransmitted to the group arrive at each consumer beyond its window. This is
/// half of what its subscription keeps free for that and for probes. It is the bound until the
/// consumer is heard again.
const MAX_GROUP_RETRANSMITS: u64 = SUBSCRIPTION_RESERVE / 2;

/// Where a lost frame is retransmitted.
enum Verdict {
    Inbox,
    Group,
    /// That is not clear yet.
    Wait,
}

impl Sender {
    pub(super) fn next_retransmission(&mut self, now: Time) -> Option<Transmit> {
        if self.retransmits_wait_until.is_some_and(|until| now < until) {
            return None;
        }
        self.retransmits_wait_until = None;
        if !self.peers.sum().has_due {
            return None;
        }
        let mut wait_until: Option<Time> = None;
        for id in self.peers.ids_where(|peer| peer.losses().has_due()) {
            let Some(Due { seq, queued_at }) = self.next_due_of(id) else { continue };
            let decides_at = queued_at + self.ack_delay() + ACK_DELAY;
            match self.verdict_on(seq) {
                Verdict::Group => return self.retransmit_to_group(seq, now),
                Verdict::Wait if now < decides_at => {
                    wait_until = Some(wait_until.map_or(decides_at, |at| at.min(decides_at)));
                }
                Verdict::Inbox | Verdict::Wait => return self.retransmit_to_inbox(id, seq, now),
            }
        }
        self.retransmits_wait_until = wait_until;
        None
    }

    /// A consumer's next lost frame that its window has space for. The window of a consumer that
    /// sets no pace, or that catches up, can lack that space. The lowest missing frame must not
    /// wait behind such a frame, for it lets the window move. Losses are not found in the order of
    /// the stream.
    fn next_due_of(&mut self, id: PeerId) -> Option<Due> {
        let queue = self.window.queue();
        self.peers.update(id, |peer| {
            let next = peer.losses_mut().next_due()?;
            let fits = |due: &Due| {
                peer.find(queue, due.seq).is_some_and(|slot| peer.credit().allows(slot))
            };
            match fits(&next) {
                true => Some(next),
                false => peer.losses().lowest_due().filter(fits),
            }
        })?
    }

    fn verdict_on(&self, seq: Seq) -> Verdict {
        let voters = || self.peers.iter().filter(|peer| peer.paces());
        let all = voters().count();
        if all < MIN_VOTERS || seq < self.window.queue().first_seq() {
            return Verdict::Inbox;
        }
        let votes = || voters().map(|peer| peer.holds(seq));
        let missing = votes().filter(|vote| *vote == Some(false)).count();
        let unknown = votes().filter(Option::is_none).count();
        if missing * 2 > all {
            let has_space = voters()
                .all(|peer| peer.liveness().group_retransmits_unheard() < MAX_GROUP_RETRANSMITS);
            if has_space { Verdict::Group } else { Verdict::Inbox }
        } else if (missing + unknown) * 2 <= all {
            Verdict::Inbox
        } else {
            Verdict::Wait
        }
    }

    fn retransmit_to_inbox(&mut self, id: PeerId, seq: Seq, now: Time) -> Option<Transmit> {
        let queue = self.window.queue();
        let frame = self.peers.update(id, |peer| {
            let frame = peer.find(queue, seq)?.frame.clone();
            peer.note_retransmission(seq, now);
            Some(frame)
        })??;
        self.counters.stats.retransmits += 1;
        Some(Transmit { to: Dest::Peer(id), frame })
    }

    fn retransmit_to_group(&mut self, seq: Seq, now: Time) -> Option<Transmit> {
        let frame = self.window.queue().get(seq)?.frame.clone();
        self.peers.for_each_mut(|peer| peer.note_group_retransmission(seq, now));
        self.counters.stats.retransmits += 1;
        self.counters.stats.group_retransmits += 1;
        self.probes.note_group_send(now);
        Some(Transmit { to: Dest::Group(self.group.generation()), frame })
    }
}
