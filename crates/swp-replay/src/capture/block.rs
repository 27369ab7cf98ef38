//! A block: its header, its table of frames, and the bodies, each decodable without any other block.

use std::ops::Range;

use bytes::{BufMut, Bytes};
use swp_fast::wire::{Digest, Fragment, Kind, count_messages};

use super::format::{self, BLOCK_HEADER, Fields, FileId, ROOM, What};
use super::index::IndexEntry;
use crate::disk::PooledBuf;

/// A block in memory, with its header and table checked. The buffer is the only one of its kind and
/// free to be written to: put headers into the room in front of the bodies, then hand it on.
#[derive(Debug)]
pub struct Block {
    /// Its number in the file, from 0.
    pub number: u64,
    /// The number of the first record that ends in it.
    pub first_seq: u64,
    /// How many records end in it.
    pub records: u64,
    /// The earliest time of a record with a frame in it, in nanoseconds since the Unix epoch.
    pub first_ns: u64,
    /// The latest.
    pub last_ns: u64,
    /// Its frames in order.
    pub frames: Vec<FrameEntry>,
    /// The bytes of the block, headers and all; [`FrameEntry::range`] says where the bodies are.
    pub buffer: PooledBuf,
}

/// Where a frame's body lies in its block, and what is known about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameEntry {
    /// Where the body starts, in bytes from the block's start. At least [`ROOM`] bytes in front of it
    /// belong to no other frame.
    pub offset: usize,
    /// Length of the body in bytes, at least 1.
    pub len: usize,
    /// [`Kind::Data`] or [`Kind::Fragment`].
    pub kind: Kind,
    /// The frame continues a record that began in a frame before. A reader that starts in the midst
    /// of a capture skips such frames.
    pub continues: bool,
    /// How many records end in it.
    pub messages: u32,
    /// The earliest time of its records, in nanoseconds since the Unix epoch.
    pub first_ns: u64,
    /// The body's blake3 digest.
    pub digest: Digest,
}

impl FrameEntry {
    /// The body's bytes within the block.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len
    }

    /// Whether `body` is of its kind, begins as it says, and as many records end in it.
    pub(super) fn describes(&self, body: &Bytes) -> bool {
        match self.kind {
            Kind::Fragment => Fragment::decode(body).is_ok_and(|fragment| {
                self.continues == (fragment.offset != 0)
                    && self.messages == u32::from(fragment.is_last())
            }),
            _ => count_messages(body) == Ok(self.messages),
        }
    }
}

/// The checked header of a block, without its table. A header that fits its check is trusted to say how
/// long the block is, so a search for blocks passes over every byte a bounded number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHeader {
    pub(super) file_id: FileId,
    pub(super) number: u64,
    pub(super) len: usize,
    pub(super) frames: usize,
    pub(super) records: u64,
    pub(super) first_seq: u64,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
}

/// Where the header's own check stands, and the one of the table.
const CHECK: usize = 68;
const TABLE_CHECK: usize = 72;

impl BlockHeader {
    /// Appends header and table to `out`, which is empty.
    /// `shift` is added to every offset of the table.
    pub(super) fn encode(&self, table: &[FrameEntry], shift: usize, out: &mut Vec<u8>) {
        out.put_slice(&format::BLOCK_MAGIC);
        out.put_slice(&self.file_id);
        out.put_u64_le(self.number);
        out.put_u32_le(self.len as u32);
        out.put_u32_le(self.frames as u32);
        out.put_u32_le(self.records as u32);
        out.put_u64_le(self.first_seq);
        out.put_u64_le(self.first_ns);
        out.put_u64_le(self.last_ns);
        out.put_u32_le(crc_fast::crc32_iscsi(out));
        out.put_u64_le(0);
        for entry in table {
            entry.encode(shift, out);
        }
        let check = crc_fast::crc32_iscsi(&out[BLOCK_HEADER..]);
        out[TABLE_CHECK..TABLE_CHECK + 4].copy_from_slice(&check.to_le_bytes());
    }

    /// Reads a header and checks it. `file_id` of `None` takes any file's.
    pub(super) fn decode(bytes: &[u8], file_id: Option<&FileId>) -> Result<BlockHeader, What> {
        let mut fields = Fields(bytes.get(..BLOCK_HEADER).ok_or("cut short")?);
        if fields.array()? != format::BLOCK_MAGIC {
            return Err("no block header");
        }
        let found = fields.array()?;
        if file_id.is_some_and(|wanted| *wanted != found) {
            return Err("block of another file");
        }
        let header = BlockHeader {
            file_id: found,
            number: fields.u64()?,
            len: fields.u32()? as usize,
            frames: fields.u32()? as usize,
            records: u64::from(fields.u32()?),
            first_seq: fields.u64()?,
            first_ns: fields.u64()?,
            last_ns: fields.u64()?,
        };
        if fields.u32()? != crc_fast::crc32_iscsi(&bytes[..CHECK]) {
            return Err("check of the block header");
        }
        if header.len == 0
            || header.len > format::MAX_BLOCK
            || !header.len.is_multiple_of(format::ALIGN)
        {
            return Err("block length");
        }
        if header.frames == 0 || header.frames > header.len / format::FRAME_ENTRY {
            return Err("number of frames");
        }
        Ok(header)
    }

