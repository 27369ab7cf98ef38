//! Claiming the stream, letting consumers in, and letting them go.

use bytes::Bytes;

use super::{MAX_EVICTED, Sender, SenderError, SenderEvent, State, display, printable};
use crate::config::LateJoin;
use crate::proto::Dest;
use crate::proto::peer::{Joining, Peer, PeerState};
use crate::proto::sender::LostReason;
use crate::time::Time;
use crate::wire::{
    Announce, Control, Header, Kind, PeerId, Preamble, Reset, ResetCode, Resume, Seq, Syn, SynAck,
    VERSION, WireError,
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

    /// Of another session, or of an earlier epoch of this one: then a consumer has not heard yet that its
    /// publisher was replaced, and is told where it listens.
    pub(super) fn handle_foreign(&mut self, header: Header, control: &Control) {
        self.drop_as(|dropped| &mut dropped.foreign);
        let open = matches!(self.state, State::Open | State::Finishing(_));
        let earlier = self.config.resume.is_some()
            && header.session == self.ids.session
            && header.epoch < self.ids.epoch;
        let from = match control {
            Control::Ack(ack) => Some(ack.peer),
            Control::FinAck(fin_ack) => Some(fin_ack.peer),
            _ => None,
        };
        if let Some(peer) = from.filter(|_| open && earlier) {
            self.announce(Dest::Peer(peer), false);
        }
    }

    /// Whether it was a member of this session, in this life of it or an earlier one.
    pub(super) fn was_ours(&self, resume: &Resume) -> bool {
        resume.session == self.ids.session && resume.epoch <= self.ids.epoch
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
                // Whoever was a member once need not wait any longer to be let in again.
                if syn.resume.is_some_and(|resume| resume.session == self.ids.session) {
                    self.push_reset(syn.peer, ResetCode::Unavailable, "the session is over");
                }
                return self.drop_as(|dropped| &mut dropped.unexpected);
            }
        }
        if self.evicted.iter().any(|(evicted, _)| *evicted == syn.peer) {
            return self.disown(syn.peer);
        }
        if let Some(peer) = self.peers.get_mut(&syn.peer) {
            // The SYN-ACK was lost, or is on its way.
            if !syn.resume.as_ref().is_some_and(|resume| peer.is_to_join_anew(resume)) {
                peer.heard(now);
                if let Some(resume) = &syn.resume {
                    peer.take_back(resume, &self.queue);
                }
                return self.send_syn_ack(syn.peer);
            }
        }
        let behind = self.objection_to(&syn).map_or_else(|| self.behind(&syn), Err);
        let behind = match behind {
            Ok(behind) => behind,
            Err((code, reason)) => {
                // What it was before is gone for good only where this session says that it cannot go on.
                let ours = syn.resume.as_ref().filter(|resume| self.was_ours(resume));
                let before = ours.map(|resume| resume.peer);
                if let Some(before) = before.filter(|_| code == ResetCode::Unavailable) {
                    self.remove(before, LostReason::Left(format!("it cannot resume: {reason}")));
                }
                let name = if syn.name.is_empty() { syn.peer.to_string() } else { syn.name };
                return self.refuse(syn.peer, name, code, &reason);
            }
        };
        if let Some(before) = syn.resume.as_ref().map(|resume| resume.peer) {
            // What it was before its restart holds nobody up any more.
            self.peers.remove(&before);
        }
        let (start, start_bytes) = match &behind {
            Some(behind) => (behind.start, behind.start_bytes),
            None => (self.unsent, self.sent_bytes),
        };
        let joining = Joining {
            id: syn.peer,
            name: syn.name,
            required: self.config.tag.as_ref().is_none_or(|tag| *tag == syn.tag),
            tag: syn.tag,
            start,
            start_bytes,
            window_frames: syn.window_frames,
            window_bytes: syn.window_bytes,
            behind: behind.map(|behind| behind.held),
            at_present: start >= self.unsent,
            replaces: syn.resume.as_ref().map(|resume| resume.peer),
        };
        self.peers.insert(syn.peer, Peer::new(joining, now));
        self.catching_up = self.peers.values().filter(|peer| !peer.is_caught_up()).count();
        self.members_told = self.members_told.max(self.members());
        // One that resumes may hold more than was reported: the queue must not stay full of that.
        self.release();
        self.send_syn_ack(syn.peer);
    }

    fn objection_to(&self, syn: &Syn) -> Option<(ResetCode, String)> {
        let was = syn.resume.as_ref().map_or(syn.peer, |resume| resume.peer);
        if self.peers.len() >= self.config.max_consumers && !self.peers.contains_key(&was) {
            let reason = format!("the stream has its {} consumers", self.config.max_consumers);
            return Some((ResetCode::Refused, reason));
        }
        // Something was sent, by this publisher or the one in whose place it is.
        let late = self.unsent > Seq::ZERO && syn.resume.is_none();
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

    pub(super) fn send_syn_ack(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let syn_ack = SynAck {
            peer: id,
            start: peer.start,
            start_bytes: peer.start_bytes,
            integrity: self.config.integrity,
            max_body_bytes: self.config.max_body_bytes() as u32,
            max_message_bytes: self.config.max_message_bytes,
            keep_alive: self.config.keep_alive,
            idle_timeout: self.config.idle_timeout,
            members: self.members(),
            generation: if peer.is_told_to_listen() { self.generation_told() } else { 0 },
            paces: peer.required,
        };
        self.push_control(Dest::Peer(id), &Control::SynAck(syn_ack));
    }

    /// Its first report has come: it takes part.
    pub(super) fn welcome(&mut self, id: PeerId) {
        let consumers = self.live_consumers();
        if let Some(peer) = self.peers.get(&id) {
            let (name, replaces) = (display(peer), peer.replaces);
            self.events.push_back(SenderEvent::Joined { name, consumers, replaces });
        }
        if consumers >= self.config.min_consumers {
            self.started = true;
        }
        // Those who joined before do not know how many they have become.
        self.ask_all |= self.started && self.members() > 1;
    }

    /// A consumer that was given up speaks: the word that it got then was lost, and as it still hears the
    /// group it would wait for ever for what it missed.
    pub(super) fn disown(&mut self, id: PeerId) {
        self.drop_as(|dropped| &mut dropped.foreign);
        let evicted = self.evicted.iter().find(|(evicted, _)| *evicted == id);
        match evicted.map(|(_, reason)| reason.clone()) {
            Some(reason) => self.push_reset(id, ResetCode::TooSlow, &reason),
            None => {
                let reason = "this consumer is no member of the session";
                self.push_reset(id, ResetCode::UnknownSession, reason);
            }
        }
    }

    fn note_evicted(&mut self, id: PeerId, reason: &LostReason) {
        if self.evicted.len() == MAX_EVICTED {
            self.evicted.pop_front();
        }
        self.evicted.push_back((id, reason.to_string()));
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
        // What was to be said to it as a member is not true any more.
        self.control.retain(|transmit| transmit.to != Dest::Peer(id));
        if peer.state == PeerState::Finished || self.is_over() {
            return;
        }
        let code = match reason {
            LostReason::Left(_) => None,
            LostReason::Stalled(_) | LostReason::LeftBehind => Some(ResetCode::TooSlow),
            LostReason::Unavailable(_) => Some(ResetCode::Unavailable),
            LostReason::TimedOut(_) | LostReason::TooManyUnacked(_) => Some(ResetCode::TimedOut),
        };
        // Whoever left is gone, or knows that it is out. Who does not may listen for long.
        let knows = matches!(reason, LostReason::Left(_) | LostReason::Unavailable(_));
        self.move_wanted |= self.started && !knows;
        if code == Some(ResetCode::TooSlow) {
            self.note_evicted(id, &reason);
        }
        if let Some(code) = code {
            self.push_reset(id, code, &reason.to_string());
        }
        let name = display(&peer);
        self.events.push_back(SenderEvent::Lost { id, name: name.clone(), reason: reason.clone() });
        let counted = |peer: &Peer| {
            peer.required && (peer.state != PeerState::Joining || peer.replaces.is_some())
        };
        let left = self.peers.values().filter(|peer| counted(peer)).count();
        if self.started && counted(&peer) && left < self.config.quorum() {
            let error = SenderError::ConsumerLost { name, reason };
            // What it kept is kept: nobody is to believe that it arrived.
            return self.fail(error, ResetCode::Cancelled, "too few consumers are left");
        }
        self.catching_up = self.peers.values().filter(|peer| !peer.is_caught_up()).count();
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
