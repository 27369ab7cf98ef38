//! Writes a capture: packs records into bodies and bodies into blocks, or takes bodies as they
//! came.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use swp_fast::wire::{Digest, FRAGMENT_OVERHEAD, Kind, message_len};

use super::error::WriteError;
use super::format::{self, ALIGN, FileId};
use super::fragments::BodyError;
use super::index::{Ending, Footer, IndexEntry, Totals, Trailer};
use super::open_block::OpenBlock;
use super::output::Output;
use super::superblock::Superblock;
use super::tally::Tally;
use crate::record::Record;

/// How a capture is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterOptions {
    /// Usual size of a block in bytes, 64 KiB to 16 MiB, taken down to a multiple of 4 KiB; 1 MiB
    /// unless told otherwise. The writer holds one block in memory, and with bodies taken over from
    /// frames that exceed it, the largest of those.
    pub block_bytes: usize,
    /// Limit of a body in bytes, from 512 to the block size less 4 KiB; 17,411 unless told
    /// otherwise. Longer records are cut into parts. Bodies taken over from frames may be longer.
    pub body_bytes: usize,
    /// Free text for the front of the file, at most 3,072 bytes.
    pub notes: String,
    /// Whether an existing file is replaced; otherwise it is an error.
    pub overwrite: bool,
    /// Whether [`CaptureWriter::finish`] waits until everything is on the disk; true unless told
    /// otherwise. Without it a loss of power soon after may cost what the system had not written.
    pub durable: bool,
}

