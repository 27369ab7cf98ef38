//! What can be set on either side, with defaults, bounds and what each costs in memory.

use std::time::Duration;

use crate::wire::{
    BODY_LIMIT, FRAGMENT_OVERHEAD, GROUP_BODY_LIMIT, HASH_RUN, Integrity, Key, MAX_COUNT,
    MAX_HEADER, MAX_NAME, MAX_TAG, Resume, Seq, SessionId, UNHASHED_BODY_LIMIT,
    UNHASHED_GROUP_BODY_LIMIT,
};

/// The largest message that this crate takes or delivers unless told otherwise.
pub const DEFAULT_MAX_MESSAGE_BYTES: u64 = 64 << 20;

/// Frames kept free in a consumer's subscription beyond its window: probes, FIN and frames repeated to
/// the whole group arrive there too. Probes back off to one a second, so 64 outlast a minute's pause.
pub const SUBSCRIPTION_RESERVE: u64 = 64;

/// The smallest frame that leaves room for a header, a fragment's fields and some payload.
pub const MIN_FRAME_BYTES: usize = 256;

/// The largest frame: far above where a broker gains anything, and a `u32` holds any offset in it.
pub const MAX_FRAME_BYTES: usize = 8 << 20;

/// A configuration that cannot work. Nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value outside its bounds.
    #[error("{field} is {value}, but must be {bounds}")]
    OutOfBounds {
        /// The field's name.
        field: &'static str,
        /// What it was set to.
        value: u64,
        /// What it may be.
        bounds: String,
    },
    /// A key authenticates a body through its digest, so the digest must be one that cannot be forged.
    #[error("integrity is {0}, but a key needs blake3")]
    KeyNeedsBlake3(Integrity),
    /// The window would let more frames arrive than the client queues before it drops them silently.
    #[error(
        "window_frames is {window_frames}, but a subscription of {capacity} messages, less a reserve of \
         {SUBSCRIPTION_RESERVE}, holds only {}", .capacity.saturating_sub(SUBSCRIPTION_RESERVE)
    )]
    WindowExceedsSubscription {
        /// The window asked for, in frames.
        window_frames: u64,
        /// What the client queues for a subscription, in messages.
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

/// What becomes of a consumer that asks to join after the first frame was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LateJoin {
    /// It is refused: every consumer gets the whole stream or none of it.
    #[default]
    Refuse,
    /// It gets the stream from the next frame on.
    FromNow,
    /// It gets the whole stream: what has passed is read again from the publisher's source and sent to it
    /// alone, until it has caught up (Aeron calls this replay merge). Needs a source that can be read again.
    FromStart,
}

/// What becomes of a consumer that holds the stream back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Slow {
    /// The stream goes at its pace.
    #[default]
    Wait,
    /// It is told why and lost, once the stream has had to wait for it for this long during which it
    /// neither received nor consumed anything. The others go on. At least the keep-alive's interval.
    Evict {
        /// This long.
        stalled_for: Duration,
    },
}

/// Where a publisher goes on with a session that ended without a word, because its process died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishResume {
    /// The session.
    pub session: SessionId,
    /// Its last epoch; the publisher that goes on takes the next. Of two that were given the same, consumers
    /// could not tell one from the other: keep the new one before you begin with it.
    pub epoch: u32,
    /// The first frame that is written. Every consumer that counts held all before it.
    pub next: Seq,
    /// Where in the session's bytes that frame begins.
    pub next_bytes: u64,
}

/// Ends a consumer's membership when much was sent to it and nothing at all was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnackedLimit {
    /// This many frames and probes ...
    pub frames: u32,
    /// ... within this time, none of them answered.
    pub within: Duration,
}

