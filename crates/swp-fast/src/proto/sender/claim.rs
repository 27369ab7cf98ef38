//! Whose stream it is: claiming it, and answering publishers and consumers that go by other terms.

use bytes::Bytes;

use super::{Sender, SenderError, SenderEvent, State};
use crate::proto::{Dest, FIRST_GENERATION};
use crate::time::Time;
use crate::wire::{
    Announce, Control, Header, Kind, PeerId, Preamble, Reset, ResetCode, VERSION, WireError,
};

/// A claim is announced this often within its time-out, so that two lost announcements do no harm.
const CLAIM_ANNOUNCEMENTS: u32 = 3;

impl Sender {
    /// Time has passed while the publisher claims its stream.
    pub(super) fn claim(&mut self, now: Time, until: Time, announce_at: Time) {
        if until <= now {
            self.state = State::Open;
            self.probes.note_group_send(now);
            self.announce_to_group();
        } else if announce_at <= now {
            let announce_at = now + self.config.claim_timeout / CLAIM_ANNOUNCEMENTS;
            self.state = State::Claiming { until, announce_at };
            self.announce(Dest::Publisher, true);
        }
    }

    /// Tells every consumer that waits for a publisher that this one is here.
    pub(super) fn announce_to_group(&mut self) {
        self.announce(Dest::Group(FIRST_GENERATION), false);
    }

    fn announce(&mut self, to: Dest, claiming: bool) {
        let peer = self.control.ids().inbox;
        self.push_control(to, &Control::Announce(Announce { peer, claiming }));
    }

    /// Another publisher claims the stream. The elder objects. Of two that are still claiming, the
    /// publisher with the larger inbox id yields.
    pub(super) fn handle_announce(&mut self, announce: Announce) {
        if self.is_over() || !announce.claiming {
            return;
        }
        if self.is_claiming() && announce.peer < self.control.ids().inbox {
            return self.handle_in_use();
        }
        let reason = "another publisher holds this stream";
        self.push_reset(announce.peer, ResetCode::StreamInUse, reason);
    }

    /// An objection counts only while the claim lasts. Later, no publisher has a right to object.
    pub(super) fn handle_objection(&mut self, reset: &Reset) {
        if self.is_claiming() && reset.code == ResetCode::StreamInUse {
            self.handle_in_use();
        } else {
            self.drop_as(|dropped| &mut dropped.unexpected);
        }
    }

    fn handle_in_use(&mut self) {
        self.state = State::Failed(SenderError::StreamInUse);
        self.events.push_back(SenderEvent::Failed(SenderError::StreamInUse));
    }

    /// A frame of another session, or of an earlier epoch of this one. In the second case the
    /// consumer has not heard that its publisher was restarted, and is told so in its inbox.
    pub(super) fn handle_foreign(&mut self, header: Header, control: &Control) {
        self.drop_as(|dropped| &mut dropped.foreign);
        let ids = self.control.ids();
        let open = matches!(self.state, State::Open | State::Finishing(_));
        let earlier = self.config.resume.is_some()
            && header.session == ids.session
            && header.epoch < ids.epoch;
        let from = match control {
            Control::Ack(ack) => Some(ack.peer),
            Control::FinAck(fin_ack) => Some(fin_ack.peer),
            _ => None,
        };
        if let Some(peer) = from.filter(|_| open && earlier) {
            self.announce(Dest::Peer(peer), false);
        }
    }

    /// A SYN of another version gets an answer that every version understands.
    pub(super) fn answer_other_version(&mut self, frame: &Bytes, error: WireError) {
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
}