impl Default for WriterOptions {
    fn default() -> Self {
        WriterOptions {
            block_bytes: format::DEFAULT_BLOCK_BYTES,
            body_bytes: format::DEFAULT_BODY_BYTES,
            notes: String::new(),
            overwrite: false,
            durable: true,
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// What the capture holds.
    pub totals: Totals,
    /// Blocks in the file.
    pub blocks: u64,
    /// Length of the file.
    pub file_bytes: u64,
}

/// A capture that is being written, with blocking calls.
///
/// Writing goes to the path itself: whatever happens, the blocks written so far can be read.
/// Dropping the writer without [`CaptureWriter::finish`] loses the open block, as a crash would.
///
/// Memory: one block, the index (64 bytes a block) and the different subjects (at most 8 MiB of
/// text).
pub struct CaptureWriter {
    output: Output,
    options: WriterOptions,
    superblock: Superblock,
    block: OpenBlock,
    tally: Tally,
    index: Vec<IndexEntry>,
    /// Where the next block goes.
    offset: u64,
    /// Records that end in the blocks written so far.
    written_records: u64,
    /// Buffer for a block's header and table, or for a long record's front.
    head: Vec<u8>,
    /// A record was left half written.
    broken: bool,
}

impl CaptureWriter {
    /// Creates the file and writes its superblock.
    pub fn create(
        path: impl AsRef<Path>,
        mut options: WriterOptions,
    ) -> Result<CaptureWriter, WriteError> {
        let sizes = format::MIN_BLOCK_BYTES..=format::MAX_BLOCK;
        WriteError::check("block size", options.block_bytes, sizes)?;
        options.block_bytes -= options.block_bytes % ALIGN;
        let bodies = format::MIN_BODY_BYTES..=options.block_bytes - ALIGN;
        WriteError::check("body size", options.body_bytes, bodies)?;
        WriteError::check("length of the notes", options.notes.len(), 0..=format::MAX_NOTES)?;
        let output = Output::create(path.as_ref(), options.overwrite)?;
        let mut file_id = FileId::default();
        getrandom::fill(&mut file_id)
            .map_err(|error| WriteError::io(output.path(), error.into()))?;
        let superblock = Superblock {
            created_ns: now_ns(),
            file_id,
            block_bytes: options.block_bytes as u32,
            body_bytes: options.body_bytes as u32,
            notes: options.notes.clone(),
        };
        output.write(&superblock.encode(), 0)?;
        Ok(CaptureWriter {
            output,
            options,
            superblock,
            block: OpenBlock::default(),
            tally: Tally::default(),
            index: Vec::new(),
            offset: ALIGN as u64,
            written_records: 0,
            head: Vec::new(),
            broken: false,
        })
    }

    /// Messages taken so far.
    pub fn messages(&self) -> u64 {
        self.tally.messages()
    }

    /// Length of the file so far, without the open block.
    pub fn file_bytes(&self) -> u64 {
        self.offset
    }

    /// Adds a record. After an error it was not taken, and where the cause has gone (room was made
    /// on a full disk) the same call may be tried again, but for [`WriteError::Broken`].
    pub fn append(&mut self, record: &Record<'_>) -> Result<(), WriteError> {
        self.check_usable()?;
        self.tally.between()?;
        let len = record.encoded_len()?;
        if message_len(len) > self.options.body_bytes {
            return self.append_fragmented(record, len);
        }
        if !self.block.takes(len, self.options.body_bytes) {
            self.end_packing()?;
            self.make_room(self.options.body_bytes)?;
            self.block.begin_packing();
        }
        self.block.pack(record, len);
        self.tally.record(record.timestamp_ns, record.subject, record.payload.len() as u64);
        Ok(())
    }

    /// Adds a record that exceeds a body.
    fn append_fragmented(&mut self, record: &Record<'_>, len: usize) -> Result<(), WriteError> {
        self.end_packing()?;
        let mut head = Vec::with_capacity(len - record.payload.len());
        record.put_head(&mut head);
        let most = self.options.body_bytes - FRAGMENT_OVERHEAD;
        let mut frames = 0;
        for start in (0..len).step_by(most) {
            let end = len.min(start + most);
            if let Err(error) = self.make_room(end - start + FRAGMENT_OVERHEAD) {
                self.broken = start > 0;
                return Err(error);
            }
            let part = [
                &head[start.min(head.len())..end.min(head.len())],
                &record.payload[start.saturating_sub(head.len())..end.saturating_sub(head.len())],
            ];
            self.block.add_fragment(len as u64, start as u64, part, record.timestamp_ns);
            frames += 1;
        }
        self.tally.record(record.timestamp_ns, record.subject, record.payload.len() as u64);
        self.tally.own_record(&head, record.payload, frames);
        Ok(())
    }

    /// Adds the body of a received frame as it is: not packed again, and not hashed again where its
    /// digest is a blake3 digest, which the caller has compared. It is read, to count what is in
    /// it, and hashed into the digest of the content.
    ///
    /// `kind` is Data, or Fragment, whose parts come in order. What is not such a body, or carries
    /// anything but records, is refused and not taken; in the midst of a record's parts that is
    /// final.
    pub fn append_body(
        &mut self,
        kind: Kind,
        body: &Bytes,
        digest: Digest,
    ) -> Result<(), WriteError> {
        self.check_usable()?;
        if body.len() > format::MAX_BODY {
            return Err(BodyError::Length(body.len()).into());
        }
        self.end_packing()?;
        self.make_room(body.len())?;
        self.allow_body(body.len())?;
        let facts = self.tally.body(kind, body).inspect_err(|_| {
            self.broken = self.tally.in_record();
        })?;
        let digest = match digest {
            Digest::Blake3(_) => digest,
            Digest::Crc32c(_) | Digest::None => Digest::blake3(body),
        };
        self.block.add(kind, body, facts, digest);
        Ok(())
    }

    /// The front of the file says how long a body is at most: who replays it chooses frames by
    /// that.
    fn allow_body(&mut self, len: usize) -> Result<(), WriteError> {
        if len > self.superblock.body_bytes as usize {
            // No more than MAX_BODY, which is far below 4 GiB.
            let superblock = Superblock { body_bytes: len as u32, ..self.superblock.clone() };
            self.output.write(&superblock.encode(), 0)?;
            self.superblock = superblock;
        }
        Ok(())
    }

    /// Writes the open block as it stands and waits until everything is on the disk: what was added
    /// so far survives a crash. The block is padded to 4 KiB and closed, so very frequent calls
    /// cost space.
    pub fn sync(&mut self) -> Result<(), WriteError> {
        self.check_usable()?;
        self.write_block()?;
        self.output.sync()
    }

    /// Writes the open block, the index and the totals. After an error the file has no index and
    /// can still be read; in the midst of a record's parts that is [`BodyError::Unfinished`].
    pub fn finish(mut self, ending: Ending) -> Result<Summary, WriteError> {
        self.check_usable()?;
        WriteError::check("length of the notes", ending.notes.len(), 0..=format::MAX_END_NOTES)?;
        self.end_packing()?;
        let totals = self.tally.totals()?;
        self.write_block()?;
        if self.options.durable {
            // First the blocks, then the index: an index on the disk vouches for them.
            self.output.sync()?;
        }
        let blocks = self.index.len() as u64;
        let footer = Footer { totals: totals.clone(), ending, index: self.index };
        let mut bytes = footer.encode(&self.superblock.file_id);
        let trailer = Trailer { offset: self.offset, len: bytes.len() };
        trailer.encode(&self.superblock.file_id, &mut bytes);
        self.output.write(&bytes, self.offset)?;
        if self.options.durable {
            self.output.sync()?;
        }
        Ok(Summary { totals, blocks, file_bytes: self.offset + bytes.len() as u64 })
    }

    fn check_usable(&self) -> Result<(), WriteError> {
        match self.broken {
            false => Ok(()),
            true => Err(WriteError::Broken { path: self.output.path().to_owned() }),
        }
    }

    fn end_packing(&mut self) -> Result<(), WriteError> {
        if let Some(body) = self.block.end_packing() {
            self.tally.own_body(body)?;
        }
        Ok(())
    }

    /// Makes sure that a body of `len` bytes fits into the open block, or that the block is empty.
    fn make_room(&mut self, len: usize) -> Result<(), WriteError> {
        if self.block.has_room(len, self.options.block_bytes) {
            return Ok(());
        }
        self.write_block()
    }

    /// Writes the open block, if there is anything in it. After an error it is as before.
    fn write_block(&mut self) -> Result<(), WriteError> {
        self.end_packing()?;
        if self.block.is_empty() {
            return Ok(());
        }
        if self.index.len() == format::MAX_BLOCKS {
            return Err(WriteError::TooManyBlocks { path: self.output.path().to_owned() });
        }
        let number = self.index.len() as u64;
        let header = self.block.header(self.superblock.file_id, number, self.written_records);
        let bodies = self.block.encode(&header, &mut self.head);
        // The bodies first: a header in the file then speaks of bodies that were written.
        self.output.write(bodies, self.offset + self.head.len() as u64)?;
        self.output.write(&self.head, self.offset)?;
        self.index.push(IndexEntry {
            number,
            offset: self.offset,
            len: header.len,
            frames: 0..header.frames,
            first_seq: header.first_seq,
            first_ns: header.first_ns,
            last_ns: header.last_ns,
        });
        self.offset += header.len as u64;
        self.written_records += header.records;
        self.block.clear();
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn limit_room(&mut self, bytes: Option<u64>) {
        self.output.room_bytes = bytes;
    }
}

/// Now, in nanoseconds since the Unix epoch.
fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
