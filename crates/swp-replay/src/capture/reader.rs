//! Opens captures, whole or damaged, and reads their blocks in order.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::block::{Block, BlockHeader};
use super::error::CaptureError;
use super::format::{self, ALIGN, FileId, TRAILER};
use super::index::{Ending, Footer, IndexEntry, Totals, Trailer};
use super::records::Records;
use super::recover::{Reason, Recovered, scan};
use super::superblock::{Refused, Superblock};
use crate::disk::{Pool, PooledBuf};

/// An open capture: its content, and where each block lies. Memory: 64 bytes for each block.
#[derive(Debug, Clone)]
pub struct Capture {
    path: PathBuf,
    file: Arc<File>,
    file_bytes: u64,
    superblock: Superblock,
    totals: Totals,
    ending: Option<Ending>,
    index: Arc<[IndexEntry]>,
    recovered: Option<Recovered>,
}

impl Capture {
    /// Opens a capture, with two short reads.
    ///
    /// If the footer is missing or damaged, the whole file is read: every body is compared with its
    /// digest, and index and totals are rebuilt.
    pub fn open(path: impl AsRef<Path>) -> Result<Capture, CaptureError> {
        let path = path.as_ref().to_owned();
        let (file, file_bytes) = open_file(&path)?;
        let (superblock, damage) = read_superblock(&file, &path, file_bytes)?;
        let io = |error| CaptureError::io(&path, error);
        let reason = match read_footer(&file, file_bytes, &superblock.file_id).map_err(io)? {
            Ok(footer) => {
                return Ok(Capture {
                    path,
                    file: Arc::new(file),
                    file_bytes,
                    superblock,
                    totals: footer.totals,
                    ending: Some(footer.ending),
                    index: footer.index.into(),
                    recovered: damage.map(|reason| Recovered {
                        reason,
                        lost_bytes: ALIGN as u64,
                        lost_messages: 0,
                    }),
                });
            }
            Err(reason) => damage.unwrap_or(reason),
        };
        Self::search(path, file, file_bytes, superblock, reason)
    }

    /// Opens a capture whose blocks may be damaged: searches the whole file for intact blocks, even
    /// if the footer is valid.
    ///
    /// In a whole capture the search finds everything, and [`Capture::recovered`] is `None`.
    pub fn recover(path: impl AsRef<Path>) -> Result<Capture, CaptureError> {
        let path = path.as_ref().to_owned();
        let (file, file_bytes) = open_file(&path)?;
        let (superblock, damage) = read_superblock(&file, &path, file_bytes)?;
        let io = |error| CaptureError::io(&path, error);
        let footer = read_footer(&file, file_bytes, &superblock.file_id).map_err(io)?;
        let reason = damage.or(footer.as_ref().err().copied()).unwrap_or(Reason::Blocks);
        let mut capture = Self::search(path, file, file_bytes, superblock, reason)?;
        let (Ok(footer), Some(recovered)) = (footer, &mut capture.recovered) else {
            return Ok(capture);
        };
        // The footer also counts the messages of blocks behind the last intact block.
        let missing = footer.totals.messages.saturating_sub(capture.totals.messages);
        recovered.lost_messages = recovered.lost_messages.max(missing);
        if reason == Reason::Blocks && recovered.lost_bytes == 0 && missing == 0 {
            let same = capture.totals == footer.totals;
            capture.recovered =
                (!same).then_some(Recovered { reason: Reason::Footer("totals"), ..*recovered });
        }
        capture.ending = Some(footer.ending);
        Ok(capture)
    }

    fn search(
        path: PathBuf,
        file: File,
        file_bytes: u64,
        mut superblock: Superblock,
        reason: Reason,
    ) -> Result<Capture, CaptureError> {
        let found = scan(&file, &path, file_bytes, superblock.file_id)?;
        // The last update of the superblock may have been lost although the blocks were written.
        superblock.body_bytes = superblock.body_bytes.max(found.longest_body as u32);
        let superblock_bytes = if reason == Reason::Superblock { ALIGN as u64 } else { 0 };
        Ok(Capture {
            path,
            file: Arc::new(file),
            file_bytes,
            superblock,
            totals: found.totals,
            ending: None,
            index: found.index.into(),
            recovered: Some(Recovered {
                reason,
                lost_bytes: found.lost_bytes + superblock_bytes,
                lost_messages: found.lost_messages,
            }),
        })
    }

    /// The path by which the capture was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Length of the file in bytes.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// The superblock: the first page of the file.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// Counts and times of the whole capture. For a recovered capture they cover what is intact.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The notes that the writer added at the end; `None` if the footer is missing.
    pub fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// What is missing from a file that is unfinished or damaged; `None` for a whole file.
    pub fn recovered(&self) -> Option<&Recovered> {
        self.recovered.as_ref()
    }

    /// Where the blocks lie, in order.
    pub fn index(&self) -> &[IndexEntry] {
        &self.index
    }

    /// The length of the longest block in bytes: the size of a buffer that holds any block.
    pub fn largest_block(&self) -> usize {
        self.index.iter().map(|entry| entry.len).max().unwrap_or(ALIGN)
    }

    /// Returns the position in the index from which reading yields the whole of record `seq`.
    ///
    /// The block may begin with the last fragments of an earlier record
    /// ([`super::FrameEntry::continues`]), and with whole records before `seq`.
    pub fn block_of(&self, seq: u64) -> usize {
        // The last block whose first record comes before `seq`.
        self.index.partition_point(|entry| entry.first_seq < seq).saturating_sub(1)
    }

