//! Seals whole frames for sending, and opens received frames.

use bytes::{Bytes, BytesMut};

use super::MAX_HEADER;
use super::control::Control;
use super::digest::{Digest, Integrity, Key};
use super::error::WireError;
use super::header::Header;
use super::seq::{Seq, SessionId};

/// A received frame with a decoded header. The check matches the header, and the digest matches the
/// body.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The header.
    pub header: Header,
    /// The body, a slice of the buffer that holds the frame.
    pub body: Bytes,
}

impl Frame {
    /// Decodes the content of a control frame. Returns `None` for a data frame.
    ///
    /// # Errors
    ///
    /// Returns [`WireError::Truncated`], [`WireError::Malformed`] or [`WireError::OutOfRange`] if
    /// the body is not a body of this kind.
    pub fn control(&self) -> Option<Result<Control, WireError>> {
        Control::decode(self.header.kind, &self.body)
    }
}

/// A received frame whose header is decoded and checked, and whose body is not checked yet.
///
/// The header is read-only, so that it always belongs to this frame.
#[derive(Debug, Clone)]
pub struct Unopened<'a> {
    frame: &'a Bytes,
    header: Header,
    body_start: usize,
}

impl Unopened<'_> {
    /// Returns the header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Compares the digest with the body, and returns the frame.
    ///
    /// A control frame must carry a digest. For data frames the caller must check that the digest
    /// is of the kind which the session prescribes.
    ///
    /// # Errors
    ///
    /// Returns [`WireError::Corrupt`] if the digest does not match the body, or a control frame has
    /// none.
    pub fn open(self) -> Result<Frame, WireError> {
        let Unopened { frame, header, body_start } = self;
        if !header.kind.is_data() && header.digest == Digest::None {
            return Err(WireError::Corrupt("body"));
        }
        let body = frame.slice(body_start..);
        if !header.digest.matches(&body) {
            return Err(WireError::Corrupt("body"));
        }
        Ok(Frame { header, body })
    }
}

/// Seals and opens frames, with a shared key if there is one.
#[derive(Debug, Clone, Default)]
pub struct Sealer {
    key: Option<Key>,
}

impl Sealer {
    /// Creates a sealer. Without a key, the check of each header is a crc32c. With a key, the check
    /// is a tag that only holders of the key can compute.
    pub fn new(key: Option<Key>) -> Sealer {
        Sealer { key }
    }

    /// Returns true if a key is set.
    pub fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// Writes the header in front of the body and returns the frame, without copying the body.
    ///
    /// The first [`MAX_HEADER`] bytes of `buf` are free space for the header, as in the buffers of
    /// [`super::OpenFrame`] and [`super::encode_fragment`]. If a key is set, the header's digest
    /// must be blake3, because receivers refuse any other.
    ///
    /// # Panics
    ///
    /// Panics if `buf` is shorter than [`MAX_HEADER`] bytes.
    pub fn seal_data(&self, mut buf: BytesMut, header: &Header) -> Bytes {
        let start = self.put_header(&mut buf[..MAX_HEADER], header);
        let mut frame = buf.freeze();
        bytes::Buf::advance(&mut frame, start);
        frame
    }

    /// Writes the header to the end of `space`, so that a body which follows `space` completes the
    /// frame. Returns the offset in `space` at which the frame starts.
    ///
    /// # Panics
    ///
    /// Panics if `space` is too short for this header. [`MAX_HEADER`] bytes hold any header.
    pub fn put_header(&self, space: &mut [u8], header: &Header) -> usize {
        let encoded = header.encode(self.key.as_ref());
        let start = space.len() - encoded.as_slice().len();
        space[start..].copy_from_slice(encoded.as_slice());
        start
    }

    /// Returns a control frame. The digest of its body is blake3 if a key is set, otherwise crc32c.
    pub fn seal_control(
        &self,
        session: SessionId,
        epoch: u32,
        seq: Seq,
        control: &Control,
    ) -> Bytes {
        let body = control.encode();
        let integrity = if self.is_keyed() { Integrity::Blake3 } else { Integrity::Crc32c };
        let header =
            Header { kind: control.kind(), session, epoch, seq, digest: integrity.digest(&body) };
        let encoded = header.encode(self.key.as_ref());
        let mut frame = Vec::with_capacity(encoded.as_slice().len() + body.len());
        frame.extend_from_slice(encoded.as_slice());
        frame.extend_from_slice(&body);
        Bytes::from(frame)
    }

    /// Decodes and checks the header only.
    ///
    /// # Errors
    ///
    /// Returns any [`WireError`] that concerns the header.
    pub fn peek(&self, frame: &[u8]) -> Result<Header, WireError> {
        Header::decode(frame, self.key.as_ref()).map(|(header, _)| header)
    }

    /// Decodes and checks the header, and leaves the body for [`Unopened::open`].
    ///
    /// The caller can drop a frame of another session by its header, before the body is hashed.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Sealer::peek`].
    pub fn begin<'a>(&self, frame: &'a Bytes) -> Result<Unopened<'a>, WireError> {
        let (header, body_start) = Header::decode(frame, self.key.as_ref())?;
        Ok(Unopened { frame, header, body_start })
    }

    /// Decodes a frame, and checks its header and its body.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Sealer::begin`] and [`Unopened::open`].
    pub fn open(&self, frame: &Bytes) -> Result<Frame, WireError> {
        self.begin(frame)?.open()
    }
}

#[cfg(test)]
mod tests;
