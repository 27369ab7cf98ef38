//! Keeps account of the parts of a record that is larger than a frame.

use swp_fast::wire::{Fragment, WireError};

use crate::record::MAX_RECORD;

/// A body that does not continue the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The body is not what its kind says.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// What the body carries is no record.
    #[error(transparent)]
    Record(#[from] crate::record::RecordError),
    /// A control frame's body; captures hold the stream's content only.
    #[error("body carries no messages")]
    Kind,
    /// An empty body, or one that is too large for a block.
    #[error("body of {0} bytes")]
    Length(usize),
    /// A part of a record whose beginning is not there.
    #[error("part at offset {offset} of a record that was not begun")]
    NoBeginning {
        /// Where in the record the part lies.
        offset: u64,
    },
    /// The fragment does not follow the fragment before it.
    #[error("part at offset {found} where {expected} comes next")]
    OutOfOrder {
        /// Where in the record the next part lies.
        expected: u64,
        /// Where this one lies.
        found: u64,
    },
    /// Whole messages, or the end, in the midst of a record's parts.
    #[error("record of {total} bytes ends after {have}")]
    Unfinished {
        /// Length of the record in bytes.
        total: u64,
        /// How much of it is there.
        have: u64,
    },
    /// Two fragments of one record name different lengths, or a length that no record can have.
    #[error("record of {0} bytes")]
    Total(u64),
}

/// How far a fragmented record has come. Its fragments arrive in order, without gap or overlap.
#[derive(Debug, Clone, Default)]
pub(super) struct FragmentOrder {
    /// Whole length of the record and the offset of its next part.
    open: Option<(u64, u64)>,
}

/// Where a part stands in its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) first: bool,
    pub(super) last: bool,
}

impl FragmentOrder {
    /// Whether a record has begun and not ended.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Takes the next part. After an error nothing has changed.
    pub(super) fn accept(&mut self, fragment: &Fragment) -> Result<Place, BodyError> {
        let (total, next) = self.open.unwrap_or((fragment.total, 0));
        let first = self.open.is_none();
        if fragment.total != total || total > MAX_RECORD as u64 {
            return Err(BodyError::Total(fragment.total));
        }
        if fragment.offset != next {
            return Err(match first {
                true => BodyError::NoBeginning { offset: fragment.offset },
                false => BodyError::OutOfOrder { expected: next, found: fragment.offset },
            });
        }
        let last = fragment.is_last();
        self.open = if last { None } else { Some((total, next + fragment.part.len() as u64)) };
        Ok(Place { first, last })
    }

    /// Refuses anything but a part while a record is open.
    pub(super) fn between(&self) -> Result<(), BodyError> {
        match self.open {
            None => Ok(()),
            Some((total, have)) => Err(BodyError::Unfinished { total, have }),
        }
    }

    /// Gives the record up.
    pub(super) fn abandon(&mut self) {
        self.open = None;
    }
}