    /// Reads the blocks in order, from the one at `position` in the index on, with blocking calls.
    pub fn blocks(&self, position: usize) -> Blocks {
        Blocks {
            // A caller that reads block by block holds one or two buffers.
            pool: Pool::new(2, self.largest_block()),
            capture: self.clone(),
            position,
        }
    }

    /// Reads the records in order, from the first one on, with blocking calls.
    pub fn records(&self) -> Records {
        Records::new(self.blocks(0))
    }

    /// Checks header and table of the block in `buffer`, which was read from where `entry` says.
    pub(super) fn decode(
        &self,
        buffer: PooledBuf,
        entry: &IndexEntry,
    ) -> Result<Block, CaptureError> {
        Block::decode(buffer, &self.superblock.file_id, entry)
            .map_err(|what| CaptureError::corrupt(&self.path, entry.number, what))
    }

    /// Returns the error for a read of the block of `entry` that failed with `error`.
    pub(super) fn read_error(&self, entry: &IndexEntry, error: io::Error) -> CaptureError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                CaptureError::corrupt(&self.path, entry.number, "cut short")
            }
            _ => CaptureError::io(&self.path, error),
        }
    }
}

/// The blocks of a capture, read one by one with blocking calls. A damaged block yields an error,
/// and the blocks after it follow.
pub struct Blocks {
    capture: Capture,
    pool: Pool,
    position: usize,
}

impl Blocks {
    /// The capture that the blocks are read from.
    pub fn capture(&self) -> &Capture {
        &self.capture
    }
}

impl Iterator for Blocks {
    type Item = Result<Block, CaptureError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.capture.index.get(self.position)?;
        self.position += 1;
        let mut buffer = self.pool.take_or_make(entry.len);
        Some(match self.capture.file.read_exact_at(buffer.as_mut(), entry.offset) {
            Ok(()) => self.capture.decode(buffer, entry),
            Err(error) => Err(self.capture.read_error(entry, error)),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.capture.index.len().saturating_sub(self.position);
        (left, Some(left))
    }
}

/// Opens a regular file. Refuses anything else before the open, because opening a pipe may block.
fn open_file(path: &Path) -> Result<(File, u64), CaptureError> {
    let io = |error| CaptureError::io(path, error);
    let kind = std::fs::metadata(path).map_err(io)?.file_type();
    if kind.is_dir() {
        return Err(CaptureError::IsDirectory { path: path.to_owned() });
    }
    if !kind.is_file() {
        return Err(CaptureError::NotACapture { path: path.to_owned() });
    }
    let file = File::open(path).map_err(io)?;
    match file.metadata().map_err(io)?.len() {
        0 => Err(CaptureError::Empty { path: path.to_owned() }),
        len => Ok((file, len)),
    }
}

/// Reads the superblock. If the superblock is damaged, takes the file id from the first block.
fn read_superblock(
    file: &File,
    path: &Path,
    file_bytes: u64,
) -> Result<(Superblock, Option<Reason>), CaptureError> {
    let io = |error| CaptureError::io(path, error);
    let mut page = vec![0; file_bytes.min(ALIGN as u64) as usize];
    file.read_exact_at(&mut page, 0).map_err(io)?;
    let path = path.to_owned();
    let refused = match Superblock::decode(&page) {
        Ok(superblock) => return Ok((superblock, None)),
        Err(Refused::Version(found)) => return Err(CaptureError::Version { path, found }),
        Err(Refused::Damaged(_)) if page.len() < ALIGN => {
            return Err(CaptureError::Truncated { path, len: file_bytes });
        }
        Err(Refused::Damaged(what)) => CaptureError::Superblock { path, what },
        Err(Refused::Magic) => CaptureError::NotACapture { path },
    };
    let mut head = [0; format::BLOCK_HEADER];
    if file.read_exact_at(&mut head, ALIGN as u64).is_err() {
        return Err(refused);
    }
    match BlockHeader::decode(&head, None) {
        Ok(header) => Ok((Superblock::unknown(header.file_id), Some(Reason::Superblock))),
        Err(_) => Err(refused),
    }
}

/// Reads trailer and footer. The inner error says why the footer cannot be used.
fn read_footer(
    file: &File,
    file_bytes: u64,
    file_id: &FileId,
) -> io::Result<Result<Footer, Reason>> {
    let Some(end) = file_bytes.checked_sub(TRAILER as u64).filter(|end| *end >= ALIGN as u64)
    else {
        return Ok(Err(Reason::NoFooter));
    };
    let mut bytes = [0; TRAILER];
    file.read_exact_at(&mut bytes, end)?;
    let trailer = match Trailer::decode(&bytes, file_id, file_bytes) {
        Ok(trailer) => trailer,
        Err(_) if !bytes.starts_with(&format::TRAILER_MAGIC) => return Ok(Err(Reason::NoFooter)),
        Err(what) => return Ok(Err(Reason::Footer(what))),
    };
    let mut bytes = vec![0; trailer.len];
    file.read_exact_at(&mut bytes, trailer.offset)?;
    Ok(Footer::decode(&bytes, file_id, trailer.offset).map_err(Reason::Footer))
}
