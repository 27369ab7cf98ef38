//! Whole frames: sealing one for the bus, opening one that came from it.

use bytes::{Bytes, BytesMut};

use super::ack::Ack;
use super::digest::{Digest, Integrity, Key};
use super::error::WireError;
use super::handshake::{Announce, Fin, FinAck, Probe, Reset, Syn, SynAck};
use super::header::{Header, Kind, MAX_HEADER};
use super::seq::{Seq, SessionId};

/// A frame from the network: decoded, its header checked, its body's digest compared.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The header.
    pub header: Header,
    /// The body, a slice of the frame's own buffer.
    pub body: Bytes,
}

/// The content of a control frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// See [`Ack`].
    Ack(Ack),
    /// See [`Syn`].
    Syn(Syn),
    /// See [`SynAck`].
    SynAck(SynAck),
    /// See [`Probe`].
    Probe(Probe),
    /// See [`Fin`].
    Fin(Fin),
    /// The consumer is through.
    FinAck(FinAck),
    /// The FIN-ACK was heard.
    Closed(FinAck),
    /// See [`Reset`].
    Reset(Reset),
    /// See [`Announce`].
    Announce(Announce),
}

impl Control {
    /// The kind of frame that carries it.
    pub fn kind(&self) -> Kind {
        match self {
            Control::Ack(_) => Kind::Ack,
            Control::Syn(_) => Kind::Syn,
            Control::SynAck(_) => Kind::SynAck,
            Control::Probe(_) => Kind::Probe,
            Control::Fin(_) => Kind::Fin,
            Control::FinAck(_) => Kind::FinAck,
            Control::Closed(_) => Kind::Closed,
            Control::Reset(_) => Kind::Reset,
            Control::Announce(_) => Kind::Announce,
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Control::Ack(ack) => ack.encode(),
            Control::Syn(syn) => syn.encode(),
            Control::SynAck(syn_ack) => syn_ack.encode(),
            Control::Probe(probe) => probe.encode(),
            Control::Fin(fin) => fin.encode(),
            Control::FinAck(fin_ack) | Control::Closed(fin_ack) => fin_ack.encode(),
            Control::Reset(reset) => reset.encode(),
            Control::Announce(announce) => announce.encode(),
        }
    }
}

impl Frame {
    /// The content, where this is a control frame; `None` where it carries messages.
    pub fn control(&self) -> Option<Result<Control, WireError>> {
        let body = &self.body;
        Some(match self.header.kind {
            Kind::Data | Kind::Fragment => return None,
            Kind::Ack => Ack::decode(body).map(Control::Ack),
            Kind::Syn => Syn::decode(body).map(Control::Syn),
            Kind::SynAck => SynAck::decode(body).map(Control::SynAck),
            Kind::Probe => Probe::decode(body).map(Control::Probe),
            Kind::Fin => Fin::decode(body).map(Control::Fin),
            Kind::FinAck => FinAck::decode(body).map(Control::FinAck),
            Kind::Closed => FinAck::decode(body).map(Control::Closed),
            Kind::Reset => Reset::decode(body).map(Control::Reset),
            Kind::Announce => Announce::decode(body).map(Control::Announce),
        })
    }
}

/// A frame whose header was decoded and checked, and whose body was not looked at. Read-only, so that it stays
/// the header of this frame.
#[derive(Debug, Clone)]
pub struct Unopened<'a> {
    frame: &'a Bytes,
    header: Header,
    body_start: usize,
}

impl Unopened<'_> {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Checks the body. A control frame must carry a digest; which one a data frame must carry is the session's
    /// to say.
    ///
    /// # Errors
    ///
    /// [`WireError::Corrupt`] for the body.
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

/// Makes and checks the frames of one session, with its key if it has one.
#[derive(Debug, Clone, Default)]
pub struct Sealer {
    key: Option<Key>,
}

impl Sealer {
    /// Without a key, headers carry a crc32c; with one, a tag that only its holders can make.
    pub fn new(key: Option<Key>) -> Sealer {
        Sealer { key }
    }

    /// Whether a key is set.
    pub fn is_keyed(&self) -> bool {
        self.key.is_some()
    }

    /// Puts the header into the room in front of the body and returns the frame. `buf` starts with
    /// [`MAX_HEADER`] bytes of room, as [`super::OpenFrame`] and [`super::encode_fragment`] make it.
    /// With a key set, the header's digest must be blake3: any other is refused by its readers.
    ///
    /// # Panics
    ///
    /// Where `buf` is shorter than that room.
    pub fn seal_data(&self, mut buf: BytesMut, header: &Header) -> Bytes {
        let start = self.put_header(&mut buf[..MAX_HEADER], header);
        let mut frame = buf.freeze();
        bytes::Buf::advance(&mut frame, start);
        frame
    }

    /// Writes the header to the very end of `room`, so that it touches the body behind it; returns where
    /// in `room` the frame starts.
    ///
    /// # Panics
    ///
    /// Where `room` is too short for this header; [`MAX_HEADER`] bytes hold any.
    pub fn put_header(&self, room: &mut [u8], header: &Header) -> usize {
        let encoded = header.encode(self.key.as_ref());
        let start = room.len() - encoded.as_slice().len();
        room[start..].copy_from_slice(encoded.as_slice());
        start
    }

    /// A control frame. Its body is protected by crc32c, or by blake3 where a key is set.
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
    /// Every [`WireError`] but one: of the body nothing is said.
    pub fn peek(&self, frame: &[u8]) -> Result<Header, WireError> {
        Header::decode(frame, self.key.as_ref()).map(|(header, _)| header)
    }

    /// Likewise, of a frame that is opened if it is wanted: whose it is can be found out before its body is
    /// hashed, and the header is read once.
    ///
    /// # Errors
    ///
    /// As [`Sealer::peek`].
    pub fn begin<'a>(&self, frame: &'a Bytes) -> Result<Unopened<'a>, WireError> {
        let (header, body_start) = Header::decode(frame, self.key.as_ref())?;
        Ok(Unopened { frame, header, body_start })
    }

    /// Decodes a frame and checks it whole.
    ///
    /// # Errors
    ///
    /// All that [`Sealer::begin`] and [`Unopened::open`] say.
    pub fn open(&self, frame: &Bytes) -> Result<Frame, WireError> {
        self.begin(frame)?.open()
    }
}

#[cfg(test)]
mod tests;
