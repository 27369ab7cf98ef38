//! The reasons for which decoders refuse bytes.

/// The reason for which a frame was refused.
///
/// The caller uses nothing of a refused frame, except its [`Preamble`](super::Preamble) after
/// [`WireError::Version`]. State machines drop the frame and count it by this reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The frame ends within its header or within a value of its body.
    #[error("frame is cut short")]
    Truncated,
    /// The named field is not the MessagePack value that this version of the wire prescribes.
    #[error("frame is malformed: {0}")]
    Malformed(&'static str),
    /// The frame has another version of the wire.
    #[error("frame has wire version {theirs}, and this process requires {}", super::VERSION)]
    Version {
        /// The version that the frame names.
        theirs: u8,
    },
    /// The check does not match the header, or the digest does not match the body. The value is
    /// `"header"` or `"body"`.
    #[error("frame is corrupt: checksum or digest of its {0} does not match")]
    Corrupt(&'static str),
    /// A key is set, and the frame has no tag, or the frame's digest is not blake3. Only a blake3
    /// digest extends the tag's protection to the body.
    #[error("frame is not authenticated, and a key is set; set the same key in its sender")]
    Unauthenticated,
    /// The frame's tag was computed with another key, or no key is set.
    #[error("frame was sealed with another key; set the same key in publisher and consumers")]
    WrongKey,
    /// The named integer or length exceeds its bound. The bound of integers is
    /// [`super::MAX_COUNT`], or the type of the field.
    #[error("frame is malformed: {0} is out of range")]
    OutOfRange(&'static str),
}
