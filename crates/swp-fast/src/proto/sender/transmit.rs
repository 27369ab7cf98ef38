//! What goes out next: control, repairs, data as far as credit allows, FIN, probes, in this order.

use super::{KEPT_PROBES, Sender, SentProbe, State};
use crate::proto::peer::PeerState;
use crate::proto::{Dest, Transmit};
use crate::time::Time;
use crate::wire::{Control, Credit, PeerId, Probe};

impl Sender {
    /// The next frame to send, or `None` for now. To be called until it says so, after every input.
    pub fn poll_transmit(&mut self, now: Time) -> Option<Transmit> {
        self.note_time(now);
        if let Some(transmit) = self.control.pop_front() {
            return Some(transmit);
        }
        if self.is_over() {
            return None;
        }
        if let Some(transmit) = self.next_repair(now).or_else(|| self.next_data(now)) {
            return Some(transmit);
        }
        // FIN and probe come last: what they ask about has been sent before them.
        let drained = self.unsent == self.queue.next_seq();
        if self.fin_due && drained && self.started {
            self.fin_due = false;
            if let State::Finishing(fin) = &self.state {
                let control = Control::Fin(fin.clone());
                self.last_group_send = now;
                self.restart_waiting(now);
                return Some(Transmit { to: Dest::Group, frame: self.seal_control(&control) });
            }
        }
        let peer = self.probe_due.take()?;
        Some(self.probe(now, peer))
    }

    /// How far every consumer lets the stream go; `None` while there is nobody to send to.
    fn limit(&self) -> Option<Credit> {
        let counting = self.peers.values().filter(|peer| peer.counts());
        counting.map(|peer| peer.credit).reduce(Credit::min)
    }

    /// Whether credit, and the bound on what is retained, allow `body_bytes` more.
    pub(super) fn window_open(&self, body_bytes: u64) -> bool {
        let retained = self.unsent.since(self.queue.first_seq());
        let end_bytes = self.sent_bytes + body_bytes;
        self.limit().is_some_and(|limit| self.unsent < limit.frames && end_bytes <= limit.bytes)
            && retained < self.config.retained_frames
            && end_bytes - self.queue.first_bytes() <= self.config.retained_bytes
    }

    fn next_data(&mut self, now: Time) -> Option<Transmit> {
        if !self.started {
            return None;
        }
        let end_bytes = self.queue.get(self.unsent)?.end_bytes;
        if !self.window_open(end_bytes - self.sent_bytes) {
            return None;
        }
        let slot = self.queue.get_mut(self.unsent)?;
        slot.sent_at = Some(now);
        let frame = slot.frame.clone();
        self.unsent = self.unsent.next();
        self.sent_bytes = end_bytes;
        self.stats.frames += 1;
        self.last_group_send = now;
        self.last_data_send = now;
        self.restart_waiting(now);
        Some(Transmit { to: Dest::Group, frame })
    }

    fn next_repair(&mut self, now: Time) -> Option<Transmit> {
        let peer = self.peers.values_mut().find(|peer| peer.has_repairs())?;
        let seq = peer.next_repair(now)?;
        let id = peer.id;
        // A frame that some consumer lacks is never released, so the slot is there.
        let frame = self.queue.get(seq)?.frame.clone();
        self.stats.retransmits += 1;
        Some(Transmit { to: Dest::Peer(id), frame })
    }

    /// Asks what arrived. It goes the way of the data, and so arrives behind all data sent before.
    fn probe(&mut self, now: Time, peer: Option<PeerId>) -> Transmit {
        self.last_probe += 1;
        let sent = SentProbe { number: self.last_probe, sent_at: now, next: self.unsent };
        if self.probes.len() == KEPT_PROBES {
            self.probes.pop_front();
        }
        self.probes.push_back(sent);
        self.stats.probes += 1;
        self.last_group_send = now;
        for asked in self.peers.values_mut().filter(|asked| peer.is_none_or(|id| id == asked.id)) {
            asked.note_sent(now);
        }
        let probe = Probe { peer, number: sent.number, next: sent.next };
        Transmit { to: Dest::Group, frame: self.seal_control(&Control::Probe(probe)) }
    }

    /// Something was sent to everybody: time-outs count from here for whoever was not already waited for.
    fn restart_waiting(&mut self, now: Time) {
        for peer in self.peers.values_mut().filter(|peer| peer.state != PeerState::Finished) {
            peer.note_sent(now);
            if peer.backoff == 0 {
                peer.waiting_since = now;
            }
        }
    }
}
