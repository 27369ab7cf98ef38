//! The settings of publishers and consumers, with defaults, bounds, and what each costs in memory.

use std::time::Duration;

use crate::wire::{
    BODY_LIMIT, FRAGMENT_OVERHEAD, GROUP_BODY_LIMIT, HASH_RUN, Integrity, Key, MAX_COUNT,
    MAX_HEADER, MAX_NAME, MAX_TAG, Resume, Seq, SessionId, UNHASHED_BODY_LIMIT,
    UNHASHED_GROUP_BODY_LIMIT,
};

/// The longest message that this crate takes or delivers unless told otherwise, in bytes.
pub const DEFAULT_MAX_MESSAGE_BYTES: u64 = 64 << 20;

/// Messages that a consumer's subscription keeps free beyond the window. Probes, FIN and
/// retransmissions to the whole group arrive there too. Probes back off to one a second, so the
/// reserve outlasts a pause of a minute.
pub const SUBSCRIPTION_RESERVE: u64 = 64;

/// The smallest frame, in bytes: a header, a fragment's fields and some payload fit.
pub const MIN_FRAME_BYTES: usize = 256;

/// The largest frame, in bytes: far above where a broker gains anything. A `u32` holds any offset
/// in it.
pub const MAX_FRAME_BYTES: usize = 8 << 20;

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value outside its bounds.
    #[error("{field} is {value}, but must be {bounds}")]
    OutOfBounds {
        /// The field's name.
        field: &'static str,
        /// The value that was set.
        value: u64,
        /// The values that are allowed.
        bounds: String,
    },
    /// A key authenticates a body through its digest, so nobody must be able to forge that digest.
    #[error("integrity is {0}, but a key needs blake3")]
    KeyNeedsBlake3(Integrity),
    /// The window would let more frames arrive than the client queues before it drops messages.
    #[error(
        "window_frames is {window_frames}, but a subscription of {capacity} messages, less a reserve of \
         {SUBSCRIPTION_RESERVE}, holds only {}", .capacity.saturating_sub(SUBSCRIPTION_RESERVE)
    )]
    WindowExceedsSubscription {
        /// The window, in frames.
        window_frames: u64,
        /// The client's queue for a subscription, in messages.
        capacity: u64,
    },
}

fn within(
    field: &'static str,
    value: u64,
    bounds: std::ops::RangeInclusive<u64>,
) -> Result<(), ConfigError> {
    if bounds.contains(&value) {
        return Ok(());
    }
    let bounds = match bounds.into_inner() {
        (low, u64::MAX) => format!("at least {low}"),
        (low, high) => format!("{low} to {high}"),
    };
    Err(ConfigError::OutOfBounds { field, value, bounds })
}

/// What happens to a consumer that sends its SYN after the first frame was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateJoin {
    /// The publisher refuses the consumer. Every consumer gets the whole stream or none of it.
    #[default]
    Refuse,
    /// The consumer gets the stream from the next frame on.
    FromNow,
    /// The consumer gets the whole stream. Past frames are read again from the publisher's source
    /// and sent to the consumer's inbox until it has caught up (Aeron calls this replay merge).
    /// Needs a source that can be read again.
    FromStart,
}

/// What happens to a consumer that holds the stream back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Slow {
    /// The stream goes at the consumer's pace.
    #[default]
    Wait,
    /// The publisher evicts the consumer and tells it why, once the stream has waited for the
    /// consumer for this long, and the consumer has neither received nor consumed anything. The
    /// other consumers go on.
    Evict {
        /// The time to wait. At least the keep-alive interval.
        stalled_for: Duration,
    },
}

/// Where a publisher resumes a session whose publisher died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishResume {
    /// The session.
    pub session: SessionId,
    /// The epoch of the publisher that died. The publisher that resumes takes the next epoch.
    /// Consumers could not tell two publishers of one epoch apart, so save the new epoch before the
    /// session is resumed.
    pub epoch: u32,
    /// The first frame that is written. Every consumer that counts held all frames before.
    pub next: Seq,
    /// The byte offset at which that frame begins.
    pub next_bytes: u64,
}

/// Times a consumer out when much was sent to it and nothing at all was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnackedLimit {
    /// This many frames and probes were sent ...
    pub frames: u32,
    /// ... within this time, and none was answered.
    pub within: Duration,
}

