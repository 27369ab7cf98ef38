//! The digest of a stream's content, the same however its records lie in frames and blocks.

use swp_fast::wire::Fragment;

use super::fragments::{BodyError, FragmentOrder};
use crate::record::put_bin_len;

/// blake3 over all records of a stream in order: for each one a MessagePack `bin` marker with its
/// length in the shortest form, then its encoding.
///
/// A packed body is such a run of bins, so it is hashed whole, without a look at its messages. Of a
/// record in parts the marker is hashed first and then the parts, which comes to the same bytes.
/// Two captures of one stream, a recorder and a consumer can therefore be compared by these 32
/// bytes.
#[derive(Debug, Clone, Default)]
pub struct ContentDigest {
    hasher: blake3::Hasher,
    fragments: FragmentOrder,
}

impl ContentDigest {
    /// The digest of the empty stream.
    pub fn new() -> ContentDigest {
        ContentDigest::default()
    }

    /// Adds the body of a frame of kind Data. It is not parsed.
    ///
    /// Refused, and not added, in the midst of a record's parts.
    pub fn update_body(&mut self, body: &[u8]) -> Result<(), BodyError> {
        self.fragments.between()?;
        self.hasher.update(body);
        Ok(())
    }

    /// Adds the content of a frame of kind Fragment.
    ///
    /// Refused, and not added, unless it is the next part of its record.
    pub fn update_fragment(&mut self, fragment: &Fragment) -> Result<(), BodyError> {
        if self.fragments.accept(fragment)?.first {
            let mut marker = Vec::with_capacity(5);
            put_bin_len(&mut marker, fragment.total as usize);
            self.hasher.update(&marker);
        }
        self.hasher.update(&fragment.part);
        Ok(())
    }

    /// Adds a record whose head and payload lie apart. No fragmented record is open.
    pub(super) fn update_record(&mut self, head: &[u8], payload: &[u8]) {
        let mut marker = Vec::with_capacity(5);
        put_bin_len(&mut marker, head.len() + payload.len());
        self.hasher.update(&marker).update(head).update(payload);
    }

    /// Whether a record in parts has begun and not ended.
    pub(super) fn in_record(&self) -> bool {
        self.fragments.is_open()
    }

    /// Refuses to go on in the midst of a record's parts.
    pub(super) fn between(&self) -> Result<(), BodyError> {
        self.fragments.between()
    }

    /// The digest of all that was added. Refused in the midst of a record's parts.
    pub fn finish(&self) -> Result<[u8; 32], BodyError> {
        self.fragments.between()?;
        Ok(*self.hasher.finalize().as_bytes())
    }
}
