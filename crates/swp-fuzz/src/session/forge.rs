//! Frames that no endpoint sent.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use swp_fast::wire::{
    Ack, Announce, Control, Credit, Fin, FinAck, Header, Integrity, Key, Kind, PeerId, Probe,
    Reset, ResetCode, Resume, SackRanges, Sealer, Seq, SessionId, Syn, SynAck,
};

use super::{Trust, World};
use crate::frames::put;

impl World {
    /// Raw bytes, or a genuine frame that was changed on the way.
    pub(super) fn noise(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let to = u.choose_index(self.consumers.len() + 1)?;
        let mut frame = match self.log.is_empty() || u.ratio(1, 4)? {
            true => Vec::new(),
            false => self.log[u.choose_index(self.log.len())?].to_vec(),
        };
        for _ in 0..u.int_in_range(0..=3)? {
            if !frame.is_empty() {
                let at = u.choose_index(frame.len())?;
                frame[at] ^= u8::arbitrary(u)?;
            }
        }
        let extra = u.int_in_range(0..=16)?;
        frame.extend_from_slice(u.bytes(extra.min(u.len()))?);
        if u.ratio(1, 4)? {
            frame.truncate(u.choose_index(frame.len() + 1)?);
        }
        self.hand_over(to, &Bytes::from(frame));
        Ok(())
    }

    /// A well-formed frame that is not genuine. If a key protects the session, the frame is made
    /// without that key, else with everything that an endpoint has.
    pub(super) fn forge(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let to = u.choose_index(self.consumers.len() + 1)?;
        let sealer = match self.trust {
            Trust::Forged => self.sealer.clone(),
            _ if bool::arbitrary(u)? => Sealer::new(Some(Key::from_bytes([1; 32]))),
            _ => Sealer::default(),
        };
        let session = match u.int_in_range(0..=4)? {
            0..=2 => self.ids.session,
            3 => SessionId(self.peer(u)?.0),
            _ => SessionId(u64::arbitrary(u)?),
        };
        let epoch = if u.ratio(7, 8)? { self.ids.epoch } else { u32::arbitrary(u)? };
        let seq = self.seq(u)?;
        let frame = match u.int_in_range(0..=10)? {
            0..=8 => {
                let control = self.control(u)?;
                // The session of a SYN is its sender's own id, or the SYN is not accepted.
                let session = match &control {
                    Control::Syn(syn) if u.ratio(7, 8)? => SessionId(syn.peer.0),
                    _ => session,
                };
                sealer.seal_control(session, epoch, seq, &control)
            }
            _ => {
                let kind = *u.choose(Kind::ALL)?;
                let kind = if u.ratio(3, 4)? { Kind::Data } else { kind };
                let integrity =
                    *u.choose(&[Integrity::Blake3, Integrity::Crc32c, Integrity::None])?;
                let len = u.int_in_range(0..=400)?.min(u.len());
                let body = u.bytes(len)?;
                let digest = integrity.digest(body);
                put(&sealer, &Header { kind, session, epoch, seq, digest }, body)
            }
        };
        self.hand_over(to, &frame);
        Ok(())
    }

    /// A sequence number: near the bounds, near the newest frame, or any.
    fn seq(&self, u: &mut Unstructured<'_>) -> arbitrary::Result<Seq> {
        let value = match u.int_in_range(0..=3)? {
            0 => u64::from(u8::arbitrary(u)?),
            1 => swp_fast::wire::MAX_SEQ - u64::from(u8::arbitrary(u)?),
            2 => (self.sender.sent().get() + 8).saturating_sub(u.int_in_range(0..=16)?),
            _ => u64::arbitrary(u)?,
        };
        Ok(Seq::ZERO.advance(value))
    }

    fn peer(&self, u: &mut Unstructured<'_>) -> arbitrary::Result<PeerId> {
        Ok(match u.int_in_range(0..=5)? {
            0..=3 => self.consumers[u.choose_index(self.consumers.len())?].id,
            4 => self.ids.inbox,
            _ => PeerId(u64::arbitrary(u)?),
        })
    }

    fn count(&self, u: &mut Unstructured<'_>) -> arbitrary::Result<u64> {
        self.seq(u).map(Seq::get)
    }