/// How a stream is published.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PublishConfig {
    /// Nothing is sent before this many consumers have joined. Default 1; 1 to `max_consumers`.
    pub min_consumers: usize,
    /// More than this are refused. Each costs about 1 KiB, and 64 bytes a frame that it misses; one that joins
    /// behind the present, up to `retained_bytes` more. Default 64.
    pub max_consumers: usize,
    /// The session fails when consumers are lost and fewer than this many are left. Default `None`:
    /// `min_consumers`, or 1 where a slow consumer is evicted. 0 to `max_consumers`.
    pub quorum: Option<usize>,
    /// Where given, only consumers with this tag set the pace and count for `min_consumers` and `quorum`
    /// (Aeron's tagged flow control). The others get the stream as far as they keep up: one that falls
    /// behind by more than what is retained is lost. Default none: all count. At most 64 bytes.
    pub tag: Option<String>,
    /// See [`Slow`]. Default: wait.
    pub slow: Slow,
    /// See [`LateJoin`]. Default: refuse.
    pub late_join: LateJoin,
    /// How data frames are protected. Default blake3. To change it begin with [`PublishConfig::with_integrity`],
    /// which knows the frame size that goes with it.
    pub integrity: Integrity,
    /// A key shared with the consumers; needs blake3. Default none.
    pub key: Option<Key>,
    /// The largest frame, header and all, in bytes; less where the broker's max_payload is less. Where several
    /// consumers have the stream, frames are filled up to this, and messages that fit one are not cut up. What a
    /// frame costs its broker once grows with its size, and what the same bytes cost each consumer shrinks. One must
    /// fit `queue_bytes`, `retained_bytes` and each consumer's `window_bytes`, for a stream that one has may get a
    /// second.
    /// Default 50,243 (see [`GROUP_BODY_LIMIT`]); 65,416 with [`PublishConfig::with_integrity`] and no blake3 (see
    /// [`UNHASHED_GROUP_BODY_LIMIT`]). 256 to 8 Mi.
    pub frame_bytes: usize,
    /// What a frame is filled up to while one consumer has the stream, and what longer messages are cut into, header
    /// and all, in bytes; at most `frame_bytes`, whatever is set here.
    /// Default 17,475: about 16 KiB is the size at which brokers move most bytes a second, and a body just
    /// past 16 KiB is hashed four times as fast as one just below ([`HASH_RUN`]). Without blake3 twice that is
    /// better (32,648, see [`UNHASHED_BODY_LIMIT`]). 256 to 8 Mi.
    pub solo_frame_bytes: usize,
    /// Bytes that may wait to be sent before `try_send` says Blocked; the cost in memory. Default 1 MiB; `frame_bytes`
    /// at least.
    pub queue_bytes: usize,
    /// Bytes sent and not yet held by every consumer; the retransmit queue's bound. Default 32 MiB: twice the
    /// default window of a consumer, so that it does not hold back what a consumer allows. `frame_bytes` at least.
    pub retained_bytes: u64,
    /// Frames sent and not yet held by every consumer. Default 16,384 (about 2 MiB of bookkeeping).
    pub retained_frames: u64,
    /// The longest message, in bytes. Default 64 MiB.
    pub max_message_bytes: u64,
    /// Something is sent at least this often. Default 1 s.
    pub keep_alive: Duration,
    /// A consumer that is silent for this long is lost. At least three times `keep_alive`. Default 10 s.
    pub idle_timeout: Duration,
    /// How long a new publisher listens for an elder one of the same stream to object. Default 200 ms.
    pub claim_timeout: Duration,
    /// See [`UnackedLimit`]. Default none.
    pub unacked_limit: Option<UnackedLimit>,
    /// Goes on with a session that a publisher before this one was cut off from. What is written must be what
    /// it would have written, frame by frame, from `next` on. Its consumers come back by themselves, with what
    /// they hold, within its `idle_timeout`; others are late. Those that are through do not come back: lower
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
    /// The default with this protection, and with frames of the sizes that go with it.
    pub fn with_integrity(integrity: Integrity) -> PublishConfig {
        let (body, solo_body) = match integrity {
            Integrity::Blake3 => (GROUP_BODY_LIMIT, BODY_LIMIT),
            Integrity::Crc32c | Integrity::None => (UNHASHED_GROUP_BODY_LIMIT, UNHASHED_BODY_LIMIT),
        };
        let (frame_bytes, solo_frame_bytes) = (MAX_HEADER + body, MAX_HEADER + solo_body);
        PublishConfig { integrity, frame_bytes, solo_frame_bytes, ..PublishConfig::default() }
    }

    /// Refuses what cannot work.
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

    /// How many consumers must be left for the session to go on; see the field of this name.
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

    /// The largest piece of a message in a fragment, in bytes; with blake3 whole [`HASH_RUN`]s where it can be.
    pub fn max_piece_bytes(&self) -> usize {
        let piece = self.solo_body_bytes().saturating_sub(FRAGMENT_OVERHEAD);
        match self.integrity {
            Integrity::Blake3 if piece >= HASH_RUN => piece - piece % HASH_RUN,
            _ => piece,
        }
    }
}

/// When a consumer tells the publisher that it is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConfirmEnd {
    /// When the application has been told of the end.
    #[default]
    WhenRead,
    /// When the application says so (`Subscriber::close`): after a file was synced, for example.
    Explicitly,
}

/// How a stream is consumed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscribeConfig {
    /// A name for the publisher's reports, at most 64 bytes. Default empty.
    pub name: String,
    /// The group that it counts itself to; see [`PublishConfig::tag`]. At most 64 bytes. Default empty.
    pub tag: String,
    /// Where to go on in a session that this consumer was a member of before. Default none.
    pub resume: Option<Resume>,
    /// Frames received and not yet consumed. Default 4,096 (about 400 KiB of bookkeeping when full).
    /// At most the subscription's capacity less [`SUBSCRIPTION_RESERVE`].
    pub window_frames: u64,
    /// Bytes received and not yet consumed, beside which the client's read buffers, of which frames are
    /// slices, can come to twice that. Default 16 MiB: at line rate on two busy cores a report takes more
    /// than 5 ms to the publisher and back as data, and 4 MiB, less than that time's worth, cost a tenth of the
    /// throughput. What a consumer that is slower than its publisher has not read grows to this as well:
    /// where fresh data is worth more than pace, lower it. Below the broker's `max_pending` (64 MiB) it is
    /// never cut off for what it has not read, only for standing still (`write_deadline`). A publisher refuses one that
    /// does not hold a frame of its, header and all: 50,243 bytes unless told otherwise, 65,416 without blake3.
    pub window_bytes: u64,
    /// The longest message that is accepted, in bytes; the cost in memory while one is put together, and kept for
    /// the next from then on. Default 64 MiB.
    pub max_message_bytes: u64,
    /// A key shared with the publisher. Default none.
    pub key: Option<Key>,
    /// How long to wait for a publisher. Default none: for ever.
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
    /// Refuses what cannot work with a client that queues `subscription_capacity` messages.
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

/// Time-outs travel as whole milliseconds in 32 bits, and one lost keep-alive must not end a session.
fn check_liveness(keep_alive: Duration, idle_timeout: Duration) -> Result<(), ConfigError> {
    let keep_alive_ms = keep_alive.as_millis() as u64;
    within("keep_alive (ms)", keep_alive_ms, 1..=3_600_000)?;
    within("idle_timeout (ms)", idle_timeout.as_millis() as u64, keep_alive_ms * 3..=86_400_000)
}
