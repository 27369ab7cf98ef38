//! Why bytes from the network were refused.

/// A frame that cannot be accepted. Nothing of it is used; the receiver counts it by this cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The frame ends before its header or body does.
    #[error("frame is cut short")]
    Truncated,
    /// Not the MessagePack that a frame of this version consists of.
    #[error("not a frame: {0}")]
    Malformed(&'static str),
    /// A frame of another version of the wire.
    #[error("frame speaks wire version {theirs}, this side speaks {}", super::VERSION)]
    Version {
        /// The version that the frame names.
        theirs: u8,
    },
    /// The header's checksum, or the body's digest, does not fit the bytes.
    #[error("frame is corrupt: its {0} does not match")]
    Corrupt(&'static str),
    /// A key is set here, and the frame carries no tag made with a key, or its tag does not cover the
    /// body because the body's digest is not blake3.
    #[error("frame is not authenticated and a key is required")]
    Unauthenticated,
    /// The frame's tag was made with another key, or this side has none.
    #[error("frame was made with another key")]
    WrongKey,
    /// A number or length beyond what the protocol allows (numbers: [`super::MAX_COUNT`]).
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}
