//! The last word of a replay's stream: what the consumer must have got when it has got everything.

use serde::{Deserialize, Serialize};

/// Sent beside the end of the stream, as JSON of about 120 bytes. Unknown fields are passed over, so
/// more can be said in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StreamTrailer {
    /// In hexadecimal; see `ContentDigest`.
    pub(crate) content_digest: String,
    pub(crate) messages: u64,
}

impl StreamTrailer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// `None` where the publisher is no replay, and said something else or nothing.
    pub(crate) fn decode(bytes: &[u8]) -> Option<StreamTrailer> {
        serde_json::from_slice(bytes).ok()
    }
}

#[cfg(test)]
mod tests;
