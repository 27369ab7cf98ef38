//! What time alone brings about: announcements, probes, keep-alives, and giving up on the silent.

use std::time::Duration;

use super::{LostReason, Sender, State};
use crate::proto::peer::{Peer, PeerState};
use crate::proto::{Dest, FIRST_GENERATION};
use crate::time::Time;
use crate::wire::PeerId;

/// A claim is announced this often within its time-out, so that two lost announcements do no harm.
const CLAIM_ANNOUNCEMENTS: u32 = 3;

/// A consumer is given up only when at least this many probes went unanswered as well: silence of a
/// publisher that asked nothing proves nothing.
const MIN_UNANSWERED: u32 = 2;

/// Where nothing is in flight and only credit or a FIN-ACK is awaited, questions start 16 times slower:
/// the consumer reports by itself as it consumes, and only a lost report needs the question.
const PERSIST_BACKOFF: u32 = 4;

impl Sender {
    /// When [`Self::handle_timeout`] wants to be called; `None` once the session is over.
    pub fn poll_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Closed | State::Failed(_) => return None,
            State::Claiming { until, announce_at } => return Some((*until).min(*announce_at)),
            State::Open | State::Finishing(_) => {}
        }
        let mut next = self.last_group_send + self.config.keep_alive;
        for peer in self.peers.values().filter(|peer| peer.counts()) {
            let due = [self.probe_at(peer), peer.losses.check_at(), Some(self.gives_up_at(peer))];
            next = due.into_iter().flatten().fold(next, Time::min);
        }
        let evicts_at = self.evicts_at().map(|(at, _)| at);
        let due = [self.repairs_wait_until, self.behind_at(), evicts_at, self.moves_at()];
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
        let mut lost = self.too_slow(now);
        let mut probes = Vec::new();
        let ack_delay = self.ack_delay();
        if self.repairs_wait_until.is_some_and(|until| until <= now) {
            self.repairs_wait_until = None;
        }
        for id in self.peers.keys().copied().collect::<Vec<_>>() {
            let Some(peer) = self.peers.get(&id).filter(|peer| peer.counts()) else { continue };
            let probe_due = self.probe_at(peer).is_some_and(|at| at <= now);
            let verdict = self.verdict(peer, now);
            let joining = peer.state == PeerState::Joining;
            let deaf = peer.is_deaf_to(self.generation);
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.losses.check_at().is_some_and(|at| at <= now) {
                peer.detect_losses(now, ack_delay);
            }
            if let Some(reason) = verdict {
                lost.push((id, reason));
            } else if probe_due {
                peer.backoff += 1;
                peer.waiting.since = now;
                // What told it to join, or to listen to the group, may have been lost.
                if joining || deaf {
                    self.send_syn_ack(id);
                } else {
                    probes.push(id);
                }
            }
        }
        for (id, reason) in lost {
            self.remove(id, reason);
        }
        self.schedule_probes(now, &probes);
    }

    fn claim(&mut self, now: Time, until: Time, announce_at: Time) {
        if until <= now {
            self.state = State::Open;
            self.last_group_send = now;
            self.announce(Dest::Group(FIRST_GENERATION), false);
        } else if announce_at <= now {
            let announce_at = now + self.config.claim_timeout / CLAIM_ANNOUNCEMENTS;
            self.state = State::Claiming { until, announce_at };
            self.announce(Dest::Publisher, true);
        }
    }

    fn schedule_probes(&mut self, now: Time, probes: &[PeerId]) {
        let keep_alive = self.last_group_send + self.config.keep_alive <= now;
        if keep_alive && !self.started {
            self.last_group_send = now;
            self.announce(Dest::Group(FIRST_GENERATION), false);
        }
        if keep_alive || probes.len() * 2 > self.peers.len() {
            self.ask_all = true;
            self.fin_due |= self.is_finishing();
        } else {
            let asked = &mut self.ask;
            for peer in probes {
                if !asked.contains(peer) {
                    asked.push_back(*peer);
                }
            }
        }
    }

    /// The connection to the bus was lost and is there again: what was in flight may be gone, so ask now
    /// and do not hold the silence against anybody.
    pub fn handle_reconnect(&mut self, now: Time) {
        self.handle_outage(now);
        for peer in self.peers.values_mut() {
            peer.backoff = 0;
            peer.waiting.since = now;
        }
        if self.started && !self.is_over() {
            self.ask_all = true;
            self.fin_due = matches!(self.state, State::Finishing(_));
        }
    }

    /// The bus is away: nobody can be heard, and nobody is given up for it.
    pub fn handle_outage(&mut self, now: Time) {
        for peer in self.peers.values_mut() {
            peer.heard(now);
            peer.progress_at = now;
        }
    }

    /// The caller is always woken within a keep-alive, so where the clock leaps this process (or the
    /// machine) was stopped, and what was said meanwhile has not been read yet.
    pub(super) fn note_time(&mut self, now: Time) {
        let gap = now.since(self.last_now);
        self.last_now = self.last_now.max(now);
        if gap > self.config.keep_alive * 2 {
            for peer in self.peers.values_mut() {
                // Not beyond now, where a reconnect has been told of since the clock was last looked at.
                peer.last_heard = (peer.last_heard + gap).min(now);
                peer.progress_at = (peer.progress_at + gap).min(now);
                peer.waiting.unheard = 0;
            }
        }
    }

    /// When to ask a consumer what it holds. The first question comes early: with half a round trip of
    /// patience, a lost tail is repaired two round trips and an ack delay after it was sent. Later ones
    /// back off (RFC 6298 section 5.5), as do questions about a closed window (RFC 9293, 3.8.6.1).
    fn probe_at(&self, peer: &Peer) -> Option<Time> {
        let joining = peer.state == PeerState::Joining;
        let finishing = self.is_finishing();
        let unacked = peer.has_unacked(self.unsent);
        let blocked = self.backlog && self.is_held_back_by(peer);
        let deaf = peer.is_deaf_to(self.generation);
        let waiting = finishing || blocked || !peer.is_caught_up();
        let patience = match (peer.backoff, peer.rtt.smoothed()) {
            _ if !(unacked || joining || deaf || waiting) => return None,
            (0, Some(smoothed)) if unacked => smoothed / 2 + self.ack_delay() * 2,
            (backoff, _) if unacked || joining || deaf => peer.rtt.rto(backoff),
            (backoff, _) => peer.rtt.rto(backoff + PERSIST_BACKOFF),
        };
        Some(self.peers.waiting(peer).since + patience.min(self.config.keep_alive))
    }

    /// Whether this consumer's credit is what keeps the next frame from being sent. Who has room left is
    /// not asked: probes go to the group, and fill the queue of the one that is stopped.
    fn is_held_back_by(&self, peer: &Peer) -> bool {
        let next_end =
            self.queue.get(self.unsent).map_or(self.sent_bytes + 1, |slot| slot.end_bytes);
        peer.credit.frames <= self.unsent || peer.credit.bytes < next_end
    }

    fn gives_up_at(&self, peer: &Peer) -> Time {
        // A consumer that is silent but was not asked often enough is asked first.
        let patience = match self.peers.waiting(peer).unheard {
            0..MIN_UNANSWERED => self.config.idle_timeout + self.config.keep_alive,
            _ => self.config.idle_timeout,
        };
        peer.last_heard + patience
    }

    fn verdict(&self, peer: &Peer, now: Time) -> Option<LostReason> {
        let silent: Duration = now.since(peer.last_heard);
        if self.gives_up_at(peer) <= now {
            return Some(LostReason::TimedOut(silent));
        }
        let limit = self.config.unacked_limit?;
        let waiting = self.peers.waiting(peer);
        let within = now.since(waiting.unheard_since) <= limit.within;
        let too_many = waiting.unheard >= limit.frames && within;
        too_many.then_some(LostReason::TooManyUnacked(waiting.unheard))
    }
}
