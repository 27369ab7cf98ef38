//! Rebuilds index and totals of a capture that has no valid footer.
//!
//! The file is searched for block headers at every multiple of 4 KiB, but not within a block. A block
//! counts where its header, its table and the digest of every body fit, and the bodies are what the table
//! says. Frames of records that are not whole, because a block with another of their parts is missing,
//! are left out, so what is given out is whole records.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;

use super::block::{BlockHeader, FrameEntry};
use super::error::CaptureError;
use super::format::{self, ALIGN, FileId};
use super::index::{IndexEntry, Totals};
use super::tally::Tally;
use crate::disk::{Pool, PooledBuf};

/// The file is not as a writer that finished leaves it; what could be read was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovered {
    /// What is wrong with the file.
    pub reason: Reason,
    /// Bytes that were passed over, in damaged or cut blocks and in frames of incomplete records.
    pub lost_bytes: u64,
    /// Messages that are missing between the ones that are left, going by their numbers. How many are
    /// missing behind the last one is not known.
    pub lost_messages: u64,
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// There is no footer: the writer was interrupted, is still at it, or the file was cut.
    NoFooter,
    /// The footer does not fit the file.
    Footer(&'static str),
    /// The superblock is damaged.
    Superblock,
    /// Blocks are damaged or missing; see [`super::Capture::recover`].
    Blocks,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoFooter => f.write_str("the file ends without a footer"),
            Reason::Footer(what) => write!(f, "the footer is damaged ({what})"),
            Reason::Superblock => f.write_str("the superblock is damaged"),
            Reason::Blocks => f.write_str("blocks are damaged"),
        }
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not whole, {}: {} bytes cannot be read", self.reason, self.lost_bytes)?;
        match self.lost_messages {
            0 => Ok(()),
            lost => write!(f, ", {lost} messages are missing"),
        }
    }
}

/// What the search found.
pub(super) struct Found {
    pub(super) index: Vec<IndexEntry>,
    pub(super) totals: Totals,
    pub(super) lost_bytes: u64,
    pub(super) lost_messages: u64,
    pub(super) longest_body: usize,
}

/// Searches the whole file. Only the system's refusal to read is an error.
pub(super) fn scan(
    file: &File,
    path: &Path,
    file_bytes: u64,
    file_id: FileId,
) -> Result<Found, CaptureError> {
    let mut scan = Scan::default();
    let mut pool = Pool::new(1, format::MAX_BLOCK);
    let mut at = ALIGN as u64;
    while at < file_bytes && scan.index.len() < format::MAX_BLOCKS {
        let page_len = (file_bytes - at).min(ALIGN as u64);
        let mut page = [0; ALIGN];
        let page = &mut page[..page_len as usize];
        file.read_exact_at(page, at).map_err(|error| CaptureError::io(path, error))?;
        if is_footer(page, &file_id) {
            break;
        }
        let header = BlockHeader::decode(page, Some(&file_id)).ok();
        let header = header.filter(|header| {
            header.number >= scan.next_number && header.len as u64 <= file_bytes - at
        });
        let Some(header) = header else {
            scan.lost_bytes += page_len;
            at += page_len;
            continue;
        };
        let mut buffer = pool.take_or_make(header.len);
        file.read_exact_at(buffer.as_mut(), at).map_err(|error| CaptureError::io(path, error))?;
        match intact(&header, buffer) {
            Some((table, bytes)) => scan.block(&header, &table, &bytes, at),
            None => scan.lost_bytes += header.len as u64,
        }
        at += header.len as u64;
    }
    scan.end()
}

fn is_footer(page: &[u8], file_id: &FileId) -> bool {
    page.strip_prefix(&format::FOOTER_MAGIC).is_some_and(|rest| rest.starts_with(file_id))
}

/// The table of a block and its bytes, if every check in it fits.
fn intact(header: &BlockHeader, buffer: PooledBuf) -> Option<(Vec<FrameEntry>, Bytes)> {
    let table = header.table(buffer.as_ref()).ok()?;
    let bytes = Bytes::from_owner(buffer);
    let whole = table.iter().all(|entry| {
        let body = bytes.slice(entry.range());
        entry.digest.matches(&body) && entry.describes(&body)
    });
    whole.then_some((table, bytes))
}

#[derive(Default)]
struct Scan {
    index: Vec<IndexEntry>,
    tally: Tally,
    lost_bytes: u64,
    lost_messages: u64,
    next_number: u64,
    next_seq: u64,
    longest_body: usize,
    /// Where the record began of which not all parts were seen: position in the index, frame; and the
    /// bytes of its frames so far.
    open: Option<(usize, usize)>,
    open_bytes: u64,
}

impl Scan {
    /// Takes the next intact block.
    fn block(&mut self, header: &BlockHeader, table: &[FrameEntry], bytes: &Bytes, offset: u64) {
        if header.number != self.next_number {
            self.give_up_record();
        }
        self.next_number = header.number.saturating_add(1);
        let mut first_seq = header.first_seq;
        // The leading parts of a record whose beginning is lost.
        let start = if self.tally.in_record() {
            0
        } else {
            table.iter().position(|entry| !entry.continues).unwrap_or(table.len())
        };
        for entry in &table[..start] {
            first_seq = first_seq.saturating_add(u64::from(entry.messages));
            self.lost_bytes += entry.len as u64;
        }
        self.lost_messages += first_seq.saturating_sub(self.next_seq);
        self.next_seq = header.first_seq.saturating_add(header.records);
        let position = self.index.len();
        let end = self.frames(table, start, bytes, position);
        if start < end {
            self.index.push(IndexEntry {
                number: header.number,
                offset,
                len: header.len,
                frames: start..end,
                first_seq,
                first_ns: header.first_ns,
                last_ns: header.last_ns,
            });
        }
        if end < table.len() {
            self.lost_bytes += table[end..].iter().map(|entry| entry.len as u64).sum::<u64>();
            self.give_up_record();
        }
    }

    /// Counts the frames from `start` on; returns where they stop to make sense, else their number.
    fn frames(
        &mut self,
        table: &[FrameEntry],
        start: usize,
        bytes: &Bytes,
        position: usize,
    ) -> usize {
        for (frame, entry) in table.iter().enumerate().skip(start) {
            let facts = match self.tally.body(entry.kind, &bytes.slice(entry.range())) {
                Ok(facts) => facts,
                Err(_) => return frame,
            };
            self.longest_body = self.longest_body.max(entry.len);
            if !self.tally.in_record() {
                (self.open, self.open_bytes) = (None, 0);
                continue;
            }
            if !facts.continues {
                self.open = Some((position, frame));
            }
            self.open_bytes += entry.len as u64;
        }
        table.len()
    }

    /// Leaves out the frames of a record whose end is lost. They are the last ones taken.
    fn give_up_record(&mut self) {
        self.tally.abandon();
        if let Some((position, frame)) = self.open.take() {
            self.lost_bytes += std::mem::take(&mut self.open_bytes);
            self.index.truncate(position + 1);
            if let Some(entry) = self.index.get_mut(position) {
                entry.frames.end = entry.frames.end.min(frame);
                if entry.frames.is_empty() {
                    self.index.pop();
                }
            }
        }
    }

    fn end(mut self) -> Result<Found, CaptureError> {
        self.give_up_record();
        // Nothing is open any more, so the totals are there.
        let totals = self.tally.totals().unwrap_or_default();
        Ok(Found {
            index: self.index,
            totals,
            lost_bytes: self.lost_bytes,
            lost_messages: self.lost_messages,
            longest_body: self.longest_body,
        })
    }
}
