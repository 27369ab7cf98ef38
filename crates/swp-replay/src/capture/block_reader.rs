//! The blocks of a capture at the speed of the disk: turns buffers of [`crate::disk`] into blocks.

use super::block::Block;
use super::error::CaptureError;
use super::index::IndexEntry;
use super::reader::Capture;
use crate::disk::{DiskError, DiskOptions, EngineReport, Extent, PooledBuf, ReadAhead, ReadError};

/// The blocks of a capture in order, read ahead of their use.
///
/// A block lies in the buffer that it was read into, so its bytes are never copied. Reading waits
/// while the caller holds every buffer. [`super::Blocks`] is the simple alternative for blocking
/// code that reads one block at a time.
pub struct BlockReader {
    capture: Capture,
    reads: ReadAhead,
    /// Position in the index of the block that comes next.
    position: usize,
}

impl BlockReader {
    /// Starts to read the blocks from the one at `position` in the index on. Returns once the
    /// reading thread has chosen its engine.
    ///
    /// # Errors
    ///
    /// As [`ReadAhead::start`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, reading stops.
    pub async fn start(
        capture: &Capture,
        position: usize,
        options: DiskOptions,
    ) -> Result<BlockReader, DiskError> {
        let entries = capture.index().iter().skip(position);
        let extents =
            entries.map(|entry| Extent { offset: entry.offset, len: entry.len }).collect();
        let reads = ReadAhead::start(capture.path(), extents, options).await?;
        Ok(BlockReader { capture: capture.clone(), reads, position })
    }

    /// Returns the next block with header and table checked, or `None` after the last block.
    ///
    /// # Errors
    ///
    /// [`CaptureError`] if the block is damaged or cannot be read. The next call returns the block
    /// after it, except after [`CaptureError::Stopped`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it completes, no block is lost.
    pub async fn next(&mut self) -> Option<Result<Block, CaptureError>> {
        let read = self.reads.next().await?;
        let entry = self.capture.index().get(self.position)?;
        self.position += 1;
        Some(block(&self.capture, entry, read))
    }

    /// Returns which engine reads, and why.
    pub fn report(&self) -> &EngineReport {
        self.reads.report()
    }
}

/// Makes the block of `entry` from the outcome of its read.
fn block(
    capture: &Capture,
    entry: &IndexEntry,
    read: Result<PooledBuf, ReadError>,
) -> Result<Block, CaptureError> {
    match read {
        Ok(buffer) => capture.decode(buffer, entry),
        Err(ReadError::Io { source, .. }) => Err(capture.read_error(entry, source)),
        Err(ReadError::Stopped { path }) => Err(CaptureError::Stopped { path }),
    }
}

#[cfg(test)]
mod tests;
