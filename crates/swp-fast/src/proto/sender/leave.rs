//! How consumers end: they leave, time out, are evicted or cannot be served. And what that means
//! for the session.

use super::{LostReason, Sender, SenderError, SenderEvent, State};
use crate::proto::peer::{Peer, PeerState};
use crate::proto::printable;
use crate::wire::{PeerId, Reset, ResetCode};

impl Sender {
    pub(super) fn handle_leave(&mut self, reset: &Reset) {
        if self.peers.contains(reset.peer) {
            self.remove(reset.peer, LostReason::Left(printable(&reset.reason)));
        } else {
            self.drop_as(|dropped| &mut dropped.foreign);
        }
    }

    /// Removes a consumer. The session fails where too few are left.
    pub(super) fn remove(&mut self, id: PeerId, reason: LostReason) {
        let Some(peer) = self.peers.remove(id) else { return };
        // The control frames that wait for its inbox are not true any more.
        self.control.drop_for(id);
        if !peer.is_unfinished() || self.is_over() {
            return;
        }
        // A consumer that left, or that is told that it cannot be served, does not listen any more.
        // The others may listen for long.
        let knows = matches!(reason, LostReason::Left(_) | LostReason::Unavailable(_));
        if self.membership.has_started() && !knows {
            self.group.want();
        }
        self.tell_removed(id, &reason);
        let name = peer.identity().display();
        self.events.push_back(SenderEvent::Lost { id, name: name.clone(), reason: reason.clone() });
        let left = self.peers.iter().filter(|peer| is_missed(peer)).count();
        if self.membership.has_started() && is_missed(&peer) && left < self.config.quorum() {
            let error = SenderError::ConsumerLost { name, reason };
            // What was retained for the consumer stays retained: nobody is to believe that it
            // arrived.
            return self.fail(error, ResetCode::Cancelled, "too few consumers are left");
        }
        self.count_behind();
        self.release();
        self.close_if_finished();
    }

    /// Tells a consumer that it is removed, unless it has left.
    fn tell_removed(&mut self, id: PeerId, reason: &LostReason) {
        let code = match reason {
            LostReason::Left(_) => return,
            LostReason::Stalled(_) | LostReason::LeftBehind => ResetCode::TooSlow,
            LostReason::Unavailable(_) => ResetCode::Unavailable,
            LostReason::TimedOut(_) | LostReason::TooManyUnacked(_) => ResetCode::TimedOut,
        };
        if code == ResetCode::TooSlow {
            self.membership.note_evicted(id, reason.to_string());
        }
        self.push_reset(id, code, &reason.to_string());
    }

    /// Ends the session. The consumers that are left are told.
    pub(super) fn fail(&mut self, error: SenderError, code: ResetCode, reason: &str) {
        for id in self.peers.ids_where(Peer::is_unfinished) {
            self.push_reset(id, code, reason);
        }
        self.state = State::Failed(error.clone());
        self.events.push_back(SenderEvent::Failed(error));
    }
}

/// Whether the session misses this consumer when it is lost: not while it joins for the first time.
fn is_missed(peer: &Peer) -> bool {
    let identity = peer.identity();
    identity.counts && (peer.state() != PeerState::Joining || identity.replaces.is_some())
}