/// How a stream is published.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PublishConfig {
    /// The publisher sends no data before this many consumers have joined. Default 1; 1 to
    /// `max_consumers`.
    pub min_consumers: usize,
    /// The publisher refuses further consumers. Each costs about 1 KiB, and 64 bytes for each frame
    /// that it misses. A consumer that catches up costs up to `retained_bytes` more. Default 64; 1
    /// to 65,536.
    pub max_consumers: usize,
    /// The session fails when a consumer is lost and fewer than this many are left. Default `None`:
    /// `min_consumers`, or 1 where slow consumers are evicted. 0 to `max_consumers`.
    pub quorum: Option<usize>,
    /// With a tag set, only consumers with this tag set the pace and count for `min_consumers` and
    /// `quorum` (Aeron's tagged flow control). The other consumers get the stream as far as they
    /// keep up. Such a consumer is evicted when it needs a frame that is no longer retained.
    /// Default none: all consumers count. 1 to 64 bytes.
    pub tag: Option<String>,
    /// See [`Slow`]. Default: wait.
    pub slow: Slow,
    /// See [`LateJoin`]. Default: refuse.
    pub late_join: LateJoin,
    /// How data frames are protected. Default blake3. [`PublishConfig::with_integrity`] chooses the
    /// frame sizes that go with the protection.
    pub integrity: Integrity,
    /// A key shared with the consumers. Needs blake3. Default none.
    pub key: Option<Key>,
    /// The largest frame with its header, in bytes. Less where the broker's max_payload is less.
    ///
    /// While several consumers have the stream, frames are filled up to this, and a message that
    /// fits one frame is not cut. A larger frame costs the broker more once, and costs each
    /// consumer less. `queue_bytes`, `retained_bytes` and each consumer's `window_bytes` must each
    /// hold at least one frame of this size. This also holds with a single consumer, because a
    /// second one may join.
    ///
    /// Default 50,243 (see [`GROUP_BODY_LIMIT`]), or 65,416 without blake3 (see
    /// [`UNHASHED_GROUP_BODY_LIMIT`]). 256 to 8 Mi.
    pub frame_bytes: usize,
    /// The size up to which frames are filled while one consumer has the stream, with the header,
    /// in bytes. A longer message is cut into frames of this size. `frame_bytes` bounds this as
    /// well.
    ///
    /// Default 17,475: brokers move most bytes per second in messages of about this size, and a
    /// body just past a [`HASH_RUN`] is hashed faster than one just below. Without blake3 32,648
    /// (see [`UNHASHED_BODY_LIMIT`]). 256 to 8 Mi.
    pub solo_frame_bytes: usize,
    /// The bytes that may wait to be sent before `try_send` returns `Blocked`. Counts bodies: a
    /// frame can take up to four times its body in memory, and a message that is kept by reference
    /// keeps its whole buffer. Default 1 MiB; at least `frame_bytes`.
    pub queue_bytes: usize,
    /// The bound of the retransmit queue: bytes sent and not yet held by every consumer. Default 32
    /// MiB, twice the default window of a consumer, so that the queue is not what limits the
    /// stream. Counts bodies, as `queue_bytes` does. At least `frame_bytes`.
    pub retained_bytes: u64,
    /// The bound of the retransmit queue in frames. Default 16,384 (about 2 MiB of bookkeeping).
    pub retained_frames: u64,
    /// The longest message, in bytes. Default 64 MiB.
    pub max_message_bytes: u64,
    /// The publisher sends something at least this often. Default 1 s.
    pub keep_alive: Duration,
    /// A consumer that is silent for this long times out. At least three times `keep_alive`.
    /// Default 10 s.
    pub idle_timeout: Duration,
    /// How long a new publisher waits for an objection of another publisher of the stream. Default
    /// 200 ms.
    pub claim_timeout: Duration,
    /// See [`UnackedLimit`]. Default none.
    pub unacked_limit: Option<UnackedLimit>,
    /// Resumes the session of a publisher that died. From `next` on, the application must write the
    /// same frames as the publisher before.
    ///
    /// The session's consumers rejoin by themselves within its `idle_timeout`, with the frames that
    /// they hold. Other consumers join late. Consumers that have finished do not rejoin: lower
    /// `min_consumers` by their number. Default none.
    pub resume: Option<PublishResume>,
}

