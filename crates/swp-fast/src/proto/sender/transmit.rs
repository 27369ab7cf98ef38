//! What is sent next: control frames, retransmissions, data as far as credit allows, frames for
//! consumers that catch up, FIN, and probes, in this order.

use super::{Sender, State};
use crate::proto::peer::SentProbe;
use crate::proto::{Dest, Transmit};
use crate::time::Time;
use crate::wire::{Control, PeerId, Probe};

impl Sender {
    /// Returns the next frame to send, or `None` for now. To be called until it returns `None`,
    /// after every input.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        self.note_time(now);
        if !self.is_over() {
            self.move_group(now);
        }
        if let Some(transmit) = self.control.pop() {
            return Some(transmit);
        }
        if self.is_over() {
            return None;
        }
        self.peers.add_up();
        let data = self.next_retransmission(now).or_else(|| self.next_data(now));
        if let Some(transmit) = data.or_else(|| self.next_catch_up(now)) {
            return Some(transmit);
        }
        self.note_holding(now);
        // FIN and probes come last: what they ask about has been sent before them.
        self.next_fin(now).or_else(|| self.next_probe(now))
    }

    fn next_data(&mut self, now: Time) -> Option<Transmit> {
        if !self.membership.has_started() {
            return None;
        }
        self.skip_held();
        let body_bytes = self.window.next()?.end_bytes - self.window.sent_bytes();
        if !self.window_open(body_bytes) {
            return None;
        }
        let frame = self.window.send(now)?;
        self.counters.stats.frames += 1;
        self.probes.note_group_send(now);
        self.catch_up.note_group_data(now);
        self.peers.note_group_send(now);
        if self.config.resume.is_some() {
            // Every consumer that counts may hold the frame from the publisher before. Then no ack
            // releases it.
            self.release();
        }
        Some(Transmit { to: Dest::Group(self.group.generation()), frame })
    }

    /// Passes over frames that every consumer which listens held when this publisher was restarted.
    pub(super) fn skip_held(&mut self) {
        if self.config.resume.is_none() || !self.membership.has_started() {
            return;
        }
        while let Some(slot) = self.window.next() {
            let body_bytes = slot.end_bytes - self.window.sent_bytes();
            let unsent = self.window.unsent();
            let wanted = self.peers.iter().any(|peer| peer.wants_of_group(unsent));
            if wanted || !self.window_open(body_bytes) {
                return;
            }
            self.window.skip();
            self.counters.stats.past.passed_over_frames += 1;
            self.release();
        }
    }

    fn next_fin(&mut self, now: Time) -> Option<Transmit> {
        let may_end = self.window.is_drained() && self.membership.has_started();
        if !may_end || !self.probes.take_fin() {
            return None;
        }
        let State::Finishing(fin) = &self.state else { return None };
        let control = Control::Fin(fin.clone());
        self.probes.note_group_send(now);
        self.peers.note_group_send(now);
        Some(self.seal_to(Dest::Group(self.group.generation()), &control))
    }

    fn next_probe(&mut self, now: Time) -> Option<Transmit> {
        if self.probes.take_all() {
            return Some(self.probe_all(now));
        }
        while let Some(id) = self.probes.take_inbox() {
            let probe = self.probe_one(now, id);
            if probe.is_some() {
                return probe;
            }
        }
        None
    }

    /// Asks all consumers for an ack. The probe goes the way of the data, and so arrives behind
    /// everything that was sent before. A consumer that does not listen to the group is sent a
    /// probe in its inbox.
    fn probe_all(&mut self, now: Time) -> Transmit {
        self.membership.tell(self.consumers_to_tell());
        self.probes.note_group_send(now);
        let probe = self.new_probe(None);
        let sent = SentProbe { number: probe.number, sent_at: now, next: probe.next };
        let generation = self.group.generation();
        let mut elsewhere = Vec::new();
        self.peers.for_each_mut(|peer| {
            peer.liveness_mut().note_probe(sent);
            if !peer.listens_to_group() || peer.has_to_confirm(generation) {
                elsewhere.push(peer.id());
            }
        });
        for id in elsewhere {
            // The SYN-ACK that told the consumer to listen may have been lost.
            self.send_syn_ack(id);
            let alone = Probe { peer: Some(id), ..probe };
            self.push_control(Dest::Peer(id), &Control::Probe(alone));
        }
        self.seal_to(Dest::Group(generation), &Control::Probe(probe))
    }

    /// Asks one consumer for an ack, in its inbox: the queues of the others are not filled with
    /// that. Once the end was announced, the FIN is sent again before the probe.
    fn probe_one(&mut self, now: Time, id: PeerId) -> Option<Transmit> {
        if !self.peers.contains(id) {
            return None;
        }
        let probe = self.new_probe(Some(id));
        let sent = SentProbe { number: probe.number, sent_at: now, next: probe.next };
        self.peers.update(id, |peer| peer.liveness_mut().note_probe(sent));
        if let State::Finishing(fin) = &self.state
            && self.window.is_drained()
            && self.membership.has_started()
        {
            let fin = Control::Fin(fin.clone());
            self.push_control(Dest::Peer(id), &Control::Probe(probe));
            return Some(self.seal_to(Dest::Peer(id), &fin));
        }
        Some(self.seal_to(Dest::Peer(id), &Control::Probe(probe)))
    }

    fn new_probe(&mut self, peer: Option<PeerId>) -> Probe {
        self.counters.stats.probes += 1;
        Probe {
            peer,
            number: self.probes.next_number(),
            next: self.window.unsent(),
            consumers: self.consumers_to_tell(),
            generation: self.group.generation(),
        }
    }

    fn seal_to(&mut self, to: Dest, control: &Control) -> Transmit {
        Transmit { to, frame: self.control.seal(control) }
    }
}
