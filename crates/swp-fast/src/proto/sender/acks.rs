//! What consumers say of what they hold: ACK and FIN-ACK.

use super::{Sender, SenderEvent, State};
use crate::proto::Dest;
use crate::proto::peer::{NumberedAck, PeerState};
use crate::time::Time;
use crate::wire::{Ack, Control, FinAck, PeerId, Seq};

/// What a FIN-ACK of a consumer means.
enum FinAckOutcome {
    /// The consumer cannot have finished yet.
    Forged,
    /// The consumer had finished before.
    Again,
    /// The consumer has finished now.
    First { name: String },
}

impl Sender {
    pub(super) fn handle_ack(&mut self, now: Time, seq: Seq, ack: &Ack) {
        let Some(peer) = self.peers.get(ack.peer) else {
            return self.answer_stranger(ack.peer);
        };
        let (unsent, told) = (self.window.unsent(), self.group.told());
        let top = ack.sack.end_or(ack.cumulative);
        let latest = ack.latest.map_or(Seq::ZERO, Seq::next);
        if top.max(latest) > unsent.max(peer.held_end())
            || ack.cumulative < peer.start()
            || ack.generation > told
        {
            return self.drop_as(|dropped| &mut dropped.forged);
        }
        self.counters.stats.acks += 1;
        let below;
        let ack = if top > unsent {
            // SACK ranges beyond what this publisher has sent say nothing of the frames between.
            below = Ack { sack: ack.sack.below(unsent), ..ack.clone() };
            &below
        } else {
            ack
        };
        self.take_ack(now, NumberedAck { seq, ack });
    }

    fn take_ack(&mut self, now: Time, numbered: NumberedAck<'_>) {
        let NumberedAck { ack, .. } = numbered;
        let (unsent, sending, ack_delay) =
            (self.window.unsent(), self.group.generation(), self.ack_delay());
        let queue = self.window.queue();
        let taken = self.peers.update(ack.peer, |peer| {
            peer.note_generation(ack.generation, sending, unsent);
            let outcome = peer.handle_ack(now, numbered, queue, ack_delay);
            let caught_up = peer.try_finish_catch_up(unsent);
            // Acks that tell of credit alone must not put off the probe for what is in flight. Nor
            // may they put off the probe to a consumer that catches up: while it takes nothing,
            // that probe is all that it hears of its publisher.
            if outcome.news || (peer.is_caught_up() && !peer.has_unacked(unsent)) {
                peer.liveness_mut().restart_wait(now);
            }
            let joins = peer.state() == PeerState::Joining;
            if joins {
                peer.join(now);
            }
            (outcome, caught_up, joins)
        });
        let Some((outcome, caught_up, joins)) = taken else { return };
        if caught_up {
            self.catch_up.note_caught_up();
        }
        if let Some(rtt) = outcome.rtt {
            self.counters.rtt.record(rtt);
        }
        if joins {
            self.welcome(ack.peer);
        }
        if outcome.news {
            self.retransmits_wait_until = None;
            self.release();
        }
    }

    /// The first ack of a consumer has arrived.
    fn welcome(&mut self, id: PeerId) {
        let consumers = self.live_consumers();
        let told = self.group.told();
        let Some(peer) = self.peers.get(id) else { return };
        let (name, replaces) = (peer.identity().display(), peer.identity().replaces);
        let has_moved = peer.has_to_confirm(told);
        self.events.push_back(SenderEvent::Joined { name, consumers, replaces });
        if consumers >= self.config.min_consumers {
            self.membership.start();
        }
        // Consumers that joined before do not know how many there are now.
        if self.membership.has_started() && self.consumers_to_tell() > 1 {
            self.probes.request_all();
        }
        if has_moved {
            self.send_syn_ack(id);
        }
    }

    pub(super) fn handle_fin_ack(&mut self, now: Time, id: PeerId) {
        let end = match &self.state {
            State::Finishing(fin) => fin.end,
            State::Closed => return self.send_closed(id),
            _ => return self.drop_as(|dropped| &mut dropped.unexpected),
        };
        let unsent = self.window.unsent();
        let taken = self.peers.update(id, |peer| {
            peer.liveness_mut().note_heard(now);
            // A consumer can have finished only when everything was sent.
            if unsent < end || peer.cumulative() > end {
                return FinAckOutcome::Forged;
            }
            if !peer.is_unfinished() {
                return FinAckOutcome::Again;
            }
            peer.finish(end);
            FinAckOutcome::First { name: peer.identity().display() }
        });
        match taken {
            None => return self.answer_stranger(id),
            Some(FinAckOutcome::Forged) => return self.drop_as(|dropped| &mut dropped.forged),
            Some(FinAckOutcome::Again) => {}
            Some(FinAckOutcome::First { name }) => {
                self.events.push_back(SenderEvent::Finished { name });
            }
        }
        self.send_closed(id);
        self.release();
        self.close_if_finished();
    }

    fn send_closed(&mut self, id: PeerId) {
        self.push_control(Dest::Peer(id), &Control::Closed(FinAck { peer: id }));
    }

    /// Closes the session when every consumer that is left has finished.
    pub(super) fn close_if_finished(&mut self) {
        let finished =
            !self.peers.is_empty() && self.peers.iter().all(|peer| !peer.is_unfinished());
        if finished && self.is_finishing() {
            self.state = State::Closed;
            self.events.push_back(SenderEvent::Closed);
        }
    }
}
