//! Support for tests and benchmarks.
//!
//! [`ack`], [`syn`] and [`probe`] build the bodies of control frames, and [`Frames`] makes the
//! frames that a publisher or a consumer of a session would send. [`Pair`] is a publisher and one
//! consumer on a bus without time or loss.
//!
//! ```
//! use swp_fast::testing::{Frames, ack, seq};
//! use swp_fast::wire::{Control, PeerId, SessionId};
//!
//! let frames = Frames::new(SessionId(7), 1);
//! let ack = ack(PeerId(9), 4).with_sack(&[(6, 8)]).with_credit(100, 1 << 20);
//! let frame = frames.control(1, &Control::Ack(ack));
//! assert_eq!(frames.open(&frame).header.seq, seq(1));
//! ```

mod pair;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

pub use pair::{Pair, exchange};

use crate::time::Time;
use crate::wire::{
    Ack, Control, Credit, Frame, Header, Integrity, Key, Kind, MAX_HEADER, OpenFrame, PeerId,
    Probe, Reset, ResetCode, Resume, SackRanges, Sealer, Seq, SessionId, Syn, SynAck,
    encode_fragment,
};

/// The sequence number with this value, held at [`crate::wire::MAX_SEQ`].
pub fn seq(value: u64) -> Seq {
    Seq::ZERO.advance(value)
}

/// The time `ms` milliseconds after the origin.
pub fn at_ms(ms: u64) -> Time {
    Time::from_nanos(ms.saturating_mul(1_000_000))
}

/// The time `us` microseconds after the origin.
pub fn at_us(us: u64) -> Time {
    Time::from_nanos(us.saturating_mul(1_000))
}

/// SACK ranges `[start, end)`.
///
/// # Panics
/// If the ranges do not ascend, touch each other, or are too many for an ack.
pub fn sack(ranges: &[(u64, u64)]) -> SackRanges {
    let mut sack = SackRanges::default();
    for &(start, end) in ranges {
        assert!(sack.push(seq(start), seq(end)), "{start}..{end} cannot stand in {ranges:?}");
    }
    sack
}

/// An ack of every frame below `cumulative`, of which the last arrived last. The ack grants no
/// credit, answers no probe, and names the first generation of the group.
pub fn ack(peer: PeerId, cumulative: u64) -> Ack {
    Ack {
        peer,
        cumulative: seq(cumulative),
        sack: SackRanges::default(),
        credit: Credit::default(),
        latest: cumulative.checked_sub(1).map(seq),
        delay_us: 0,
        probe: 0,
        probe_delay_us: 0,
        generation: crate::proto::FIRST_GENERATION,
        duplicates: 0,
        dropped: 0,
    }
}

/// Changes one field each, for acks that are built in one expression.
impl Ack {
    /// With these SACK ranges; see [`sack`].
    #[must_use]
    pub fn with_sack(self, ranges: &[(u64, u64)]) -> Ack {
        Ack { sack: sack(ranges), ..self }
    }

    /// With credit for frames below `frames`, and bytes up to `bytes`.
    #[must_use]
    pub fn with_credit(self, frames: u64, bytes: u64) -> Ack {
        Ack { credit: Credit { frames: seq(frames), bytes }, ..self }
    }

    /// With this frame as the newest that arrived.
    #[must_use]
    pub fn with_latest(self, latest: u64) -> Ack {
        Ack { latest: Some(seq(latest)), ..self }
    }

    /// As the answer to the probe with this number.
    #[must_use]
    pub fn with_probe(self, number: u64) -> Ack {
        Ack { probe: number, ..self }
    }
}

/// The SYN of a consumer without a name or tag. The consumer accepts messages of any length.
pub fn syn(peer: PeerId, window_frames: u64, window_bytes: u64) -> Syn {
    let (name, tag) = (String::new(), String::new());
    let max_message_bytes = u64::MAX;
    Syn { peer, name, tag, window_frames, window_bytes, max_message_bytes, resume: None }
}

/// The SYN-ACK that admits a consumer at this frame and byte offset, as its publisher's only
/// consumer. Frames carry crc32c, and bodies and messages hold up to 1,000 bytes.
pub fn syn_ack(peer: PeerId, start: u64, start_bytes: u64) -> SynAck {
    SynAck {
        peer,
        start: seq(start),
        start_bytes,
        integrity: Integrity::Crc32c,
        max_body_bytes: 1_000,
        max_message_bytes: 1_000,
        keep_alive: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(10),
        consumers: 1,
        generation: crate::proto::FIRST_GENERATION,
        paces: true,
    }
}

