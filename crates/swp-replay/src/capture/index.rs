//! The end of a capture: totals, the index of its blocks, and the trailer that says where they are.

use std::ops::Range;

use bytes::BufMut;

use super::format::{self, ALIGN, FOOTER_FIXED, Fields, FileId, INDEX_ENTRY, TRAILER, What};

/// Where a block lies in the file and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The block's number; the position in the index, unless blocks before it were lost.
    pub number: u64,
    /// Where in the file it starts, a multiple of 4096.
    pub offset: u64,
    /// Its length in bytes, a multiple of 4096.
    pub len: usize,
    /// Which of its frames count: all, but for those of a damaged file whose record is not whole.
    pub frames: Range<usize>,
    /// The number of the first record that ends in it.
    pub first_seq: u64,
    /// The earliest time of a record with a frame in it, in nanoseconds since the Unix epoch.
    pub first_ns: u64,
    /// The latest.
    pub last_ns: u64,
}

/// What a capture holds, all in all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Messages.
    pub messages: u64,
    /// Bytes of payload.
    pub payload_bytes: u64,
    /// Frames that they are packed in.
    pub frames: u64,
    /// The earliest time of a message, in nanoseconds since the Unix epoch; 0 where there is none.
    pub first_ns: u64,
    /// The latest.
    pub last_ns: u64,
    /// Different subjects.
    pub subjects: Subjects,
    /// Digest of the content, see [`super::ContentDigest`].
    pub content: [u8; 32],
}

/// How many different subjects there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subjects {
    /// Their number, or how many of them were counted.
    pub count: u64,
    /// Whether counting stopped at its bound, so that there may be more than `count`.
    pub at_least: bool,
}

/// What is known only when the recording ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ending {
    /// Messages that the client library dropped while recording.
    pub dropped: u64,
    /// Free text of whoever wrote it, at most [`format::MAX_END_NOTES`] bytes.
    pub notes: String,
}

/// Everything behind the last block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) totals: Totals,
    pub(super) ending: Ending,
    pub(super) index: Vec<IndexEntry>,
}

impl Footer {
    /// The footer alone; its length goes into the trailer.
    pub(super) fn encode(&self, file_id: &FileId) -> Vec<u8> {
        let Footer { totals, ending, index } = self;
        let len = FOOTER_FIXED + index.len() * INDEX_ENTRY + ending.notes.len() + 4;
        let mut out = Vec::with_capacity(len);
        out.put_slice(&format::FOOTER_MAGIC);
        out.put_slice(file_id);
        out.put_u64_le(index.len() as u64);
        out.put_u64_le(totals.messages);
        out.put_u64_le(totals.payload_bytes);
        out.put_u64_le(totals.frames);
        out.put_u64_le(totals.first_ns);
        out.put_u64_le(totals.last_ns);
        out.put_u64_le(ending.dropped);
        out.put_u64_le(totals.subjects.count);
        out.put_u32_le(u32::from(!totals.subjects.at_least));
        out.put_u32_le(ending.notes.len() as u32);
        out.put_slice(&totals.content);
        for entry in index {
            out.put_u64_le(entry.offset);
            out.put_u32_le(entry.len as u32);
            out.put_u32_le(entry.frames.end as u32);
            out.put_u64_le(entry.first_seq);
            out.put_u64_le(entry.first_ns);
            out.put_u64_le(entry.last_ns);
        }
        out.put_slice(ending.notes.as_bytes());
        let check = crc_fast::crc32_iscsi(&out);
        out.put_u32_le(check);
        out
    }

