//! What goes out next: control, repairs, data as far as credit allows, what those lack who catch up, FIN,
//! probes, in this order.

use super::{Sender, State};
use crate::proto::peer::SentProbe;
use crate::proto::{Dest, Transmit};
use crate::time::Time;
use crate::wire::{Control, PeerId, Probe};

impl Sender {
    /// The next frame to send, or `None` for now. To be called until it says so, after every input.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        self.note_time(now);
        if !self.is_over() {
            self.move_on(now);
        }
        if let Some(transmit) = self.control.pop_front() {
            return Some(transmit);
        }
        if self.is_over() {
            return None;
        }
        self.peers.add_up();
        let data = self.next_repair(now).or_else(|| self.next_data(now));
        if let Some(transmit) = data.or_else(|| self.next_behind(now)) {
            return Some(transmit);
        }
        self.note_holding(now);
        // FIN and probe come last: what they ask about has been sent before them.
        let drained = self.unsent == self.queue.next_seq();
        if self.fin_due && drained && self.started {
            self.fin_due = false;
            if let State::Finishing(fin) = &self.state {
                let control = Control::Fin(fin.clone());
                self.last_group_send = now;
                self.peers.note_group_send(now);
                return Some(Transmit {
                    to: Dest::Group(self.generation),
                    frame: self.seal_control(&control),
                });
            }
        }
        if std::mem::take(&mut self.ask_all) {
            return Some(self.ask_all(now));
        }
        while let Some(id) = self.ask.pop_front() {
            let asked = self.ask_one(now, id, drained);
            if asked.is_some() {
                return asked;
            }
        }
        None
    }

    fn next_data(&mut self, now: Time) -> Option<Transmit> {
        if !self.started {
            return None;
        }
        self.pass_over();
        let end_bytes = self.queue.get(self.unsent)?.end_bytes;
        if !self.window_open(end_bytes - self.sent_bytes) {
            return None;
        }
        let slot = self.queue.get_mut(self.unsent)?;
        slot.sent_at = Some(now);
        let frame = slot.frame.clone();
        self.sent_position = slot.position;
        self.unsent = self.unsent.next();
        self.sent_bytes = end_bytes;
        self.stats.frames += 1;
        self.last_group_send = now;
        self.last_data_send = now;
        self.note_group_frame();
        self.peers.note_group_send(now);
        if self.config.resume.is_some() {
            // Those who count may have had it from the publisher before: then no report will let go of it.
            self.release();
        }
        Some(Transmit { to: Dest::Group(self.generation), frame })
    }

    /// Goes on behind what every consumer that listens held when this publisher took the place of another.
    pub(super) fn pass_over(&mut self) {
        if self.config.resume.is_none() || !self.started {
            return;
        }
        while let Some(slot) = self.queue.get(self.unsent) {
            let (end_bytes, position) = (slot.end_bytes, slot.position);
            let wanted = self.peers.values().any(|peer| peer.wants_of_group(self.unsent));
            if wanted || !self.window_open(end_bytes - self.sent_bytes) {
                return;
            }
            self.unsent = self.unsent.next();
            self.sent_bytes = end_bytes;
            self.sent_position = position;
            self.stats.passed_over_frames += 1;
            self.release();
        }
    }

    /// Asks everybody what arrived. It goes the way of the data, and so arrives behind all that was sent
    /// before; who does not listen to the group is asked where it does listen.
    fn ask_all(&mut self, now: Time) -> Transmit {
        self.members_told = self.members();
        self.last_group_send = now;
        let probe = self.next_probe(None);
        let sent = SentProbe { number: probe.number, sent_at: now, next: probe.next };
        let mut deaf = Vec::new();
        for peer in self.peers.values_mut() {
            peer.note_probe(sent);
            if !peer.is_live() || peer.is_deaf_to(self.generation) {
                deaf.push(peer.id);
            }
        }
        for id in deaf {
            // That it is to listen by now may have been lost.
            self.send_syn_ack(id);
            let alone = Probe { peer: Some(id), ..probe };
            self.push_control(Dest::Peer(id), &Control::Probe(alone));
        }
        Transmit {
            to: Dest::Group(self.generation),
            frame: self.seal_control(&Control::Probe(probe)),
        }
    }

    /// Asks one consumer, in its inbox: the queues of the others are not filled with it. Where the end was
    /// announced, it is told that again first.
    fn ask_one(&mut self, now: Time, id: PeerId, drained: bool) -> Option<Transmit> {
        if !self.peers.contains_key(&id) {
            return None;
        }
        let probe = self.next_probe(Some(id));
        let peer = self.peers.get_mut(&id)?;
        peer.note_probe(SentProbe { number: probe.number, sent_at: now, next: probe.next });
        if let State::Finishing(fin) = &self.state
            && drained
            && self.started
        {
            let fin = Control::Fin(fin.clone());
            self.push_control(Dest::Peer(id), &Control::Probe(probe));
            return Some(Transmit { to: Dest::Peer(id), frame: self.seal_control(&fin) });
        }
        Some(Transmit { to: Dest::Peer(id), frame: self.seal_control(&Control::Probe(probe)) })
    }

    fn next_probe(&mut self, peer: Option<PeerId>) -> Probe {
        self.last_probe += 1;
        self.stats.probes += 1;
        Probe {
            peer,
            number: self.last_probe,
            next: self.unsent,
            members: self.members(),
            generation: self.generation,
        }
    }
}
