//! Where producers on any thread leave their messages, and the driver takes frames from.
//!
//! Small messages are packed into the open frame as they come. The number that a frame will have is known
//! when it is queued, so a producer can be told where its message will be.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::proto::{PackedBody, Sender, WriteError};
use crate::wire::{
    Integrity, Kind, MAX_HEADER, OpenFrame, Seq, encode_fragment, encode_message, message_len,
};

/// Writes a block of packed bodies; a closure, so that blocks of any type can wait in one queue.
type WriteBlock = Box<dyn FnOnce(&mut Sender) -> Result<(), WriteError> + Send>;

enum Pending {
    Frame { buf: BytesMut, messages: u32 },
    Whole { message: Bytes },
    Large { message: Bytes, at: usize },
    Block { write: WriteBlock, bytes: usize },
}

/// What becomes a frame, or several. Taken out under the outbox's lock and written without it: hashing a
/// frame takes as long as hundreds of messages.
pub(crate) enum Job {
    Frame { buf: BytesMut, messages: u32 },
    Whole { message: Bytes },
    Piece { message: Bytes, range: Range<usize> },
    Block(WriteBlock),
}

impl Job {
    /// Writes it to `sender`.
    pub(crate) fn write(self, sender: &mut Sender) -> Result<(), WriteError> {
        match self {
            Job::Frame { buf, messages } => drop(sender.write(Kind::Data, buf, messages)?),
            Job::Whole { message } => {
                sender.write(Kind::Data, encode_message(&message), 1)?;
            }
            Job::Piece { message, range } => {
                let last = range.end == message.len();
                let (total, at) = (message.len() as u64, range.start as u64);
                let buf = encode_fragment(total, at, &message[range]);
                sender.write(Kind::Fragment, buf, u32::from(last))?;
            }
            Job::Block(write) => write(sender)?,
        }
        Ok(())
    }
}

/// What the open frame is filled up to, in bytes of body.
#[derive(Debug, Clone, Copy)]
struct BodyLimits {
    integrity: Integrity,
    solo: usize,
    group: usize,
    /// Several consumers have the stream.
    shared: bool,
}

impl BodyLimits {
    fn now(&self) -> usize {
        if self.shared { self.group } else { self.solo }
    }

    fn open_frame(&self) -> OpenFrame {
        match self.integrity {
            Integrity::Blake3 => OpenFrame::new(self.now()),
            Integrity::Crc32c | Integrity::None => OpenFrame::unhashed(self.now()),
        }
    }
}

/// Why a message was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The queue is full.
    Blocked,
    /// The message is longer than `max_message_bytes`.
    TooLarge,
    /// Only packed bodies are taken.
    PackedOnly,
    /// The session is over or finishing.
    Closed,
}

/// Holds at most `queue_bytes`, and beyond it one message or block where the queue was empty.
pub(crate) struct Outbox {
    open: OpenFrame,
    queue: VecDeque<Pending>,
    queued_bytes: usize,
    /// The number that the open frame will have.
    next: Seq,
    closed: bool,
    /// The task sleeps until something comes: whoever brings it wakes the task. Not while a flush is under way,
    /// behind which the task looks here by itself.
    awaited: bool,
    /// Frames must be those of a past that can be read again.
    packed_only: bool,
    /// What a body is filled up to with one consumer, and with several.
    limits: BodyLimits,
    piece_limit: usize,
    queue_limit: usize,
    message_limit: u64,
}

impl Outbox {
    pub(crate) fn new(config: &crate::config::PublishConfig, packed_only: bool) -> Outbox {
        let limits = BodyLimits {
            integrity: config.integrity,
            solo: config.solo_body_bytes(),
            group: config.max_body_bytes(),
            shared: false,
        };
        Outbox {
            open: limits.open_frame(),
            queue: VecDeque::new(),
            queued_bytes: 0,
            next: config.resume.map_or(Seq::ZERO, |resume| resume.next),
            closed: false,
            awaited: true,
            packed_only,
            limits,
            piece_limit: config.max_piece_bytes(),
            queue_limit: config.queue_bytes,
            message_limit: config.max_message_bytes,
        }
    }

    /// Takes a message that fits a frame by copying it into the open one. Returns the number of its frame, and whether the
    /// task waits for it and has to be woken.
    #[inline]
    pub(crate) fn push(&mut self, message: &[u8]) -> Result<(Seq, bool), Refused> {
        let len = message_len(message.len());
        debug_assert!(len <= self.limits.solo, "a message of {len} bytes in a frame");
        if self.closed {
            return Err(Refused::Closed);
        }
        if self.packed_only {
            return Err(Refused::PackedOnly);
        }
        if self.queued_bytes + self.open.body_len() + len > self.queue_limit && !self.is_empty() {
            return Err(Refused::Blocked);
        }
        if !self.open.is_empty() && self.open.push(message) {
            return Ok((self.next, self.rouses()));
        }
        self.seal_open();
        if len > self.limits.now() / 2 {
            // The next of its size would not fit beside it: a buffer of its own, not one half empty.
            let seq = self.next;
            self.queue_frame(encode_message(message), 1);
            return Ok((seq, self.rouses()));
        }
        self.open.push(message);
        Ok((self.next, self.rouses()))
    }

