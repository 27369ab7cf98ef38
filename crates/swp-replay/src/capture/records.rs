//! The records of a capture, one by one.

use bytes::Bytes;

use super::block::FrameEntry;
use super::error::CaptureError;
use super::reader::Blocks;
use super::unpack::{RawRecord, Unpacker};
use crate::record::MAX_RECORD;

/// The records of a capture in order, read with blocking calls. Every body's digest is compared. What is
/// damaged gives an error and is passed over; the records after it follow.
pub struct Records {
    blocks: Blocks,
    unpacker: Unpacker,
    number: u64,
    bytes: Bytes,
    frames: std::vec::IntoIter<FrameEntry>,
}

impl Records {
    pub(super) fn new(blocks: Blocks) -> Records {
        Records {
            blocks,
            unpacker: Unpacker::new(MAX_RECORD),
            number: 0,
            bytes: Bytes::new(),
            frames: Vec::new().into_iter(),
        }
    }

    /// Refuses records that are longer than this many bytes encoded; [`MAX_RECORD`] unless set. It
    /// bounds the memory that a record in parts takes.
    #[must_use]
    pub fn max_record(mut self, bytes: usize) -> Records {
        self.unpacker = Unpacker::new(bytes);
        self
    }

    /// How many records were passed over because parts of them are missing or damaged.
    pub fn skipped_messages(&self) -> u64 {
        self.unpacker.skipped_messages()
    }

    /// Loads the next frame. `None` at the end of the capture.
    fn advance(&mut self) -> Option<Result<(), CaptureError>> {
        while self.frames.as_slice().is_empty() {
            // The block goes back before the next is read, unless a record is still held.
            self.bytes = Bytes::new();
            let block = match self.blocks.next()? {
                Ok(block) => block,
                Err(error) => return Some(Err(error)),
            };
            self.number = block.number;
            self.unpacker.start_block(block.first_seq);
            self.frames = block.frames.into_iter();
            self.bytes = Bytes::from_owner(block.buffer);
        }
        let entry = self.frames.next()?;
        let body = self.bytes.slice(entry.range());
        if entry.digest.matches(&body) {
            self.unpacker.load(&entry, body);
            return Some(Ok(()));
        }
        self.unpacker.pass_over(&entry);
        let path = self.blocks.capture().path();
        Some(Err(CaptureError::corrupt(path, self.number, "digest of a body")))
    }
}

impl Iterator for Records {
    type Item = Result<RawRecord, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.unpacker.next() {
                return Some(record.map_err(|source| CaptureError::Content {
                    path: self.blocks.capture().path().to_owned(),
                    block: self.number,
                    source,
                }));
            }
            if let Err(error) = self.advance()? {
                return Some(Err(error));
            }
        }
    }
}
