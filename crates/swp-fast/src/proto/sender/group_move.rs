//! Moves of the group to another subject.
//!
//! A consumer that was evicted or timed out may stand still and stay subscribed to the group. A
//! broker slows every publisher down for a subscriber that takes nothing. So the group moves to its
//! next generation, which has a subject of its own:
//!
//! ```text
//!   consumer lost --> SYN-ACK to each other consumer: listen to n + 1 as well
//!                 --> each confirms in an ack --> data, probes and FIN go to n + 1
//!                 --> a probe says so, and the consumers leave n
//! ```
//!
//! One such move takes place at a time. Consumers that are lost meanwhile cause one more move.

use std::time::Duration;

use crate::proto::FIRST_GENERATION;
use crate::time::Time;

/// How long data waits for a move, which takes a round trip. If data went on, the broker would
/// throttle it for the consumer that stands still, and with it the frames that the move needs.
const MOVE_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Moving {
    /// When to ask the consumers (again), and how often that was done.
    ask_at: Time,
    asked: u32,
    pause_until: Time,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct GroupMove {
    /// The generation that frames go to.
    generation: u32,
    moving: Option<Moving>,
    /// Another move is wanted after the one under way.
    wanted: bool,
}

impl GroupMove {
    pub(super) fn new() -> GroupMove {
        GroupMove { generation: FIRST_GENERATION, moving: None, wanted: false }
    }

    /// The generation that frames go to.
    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The generation that consumers are told to listen to.
    pub(super) fn told(&self) -> u32 {
        self.generation.saturating_add(u32::from(self.moving.is_some()))
    }

    /// The group is to move, after the move under way if there is one.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Begins a move that is wanted. Returns true if a move is under way.
    pub(super) fn begin(&mut self, now: Time) -> bool {
        if self.moving.is_none() && std::mem::take(&mut self.wanted) {
            self.moving = Some(Moving { ask_at: now, asked: 0, pause_until: now + MOVE_PAUSE });
        }
        self.moving.is_some()
    }

    /// Returns how often the consumers were asked to listen to the next generation, if it is time
    /// to ask.
    pub(super) fn due_ask(&self, now: Time) -> Option<u32> {
        self.moving.as_ref().filter(|moving| moving.ask_at <= now).map(|moving| moving.asked)
    }

    /// The consumers were asked, and will be asked again at `next`.
    pub(super) fn note_asked(&mut self, next: Time) {
        if let Some(moving) = &mut self.moving {
            moving.asked += 1;
            moving.ask_at = next;
        }
    }

    /// All consumers listen to the next generation: frames go there from now on.
    pub(super) fn complete(&mut self) {
        self.generation = self.told();
        self.moving = None;
    }

    /// Whether data waits for the move.
    pub(super) fn pauses(&self, now: Time) -> bool {
        self.moving.as_ref().is_some_and(|moving| now < moving.pause_until)
    }

    /// When the consumers are to be asked, or data need not wait any longer.
    pub(super) fn next_at(&self, now: Time) -> Option<Time> {
        let moving = self.moving.as_ref()?;
        Some(match self.pauses(now) {
            true => moving.ask_at.min(moving.pause_until),
            false => moving.ask_at,
        })
    }
}

#[cfg(test)]
mod tests;