impl Default for PublishConfig {
    fn default() -> Self {
        PublishConfig {
            min_consumers: 1,
            max_consumers: 64,
            quorum: None,
            tag: None,
            slow: Slow::Wait,
            late_join: LateJoin::Refuse,
            integrity: Integrity::Blake3,
            key: None,
            frame_bytes: MAX_HEADER + GROUP_BODY_LIMIT,
            solo_frame_bytes: MAX_HEADER + BODY_LIMIT,
            queue_bytes: 1 << 20,
            retained_bytes: 32 << 20,
            retained_frames: 16 << 10,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            keep_alive: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(10),
            claim_timeout: Duration::from_millis(200),
            unacked_limit: None,
            resume: None,
        }
    }
}

impl PublishConfig {
    /// The default with this protection, and with the frame sizes that go with it.
    pub fn with_integrity(integrity: Integrity) -> PublishConfig {
        let (body, solo_body) = match integrity {
            Integrity::Blake3 => (GROUP_BODY_LIMIT, BODY_LIMIT),
            Integrity::Crc32c | Integrity::None => (UNHASHED_GROUP_BODY_LIMIT, UNHASHED_BODY_LIMIT),
        };
        let (frame_bytes, solo_frame_bytes) = (MAX_HEADER + body, MAX_HEADER + solo_body);
        PublishConfig { integrity, frame_bytes, solo_frame_bytes, ..PublishConfig::default() }
    }

    /// Checks the configuration.
    ///
    /// # Errors
    /// Names the first field that is out of its bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        within("max_consumers", self.max_consumers as u64, 1..=65_536)?;
        within("min_consumers", self.min_consumers as u64, 1..=self.max_consumers as u64)?;
        within("quorum", self.quorum() as u64, 0..=self.max_consumers as u64)?;
        within("tag (bytes)", self.tag.as_ref().map_or(1, String::len) as u64, 1..=MAX_TAG as u64)?;
        if let Slow::Evict { stalled_for } = self.slow {
            let least_ms = self.keep_alive.as_millis() as u64;
            within("stalled_for (ms)", stalled_for.as_millis() as u64, least_ms..=86_400_000)?;
        }
        let frame_bounds = MIN_FRAME_BYTES as u64..=MAX_FRAME_BYTES as u64;
        within("frame_bytes", self.frame_bytes as u64, frame_bounds.clone())?;
        within("solo_frame_bytes", self.solo_frame_bytes as u64, frame_bounds)?;
        within("queue_bytes", self.queue_bytes as u64, self.frame_bytes as u64..=1 << 40)?;
        within("retained_bytes", self.retained_bytes, self.frame_bytes as u64..=1 << 40)?;
        within("retained_frames", self.retained_frames, 1..=1 << 24)?;
        within("max_message_bytes", self.max_message_bytes, 1..=1 << 40)?;
        if let Some(resume) = &self.resume {
            within("resume.epoch", u64::from(resume.epoch), 0..=u64::from(u32::MAX - 1))?;
            within("resume.next_bytes", resume.next_bytes, 0..=MAX_COUNT)?;
        }
        if self.key.is_some() && self.integrity != Integrity::Blake3 {
            return Err(ConfigError::KeyNeedsBlake3(self.integrity));
        }
        check_liveness(self.keep_alive, self.idle_timeout)
    }

    /// Returns how many consumers must be left for the session to go on; see the field of this
    /// name.
    pub fn quorum(&self) -> usize {
        self.quorum.unwrap_or(match self.slow {
            Slow::Wait => self.min_consumers,
            Slow::Evict { .. } => 1,
        })
    }

    /// The largest body of a data frame, in bytes.
    pub fn max_body_bytes(&self) -> usize {
        self.frame_bytes.saturating_sub(MAX_HEADER)
    }

    /// The largest body that is packed while one consumer has the stream, in bytes.
    pub fn solo_body_bytes(&self) -> usize {
        self.max_body_bytes().min(self.solo_frame_bytes.saturating_sub(MAX_HEADER))
    }

    /// The longest part of a message in a fragment, in bytes. With blake3 this is whole
    /// [`HASH_RUN`]s where it can be.
    pub fn max_fragment_bytes(&self) -> usize {
        let part = self.solo_body_bytes().saturating_sub(FRAGMENT_OVERHEAD);
        match self.integrity {
            Integrity::Blake3 if part >= HASH_RUN => part - part % HASH_RUN,
            _ => part,
        }
    }
}

