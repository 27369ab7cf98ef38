//! Counters of publishers and consumers. Every frame that is dropped is counted here, by cause.

use std::time::Duration;

use super::rtt::RttSummary;
use crate::wire::WireError;

/// Frames that arrived and were not used, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DropCounts {
    /// The frame does not decode in this version of the wire.
    pub malformed: u64,
    /// The header check or the body digest does not match.
    pub corrupt: u64,
    /// The frame has no tag, or a tag of another key.
    pub unauthenticated: u64,
    /// The frame is of another version of the wire.
    pub version: u64,
    /// The frame is of another session or epoch, or of a consumer that is no peer of the session.
    pub foreign: u64,
    /// Data beyond the credit that was advertised.
    pub beyond_window: u64,
    /// An ack for frames that were never sent, or a FIN with another end than the one before.
    pub forged: u64,
    /// The kind of the frame has no meaning in the state of the session, or the publisher's queue
    /// of control frames had no space for an answer.
    pub unexpected: u64,
}

impl DropCounts {
    /// Returns the sum over all causes.
    pub fn total(&self) -> u64 {
        self.by_cause().iter().map(|(_, count)| count).sum()
    }

    /// Returns the name and the count of each cause.
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

/// A peer: one consumer, as its publisher sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerStats {
    /// The id of the consumer, as in its inbox subject.
    pub id: u64,
    /// The name that the consumer gave itself.
    pub name: String,
    /// The consumer takes part. False before its first ack and after its end.
    pub live: bool,
    /// The consumer has consumed the stream to its end.
    pub finished: bool,
    /// The tag of the consumer.
    pub tag: String,
    /// The stream keeps to the pace of this consumer now. Such a consumer counts (see
    /// [`crate::PublishConfig::tag`]), and listens to the group or was told to.
    pub paces: bool,
    /// Frames that were sent and that the consumer does not hold.
    pub lag_frames: u64,
    /// Bytes that were sent and that the consumer has not consumed.
    pub lag_bytes: u64,
    /// Frames that the consumer's credit still covers.
    pub credit_frames: u64,
    /// Bytes that the consumer's credit still covers.
    pub credit_bytes: u64,
    /// The smoothed round-trip time. Zero before the first sample.
    pub srtt: Duration,
    /// Frames retransmitted to the consumer.
    pub retransmits: u64,
    /// Frames that reached the consumer more than once.
    pub duplicates: u64,
    /// Frames that the consumer dropped.
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
    /// Data frames retransmitted.
    pub retransmits: u64,
    /// Probes sent.
    pub probes: u64,
    /// Acks received.
    pub acks: u64,
    /// Frames that some consumer does not hold yet, or that wait for credit.
    pub retained_frames: u64,
    /// Frames that arrived and were not used.
    pub dropped: DropCounts,
    /// Round-trip times of the session.
    pub rtt: RttSummary,
    /// Data frames retransmitted to the whole group, because most of it missed them. They also
    /// count in `retransmits`.
    pub group_retransmits: u64,
    /// The generation of the group that data is sent to. It starts at 1, and grows each time that
    /// the group moves away from removed consumers that may still listen.
    pub generation: u32,
    /// Frames from before a late join or a resumption.
    pub past: PastCounts,
    /// The id of the consumer that causes back-pressure now, by its credit or by its missing acks.
    pub held_back_by: Option<u64>,
    /// The consumers that take part or have finished.
    pub consumers: Vec<ConsumerStats>,
}

/// What became of frames from before a late join or a resumption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PastCounts {
    /// Data frames sent again to consumers that catch up.
    pub caught_up_frames: u64,
    /// Data frames not sent, because every consumer held them when this publisher resumed the
    /// session.
    pub passed_over_frames: u64,
}

/// A subscriber's counters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SubscriberStats {
    /// Data frames accepted.
    pub frames: u64,
    /// Messages that end in the accepted frames.
    pub messages: u64,
    /// Body bytes of the accepted frames.
    pub bytes: u64,
    /// Data frames that arrived more than once.
    pub duplicates: u64,
    /// Data frames that arrived before a frame with a lower sequence number.
    pub out_of_order: u64,
    /// Acks sent.
    pub acks: u64,
    /// Frames held and not yet consumed.
    pub queued_frames: u64,
    /// The most frames that were ever held and not consumed, with those missing between them.
    pub peak_queued_frames: u64,
    /// Frames that arrived and were not used.
    pub dropped: DropCounts,
}