    /// Frames are filled from now on as suits several consumers, or one.
    pub(crate) fn set_shared(&mut self, shared: bool) {
        if self.limits.shared != shared {
            self.seal_open();
            self.limits.shared = shared;
            self.open = self.limits.open_frame();
        }
    }

    /// Takes a message that is larger than one consumer's frames without copying it. It is cut up when its turn
    /// comes; or sent whole where frames hold it that several consumers have, each of which would have to put it
    /// together again.
    pub(crate) fn push_large(&mut self, message: Bytes) -> Result<(Seq, bool), Refused> {
        let len = message.len();
        self.admit_large(len)?;
        self.seal_open();
        let (pending, frames) = if message_len(len) <= self.limits.now() {
            (Pending::Whole { message }, 1)
        } else {
            (Pending::Large { message, at: 0 }, len.div_ceil(self.piece_limit) as u64)
        };
        self.queue.push_back(pending);
        self.queued_bytes += len;
        let last = self.next.advance(frames - 1);
        self.next = last.next();
        Ok((last, self.rouses()))
    }

    /// Takes a block of bodies that need no packing.
    pub(crate) fn push_block<B>(&mut self, block: B, bodies: Vec<PackedBody>) -> (Option<Seq>, bool)
    where
        B: AsMut<[u8]> + AsRef<[u8]> + Send + 'static,
    {
        self.seal_open();
        let bytes = block.as_ref().len();
        let frames = bodies.len() as u64;
        let write: WriteBlock = Box::new(move |sender| sender.write_block(block, &bodies));
        self.queue.push_back(Pending::Block { write, bytes });
        self.queued_bytes += bytes;
        self.next = self.next.advance(frames);
        (Seq::new(self.next.get().wrapping_sub(1)), self.rouses())
    }

    /// Whether what was just taken is what the task waits for; once.
    #[inline]
    fn rouses(&mut self) -> bool {
        std::mem::take(&mut self.awaited)
    }

    /// Whether a message of `len` bytes that is not packed with others would be taken now.
    pub(crate) fn admit_large(&self, len: usize) -> Result<(), Refused> {
        if self.packed_only {
            return Err(Refused::PackedOnly);
        }
        if len as u64 > self.message_limit {
            return Err(Refused::TooLarge);
        }
        self.admit(len)
    }

    /// Whether `bytes` more may be queued: beyond the bound only where nothing else waits.
    pub(crate) fn admit(&self, bytes: usize) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        let queued = self.queued_bytes + self.open.body_len();
        if queued > 0 && queued + bytes > self.queue_limit { Err(Refused::Blocked) } else { Ok(()) }
    }

    fn seal_open(&mut self) {
        if !self.open.is_empty() {
            let (buf, messages) = self.open.take();
            self.queue_frame(buf, messages);
        }
    }

    fn queue_frame(&mut self, buf: BytesMut, messages: u32) {
        self.queued_bytes += buf.len() - MAX_HEADER;
        self.queue.push_back(Pending::Frame { buf, messages });
        self.next = self.next.next();
    }

    /// Takes out what makes the next frame, or block of frames; the open frame, which may be nearly empty,
    /// only where `with_open` says so.
    pub(crate) fn next(&mut self, with_open: bool) -> Option<Job> {
        if self.queue.is_empty() && with_open {
            self.seal_open();
        }
        match self.queue.pop_front()? {
            Pending::Frame { buf, messages } => {
                self.queued_bytes -= buf.len() - MAX_HEADER;
                Some(Job::Frame { buf, messages })
            }
            Pending::Block { write, bytes } => {
                self.queued_bytes -= bytes;
                Some(Job::Block(write))
            }
            Pending::Whole { message } => {
                self.queued_bytes -= message.len();
                Some(Job::Whole { message })
            }
            Pending::Large { message, at } => {
                let end = message.len().min(at + self.piece_limit);
                self.queued_bytes -= end - at;
                let job = Job::Piece { message: message.clone(), range: at..end };
                if end < message.len() {
                    self.queue.push_front(Pending::Large { message, at: end });
                }
                Some(job)
            }
        }
    }

    /// The task is to be woken by what comes next, for nothing else will have it look here.
    pub(crate) fn await_more(&mut self) {
        self.awaited = true;
    }

    /// Takes out the next frame where it is one of messages, and all that there is, for the task that sleeps on.
    pub(crate) fn next_alone(&mut self) -> Option<Job> {
        let alone = match self.queue.front() {
            None => true,
            Some(Pending::Frame { .. }) => self.queue.len() == 1 && self.open.is_empty(),
            Some(_) => false,
        };
        if !alone {
            return None;
        }
        let job = self.next(true);
        self.awaited = true;
        job
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.open.is_empty()
    }

    /// The number behind the last frame queued, the open one counted in.
    pub(crate) fn end(&self) -> Seq {
        if self.open.is_empty() { self.next } else { self.next.next() }
    }

    /// Takes nothing more.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }
}

#[cfg(test)]
mod tests;