    /// Reads the footer that begins at `offset` of the file: its blocks must fill the file from the
    /// superblock up to there without a gap.
    pub(super) fn decode(bytes: &[u8], file_id: &FileId, offset: u64) -> Result<Footer, What> {
        let (covered, check) = bytes.split_last_chunk::<4>().ok_or("footer is cut short")?;
        if crc_fast::crc32_iscsi(covered).to_le_bytes() != *check {
            return Err("check of the footer");
        }
        let mut fields = Fields(covered);
        if fields.array()? != format::FOOTER_MAGIC || fields.array()? != *file_id {
            return Err("no footer of this file");
        }
        let blocks = fields.u64()?;
        let mut totals = Totals {
            messages: fields.u64()?,
            payload_bytes: fields.u64()?,
            frames: fields.u64()?,
            first_ns: fields.u64()?,
            last_ns: fields.u64()?,
            ..Totals::default()
        };
        let dropped = fields.u64()?;
        let count = fields.u64()?;
        totals.subjects = Subjects { count, at_least: fields.u32()? == 0 };
        let notes_len = fields.u32()? as usize;
        totals.content = fields.array()?;
        let index = decode_index(&mut fields, blocks, offset)?;
        let notes = fields.text(notes_len)?;
        if !fields.0.is_empty() {
            return Err("length of the footer");
        }
        Ok(Footer { totals, ending: Ending { dropped, notes }, index })
    }
}

fn decode_index(fields: &mut Fields<'_>, blocks: u64, end: u64) -> Result<Vec<IndexEntry>, What> {
    let room = fields.0.len() / INDEX_ENTRY;
    let blocks = usize::try_from(blocks).ok().filter(|blocks| *blocks <= room);
    let blocks = blocks.ok_or("number of blocks")?;
    let mut index = Vec::with_capacity(blocks);
    let mut next = ALIGN as u64;
    let mut next_seq = 0;
    for number in 0..blocks as u64 {
        let entry = IndexEntry {
            number,
            offset: fields.u64()?,
            len: fields.u32()? as usize,
            frames: 0..fields.u32()? as usize,
            first_seq: fields.u64()?,
            first_ns: fields.u64()?,
            last_ns: fields.u64()?,
        };
        if entry.len == 0 || entry.len > format::MAX_BLOCK || !entry.len.is_multiple_of(ALIGN) {
            return Err("block length in the index");
        }
        if entry.offset != next || entry.first_seq < next_seq {
            return Err("order of the index");
        }
        next += entry.len as u64;
        next_seq = entry.first_seq;
        index.push(entry);
    }
    if next == end { Ok(index) } else { Err("end of the last block") }
}

/// The last bytes of a finished file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) offset: u64,
    pub(super) len: usize,
}

impl Trailer {
    pub(super) fn encode(&self, file_id: &FileId, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_slice(&format::TRAILER_MAGIC);
        out.put_slice(file_id);
        out.put_u64_le(self.offset);
        out.put_u64_le(self.len as u64);
        out.put_u32_le(0);
        let check = crc_fast::crc32_iscsi(&out[start..]);
        out.put_u32_le(check);
    }

    /// Reads the last bytes of a file of `file_len` bytes. The footer that it names ends where the
    /// trailer begins, so its length is bounded by the file's, and by the most blocks that there can be.
    pub(super) fn decode(
        bytes: &[u8; TRAILER],
        file_id: &FileId,
        file_len: u64,
    ) -> Result<Trailer, What> {
        let (covered, check) = bytes.split_at(TRAILER - 4);
        if crc_fast::crc32_iscsi(covered).to_le_bytes() != *check {
            return Err("check of the trailer");
        }
        let mut fields = Fields(covered);
        if fields.array()? != format::TRAILER_MAGIC || fields.array()? != *file_id {
            return Err("no trailer of this file");
        }
        let (offset, len) = (fields.u64()?, fields.u64()?);
        let bound = FOOTER_FIXED + format::MAX_BLOCKS * INDEX_ENTRY + format::MAX_END_NOTES + 4;
        let end = offset.checked_add(len).and_then(|end| end.checked_add(TRAILER as u64));
        if end != Some(file_len) || len > bound as u64 {
            return Err("place of the footer");
        }
        Ok(Trailer { offset, len: len as usize })
    }
}
