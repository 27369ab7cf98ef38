//! What time alone brings about: announcements, probes, keep-alives, and the end of silent
//! consumers.

use super::{LostReason, Sender, State};
use crate::proto::peer::{Peer, PeerState};
use crate::time::Time;
use crate::wire::PeerId;

/// A consumer times out only when at least this many probes went unanswered as well. Silence of a
/// consumer that was asked nothing proves nothing.
const MIN_UNANSWERED: u32 = 2;

/// Where nothing is in flight and only credit or a FIN-ACK is awaited, probes start 16 times
/// slower. The consumer sends an ack by itself as it consumes, and only a lost ack needs the probe.
const PERSIST_BACKOFF: u32 = 4;

impl Sender {
    /// Returns when [`Self::handle_timeout`] is to be called, or `None` once the session is over.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Closed | State::Failed(_) => return None,
            State::Claiming { until, announce_at } => return Some((*until).min(*announce_at)),
            State::Open | State::Finishing(_) => {}
        }
        let mut next = self.probes.keep_alive_at();
        for peer in self.peers.iter().filter(|peer| peer.is_unfinished()) {
            let due =
                [self.probe_at(peer), peer.losses().check_at(), Some(self.times_out_at(peer))];
            next = due.into_iter().flatten().fold(next, Time::min);
        }
        let due = [
            self.retransmits_wait_until,
            self.catch_up.next_at(self.last_now, self.group_is_done()),
            self.evicts_at(),
            self.group.next_at(self.last_now),
        ];
        Some(due.into_iter().flatten().fold(next, Time::min))
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.note_time(now);
        match self.state {
            State::Closed | State::Failed(_) => return,
            State::Claiming { until, announce_at } => return self.claim(now, until, announce_at),
            State::Open | State::Finishing(_) => {}
        }
        let mut lost = self.stalled_or_left_behind(now);
        let mut probes = Vec::new();
        if self.retransmits_wait_until.is_some_and(|until| until <= now) {
            self.retransmits_wait_until = None;
        }
        for id in self.peers.ids_where(|_| true) {
            if let Some(reason) = self.time_out(now, id, &mut probes) {
                lost.push((id, reason));
            }
        }
        for (id, reason) in lost {
            self.remove(id, reason);
        }
        self.schedule_probes(now, &probes);
    }

    /// Looks at one consumer. Adds the consumer to `probes` where a probe is due, and returns why
    /// it is lost where it is.
    fn time_out(&mut self, now: Time, id: PeerId, probes: &mut Vec<PeerId>) -> Option<LostReason> {
        let peer = self.peers.get(id).filter(|peer| peer.is_unfinished())?;
        let probe_due = self.probe_at(peer).is_some_and(|at| at <= now);
        let lost = self.is_lost(peer, now);
        let joins =
            peer.state() == PeerState::Joining || peer.has_to_confirm(self.group.generation());
        let backs_off = probe_due && lost.is_none();
        let ack_delay = self.ack_delay();
        self.peers.update(id, |peer| {
            if peer.losses().check_at().is_some_and(|at| at <= now) {
                peer.detect_losses(now, ack_delay);
            }
            if backs_off {
                peer.liveness_mut().back_off(now);
            }
        });
        match backs_off {
            // The SYN-ACK that told the consumer to join, or to listen to the group, may have been
            // lost.
            true if joins => self.send_syn_ack(id),
            true => probes.push(id),
            false => {}
        }
        lost
    }

    fn schedule_probes(&mut self, now: Time, probes: &[PeerId]) {
        let keep_alive = self.probes.keep_alive_at() <= now;
        if keep_alive && !self.membership.has_started() {
            self.probes.note_group_send(now);
            self.announce_to_group();
        }
        if keep_alive || probes.len() * 2 > self.peers.len() {
            self.probes.request_all();
            if self.is_finishing() {
                self.probes.request_fin();
            }
        } else {
            self.probes.request(probes);
        }
    }

    /// When a consumer is to be sent a probe. The first probe comes early: with half a round trip
    /// of patience, a lost tail is retransmitted two round trips and an ack delay after it was
    /// sent. Later probes back off (RFC 6298 section 5.5), as do probes of a closed window (RFC
    /// 9293 section 3.8.6.1).
    fn probe_at(&self, peer: &Peer) -> Option<Time> {
        let joins =
            peer.state() == PeerState::Joining || peer.has_to_confirm(self.group.generation());
        let unacked = peer.has_unacked(self.window.unsent());
        let blocked = self.stall.has_backlog()
            && peer.credit().blocks(self.window.unsent(), self.window.next_end_bytes());
        let waits = self.is_finishing() || blocked || !peer.is_caught_up();
        let patience = match (peer.liveness().backoff(), peer.rtt().smoothed()) {
            _ if !(unacked || joins || waits) => return None,
            (0, Some(smoothed)) if unacked => smoothed / 2 + self.ack_delay() * 2,
            (backoff, _) if unacked || joins => peer.rtt().rto(backoff),
            (backoff, _) => peer.rtt().rto(backoff + PERSIST_BACKOFF),
        };
        Some(self.peers.waiting(peer).since + patience.min(self.config.keep_alive))
    }

    fn times_out_at(&self, peer: &Peer) -> Time {
        // A silent consumer that was not sent enough probes is sent those first.
        let patience = match self.peers.waiting(peer).unheard {
            0..MIN_UNANSWERED => self.config.idle_timeout + self.config.keep_alive,
            _ => self.config.idle_timeout,
        };
        peer.liveness().last_heard() + patience
    }

    fn is_lost(&self, peer: &Peer, now: Time) -> Option<LostReason> {
        if self.times_out_at(peer) <= now {
            return Some(LostReason::TimedOut(now.since(peer.liveness().last_heard())));
        }
        let limit = self.config.unacked_limit?;
        let waiting = self.peers.waiting(peer);
        let within = now.since(waiting.unheard_since) <= limit.within;
        let too_many = waiting.unheard >= limit.frames && within;
        too_many.then_some(LostReason::TooManyUnacked(waiting.unheard))
    }
}
