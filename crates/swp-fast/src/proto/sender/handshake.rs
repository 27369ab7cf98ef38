//! Claiming the stream, letting consumers in, and letting them go.

use bytes::Bytes;

use super::{Sender, SenderError, SenderEvent, State, display, printable};
use crate::config::LateJoin;
use crate::proto::Dest;
use crate::proto::peer::{Joining, Peer, PeerState};
use crate::proto::sender::LostReason;
use crate::time::Time;
use crate::wire::{
    Announce, Control, Kind, PeerId, Preamble, Reset, ResetCode, Seq, Syn, SynAck, VERSION,
    WireError,
};

impl Sender {
    pub(super) fn announce(&mut self, to: Dest, claiming: bool) {
        let announce = Announce { peer: self.ids.inbox, claiming };
        self.push_control(to, &Control::Announce(announce));
    }

    /// Another publisher is here. The elder objects; of two that are still claiming, the one with the
    /// larger session number yields.
    pub(super) fn handle_announce(&mut self, announce: Announce) {
        if self.is_over() || !announce.claiming {
            return;
        }
        if matches!(self.state, State::Claiming { .. }) && announce.peer < self.ids.inbox {
            return self.handle_in_use();
        }
        self.push_reset(
            announce.peer,
            ResetCode::StreamInUse,
            "another publisher holds this stream",
        );
    }

    /// An objection counts only while the claim lasts: later, it comes from nobody with a right to it.
    pub(super) fn handle_objection(&mut self, reset: &Reset) {
        let claiming = matches!(self.state, State::Claiming { .. });
        if claiming && reset.code == ResetCode::StreamInUse {
            self.handle_in_use();
        } else {
            self.drop_as(|dropped| &mut dropped.unexpected);
        }
    }

    fn handle_in_use(&mut self) {
        self.state = State::Failed(SenderError::StreamInUse);
        self.events.push_back(SenderEvent::Failed(SenderError::StreamInUse));
    }

    /// A SYN of another version gets an answer that every version understands.
    pub(super) fn refuse_version(&mut self, frame: &Bytes, error: WireError) {
        let WireError::Version { theirs } = error else { return };
        if self.is_over() {
            return;
        }
        if let Ok(Preamble { kind: Some(Kind::Syn), session, .. }) = Preamble::decode(frame) {
            let reason = format!("wire version {theirs} is not spoken here, {VERSION} is");
            // In a SYN the session's place holds the consumer's own id.
            let peer = PeerId(session.0);
            self.refuse(peer, peer.to_string(), ResetCode::Version, &reason);
        }
    }

    pub(super) fn handle_syn(&mut self, now: Time, mut syn: Syn) {
        syn.name = printable(&syn.name);
        match self.state {
            State::Open | State::Finishing(_) => {}
            // It asks again, and by then the stream is ours or it is not.
            State::Claiming { .. } => return,
            State::Closed | State::Failed(_) => {
                return self.drop_as(|dropped| &mut dropped.unexpected);
            }
        }
        if let Some(peer) = self.peers.get_mut(&syn.peer) {
            // The SYN-ACK was lost, or is on its way.
            peer.heard(now);
            let (start, start_bytes) = (peer.start, peer.start_bytes);
            return self.send_syn_ack(syn.peer, start, start_bytes);
        }
        if let Some((code, reason)) = self.objection_to(&syn) {
            let name = if syn.name.is_empty() { syn.peer.to_string() } else { syn.name };
            return self.refuse(syn.peer, name, code, &reason);
        }
        let joining = Joining {
            id: syn.peer,
            name: syn.name,
            start: self.unsent,
            start_bytes: self.sent_bytes,
            window_frames: syn.window_frames,
            window_bytes: syn.window_bytes,
        };
        let (start, start_bytes) = (joining.start, joining.start_bytes);
        self.peers.insert(syn.peer, Peer::new(joining, now));
        self.send_syn_ack(syn.peer, start, start_bytes);
    }

