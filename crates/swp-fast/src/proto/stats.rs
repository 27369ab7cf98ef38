//! Counters that both ends show. Nothing is dropped without being counted here, by cause.

use std::time::Duration;

use super::rtt::RttSummary;
use crate::wire::WireError;

/// Frames that arrived and were not used, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DropCounts {
    /// Not decodable as a frame of this version.
    pub malformed: u64,
    /// Header check or body digest did not fit.
    pub corrupt: u64,
    /// Without a tag, or with a tag of another key.
    pub unauthenticated: u64,
    /// Of another version of the wire.
    pub version: u64,
    /// Of another session or epoch, or of a consumer that is not a member.
    pub foreign: u64,
    /// Data beyond the credit that was given.
    pub beyond_window: u64,
    /// Reports on frames that were never sent; an end of the stream other than the one told before.
    pub forged: u64,
    /// Of a kind that has no meaning in the state that the session is in.
    pub unexpected: u64,
}

impl DropCounts {
    /// All causes together.
    pub fn total(&self) -> u64 {
        self.by_cause().iter().map(|(_, count)| count).sum()
    }

    /// Each cause's name and count.
    pub fn by_cause(&self) -> [(&'static str, u64); 8] {
        [
            ("malformed", self.malformed),
            ("corrupt", self.corrupt),
            ("unauthenticated", self.unauthenticated),
            ("version", self.version),
            ("foreign", self.foreign),
            ("beyond_window", self.beyond_window),
            ("forged", self.forged),
            ("unexpected", self.unexpected),
        ]
    }

    pub(super) fn count_wire(&mut self, error: WireError) {
        *match error {
            WireError::Corrupt(_) => &mut self.corrupt,
            WireError::Unauthenticated | WireError::WrongKey => &mut self.unauthenticated,
            WireError::Version { .. } => &mut self.version,
            _ => &mut self.malformed,
        } += 1;
    }
}

/// One consumer, as its publisher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// Its id, as in its inbox subject.
    pub id: u64,
    /// The name that it gave itself.
    pub name: String,
    /// Takes part; `false` before its first report and after its end.
    pub live: bool,
    /// Has consumed the stream to its end.
    pub finished: bool,
    /// Its tag.
    pub tag: String,
    /// Whether the stream goes at its pace now: it counts (see [`crate::PublishConfig::tag`]) and listens to
    /// what goes to all, or was told to.
    pub paces: bool,
    /// Frames sent that it does not hold.
    pub lag_frames: u64,
    /// Bytes sent that it has not consumed.
    pub lag_bytes: u64,
    /// Frames that it still allows.
    pub credit_frames: u64,
    /// Bytes that it still allows.
    pub credit_bytes: u64,
    /// Smoothed round trip; zero before the first sample.
    pub srtt: Duration,
    /// Frames repeated to it.
    pub retransmits: u64,
    /// Frames that reached it more than once.
    pub duplicates: u64,
    /// Frames that it refused.
    pub dropped: u64,
}

/// A publisher's counters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PublisherStats {
    /// Messages in frames that were written.
    pub messages: u64,
    /// Body bytes in frames that were written.
    pub bytes: u64,
    /// Data frames sent for the first time.
    pub frames: u64,
    /// Data frames repeated.
    pub retransmits: u64,
    /// Probes sent.
    pub probes: u64,
    /// Reports received.
    pub acks: u64,
    /// Frames sent and not yet held by every consumer, or waiting for credit.
    pub retained_frames: u64,
    /// Frames that arrived and were not used.
    pub dropped: DropCounts,
    /// Round trips of the session.
    pub rtt: RttSummary,
    /// Data frames repeated to the whole group, because most of it missed them; also in `retransmits`.
    pub group_retransmits: u64,
    /// The generation of the group that is sent to: 1, and one more for each time that the others moved away from
    /// consumers that were given up and may still listen.
    pub generation: u32,
    /// Data frames sent again to consumers that joined behind the present.
    pub caught_up_frames: u64,
    /// Data frames not sent, because every consumer held them when this publisher went on with its session.
    pub passed_over_frames: u64,
    /// The id of the consumer whose credit, or whose missing reports, hold the stream back now.
    pub held_back_by: Option<u64>,
    /// The consumers that take part or finished.
    pub consumers: Vec<ConsumerStats>,
}

/// A subscriber's counters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SubscriberStats {
    /// Data frames accepted.
    pub frames: u64,
    /// Messages in them (a fragmented message counts with its last piece).
    pub messages: u64,
    /// Body bytes in them.
    pub bytes: u64,
    /// Data frames that arrived more than once.
    pub duplicates: u64,
    /// Data frames that arrived before one with a lower number.
    pub out_of_order: u64,
    /// Reports sent.
    pub acks: u64,
    /// Frames held and not yet consumed, and the most there ever were.
    pub queued_frames: u64,
    /// See `queued_frames`.
    pub peak_queued_frames: u64,
    /// Frames that arrived and were not used.
    pub dropped: DropCounts,
}
