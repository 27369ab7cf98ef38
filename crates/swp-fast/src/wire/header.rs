//! The header in front of the body of every frame, and the check that protects it.

use constant_time_eq::constant_time_eq_16;
use rmp::Marker;

use super::VERSION;
use super::control::Kind;
use super::cursor::Cursor;
use super::digest::{Digest, Key};
use super::error::WireError;
use super::put::PutHeader;
use super::seq::{Seq, SessionId};

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The kind of the frame.
    pub kind: Kind,
    /// The session of the frame. In a SYN, the id of the consumer that asks to join.
    pub session: SessionId,
    /// Counts the restarts of the session. A frame of an earlier epoch is stale. 0 in a SYN.
    pub epoch: u32,
    /// The sequence number of a data frame. In a control frame, a count that its sender keeps.
    pub seq: Seq,
    /// The digest of the body.
    pub digest: Digest,
}

/// The number of values in the header's array. The check follows the array.
const FIELDS: u32 = 6;

impl Header {
    /// Returns header and check, which together precede the body.
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

    /// Decodes header and check at the front of `frame`. Returns the header, and the offset of the
    /// body in `frame`.
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
        let seq = cursor.seq("sequence number")?;
        let digest = match cursor.bin(16, "digest")? {
            [] => Digest::None,
            &[a, b, c, d] => Digest::Crc32c(u32::from_be_bytes([a, b, c, d])),
            bytes => Digest::Blake3(bytes.try_into().map_err(|_| WireError::Malformed("digest"))?),
        };
        let covered = &frame[..cursor.position()];
        check(&mut cursor, covered, key)?;
        // With a weaker digest, an attacker could put another body behind a genuine header.
        if key.is_some() && !matches!(digest, Digest::Blake3(_)) {
            return Err(WireError::Unauthenticated);
        }
        let kind = Kind::from_code(kind).ok_or(WireError::Malformed("kind"))?;
        Ok((Header { kind, session, epoch, seq, digest }, cursor.position()))
    }
}

/// The fields at the front of every frame, in every version of the wire. A publisher can read the
/// sender of a SYN from these fields after [`WireError::Version`].
///
/// No check protects these fields. A publisher may use the fields to answer a SYN with a RESET. An
/// open session must never end because of these fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preamble {
    /// The wire version of the frame.
    pub version: u8,
    /// The kind of the frame, or `None` if this version has no such kind.
    pub kind: Option<Kind>,
    /// The session of the frame. In a SYN, the id of the consumer that asks to join.
    pub session: SessionId,
}

impl Preamble {
    /// Decodes the front of a frame of any version.
    ///
    /// # Errors
    ///
    /// Returns [`WireError::Truncated`], [`WireError::Malformed`] or [`WireError::OutOfRange`] if
    /// the bytes do not begin like a frame of any version.
    pub fn decode(frame: &[u8]) -> Result<Preamble, WireError> {
        let mut cursor = Cursor::new(frame);
        cursor.array_len(u32::MAX, "header")?;
        let version = cursor.uint("version")?;
        let kind = Kind::from_code(cursor.uint("kind")?);
        Ok(Preamble { version, kind, session: cursor.session()? })
    }
}

/// Reads and compares the check behind the header: a tag if a key is set, otherwise a crc32c.
fn check(cursor: &mut Cursor<'_>, covered: &[u8], key: Option<&Key>) -> Result<(), WireError> {
    let tagged = matches!(cursor.peek().ok_or(WireError::Truncated)?, Marker::Bin8);
    match (key, tagged) {
        (Some(key), true) => {
            let tag = cursor.bin(16, "check")?.try_into().map_err(|_| WireError::WrongKey)?;
            // In constant time: otherwise an attacker could find a tag byte by byte.
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
