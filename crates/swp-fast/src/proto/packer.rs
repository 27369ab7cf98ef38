//! Messages to bodies of frames: where an application's messages wait until they may be sent.
//!
//! ```text
//!   push (small)  --copy-------> open frame --full--+
//!   push (large)  --by reference--------------------+--> queue --take--> Sender::write
//!   push_block    --by reference--------------------+
//! ```
//!
//! The packer assigns no sequence numbers: [`super::Sender`] does, when it writes what the packer gave.
//! The packer stands beside the sender and not within it, so that a producer holds a lock for no longer
//! than it takes to copy one small message.

mod limits;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::packed::{Body, Content, Packed, PackedBlock};
use crate::config::PublishConfig;
use crate::wire::{Kind, OpenFrame, encode_message, message_len};

pub use limits::PackLimits;
use limits::Route;

/// A place in the stream, counted in messages and blocks accepted since the publisher began. A consumer
/// has reached a position when it holds the message that got this position, and all before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(u64);

impl Position {
    /// The position before this one.
    pub(super) fn before(self) -> Position {
        Position(self.0.saturating_sub(1))
    }

    fn advance(&mut self) -> Position {
        self.0 += 1;
        *self
    }
}

/// Why the packer did not accept a message or a block. Nothing was changed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Back-pressure: `queue_bytes` wait already.
    Blocked,
    /// The message is longer than `max_message_bytes`.
    TooLarge,
    /// A body of the block is longer than frames of this session take.
    BodyTooLarge {
        /// Its length in bytes.
        bytes: usize,
        /// The longest that fits.
        max: usize,
    },
    /// The stream takes packed blocks only, because consumers may want its past again.
    PackedOnly,
    /// The stream is over, or its end was announced.
    Closed,
}

/// What a packer accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Messages and blocks.
    Anything,
    /// Blocks only: the stream's frames must be those of a source that can be read again.
    Blocks,
}

/// See the [module](self).
///
/// Holds at most `queue_bytes`, and beyond that one message or block where nothing else waited.
#[derive(Debug)]
pub struct Packer {
    limits: PackLimits,
    accepts: Accepts,
    /// Several consumers have the stream.
    shared: bool,
    open: OpenFrame,
    queue: VecDeque<Waiting>,
    /// Bytes in `queue`; those of the open frame come on top.
    queued_bytes: usize,
    /// The position of the newest message or block.
    accepted: Position,
    closed: bool,
}

/// What waits behind the frames that were filled before.
#[derive(Debug)]
enum Waiting {
    Ready(Packed),
    /// A message that is cut when its turn comes; `at` says how far that has gone.
    Large {
        message: Bytes,
        at: usize,
        end: Position,
    },
}

impl Packer {
    /// An empty packer for a session with this configuration.
    pub fn new(config: &PublishConfig, accepts: Accepts) -> Packer {
        let limits = PackLimits::new(config);
        Packer {
            limits,
            accepts,
            shared: false,
            open: limits.open_frame(false),
            queue: VecDeque::new(),
            queued_bytes: 0,
            accepted: Position::default(),
            closed: false,
        }
    }

    /// The bounds, to be asked without the packer's lock.
    pub fn limits(&self) -> PackLimits {
        self.limits
    }

    /// Accepts a message by copying it. One copy is made for a message that [`PackLimits::packs`], straight
    /// into the open frame.
    ///
    /// # Errors
    /// See [`Refused`].
    #[inline]
    pub fn push(&mut self, message: &[u8]) -> Result<Position, Refused> {
        if !self.limits.packs(message.len()) {
            self.admit(message.len())?;
            return self.push_large(Bytes::copy_from_slice(message));
        }
        let len = message_len(message.len());
        self.check_kind()?;
        if self.queued_bytes + self.open.body_len() + len > self.limits.queue && !self.is_empty() {
            return Err(Refused::Blocked);
        }
        if !self.open.is_empty() && self.open.push(message) {
            return Ok(self.accepted.advance());
        }
        self.seal_open();
        if len > self.limits.body(self.shared) / 2 {
            // The next of its size would not fit beside it: a buffer of its own, not one half empty.
            let end = self.accepted.advance();
            self.queue_body(encode_message(message), 1, end);
            return Ok(end);
        }
        self.open.push(message);
        Ok(self.accepted.advance())
    }

