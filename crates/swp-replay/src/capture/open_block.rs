//! The block that is being filled.

use rmp::encode;
use swp_fast::wire::{Digest, Kind, message_len};

use super::block::{BlockHeader, FrameEntry};
use super::format::{self, FileId, ROOM, align_up, head_len};
use super::tally::BodyFacts;
use crate::record::{Record, done, put_bin_len};

/// Bodies, each with its room in front, and what the table will say of them. The memory is reused from
/// block to block.
#[derive(Default)]
pub(super) struct OpenBlock {
    bodies: Vec<u8>,
    /// Frames so far; offsets count from the start of `bodies`.
    table: Vec<FrameEntry>,
    /// Records that end in the frames of the table.
    records: u64,
    times: Times,
    /// The packed body at the end of `bodies` that still takes messages.
    packing: Option<Packing>,
}

struct Packing {
    /// Where it starts in `bodies`.
    start: usize,
    messages: u32,
    times: Times,
}

/// The earliest and latest of some times.
#[derive(Clone, Copy)]
struct Times {
    first_ns: u64,
    last_ns: u64,
}

impl Default for Times {
    fn default() -> Self {
        Times { first_ns: u64::MAX, last_ns: 0 }
    }
}

impl Times {
    fn add(&mut self, first_ns: u64, last_ns: u64) {
        self.first_ns = self.first_ns.min(first_ns);
        self.last_ns = self.last_ns.max(last_ns);
    }
}

impl OpenBlock {
    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.table.is_empty() && self.packing.is_none()
    }

    /// Whether a body of `len` bytes fits into a block of `block_bytes` beside what is there.
    pub(super) fn has_room(&self, len: usize, block_bytes: usize) -> bool {
        head_len(self.table.len() + 1) + self.bodies.len() + ROOM + len <= block_bytes
    }

    /// Whether the body that is being packed takes a record of `len` bytes, itself bounded by `limit`.
    pub(super) fn takes(&self, len: usize, limit: usize) -> bool {
        match &self.packing {
            Some(packing) => self.bodies.len() - packing.start + message_len(len) <= limit,
            None => false,
        }
    }

    /// Begins a packed body. None is being packed.
    pub(super) fn begin_packing(&mut self) {
        let start = self.make_room();
        self.packing = Some(Packing { start, messages: 0, times: Times::default() });
    }

    /// Packs a record of `len` bytes, for which [`OpenBlock::takes`] was asked.
    pub(super) fn pack(&mut self, record: &Record<'_>, len: usize) {
        if let Some(packing) = &mut self.packing {
            put_bin_len(&mut self.bodies, len);
            record.put(&mut self.bodies);
            packing.messages += 1;
            packing.times.add(record.timestamp_ns, record.timestamp_ns);
        }
    }

    /// Ends the packed body: hashes it and puts it into the table. The body, if there was one.
    pub(super) fn end_packing(&mut self) -> Option<&[u8]> {
        let Packing { start, messages, times } = self.packing.take()?;
        let digest = Digest::blake3(&self.bodies[start..]);
        let facts = BodyFacts {
            continues: false,
            messages,
            first_ns: times.first_ns,
            last_ns: times.last_ns,
        };
        self.push(start, Kind::Data, facts, digest);
        Some(&self.bodies[start..])
    }

    /// Adds a body as it is. No body is being packed.
    pub(super) fn add(&mut self, kind: Kind, body: &[u8], facts: BodyFacts, digest: Digest) {
        let start = self.make_room();
        self.bodies.extend_from_slice(body);
        self.push(start, kind, facts, digest);
    }

    /// Adds a fragment of a record of `total` bytes. The fragment's content is given as two slices.
    /// No body is being packed.
    pub(super) fn add_fragment(&mut self, total: u64, offset: u64, part: [&[u8]; 2], time_ns: u64) {
        let start = self.make_room();
        let len = part[0].len() + part[1].len();
        done(encode::write_uint(&mut self.bodies, total));
        done(encode::write_uint(&mut self.bodies, offset));
        put_bin_len(&mut self.bodies, len);
        self.bodies.extend_from_slice(part[0]);
        self.bodies.extend_from_slice(part[1]);
        let digest = Digest::blake3(&self.bodies[start..]);
        let facts = BodyFacts {
            continues: offset != 0,
            messages: u32::from(offset + len as u64 == total),
            first_ns: time_ns,
            last_ns: time_ns,
        };
        self.push(start, Kind::Fragment, facts, digest);
    }

    /// Room for a header; returns where the body behind it starts.
    fn make_room(&mut self) -> usize {
        self.bodies.resize(self.bodies.len() + ROOM, 0);
        self.bodies.len()
    }

    fn push(&mut self, offset: usize, kind: Kind, facts: BodyFacts, digest: Digest) {
        let BodyFacts { continues, messages, first_ns, last_ns } = facts;
        let len = self.bodies.len() - offset;
        self.table.push(FrameEntry { offset, len, kind, continues, messages, first_ns, digest });
        self.records += u64::from(messages);
        self.times.add(first_ns, last_ns);
    }

    /// The header of the block as it stands; no body is being packed.
    pub(super) fn header(&self, file_id: FileId, number: u64, first_seq: u64) -> BlockHeader {
        BlockHeader {
            file_id,
            number,
            len: align_up(head_len(self.table.len()) + self.bodies.len()),
            frames: self.table.len(),
            records: self.records,
            first_seq,
            first_ns: self.times.first_ns,
            last_ns: self.times.last_ns,
        }
    }

    /// Header and table for the file, into `head`, and the bodies behind them, padded.
    pub(super) fn encode(&mut self, header: &BlockHeader, head: &mut Vec<u8>) -> &[u8] {
        let shift = head_len(self.table.len());
        head.clear();
        header.encode(&self.table, shift, head);
        // The padding lies behind the last body, so doing this twice (a write that failed) is harmless.
        self.bodies.resize(header.len - shift, 0);
        &self.bodies
    }

    /// Empties it for the next block.
    pub(super) fn clear(&mut self) {
        self.bodies.clear();
        // A single long block must not hold on to its memory for good.
        self.bodies.shrink_to(2 * format::DEFAULT_BLOCK_BYTES);
        self.table.clear();
        self.records = 0;
        self.times = Times::default();
    }
}
