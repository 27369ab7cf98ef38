//! The header in front of every frame's body.

use constant_time_eq::constant_time_eq_16;
use rmp::Marker;

use super::VERSION;
use super::cursor::Cursor;
use super::digest::{Digest, Key};
use super::error::WireError;
use super::put::PutHeader;
use super::seq::{Seq, SessionId};

/// Room that holds any header: array 1, version 1, kind 1, session 9, epoch 5, seq 9, digest 18, keyed
/// check 18, in all 62 bytes, rounded up to a cache line. A body with this much free space in front of
/// it can be sent without being copied.
pub const MAX_HEADER: usize = 64;

/// What a frame is for. Data and fragments carry messages; all others are control frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Whole messages, packed.
    Data = 0,
    /// A piece of one message that is larger than a frame.
    Fragment = 1,
    /// Consumer to publisher: what it holds, and how much more may be sent.
    Ack = 2,
    /// Consumer to publisher: wants to join.
    Syn = 3,
    /// Publisher to consumer: joined, and where the stream starts for it.
    SynAck = 4,
    /// Publisher to consumers: keep-alive, and the question "what do you hold?".
    Probe = 5,
    /// Publisher to consumers: where the stream ends.
    Fin = 6,
    /// Consumer to publisher: everything up to the end was consumed.
    FinAck = 7,
    /// Publisher to consumer: the FIN-ACK arrived, you may go.
    Closed = 8,
    /// Either way: this session is over for you, and why.
    Reset = 9,
    /// Publisher to everybody: a session is here to be joined.
    Announce = 10,
}

impl Kind {
    fn from_code(code: u8) -> Option<Kind> {
        use Kind::*;
        [Data, Fragment, Ack, Syn, SynAck, Probe, Fin, FinAck, Closed, Reset, Announce]
            .get(usize::from(code))
            .copied()
    }

    /// Whether frames of this kind carry messages, are numbered densely and retransmitted.
    pub fn is_data(self) -> bool {
        matches!(self, Kind::Data | Kind::Fragment)
    }
}

/// The header of a frame, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the frame is for.
    pub kind: Kind,
    /// The session it belongs to; in a SYN, the id of the consumer that asks.
    pub session: SessionId,
    /// Counts the lives of a session; a frame of an earlier life is stale. 0 in a SYN.
    pub epoch: u32,
    /// The frame's number; in control frames a counter of their sender's own.
    pub seq: Seq,
    /// Digest of the body.
    pub digest: Digest,
}

/// Fields of the array; the check follows it.
const FIELDS: u32 = 6;

impl Header {
    /// Writes header and check; `out` ends up with what goes in front of the body.
    pub(super) fn encode(&self, key: Option<&Key>) -> PutHeader {
        let mut out = PutHeader::new();
        out.array(FIELDS);
        out.uint(u64::from(VERSION));
        out.uint(self.kind as u64);
        out.uint(self.session.0);
        out.uint(u64::from(self.epoch));
        out.uint(self.seq.get());
        match self.digest {
            Digest::None => out.bin(&[]),
            Digest::Crc32c(sum) => out.bin(&sum.to_be_bytes()),
            Digest::Blake3(hash) => out.bin(&hash),
        }
        match key {
            Some(key) => {
                let tag = key.tag(out.as_slice());
                out.bin(&tag);
            }
            None => {
                let sum = crc_fast::crc32_iscsi(out.as_slice());
                out.uint(u64::from(sum));
            }
        }
        out
    }

    /// Reads header and check off the front of `frame`; returns the header and where the body starts.
    pub(super) fn decode(frame: &[u8], key: Option<&Key>) -> Result<(Header, usize), WireError> {
        let mut cursor = Cursor::new(frame);
        let fields = cursor.array_len(u32::MAX, "header")?;
        let version: u8 = cursor.uint("version")?;
        if version != VERSION {
            return Err(WireError::Version { theirs: version });
        }
        if fields != FIELDS {
            return Err(WireError::Malformed("header"));
        }
        let kind = cursor.uint("kind")?;
        let session = cursor.session()?;
        let epoch = cursor.uint("epoch")?;
        let seq = cursor.seq("frame number")?;
        let digest = match cursor.bin(16, "digest")? {
            [] => Digest::None,
            &[a, b, c, d] => Digest::Crc32c(u32::from_be_bytes([a, b, c, d])),
            bytes => Digest::Blake3(bytes.try_into().map_err(|_| WireError::Malformed("digest"))?),
        };
        let covered = &frame[..cursor.position()];
        check(&mut cursor, covered, key)?;
        // Under anything weaker, the body behind an overheard header could be replaced at will.
        if key.is_some() && !matches!(digest, Digest::Blake3(_)) {
            return Err(WireError::Unauthenticated);
        }
        let kind = Kind::from_code(kind).ok_or(WireError::Malformed("kind"))?;
        Ok((Header { kind, session, epoch, seq, digest }, cursor.position()))
    }
}

/// The fields that stand at the front of every frame in every version of the wire. They tell whom to
/// answer where [`WireError::Version`] was all that could be said of the frame.
///
/// Nothing protects them: fit for a RESET to a consumer that asks to join, never a reason to end a
/// session that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// The version of the wire that the frame speaks.
    pub version: u8,
    /// What the frame is for; `None` where this version knows no such kind.
    pub kind: Option<Kind>,
    /// The session it belongs to; in a SYN, the id of the consumer that asks.
    pub session: SessionId,
}

impl Preamble {
    /// Reads the front of a frame of any version.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`], [`WireError::Malformed`] or [`WireError::OutOfRange`], where the bytes
    /// do not begin as a frame of any version does.
    pub fn decode(frame: &[u8]) -> Result<Preamble, WireError> {
        let mut cursor = Cursor::new(frame);
        cursor.array_len(u32::MAX, "header")?;
        let version = cursor.uint("version")?;
        let kind = Kind::from_code(cursor.uint("kind")?);
        Ok(Preamble { version, kind, session: cursor.session()? })
    }
}

/// The check behind the header: a crc32c where no key is set, else a tag made with the key.
fn check(cursor: &mut Cursor<'_>, covered: &[u8], key: Option<&Key>) -> Result<(), WireError> {
    let tagged = matches!(cursor.peek().ok_or(WireError::Truncated)?, Marker::Bin8);
    match (key, tagged) {
        (Some(key), true) => {
            let tag = cursor.bin(16, "check")?.try_into().map_err(|_| WireError::WrongKey)?;
            // In constant time, so that a tag cannot be guessed byte by byte.
            let genuine = constant_time_eq_16(tag, &key.tag(covered));
            if genuine { Ok(()) } else { Err(WireError::WrongKey) }
        }
        (Some(_), false) => Err(WireError::Unauthenticated),
        (None, true) => Err(WireError::WrongKey),
        (None, false) => {
            let sum: u32 = cursor.uint("check")?;
            if sum == crc_fast::crc32_iscsi(covered) {
                Ok(())
            } else {
                Err(WireError::Corrupt("header"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
