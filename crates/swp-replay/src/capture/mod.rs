//! The capture file: a stored stream of ready-to-send frame bodies.
//!
//! [`CaptureWriter`] packs records into bodies and bodies into blocks, or takes over bodies as a
//! consumer received them. [`Capture`] opens a file and describes its content. [`Blocks`] and
//! [`Records`] read the file with blocking calls. [`BlockReader`] reads blocks at the speed of the
//! disk, through [`crate::disk`].
//!
//! A file that is unfinished or damaged opens as well, and [`Recovered`] says what is missing.
//!
//! The bytes of the file are described in [`mod@format`].

mod block;
mod block_reader;
mod content;
mod error;
pub mod format;
mod fragments;
mod index;
mod open_block;
mod output;
mod reader;
mod records;
mod recover;
mod superblock;
mod tally;
mod unpack;
mod writer;

#[cfg(test)]
mod tests;

pub use block::{Block, FrameEntry};
pub use block_reader::BlockReader;
pub use content::ContentDigest;
pub use error::{CaptureError, WriteError};
pub use format::ALIGN;
pub use fragments::BodyError;
pub use index::{Ending, IndexEntry, Subjects, Totals};
pub use reader::{Blocks, Capture};
pub use records::Records;
pub use recover::{Reason, Recovered};
pub use superblock::Superblock;
pub use tally::{MAX_SUBJECT_BYTES, MAX_SUBJECTS};
pub use unpack::{RawRecord, Unpacker};
pub use writer::{CaptureWriter, Summary, WriterOptions};
