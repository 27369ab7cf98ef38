//! Frames, in order, back to messages.

use bytes::Bytes;

use super::{ReadyFrame, ReceiverError};
use crate::proto::{Assembler, Batch, BatchMessages};
use crate::wire::{Fragment, Kind};

/// Puts fragments together, and keeps the messages that the application has not taken yet.
///
/// Holds at most one unfinished message, and the rest of one batch.
#[derive(Debug)]
pub(super) struct MessageReader {
    assembler: Assembler,
    /// Messages of the last batch that [`Self::next_message`] has not returned yet.
    rest: BatchMessages,
    /// A frame did not continue the message that had begun, or the stream ended amid a message.
    /// Later frames are not read.
    broken: bool,
}

impl MessageReader {
    /// Accepts messages of up to `max_message_bytes`.
    pub(super) fn new(max_message_bytes: u64) -> MessageReader {
        let assembler = Assembler::new(max_message_bytes);
        MessageReader { assembler, rest: BatchMessages::default(), broken: false }
    }

    /// Takes the next frame in order. Returns the messages that are complete with it, or `None` if
    /// the frame is empty or a message continues in the next one.
    ///
    /// # Errors
    /// If the frame does not continue the message that has begun. [`Self::is_broken`] is true then.
    pub(super) fn push(&mut self, frame: ReadyFrame) -> Result<Option<Batch>, ReceiverError> {
        let messages = self.assemble(frame);
        self.broken = messages.is_err();
        messages
    }

    fn assemble(&mut self, frame: ReadyFrame) -> Result<Option<Batch>, ReceiverError> {
        if frame.kind == Kind::Fragment {
            // `ReadyFrame::check` has decoded it before.
            let Ok(fragment) = Fragment::decode(&frame.body) else { return Ok(None) };
            return Ok(self.assembler.push(&fragment)?.map(Batch::whole));
        }
        if self.assembler.is_open() {
            return Err(ReceiverError::Protocol("a packed frame came amid a fragmented message"));
        }
        Ok((!frame.body.is_empty()).then(|| Batch::packed(frame.body)))
    }

    /// The stream has ended behind the frames that were taken.
    ///
    /// # Errors
    /// If a message has begun and not ended. [`Self::is_broken`] is true then.
    pub(super) fn end(&mut self) -> Result<(), ReceiverError> {
        if self.broken || !self.assembler.is_open() {
            return Ok(());
        }
        self.broken = true;
        Err(ReceiverError::Protocol("the stream ended amid a fragmented message"))
    }

    /// Returns true if a frame was refused, so that messages behind it would have a gap.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Returns true if a message or a batch has been read in part.
    pub(super) fn is_amid(&self) -> bool {
        self.assembler.is_open() || !self.rest.is_empty()
    }

    /// Keeps a batch for [`Self::next_message`]. To be called when [`Self::take_rest`] has nothing
    /// left.
    pub(super) fn keep(&mut self, batch: Batch) {
        self.rest = batch.into_iter();
    }

    /// Returns the next message of the batch that was kept.
    pub(super) fn next_message(&mut self) -> Option<Bytes> {
        self.rest.next()
    }

    /// Takes the messages that [`Self::next_message`] has not returned yet.
    pub(super) fn take_rest(&mut self) -> Option<Batch> {
        self.rest.take_rest()
    }
}

#[cfg(test)]
mod tests;
