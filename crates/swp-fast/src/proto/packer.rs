//! Messages to bodies of frames. An application's messages wait here until they may be sent.
//!
//! ```text
//!   push (small)  --copy-------> open frame --full--+
//!   push (large)  --by reference--------------------+--> queue --take--> Sender::write
//!   push_block    --by reference--------------------+
//! ```
//!
//! The packer assigns no sequence numbers. [`super::Sender`] assigns them when it writes what it
//! took from the packer. The packer stands beside the sender, so that its caller can give the
//! packer a lock of its own. A producer holds that lock while one small message is copied, or while
//! a large message or a block is queued by reference.

mod limits;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::packed::{Body, Content, Packed, PackedBlock};
use crate::config::PublishConfig;
use crate::wire::{Kind, OpenFrame, encode_message, message_len};

pub use limits::PackLimits;
use limits::Route;

/// A place in the stream, counted in the messages and blocks that the packer has accepted. A
/// consumer has reached a position when it holds the message with this position, and all before.
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

/// Why the packer refused a message or a block. The packer is unchanged then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Back-pressure: the message does not fit `queue_bytes` with what waits already.
    Blocked,
    /// The message is longer than `max_message_bytes`.
    TooLarge,
    /// A body of the block is longer than the frames of this session take.
    BodyTooLarge {
        /// The length of the body, in bytes.
        bytes: usize,
        /// The length of the longest body that fits, in bytes.
        max: usize,
    },
    /// The stream takes packed blocks only, because late consumers read its past from a capture.
    PackedOnly,
    /// The stream is over, or its end was announced.
    Closed,
}

/// What a packer accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Messages and blocks.
    Anything,
    /// Blocks only. The frames of the stream are those of a source that can be read again.
    Blocks,
}

/// Packs messages into bodies of frames, and cuts large messages. [`super::Sender::write`] takes
/// the bodies.
///
/// Holds at most `queue_bytes`, or one larger message or block if nothing else waited.
///
/// Producers call [`Self::push`], [`Self::push_bytes`] and [`Self::push_block`], in any order,
/// until [`Self::close`]. The publisher calls [`Self::take`] while the sender can write.
#[derive(Debug)]
pub struct Packer {
    limits: PackLimits,
    accepts: Accepts,
    /// Several consumers have the stream.
    shared: bool,
    /// Small messages gather here, behind everything in `queue`.
    open: OpenFrame,
    queue: VecDeque<Waiting>,
    /// Bytes in `queue`, without those of the open frame.
    queued_bytes: usize,
    /// The position of the newest message or block.
    accepted: Position,
    closed: bool,
}

/// An entry of the packer's queue.
#[derive(Debug)]
enum Waiting {
    Ready(Packed),
    /// A message that is cut when its turn comes. Fragments up to byte `at` were taken.
    Large {
        message: Bytes,
        at: usize,
        end: Position,
    },
}

impl Packer {
    /// Creates an empty packer for a session with this configuration, which must be valid.
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

    /// Returns the bounds. They are a copy, to be asked without the packer's lock.
    pub fn limits(&self) -> PackLimits {
        self.limits
    }

    /// Accepts a message by copying it. A message that [`PackLimits::packs`] is copied once: into
    /// the open frame, or into a frame of its own if it is longer than half a body.
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
        self.check_accepts()?;
        self.check_space(len)?;
        if !self.open.is_empty() && self.open.push(message) {
            return Ok(self.accepted.advance());
        }
        self.seal_open();
        if self.limits.stands_alone(len, self.shared) {
            // A buffer of its own size leaves no frame half empty.
            let end = self.accepted.advance();
            self.queue_body(encode_message(message), 1, end);
            return Ok(end);
        }
        self.open.push(message);
        Ok(self.accepted.advance())
    }

    /// Accepts a message. A message that is not packed with others is kept by reference, and copied
    /// into its frames when its turn comes.
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

    /// Checks whether [`Self::push`] would accept a message of `len` bytes now. A caller can ask
    /// this first, and copy a large message without holding the packer's lock.
    ///
    /// # Errors
    /// The reason for which `push` would refuse the message.
    pub fn admit(&self, len: usize) -> Result<(), Refused> {
        self.check_accepts()?;
        if !self.limits.admits(len) {
            return Err(Refused::TooLarge);
        }
        self.check_space(if self.limits.packs(len) { message_len(len) } else { len })
    }

    /// Checks whether [`Self::push_block`] would accept the block now.
    ///
    /// # Errors
    /// The reason for which `push_block` would refuse the block.
    pub fn admit_block(&self, block: &PackedBlock) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        let (bytes, max) = (block.longest_body(), self.limits.max_body_bytes());
        if bytes > max {
            return Err(Refused::BodyTooLarge { bytes, max });
        }
        self.check_space(block.len())
    }

    /// Accepts a block of bodies, by reference. Returns `None` for a block without bodies, which
    /// gets no position.
    ///
    /// # Errors
    /// See [`Refused`]. The block is dropped then. A caller that needs it can ask
    /// [`Self::admit_block`] first.
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
    fn check_accepts(&self) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        match self.accepts {
            Accepts::Anything => Ok(()),
            Accepts::Blocks => Err(Refused::PackedOnly),
        }
    }

    /// Allows more than the bound if nothing else waits, so that a message larger than the queue
    /// can be sent.
    fn check_space(&self, bytes: usize) -> Result<(), Refused> {
        let waiting = self.queued_bytes + self.open.body_len();
        match waiting > 0 && waiting + bytes > self.limits.queue {
            true => Err(Refused::Blocked),
            false => Ok(()),
        }
    }

    /// Sets whether several consumers have the stream. Frames are filled from now on as suits
    /// several consumers, or a single one. Frames in the queue stay as they are.
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

    /// Takes the next bodies out. The open frame may be nearly empty, so it is taken only if
    /// nothing else waits and `with_open` is true.
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

    /// Returns true if one frame of packed messages waits, and nothing else: a producer's thread
    /// can hash that much. A message that was kept by reference is left to the publisher's task.
    pub fn holds_one_frame(&self) -> bool {
        match self.queue.front() {
            None => !self.open.is_empty(),
            Some(Waiting::Ready(Packed { content: Content::Body(_), .. })) => {
                self.queue.len() == 1 && self.open.is_empty()
            }
            Some(_) => false,
        }
    }

    /// Returns true if nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.open.is_empty()
    }

    /// Returns the position of the message or block that was accepted last.
    pub fn accepted(&self) -> Position {
        self.accepted
    }

    /// Refuses everything from now on. Messages and blocks that wait can still be taken.
    pub fn close(&mut self) {
        self.closed = true;
    }
}

#[cfg(test)]
mod tests;