/// When a consumer tells the publisher that it has consumed the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConfirmEnd {
    /// When the application has received the end of the stream.
    #[default]
    WhenRead,
    /// When the application calls `Subscriber::close`, after it has synced a file for example.
    Explicitly,
}

/// How a stream is consumed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscribeConfig {
    /// A name for the publisher's events and statistics, at most 64 bytes. Default empty.
    pub name: String,
    /// The consumer's tag; see [`PublishConfig::tag`]. At most 64 bytes. Default empty.
    pub tag: String,
    /// Where to resume in a session that this consumer took part in before. Default none.
    pub resume: Option<Resume>,
    /// The window in frames: received and not yet consumed. Default 4,096 (about 400 KiB of
    /// bookkeeping when full). At most the subscription's capacity less [`SUBSCRIPTION_RESERVE`].
    pub window_frames: u64,
    /// The window in bytes: received and not yet consumed. Frames are slices of the client's read
    /// buffers, which can come to twice the window.
    ///
    /// Default 16 MiB: at line rate on two busy cores, an ack and the data that it allows take
    /// milliseconds, and a smaller window would run out meanwhile. Where a consumer is slower than
    /// its publisher, unread frames grow to the window as well. Lower the window where fresh data
    /// is worth more than throughput.
    ///
    /// With a window below the broker's `max_pending` (64 MiB) the broker never cuts the consumer
    /// off for frames that it has not read, only for standing still (`write_deadline`). A publisher
    /// refuses a window that does not hold one of its frames; see [`PublishConfig::frame_bytes`].
    pub window_bytes: u64,
    /// The longest message that is accepted, in bytes. A message that comes in fragments costs its
    /// length in memory, which is kept for the next one. Default 64 MiB.
    pub max_message_bytes: u64,
    /// A key shared with the publisher. Default none.
    pub key: Option<Key>,
    /// How long to wait for a publisher. Default none: without end.
    pub connect_timeout: Option<Duration>,
    /// See [`ConfirmEnd`].
    pub confirm_end: ConfirmEnd,
}

impl Default for SubscribeConfig {
    fn default() -> Self {
        SubscribeConfig {
            name: String::new(),
            tag: String::new(),
            resume: None,
            window_frames: 4096,
            window_bytes: 16 << 20,
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            key: None,
            connect_timeout: None,
            confirm_end: ConfirmEnd::WhenRead,
        }
    }
}

impl SubscribeConfig {
    /// Checks the configuration for a client that queues `subscription_capacity` messages.
    ///
    /// # Errors
    /// Names the first field that is out of its bounds.
    pub fn validate(&self, subscription_capacity: u64) -> Result<(), ConfigError> {
        within("name (bytes)", self.name.len() as u64, 0..=MAX_NAME as u64)?;
        within("tag (bytes)", self.tag.len() as u64, 0..=MAX_TAG as u64)?;
        within("window_frames", self.window_frames, 1..=1 << 24)?;
        within("window_bytes", self.window_bytes, MIN_FRAME_BYTES as u64..=1 << 40)?;
        within("max_message_bytes", self.max_message_bytes, 1..=1 << 40)?;
        if self.window_frames > subscription_capacity.saturating_sub(SUBSCRIPTION_RESERVE) {
            return Err(ConfigError::WindowExceedsSubscription {
                window_frames: self.window_frames,
                capacity: subscription_capacity,
            });
        }
        Ok(())
    }
}

/// The wire has time-outs as whole milliseconds in 32 bits. One lost keep-alive must not end a
/// session.
fn check_liveness(keep_alive: Duration, idle_timeout: Duration) -> Result<(), ConfigError> {
    let keep_alive_ms = keep_alive.as_millis() as u64;
    within("keep_alive (ms)", keep_alive_ms, 1..=3_600_000)?;
    within("idle_timeout (ms)", idle_timeout.as_millis() as u64, keep_alive_ms * 3..=86_400_000)
}
