//! Generations of the group. Who was given up may stand still and be subscribed to the group all the same, and
//! a broker slows every publisher down for a subscriber that takes nothing. So the group goes elsewhere
//! without it:
//!
//! ```text
//!   given up --> SYN-ACK to each that is left: listen to n + 1 as well --> each reports that it does
//!            --> data, probes and FIN go to n + 1 --> a probe says so, and they leave n
//! ```
//!
//! One such move at a time: whoever is given up meanwhile causes one more.

use std::time::Duration;

use super::Sender;
use crate::proto::peer::PeerState;
use crate::time::Time;
use crate::wire::PeerId;

/// For so long data waits for the move, which takes a round trip: sent on, the broker would throttle it for the
/// one that stands still (seen with a `recv` under SIGSTOP), and the questions and answers that the move needs
/// with it.
const MOVE_PAUSE: Duration = Duration::from_millis(50);

/// The group is to move on: not everybody listens to the next generation yet.
#[derive(Debug)]
pub(super) struct Move {
    /// When to ask (again), and how often it was done.
    ask_at: Time,
    asked: u32,
    pause_until: Time,
}

impl Sender {
    /// The generation that consumers are told to listen to.
    pub(super) fn generation_told(&self) -> u32 {
        self.generation.saturating_add(u32::from(self.moving.is_some()))
    }

    /// Takes the move to the next generation as far as it goes now.
    pub(super) fn move_on(&mut self, now: Time) {
        loop {
            match &self.moving {
                None if !self.move_wanted => return,
                None => {
                    self.move_wanted = false;
                    self.moving =
                        Some(Move { ask_at: now, asked: 0, pause_until: now + MOVE_PAUSE });
                }
                Some(_) if self.is_awaited() => return self.ask_to_move(now),
                Some(_) => {
                    self.generation = self.generation_told();
                    self.moving = None;
                    // It says where the group is now; whoever misses it hears of it with the next.
                    self.ask_all |= self.started;
                }
            }
        }
    }

    /// Whether a member has not confirmed that it listens to the next generation. Who is joining was told
    /// already, or will be with its first report.
    fn is_awaited(&self) -> bool {
        let next = self.generation_told();
        self.peers.values().any(|peer| peer.state == PeerState::Live && peer.is_deaf_to(next))
    }

    fn ask_to_move(&mut self, now: Time) {
        let next = self.generation_told();
        let Some(moving) = self.moving.as_mut().filter(|moving| moving.ask_at <= now) else {
            return;
        };
        let mut patience = Duration::ZERO;
        let mut awaited: Vec<PeerId> = Vec::new();
        for peer in self.peers.values().filter(|peer| peer.is_deaf_to(next)) {
            patience = patience.max(peer.rtt.rto(moving.asked));
            awaited.push(peer.id);
        }
        moving.asked += 1;
        moving.ask_at = now + patience.min(self.config.keep_alive);
        for id in awaited {
            self.send_syn_ack(id);
        }
    }

    /// Whether data waits for the move.
    pub(super) fn pauses_to_move(&self) -> bool {
        self.moving.as_ref().is_some_and(|moving| self.last_now < moving.pause_until)
    }

    /// When [`Self::move_on`] has something to do, or data need not wait any longer.
    pub(super) fn moves_at(&self) -> Option<Time> {
        let moving = self.moving.as_ref()?;
        Some(if self.pauses_to_move() {
            moving.ask_at.min(moving.pause_until)
        } else {
            moving.ask_at
        })
    }
}