/// The probe with this number. The publisher has one consumer, sends to the first generation of the
/// group, and has sent every frame below `next`. Without `peer` the probe addresses every consumer.
pub fn probe(peer: Option<PeerId>, number: u64, next: u64) -> Probe {
    let generation = crate::proto::FIRST_GENERATION;
    Probe { peer, number, next: seq(next), consumers: 1, generation }
}

/// A body with these messages, behind [`MAX_HEADER`] bytes of space.
pub fn packed(messages: &[&[u8]]) -> BytesMut {
    let len: usize = messages.iter().map(|message| crate::wire::message_len(message.len())).sum();
    // Only a limit below one hash run makes a frame that is full exactly at its limit.
    let mut open = OpenFrame::unhashed(len);
    messages.iter().for_each(|message| assert!(open.push(message), "the frame is large enough"));
    open.into_buf()
}

/// Makes and opens the frames of one session.
#[derive(Debug, Clone)]
pub struct Frames {
    session: SessionId,
    epoch: u32,
    integrity: Integrity,
    sealer: Sealer,
}

impl Frames {
    /// Frames without a key, and with crc32c as the digest of data frames.
    pub fn new(session: SessionId, epoch: u32) -> Frames {
        Frames { session, epoch, integrity: Integrity::Crc32c, sealer: Sealer::default() }
    }

    /// With this digest of data frames.
    #[must_use]
    pub fn with_integrity(self, integrity: Integrity) -> Frames {
        Frames { integrity, ..self }
    }

    /// With a key, and so with blake3.
    #[must_use]
    pub fn with_key(self, key: Key) -> Frames {
        let (integrity, sealer) = (Integrity::Blake3, Sealer::new(Some(key)));
        Frames { integrity, sealer, ..self }
    }

    /// A control frame with this sequence number.
    pub fn control(&self, number: u64, control: &Control) -> Bytes {
        self.sealer.seal_control(self.session, self.epoch, seq(number), control)
    }

    /// A SYN, in whose header the consumer's id stands for the session.
    pub fn syn(&self, syn: Syn) -> Bytes {
        let id = SessionId(syn.peer.0);
        self.sealer.seal_control(id, 0, Seq::ZERO, &Control::Syn(syn))
    }

    /// The SYN of a consumer that resumes this session at frame `next`. The consumer had the id
    /// `former` before.
    pub fn resume(&self, syn: Syn, former: PeerId, next: u64, next_bytes: u64) -> Bytes {
        let resume = Resume {
            session: self.session,
            epoch: self.epoch,
            peer: former,
            next: seq(next),
            next_bytes,
            sack: SackRanges::default(),
        };
        self.syn(Syn { resume: Some(resume), ..syn })
    }

    /// A RESET without a reason.
    pub fn reset(&self, number: u64, peer: PeerId, code: ResetCode) -> Bytes {
        let reason = String::new();
        self.control(number, &Control::Reset(Reset { peer, code, reason }))
    }

    /// A data frame with these messages.
    pub fn data(&self, number: u64, messages: &[&[u8]]) -> Bytes {
        self.seal(number, Kind::Data, packed(messages))
    }

    /// A frame with the part of a message of `total` bytes that begins at `offset`.
    pub fn fragment(&self, number: u64, total: u64, offset: u64, part: &[u8]) -> Bytes {
        self.seal(number, Kind::Fragment, encode_fragment(total, offset, part))
    }

    /// A frame of any kind with any body, also with a body that does not decode.
    pub fn raw(&self, number: u64, kind: Kind, body: &[u8]) -> Bytes {
        let mut buf = BytesMut::zeroed(MAX_HEADER);
        buf.put_slice(body);
        self.seal(number, kind, buf)
    }

    /// A frame with the body in `buf`, behind [`MAX_HEADER`] bytes of space.
    pub fn seal(&self, number: u64, kind: Kind, buf: BytesMut) -> Bytes {
        let digest = self.integrity.digest(&buf[MAX_HEADER..]);
        let (session, epoch) = (self.session, self.epoch);
        self.sealer.seal_data(buf, &Header { kind, session, epoch, seq: seq(number), digest })
    }

    /// Opens a frame of any session.
    ///
    /// # Panics
    /// If the frame does not open.
    pub fn open(&self, frame: &Bytes) -> Frame {
        match self.sealer.open(frame) {
            Ok(frame) => frame,
            Err(error) => panic!("the frame does not open: {error}"),
        }
    }

    /// Opens a control frame of any session.
    ///
    /// # Panics
    /// If the frame does not open, or is not a control frame.
    pub fn open_control(&self, frame: &Bytes) -> Control {
        match self.open(frame).control() {
            Some(Ok(control)) => control,
            other => panic!("a control frame was expected, not {other:?}"),
        }
    }
}