    fn control(&self, u: &mut Unstructured<'_>) -> arbitrary::Result<Control> {
        let peer = self.peer(u)?;
        let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| !kind.is_data()).collect();
        Ok(match *u.choose(&kinds)? {
            // No control frame, so not among `kinds`.
            Kind::Data | Kind::Fragment => return Err(arbitrary::Error::IncorrectFormat),
            Kind::Ack => Control::Ack(self.ack(u, peer)?),
            Kind::Syn => Control::Syn(Syn {
                peer,
                name: "\u{1b}[2J intruder".to_owned(),
                tag: String::new(),
                window_frames: self.count(u)?,
                window_bytes: self.count(u)?,
                max_message_bytes: self.count(u)?,
                resume: if u.ratio(1, 3)? { Some(self.resume(u)?) } else { None },
            }),
            Kind::SynAck => Control::SynAck(SynAck {
                peer,
                start: self.seq(u)?,
                start_bytes: self.count(u)?,
                integrity: *u.choose(&[Integrity::Blake3, Integrity::Crc32c, Integrity::None])?,
                max_body_bytes: u32::arbitrary(u)?,
                max_message_bytes: self.count(u)?,
                keep_alive: Duration::from_millis(u64::from(u16::arbitrary(u)?)),
                idle_timeout: Duration::from_millis(u64::from(u32::arbitrary(u)?)),
                consumers: u32::arbitrary(u)?,
                generation: u.int_in_range(0..=3)?,
                paces: bool::arbitrary(u)?,
            }),
            Kind::Probe => {
                let peer = if bool::arbitrary(u)? { Some(peer) } else { None };
                let (number, next) = (self.count(u)?, self.seq(u)?);
                let (consumers, generation) = (u32::arbitrary(u)?, u.int_in_range(0..=3)?);
                Control::Probe(Probe { peer, number, next, consumers, generation })
            }
            Kind::Fin => {
                Control::Fin(Fin { end: self.seq(u)?, trailer: Bytes::from_static(b"forged") })
            }
            Kind::FinAck => Control::FinAck(FinAck { peer }),
            Kind::Closed => Control::Closed(FinAck { peer }),
            Kind::Reset => {
                let code = *u.choose(ResetCode::ALL)?;
                Control::Reset(Reset { peer, code, reason: "forged".to_owned() })
            }
            Kind::Announce => Control::Announce(Announce { peer, claiming: bool::arbitrary(u)? }),
        })
    }

    fn resume(&self, u: &mut Unstructured<'_>) -> arbitrary::Result<Resume> {
        let next = self.seq(u)?;
        Ok(Resume {
            session: self.ids.session,
            epoch: if u.ratio(7, 8)? { self.ids.epoch } else { u32::arbitrary(u)? },
            peer: self.peer(u)?,
            next,
            next_bytes: self.count(u)?,
            sack: self.sack(u, next)?,
        })
    }

    fn sack(&self, u: &mut Unstructured<'_>, cumulative: Seq) -> arbitrary::Result<SackRanges> {
        let mut sack = SackRanges::default();
        let mut last = cumulative;
        for _ in 0..u.int_in_range(0..=33)? {
            let start = last.advance(u.int_in_range(1..=4)?);
            let end = start.advance(u.int_in_range(1..=4)?);
            sack.push(start, end);
            last = end;
        }
        Ok(sack)
    }

    fn ack(&self, u: &mut Unstructured<'_>, peer: PeerId) -> arbitrary::Result<Ack> {
        let cumulative = self.seq(u)?;
        let sack = self.sack(u, cumulative)?;
        Ok(Ack {
            peer,
            cumulative,
            sack,
            credit: Credit { frames: self.seq(u)?, bytes: self.count(u)? },
            latest: if bool::arbitrary(u)? { Some(self.seq(u)?) } else { None },
            delay_us: u32::arbitrary(u)?,
            probe: self.count(u)?,
            probe_delay_us: u32::arbitrary(u)?,
            generation: u.int_in_range(0..=3)?,
            duplicates: self.count(u)?,
            dropped: self.count(u)?,
        })
    }
}
