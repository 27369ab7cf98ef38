//! Reads extents of a file ahead of their use, into pooled and aligned buffers.
//!
//! This is the lowest layer of the crate: it knows offsets and lengths. The modules above give the
//! bytes their meaning.
//!
//! ```text
//! a thread of its own                              the caller's task
//!   extent -> pool -> buffer -> reads in flight -> channel -> ReadAhead::next() -> PooledBuf
//!               ^                                                                     |
//!               +------ buffer dropped, or the last slice of a Bytes that owns it ----+
//! ```
//!
//! The number of buffers is fixed, so memory is bounded. Reading waits while the caller holds all
//! of them. Dropping [`ReadAhead`] stops the thread, even while the thread waits for a buffer.
//!
//! Two engines read. io_uring keeps several reads in flight. `pread` reads one extent at a time, on
//! systems that forbid io_uring. Both read past the page cache (`O_DIRECT`) where the file system
//! allows it.

mod buffer;
mod engine;
mod pread;
mod read_ahead;
mod uring;

pub use buffer::{Pool, PooledBuf};
pub use engine::{Engine, EngineReport};
pub use read_ahead::{
    DEFAULT_MEMORY_BYTES, DEFAULT_READS_IN_FLIGHT, DiskError, DiskOptions, MAX_READS_IN_FLIGHT,
    ReadAhead, ReadError,
};

/// The alignment of direct reads in bytes: the largest logical block that disks ask for, and the
/// size of a page.
pub const ALIGN: usize = 4096;

/// A range of a file.
///
/// With direct reads, the system may refuse an extent whose offset or length is not a multiple of
/// [`ALIGN`]. Without direct reads, any extent can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where the range starts in the file, in bytes.
    pub offset: u64,
    /// Length in bytes.
    pub len: usize,
}
