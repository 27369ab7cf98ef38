//! Since when one consumer has been silent, and what it was sent meanwhile.

use std::collections::VecDeque;
use std::time::Duration;

use crate::proto::peers::GroupSends;
use crate::time::Time;
use crate::wire::Seq;

/// The unanswered probes that are told apart. Probes back off, and an answer settles all before it,
/// so more are under way only where no answer comes at all.
const KEPT_PROBES: usize = 16;

/// A probe that was sent, and what an answer to it proves.
#[derive(Debug, Clone, Copy)]
pub(in crate::proto) struct SentProbe {
    pub(in crate::proto) number: u64,
    pub(in crate::proto) sent_at: Time,
    /// Every frame below this was sent before the probe.
    pub(in crate::proto) next: Seq,
}

/// How long the publisher has waited for a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proto) struct Waiting {
    /// When the running time-out began.
    pub(in crate::proto) since: Time,
    /// Frames and probes that were sent since the consumer was last heard, and when the first was
    /// sent.
    pub(in crate::proto) unheard: u32,
    pub(in crate::proto) unheard_since: Time,
}

/// See the [module](self).
#[derive(Debug)]
pub(in crate::proto) struct PeerLiveness {
    last_heard: Time,
    /// When the consumer last received or consumed anything.
    progress_at: Time,
    /// Without the sends to the group that are not settled yet: see [`crate::proto::peers::Peers`].
    waiting: Waiting,
    /// Time-outs since the last answer.
    backoff: u32,
    /// Frames retransmitted to the whole group since the consumer was last heard. They fill its
    /// subscription beyond its window.
    group_retransmits_unheard: u64,
    /// Probes without an answer to them or to a later one, oldest first.
    probes: VecDeque<SentProbe>,
}

impl PeerLiveness {
    pub(super) fn new(now: Time) -> PeerLiveness {
        PeerLiveness {
            last_heard: now,
            progress_at: now,
            waiting: Waiting { since: now, unheard: 0, unheard_since: now },
            backoff: 0,
            group_retransmits_unheard: 0,
            probes: VecDeque::new(),
        }
    }

    pub(in crate::proto) fn last_heard(&self) -> Time {
        self.last_heard
    }

    pub(in crate::proto) fn progress_at(&self) -> Time {
        self.progress_at
    }

    pub(in crate::proto) fn backoff(&self) -> u32 {
        self.backoff
    }

    pub(in crate::proto) fn group_retransmits_unheard(&self) -> u64 {
        self.group_retransmits_unheard
    }

    /// A frame of the consumer arrived.
    pub(in crate::proto) fn note_heard(&mut self, now: Time) {
        self.last_heard = now;
        self.waiting.unheard = 0;
        self.group_retransmits_unheard = 0;
    }

    /// The consumer received or consumed something.
    pub(in crate::proto) fn note_progress(&mut self, now: Time) {
        self.progress_at = now;
    }

    /// Something was sent that the consumer should answer sooner or later.
    pub(in crate::proto) fn note_sent(&mut self, now: Time) {
        if self.waiting.unheard == 0 {
            self.waiting.unheard_since = now;
        }
        self.waiting.unheard = self.waiting.unheard.saturating_add(1);
    }

    /// A frame was sent to the inbox for the first time: as [`Self::note_sent`], and a time-out
    /// that has not fired yet starts anew.
    pub(super) fn note_sent_first(&mut self, now: Time) {
        self.note_sent(now);
        if self.backoff == 0 {
            self.waiting.since = now;
        }
    }

    pub(super) fn note_group_retransmission(&mut self) {
        self.group_retransmits_unheard += 1;
    }

    /// A probe was sent.
    pub(in crate::proto) fn note_probe(&mut self, probe: SentProbe) {
        if self.probes.len() == KEPT_PROBES {
            self.probes.pop_front();
        }
        self.probes.push_back(probe);
        self.note_sent(probe.sent_at);
    }

    /// Returns the probe with this number where it has no answer yet. Earlier probes count as
    /// answered too.
    pub(super) fn take_answered_probe(&mut self, number: u64) -> Option<SentProbe> {
        let position = self.probes.iter().position(|probe| probe.number == number)?;
        self.probes.drain(..=position).next_back()
    }

    /// The running time-out starts anew.
    pub(in crate::proto) fn restart_wait(&mut self, now: Time) {
        self.waiting.since = now;
    }

    /// The time-out has fired: the next one is longer.
    pub(in crate::proto) fn back_off(&mut self, now: Time) {
        self.backoff += 1;
        self.waiting.since = now;
    }

    pub(in crate::proto) fn reset_backoff(&mut self) {
        self.backoff = 0;
    }

    /// The process was stopped for `gap`, so the silence of that time says nothing. Not beyond
    /// `now`, where a reconnect was told of since the clock was last read.
    pub(in crate::proto) fn skip_gap(&mut self, gap: Duration, now: Time) {
        self.last_heard = (self.last_heard + gap).min(now);
        self.progress_at = (self.progress_at + gap).min(now);
        self.waiting.unheard = 0;
    }

    /// How long the publisher has waited, with `sends` to the group that were not settled yet.
    pub(in crate::proto) fn waiting_after(&self, sends: Option<GroupSends>) -> Waiting {
        let mut waiting = self.waiting;
        if let Some(sends) = sends {
            if waiting.unheard == 0 {
                waiting.unheard_since = sends.first_at;
            }
            waiting.unheard = waiting.unheard.saturating_add(sends.count);
            if self.backoff == 0 {
                waiting.since = sends.last_at;
            }
        }
        waiting
    }

    /// Settles `sends` to the group.
    pub(in crate::proto) fn settle(&mut self, sends: Option<GroupSends>) {
        self.waiting = self.waiting_after(sends);
    }
}

#[cfg(test)]
mod tests;