    /// Accepts a message. One that is not packed with others is kept by reference, and copied into its frames
    /// when its turn comes.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn push_bytes(&mut self, message: Bytes) -> Result<Position, Refused> {
        if self.limits.packs(message.len()) {
            return self.push(&message);
        }
        self.admit(message.len())?;
        self.push_large(message)
    }

    fn push_large(&mut self, message: Bytes) -> Result<Position, Refused> {
        self.seal_open();
        let end = self.accepted.advance();
        match self.limits.route(message.len(), self.shared) {
            Route::Whole => self.queue_packed(Packed { content: Content::Whole(message), end }),
            Route::Cut => {
                self.queued_bytes += message.len();
                self.queue.push_back(Waiting::Large { message, at: 0, end });
            }
        }
        Ok(end)
    }

    /// Whether [`Self::push`] would accept a message of `len` bytes now: for a caller that wants to copy a
    /// large one without holding the packer's lock.
    ///
    /// # Errors
    /// What `push` would say.
    pub fn admit(&self, len: usize) -> Result<(), Refused> {
        self.check_kind()?;
        if !self.limits.admits(len) {
            return Err(Refused::TooLarge);
        }
        self.check_space(len)
    }

    /// Whether [`Self::push_block`] would accept the block now.
    ///
    /// # Errors
    /// What `push_block` would say.
    pub fn admit_block(&self, block: &PackedBlock) -> Result<(), Refused> {
        let (bytes, max) = (block.longest_body(), self.limits.max_body_bytes());
        if bytes > max {
            return Err(Refused::BodyTooLarge { bytes, max });
        }
        if self.closed {
            return Err(Refused::Closed);
        }
        self.check_space(block.len())
    }

    /// Accepts a block of bodies, by reference. Returns `None` for a block without bodies, which leaves no
    /// trace in the stream.
    ///
    /// # Errors
    /// See [`Refused`]; the block is dropped. [`Self::admit_block`] tells beforehand.
    pub fn push_block(&mut self, block: PackedBlock) -> Result<Option<Position>, Refused> {
        self.admit_block(&block)?;
        if block.is_empty() {
            return Ok(None);
        }
        self.seal_open();
        let end = self.accepted.advance();
        self.queue_packed(Packed { content: Content::Block(block), end });
        Ok(Some(end))
    }

    #[inline]
    fn check_kind(&self) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        match self.accepts {
            Accepts::Anything => Ok(()),
            Accepts::Blocks => Err(Refused::PackedOnly),
        }
    }

    /// Beyond the bound only where nothing else waits, so that a message larger than the queue can be sent.
    fn check_space(&self, bytes: usize) -> Result<(), Refused> {
        let waiting = self.queued_bytes + self.open.body_len();
        match waiting > 0 && waiting + bytes > self.limits.queue {
            true => Err(Refused::Blocked),
            false => Ok(()),
        }
    }

    /// Tells how many consumers have the stream: frames are filled from now on as suits several, or one.
    pub fn set_shared(&mut self, shared: bool) {
        if self.shared != shared {
            self.seal_open();
            self.shared = shared;
            self.open = self.limits.open_frame(shared);
        }
    }

    fn seal_open(&mut self) {
        if !self.open.is_empty() {
            let (buf, messages) = self.open.take();
            self.queue_body(buf, messages, self.accepted);
        }
    }

    fn queue_body(&mut self, buf: BytesMut, messages: u32, end: Position) {
        let content = Content::Body(Body { kind: Kind::Data, buf, messages });
        self.queue_packed(Packed { content, end });
    }

    fn queue_packed(&mut self, packed: Packed) {
        self.queued_bytes += packed.len();
        self.queue.push_back(Waiting::Ready(packed));
    }

    /// Takes out what comes next. The open frame, which may be nearly empty, is taken only where nothing else
    /// waits and `with_open` allows it.
    pub fn take(&mut self, with_open: bool) -> Option<Packed> {
        if self.queue.is_empty() && with_open {
            self.seal_open();
        }
        match self.queue.pop_front()? {
            Waiting::Ready(packed) => {
                self.queued_bytes -= packed.len();
                Some(packed)
            }
            Waiting::Large { message, at, end } => {
                let fragment_end = self.limits.fragment_end(message.len(), at);
                self.queued_bytes -= fragment_end - at;
                let last = fragment_end == message.len();
                if !last {
                    let rest = Waiting::Large { message: message.clone(), at: fragment_end, end };
                    self.queue.push_front(rest);
                }
                let end = if last { end } else { end.before() };
                let content = Content::Fragment { message, range: at..fragment_end };
                Some(Packed { content, end })
            }
        }
    }

    /// Whether no more than one frame waits, and that one is not a part of something larger.
    pub fn holds_one_frame(&self) -> bool {
        match self.queue.front() {
            None => true,
            Some(Waiting::Ready(Packed { content: Content::Body(_), .. })) => {
                self.queue.len() == 1 && self.open.is_empty()
            }
            Some(_) => false,
        }
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.open.is_empty()
    }

    /// The position of what was accepted last.
    pub fn accepted(&self) -> Position {
        self.accepted
    }

    /// Accepts nothing more. What waits stays.
    pub fn close(&mut self) {
        self.closed = true;
    }
}

#[cfg(test)]
mod tests;
