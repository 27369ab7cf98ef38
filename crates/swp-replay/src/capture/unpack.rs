//! Records out of the bodies of frames, parts put together.

use bytes::Bytes;
use swp_fast::wire::{Fragment, Kind, Messages};

use super::block::FrameEntry;
use super::fragments::{BodyError, FragmentOrder};
use crate::record::{MAX_RECORD, Record, RecordError};

/// An encoded record. Its bytes are a slice of the block that it was in, and keep that block in memory;
/// a record that was in parts has bytes of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawRecord {
    /// Its number in the capture, from 0.
    pub seq: u64,
    /// Its encoding.
    pub bytes: Bytes,
}

impl RawRecord {
    /// Reads it, without copying.
    pub fn decode(&self) -> Result<Record<'_>, RecordError> {
        Record::decode(&self.bytes)
    }

    /// The payload as a slice of the same memory.
    pub fn payload(&self) -> Result<Bytes, RecordError> {
        Ok(self.bytes.slice_ref(self.decode()?.payload))
    }
}

/// Takes frames in order, one by one, and gives out the records that end in each.
///
/// ```text
/// unpacker.start_block(block.first_seq);
/// for every frame of the block { unpacker.load(&entry, body); for record in &mut unpacker { .. } }
/// ```
///
/// Memory: one record, at most as long as the limit.
pub struct Unpacker {
    max_record: usize,
    next_seq: u64,
    messages: Messages,
    whole: Option<Result<Bytes, BodyError>>,
    fragments: FragmentOrder,
    assembled: Vec<u8>,
    skipped_messages: u64,
}

impl Default for Unpacker {
    /// Takes records of every length that there can be.
    fn default() -> Self {
        Unpacker::new(MAX_RECORD)
    }
}

impl Unpacker {
    /// Refuses records in parts that are longer than `max_record` bytes.
    pub fn new(max_record: usize) -> Unpacker {
        Unpacker {
            max_record,
            next_seq: 0,
            messages: Messages::new(Bytes::new()),
            whole: None,
            fragments: FragmentOrder::default(),
            assembled: Vec::new(),
            skipped_messages: 0,
        }
    }

    /// A block begins; the first record that ends in it has this number.
    pub fn start_block(&mut self, first_seq: u64) {
        self.next_seq = first_seq;
    }

    /// Takes the next frame. Records of the frame before that were not taken out are gone.
    pub fn load(&mut self, entry: &FrameEntry, body: Bytes) {
        self.whole = None;
        self.messages = Messages::new(Bytes::new());
        match entry.kind {
            Kind::Fragment => self.whole = self.part(&body).transpose(),
            _ => {
                if self.fragments.is_open() {
                    self.give_up_record();
                }
                self.messages = Messages::new(body);
            }
        }
    }

    /// Passes over a frame, because it is damaged.
    pub fn pass_over(&mut self, entry: &FrameEntry) {
        self.give_up_record();
        self.next_seq = self.next_seq.saturating_add(u64::from(entry.messages));
        self.skipped_messages += u64::from(entry.messages);
    }

    /// How many records were passed over because parts of them are missing, or were skipped.
    pub fn skipped_messages(&self) -> u64 {
        self.skipped_messages
    }

    /// Takes a part; the record if it is whole with it.
    fn part(&mut self, body: &Bytes) -> Result<Option<Bytes>, BodyError> {
        let fragment = Fragment::decode(body)?;
        if fragment.offset == 0 && self.fragments.is_open() {
            self.give_up_record();
        }
        let place = match self.fragments.accept(&fragment) {
            Ok(place) => place,
            // Reading began in the middle, or the beginning was in a damaged block.
            Err(BodyError::NoBeginning { .. }) => {
                if fragment.is_last() {
                    self.next_seq = self.next_seq.saturating_add(1);
                    self.skipped_messages += 1;
                }
                return Ok(None);
            }
            Err(error) => {
                self.give_up_record();
                return Err(error);
            }
        };
        if fragment.total > self.max_record as u64 {
            self.fragments.abandon();
            return Err(BodyError::Total(fragment.total));
        }
        if place.first {
            self.assembled.clear();
        }
        self.assembled.extend_from_slice(&fragment.part);
        Ok(place.last.then(|| Bytes::from(std::mem::take(&mut self.assembled))))
    }

    fn give_up_record(&mut self) {
        self.fragments.abandon();
        self.assembled = Vec::new();
    }
}

impl Iterator for Unpacker {
    type Item = Result<RawRecord, BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = match self.whole.take() {
            Some(whole) => whole,
            None => self.messages.next()?.map_err(BodyError::from),
        };
        Some(bytes.map(|bytes| {
            let seq = self.next_seq;
            self.next_seq = seq.saturating_add(1);
            RawRecord { seq, bytes }
        }))
    }
}