    /// Reads the table of the block that `bytes` is, and checks it. Every entry of the
    /// table lies within `bytes`, and so does the room in front of it.
    pub(super) fn table(&self, bytes: &[u8]) -> Result<Vec<FrameEntry>, What> {
        let head_len = format::head_len(self.frames);
        let head = bytes.get(..head_len).ok_or("frame table")?;
        let mut fields = Fields(&head[TABLE_CHECK..]);
        let found = fields.u32()?;
        if fields.u32()? != 0 {
            return Err("reserved bytes");
        }
        if found != crc_fast::crc32_iscsi(fields.0) {
            return Err("check of the frame table");
        }
        let mut table = Vec::with_capacity(self.frames);
        let mut free_from = head_len;
        let mut records = 0;
        for _ in 0..self.frames {
            let entry = FrameEntry::decode(&mut fields)?;
            if entry.offset < free_from + ROOM || entry.range().end > bytes.len() {
                return Err("frame outside the block");
            }
            free_from = entry.range().end;
            records += u64::from(entry.messages);
            table.push(entry);
        }
        if records == self.records { Ok(table) } else { Err("number of records") }
    }
}

impl FrameEntry {
    fn encode(&self, shift: usize, out: &mut Vec<u8>) {
        out.put_u32_le((self.offset + shift) as u32);
        out.put_u32_le(self.len as u32);
        out.put_u32_le(self.messages);
        out.put_u8(u8::from(self.kind == Kind::Fragment));
        out.put_u8(u8::from(self.continues));
        out.put_u16_le(0);
        out.put_u64_le(self.first_ns);
        match self.digest {
            Digest::Blake3(digest) => out.put_slice(&digest),
            // The writer makes the digest itself where a frame brings none of this kind.
            Digest::Crc32c(_) | Digest::None => out.put_bytes(0, 16),
        }
    }

    fn decode(fields: &mut Fields<'_>) -> Result<FrameEntry, What> {
        let offset = fields.u32()? as usize;
        let len = fields.u32()? as usize;
        let messages = fields.u32()?;
        let [kind, continues, 0, 0] = fields.array()? else {
            return Err("reserved bytes");
        };
        let (kind, continues) = match (kind, continues) {
            (0, 0) => (Kind::Data, false),
            (1, 0) => (Kind::Fragment, false),
            (1, 1) => (Kind::Fragment, true),
            _ => return Err("kind of frame"),
        };
        if len == 0 {
            return Err("empty frame");
        }
        let first_ns = fields.u64()?;
        let digest = Digest::Blake3(fields.array()?);
        Ok(FrameEntry { offset, len, kind, continues, messages, first_ns, digest })
    }
}

impl Block {
    /// Checks header and table of the block in `buffer`, which the index says is `entry`.
    pub(crate) fn decode(
        buffer: PooledBuf,
        file_id: &FileId,
        entry: &IndexEntry,
    ) -> Result<Block, What> {
        let bytes = buffer.as_ref();
        let header = BlockHeader::decode(bytes, Some(file_id))?;
        if header.number != entry.number || header.len != entry.len || bytes.len() != entry.len {
            return Err("not the block that the index names");
        }
        let mut frames = header.table(bytes)?;
        // Only blocks of a damaged file keep less than all: the frames of records that are not whole
        // are left out, and a record that ended in one of them is passed over in the numbering.
        let kept = &entry.frames;
        if kept.end > frames.len() || kept.start > kept.end {
            return Err("number of frames");
        }
        let skipped: u64 = frames[..kept.start].iter().map(|entry| u64::from(entry.messages)).sum();
        frames.truncate(kept.end);
        frames.drain(..kept.start);
        let first_seq = header.first_seq.saturating_add(skipped);
        if first_seq != entry.first_seq {
            return Err("number of the first record");
        }
        Ok(Block {
            number: header.number,
            first_seq,
            records: frames.iter().map(|entry| u64::from(entry.messages)).sum(),
            first_ns: header.first_ns,
            last_ns: header.last_ns,
            frames,
            buffer,
        })
    }

    /// The body of one of its frames; empty for an entry of another block that reaches beyond this.
    pub fn body(&self, entry: &FrameEntry) -> &[u8] {
        self.buffer.as_ref().get(entry.range()).unwrap_or_default()
    }

    /// The first frame whose body does not have the digest that the table says, if any. Reading does
    /// not do this by itself: on replay the consumer does, end to end.
    pub fn verify(&self) -> Result<(), FrameEntry> {
        match self.frames.iter().find(|entry| !entry.digest.matches(self.body(entry))) {
            None => Ok(()),
            Some(entry) => Err(*entry),
        }
    }
}
