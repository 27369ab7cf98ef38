//! What can go wrong with a capture, reading and writing.

use std::io;
use std::path::{Path, PathBuf};

use super::fragments::BodyError;
use crate::record::RecordError;

/// A capture, or a part of one, cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// Some other file.
    #[error("{path}: not a capture", path = .path.display())]
    NotACapture {
        /// The file.
        path: PathBuf,
    },
    /// A file of 0 bytes.
    #[error("{path}: empty file", path = .path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The beginning of a capture, too short to hold anything.
    #[error("{path}: capture is cut off after {len} bytes", path = .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length.
        len: u64,
    },
    /// A capture in another version of the format.
    #[error("{path}: capture has format version {found}, this program reads {}",
        super::format::VERSION, path = .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it names.
        found: u32,
    },
    /// A directory.
    #[error("{path}: is a directory", path = .path.display())]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The front of the file is damaged, and no block follows that would tell what it was.
    #[error("{path}: superblock is damaged: {what}", path = .path.display())]
    Superblock {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        what: &'static str,
    },
    /// A block is damaged. The blocks after it can be read.
    #[error("{path}: block {block} is damaged: {what}", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// The block's number.
        block: u64,
        /// What does not fit.
        what: &'static str,
    },
    /// A block is intact and carries something that is no record. What follows can be read.
    #[error("{path}: block {block}: {source}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The block's number.
        block: u64,
        /// What it carries.
        source: BodyError,
    },
    /// The thread that reads the file ended before the file did.
    #[error("{path}: reading stopped", path = .path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl CaptureError {
    pub(crate) fn io(path: &Path, source: io::Error) -> CaptureError {
        CaptureError::Io { path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(path: &Path, block: u64, what: &'static str) -> CaptureError {
        CaptureError::Corrupt { path: path.to_owned(), block, what }
    }
}

/// A capture cannot be written. What is in the file stays readable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file exists, and overwriting it was not asked for.
    #[error("{path}: file exists", path = .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A directory.
    #[error("{path}: is a directory", path = .path.display())]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// No room for more: the disk, a quota, or the largest size of a file.
    #[error("{path}: no room left: {source}", path = .path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file has as many blocks as it can have.
    #[error("{path}: capture has {} blocks and can have no more",
        super::format::MAX_BLOCKS, path = .path.display())]
    TooManyBlocks {
        /// The file.
        path: PathBuf,
    },
    /// An option or a text is outside its bounds.
    #[error("{what} is out of range: {value} is not in {min}..={max}")]
    Option {
        /// Which one.
        what: &'static str,
        /// What was asked for.
        value: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// The record cannot be encoded; it was not taken.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The body was not taken.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// An earlier error left a record half written; nothing can follow it.
    #[error("{path}: a record was left half written by an earlier error", path = .path.display())]
    Broken {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WriteError {
    pub(super) fn io(path: &Path, source: io::Error) -> WriteError {
        use io::ErrorKind::*;
        let path = path.to_owned();
        match source.kind() {
            AlreadyExists => WriteError::Exists { path },
            IsADirectory => WriteError::IsDirectory { path },
            StorageFull | QuotaExceeded | FileTooLarge | WriteZero => {
                WriteError::Full { path, source }
            }
            _ => WriteError::Io { path, source },
        }
    }

    /// Refuses a value outside `bounds`.
    pub(super) fn check(
        what: &'static str,
        value: usize,
        bounds: std::ops::RangeInclusive<usize>,
    ) -> Result<(), WriteError> {
        if bounds.contains(&value) {
            return Ok(());
        }
        Err(WriteError::Option { what, value, min: *bounds.start(), max: *bounds.end() })
    }
}
