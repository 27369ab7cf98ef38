//! The rules of the stream, from what can be seen on the bus alone.

use std::collections::{BTreeMap, VecDeque};

use super::{Node, Transit};
use crate::proto::{Dest, Transmit};
use crate::wire::{Control, Credit, Frame, PeerId, Sealer, SessionId};

/// Frames remembered to be shown when a rule is broken.
const SHOWN: usize = 48;

/// What one session has sent and may send.
#[derive(Default)]
struct Stream {
    /// Where each data frame ends in the session's bytes, by its number.
    ends: Vec<u64>,
    windows: BTreeMap<PeerId, Credit>,
    /// The most that each consumer ever allowed.
    told: BTreeMap<PeerId, Credit>,
}

pub(super) struct Checker {
    sealers: Vec<Sealer>,
    streams: BTreeMap<SessionId, Stream>,
    recent: VecDeque<Transit>,
}

impl Checker {
    pub(super) fn new(sealers: Vec<Sealer>) -> Checker {
        Checker { sealers, streams: BTreeMap::new(), recent: VecDeque::new() }
    }

    /// Opens a frame with whichever key fits.
    pub(super) fn open(&self, transmit: &Transmit) -> Option<Frame> {
        self.sealers.iter().find_map(|sealer| sealer.open(&transmit.frame).ok())
    }

    pub(super) fn note_transit(&mut self, transit: Transit) {
        if self.recent.len() == SHOWN {
            self.recent.pop_front();
        }
        self.recent.push_back(transit);
    }

    /// The last frames, one a line.
    pub(super) fn recent(&self) -> String {
        self.recent.iter().map(|transit| format!("  {transit}\n")).collect()
    }

    /// A member is gone: its credit binds nobody any more.
    pub(super) fn forget(&mut self, session: SessionId, peer: PeerId) {
        if let Some(stream) = self.streams.get_mut(&session) {
            stream.told.remove(&peer);
            stream.windows.remove(&peer);
        }
    }

    /// Looks at a frame as it is sent.
    pub(super) fn check(&mut self, from: Node, to: Dest, frame: &Frame) -> Result<(), String> {
        let stream = self.streams.entry(frame.header.session).or_default();
        match (from, frame.control()) {
            (_, Some(Err(error))) => Err(format!("a control frame does not decode: {error}")),
            (Node::Publisher(_), Some(Ok(Control::SynAck(syn_ack)))) => {
                let start = Credit { frames: syn_ack.start, bytes: syn_ack.start_bytes };
                stream.windows.entry(syn_ack.peer).or_insert(start);
                Ok(())
            }
            (Node::Consumer(_), Some(Ok(Control::Ack(ack)))) => {
                let told = stream.told.entry(ack.peer).or_default();
                if ack.credit.frames < told.frames || ack.credit.bytes < told.bytes {
                    return Err(format!("{} took back credit", ack.peer));
                }
                *told = ack.credit;
                Ok(())
            }
            (Node::Publisher(_), None) => stream.check_data(to, frame),
            (Node::Consumer(_), None) => Err("a consumer sent data".to_owned()),
            _ => Ok(()),
        }
    }

    /// A consumer's SYN names its window; until it reports, that is its credit.
    pub(super) fn joins(
        &mut self,
        session: SessionId,
        peer: PeerId,
        window_frames: u64,
        window_bytes: u64,
    ) {
        let Some(stream) = self.streams.get_mut(&session) else { return };
        if let Some(start) = stream.windows.get(&peer) {
            let credit = Credit {
                frames: start.frames.advance(window_frames),
                bytes: start.bytes.saturating_add(window_bytes),
            };
            let told = stream.told.entry(peer).or_insert(credit);
            *told = told.max(credit);
        }
    }
}

impl Stream {
    fn check_data(&mut self, to: Dest, frame: &Frame) -> Result<(), String> {
        let seq = frame.header.seq;
        let next = self.ends.len() as u64;
        match to {
            Dest::Publisher => return Err("data went to the publisher".to_owned()),
            Dest::Peer(_) if seq.get() >= next => {
                return Err(format!("frame {seq} was repeated before it was sent"));
            }
            Dest::Peer(_) => return Ok(()),
            Dest::Group if seq.get() != next => {
                return Err(format!("frame {seq} was sent where {next} was due"));
            }
            Dest::Group => {}
        }
        let end = self.ends.last().copied().unwrap_or(0) + frame.body.len() as u64;
        self.ends.push(end);
        for (peer, credit) in &self.told {
            if seq >= credit.frames || end > credit.bytes {
                return Err(format!(
                    "frame {seq}, ending at byte {end}, was sent beyond the credit of {peer}: {credit:?}"
                ));
            }
        }
        Ok(())
    }
}
