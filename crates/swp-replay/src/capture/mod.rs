//! The capture file: a stored stream of ready-to-send frame bodies.
//!
//! [`CaptureWriter`] packs records into bodies and bodies into blocks, or takes over bodies as a
//! consumer received them. [`Capture`] opens a file, says what is in it, and gives out its blocks
//! ([`Blocks`]) or its records ([`Records`]); for replay at the speed of the disk see [`crate::disk`].
//! A file that was not finished, or is damaged, opens as well and says so ([`Recovered`]).
//!
//! The bytes of the file are described in [`mod@format`].

mod block;
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
