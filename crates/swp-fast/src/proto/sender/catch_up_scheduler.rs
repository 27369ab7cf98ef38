//! When consumers that catch up get a frame, so that they get on without slowing the group down.
//!
//! ```text
//!      join         reread.next        queue.first         unsent
//!   ----|---------------|-------------------|-----------------|-----> sequence numbers
//!       | read again    | to be read from   | retained for    | sent to the group
//!       | from source   | the source        | all consumers   |
//! ```
//!
//! Frames that are no longer retained are read again from the source, and sent to the consumer's
//! inbox within its own credit. The group does not wait for that. From where the shared queue
//! begins, frames are retained for the consumer as for the others, so such a consumer can be what
//! fills the queue.

use std::time::Duration;

use crate::time::Time;
use crate::wire::PeerId;

/// While the group is being sent to, consumers that catch up get one frame for so many of the
/// group's. By `swp-bench latecomer` at line rate on two cores, the other consumers keep most of
/// their pace.
const GROUP_SHARE: u32 = 8;

/// The most frames that gather for consumers that catch up, an eighth of a batch.
const MAX_AT_ONCE: u32 = 8;

/// After this much silence towards the group, consumers that catch up get all they may have. At
/// line rate frames are much closer together than this.
const GROUP_PAUSE: Duration = Duration::from_micros(250);

/// The same while the group waits for credit: after a round trip or so. The group may be waiting
/// for a consumer that catches up.
const GROUP_STALL: Duration = Duration::from_millis(2);

/// A consumer that catches up has at most one frame in flight for each [`GROUP_SHARE`] frames of
/// the group, because both wait in the same queues of the link. Where the group has few frames in
/// flight, the consumer may have this many: twice as many as an only consumer takes for one ack, so
/// that the frames need not wait for each ack.
const LEAST_IN_FLIGHT: u64 = 64;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct CatchUpScheduler {
    /// The source can be read again.
    rewindable: bool,
    /// Consumers that have not caught up.
    behind: usize,
    /// The consumer that was last sent a frame, and the one for which a frame was last wanted from
    /// the source. Each has its turn.
    last_sent: PeerId,
    last_reread: PeerId,
    /// Frames sent to the group for which consumers that catch up have not had their share.
    tokens: u32,
    /// See [`super::Sender::handle_link`].
    link_busy: bool,
    last_group_data: Time,
}

impl CatchUpScheduler {
    pub(super) fn new(now: Time) -> CatchUpScheduler {
        CatchUpScheduler {
            rewindable: false,
            behind: 0,
            last_sent: PeerId(0),
            last_reread: PeerId(0),
            tokens: 0,
            link_busy: false,
            last_group_data: now,
        }
    }

    pub(super) fn set_rewindable(&mut self) {
        self.rewindable = true;
    }

    pub(super) fn is_rewindable(&self) -> bool {
        self.rewindable
    }

    pub(super) fn handle_link(&mut self, busy: bool) {
        self.link_busy = busy;
    }

    /// So many consumers have not caught up.
    pub(super) fn set_behind(&mut self, behind: usize) {
        self.behind = behind;
    }

    pub(super) fn note_caught_up(&mut self) {
        self.behind = self.behind.saturating_sub(1);
    }

    pub(super) fn last_sent(&self) -> PeerId {
        self.last_sent
    }

    pub(super) fn last_reread(&self) -> PeerId {
        self.last_reread
    }

    pub(super) fn note_reread(&mut self, id: PeerId) {
        self.last_reread = id;
    }

    /// A data frame was sent to the group.
    pub(super) fn note_group_data(&mut self, now: Time) {
        self.last_group_data = now;
        self.tokens = (self.tokens + 1).min(GROUP_SHARE * MAX_AT_ONCE);
    }

    /// A frame was sent to a consumer that catches up.
    pub(super) fn note_sent(&mut self, id: PeerId) {
        self.last_sent = id;
        self.tokens = self.tokens.saturating_sub(GROUP_SHARE);
    }

    /// Whether a consumer that catches up may be sent a frame now. `group_done` says that the group
    /// has nothing to send, and does not wait for credit either.
    pub(super) fn may_send(&self, now: Time, group_done: bool) -> bool {
        let silent = || now.since(self.last_group_data) >= pause(group_done);
        self.behind > 0 && !self.link_busy && (self.tokens >= GROUP_SHARE || silent())
    }

    /// When [`Self::may_send`] may turn true though nothing else happens.
    pub(super) fn next_at(&self, now: Time, group_done: bool) -> Option<Time> {
        let at = self.last_group_data + pause(group_done);
        (self.behind > 0 && at > now).then_some(at)
    }

    /// The most frames that a consumer that catches up may have in flight, where the group has this
    /// many.
    pub(super) fn most_in_flight(group_in_flight: u64) -> u64 {
        (group_in_flight / u64::from(GROUP_SHARE)).max(LEAST_IN_FLIGHT)
    }
}

fn pause(group_done: bool) -> Duration {
    if group_done { GROUP_PAUSE } else { GROUP_STALL }
}

#[cfg(test)]
mod tests;
