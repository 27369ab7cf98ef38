//! Bytes to frames and back, and nothing else: no clock, no state, no policy.
//!
//! A *frame* is the payload of one NATS message: a header ([`Header`]) followed by a body. The whole
//! frame is a sequence of MessagePack values, written and read with `rmp`, so any MessagePack library
//! can look at one. A frame decodes alone; what changes with time travels only in control frames.
//!
//! ```text
//! +---------------------------------------------------------------+------------------------------+
//! | [version, kind, session, epoch, seq, digest]  check           | body                         |
//! |  fixed array of 6                             uint or bin     | bin bin bin ... (messages)   |
//! +---------------------------------------------------------------+------------------------------+
//!    digest = hash(body)    check = crc32c(header), or blake3 keyed(header) cut to 16 bytes
//! ```
//!
//! Every value is written in its shortest form and refused in any other, so a frame has one encoding.
//! Numbers are at most [`MAX_COUNT`]; ids use all 64 bits.
//!
//! The body's digest does not depend on the session, so it can be made once and stored (captures do).
//! The check covers the header with the digest in it, so with a shared key the two together
//! authenticate the frame, its place in the stream, and the session that it belongs to, at the cost
//! of one more blake3 block and no second pass over the body. The digest must then be blake3: the other
//! two do not hold a body against somebody who wants to replace it.

mod ack;
mod body;
mod cursor;
mod digest;
mod error;
mod frame;
mod handshake;
mod header;
mod put;
mod seq;

#[cfg(test)]
mod tests;

pub use ack::{Ack, Credit, MAX_SACK_RANGES, SackRanges};
pub use body::{
    BODY_LIMIT, FRAGMENT_OVERHEAD, Fragment, GROUP_BODY_LIMIT, HASH_RUN, MESSAGE_OVERHEAD,
    MessageSlices, Messages, OpenFrame, UNHASHED_BODY_LIMIT, UNHASHED_GROUP_BODY_LIMIT,
    count_messages, encode_fragment, encode_message, message_len,
};
pub use digest::{Digest, Integrity, Key, UnknownIntegrity};
pub use error::WireError;
pub use frame::{Control, Frame, Sealer, Unopened};
pub use handshake::{
    Announce, Fin, FinAck, MAX_NAME, MAX_REASON, MAX_TAG, MAX_TRAILER, Probe, Reset, ResetCode,
    Resume, Syn, SynAck,
};
pub use header::{Header, Kind, MAX_HEADER, Preamble};
pub use seq::{MAX_COUNT, MAX_SEQ, PeerId, Seq, SessionId};

/// The version of the wire that this crate speaks; the first field of every frame.
///
/// The first three fields of the header (version, kind, session) stay as they are in every version to
/// come, so that whoever asks in another version can be answered; see [`Preamble`]. The answer is a RESET
/// in the answerer's own version: of two sides the newer one can read both.
pub const VERSION: u8 = 1;