    fn objection_to(&self, syn: &Syn) -> Option<(ResetCode, String)> {
        if self.peers.len() >= self.config.max_consumers {
            let reason = format!("the stream has its {} consumers", self.config.max_consumers);
            return Some((ResetCode::Refused, reason));
        }
        let late = self.started && self.unsent > Seq::ZERO;
        if late && self.config.late_join == LateJoin::Refuse {
            return Some((ResetCode::Refused, "the stream has begun without you".to_owned()));
        }
        let body = self.config.max_body_bytes() as u64;
        if syn.window_bytes < body || syn.window_frames == 0 {
            let reason =
                format!("a window of {} bytes is less than a frame's {body}", syn.window_bytes);
            return Some((ResetCode::Protocol, reason));
        }
        if syn.max_message_bytes < self.config.max_message_bytes {
            let reason = format!(
                "messages of up to {} bytes may come, and only {} are accepted",
                self.config.max_message_bytes, syn.max_message_bytes
            );
            return Some((ResetCode::Protocol, reason));
        }
        None
    }

    fn refuse(&mut self, peer: PeerId, name: String, code: ResetCode, reason: &str) {
        self.push_reset(peer, code, reason);
        self.events.push_back(SenderEvent::Refused { name, reason: reason.to_owned() });
    }

    pub(super) fn push_reset(&mut self, peer: PeerId, code: ResetCode, reason: &str) {
        let reset = Reset { peer, code, reason: reason.to_owned() };
        self.push_control(Dest::Peer(peer), &Control::Reset(reset));
    }

    pub(super) fn send_syn_ack(&mut self, peer: PeerId, start: Seq, start_bytes: u64) {
        let syn_ack = SynAck {
            peer,
            start,
            start_bytes,
            integrity: self.config.integrity,
            max_body_bytes: self.config.max_body_bytes() as u32,
            max_message_bytes: self.config.max_message_bytes,
            keep_alive: self.config.keep_alive,
            idle_timeout: self.config.idle_timeout,
        };
        self.push_control(Dest::Peer(peer), &Control::SynAck(syn_ack));
    }

    /// Its first report has come: it takes part.
    pub(super) fn welcome(&mut self, id: PeerId) {
        let consumers = self.live_consumers();
        if let Some(peer) = self.peers.get(&id) {
            self.events.push_back(SenderEvent::Joined { name: display(peer), consumers });
        }
        if consumers >= self.config.min_consumers {
            self.started = true;
        }
    }

    /// A consumer that was given up speaks: the word that it got then was lost, and as it still hears the
    /// group it would wait for ever for what it missed.
    pub(super) fn disown(&mut self, id: PeerId) {
        self.drop_as(|dropped| &mut dropped.foreign);
        self.push_reset(id, ResetCode::UnknownSession, "this consumer is no member of the session");
    }

    pub(super) fn handle_leave(&mut self, reset: &Reset) {
        if self.peers.contains_key(&reset.peer) {
            self.remove(reset.peer, LostReason::Left(printable(&reset.reason)));
        } else {
            self.drop_as(|dropped| &mut dropped.foreign);
        }
    }

    /// Takes a consumer out; the session fails where too few are left.
    pub(super) fn remove(&mut self, id: PeerId, reason: LostReason) {
        let Some(peer) = self.peers.remove(&id) else { return };
        if peer.state == PeerState::Finished || self.is_over() {
            return;
        }
        if !matches!(reason, LostReason::Left(_)) {
            self.push_reset(id, ResetCode::TimedOut, &reason.to_string());
        }
        let name = display(&peer);
        self.events.push_back(SenderEvent::Lost { name: name.clone(), reason: reason.clone() });
        let left = self.peers.values().filter(|peer| peer.state != PeerState::Joining).count();
        if self.started && peer.state == PeerState::Live && left < self.config.min_consumers {
            let error = SenderError::ConsumerLost { name, reason };
            self.fail(error, ResetCode::Cancelled, "too few consumers are left");
        }
        self.release();
        self.close_if_through();
    }

    /// The session is over; whoever is left is told.
    pub(super) fn fail(&mut self, error: SenderError, code: ResetCode, reason: &str) {
        let ids: Vec<PeerId> =
            self.peers.values().filter(|peer| peer.counts()).map(|peer| peer.id).collect();
        for id in ids {
            self.push_reset(id, code, reason);
        }
        self.state = State::Failed(error.clone());
        self.events.push_back(SenderEvent::Failed(error));
    }
}
