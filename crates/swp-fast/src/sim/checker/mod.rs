//! The rules of a stream, checked from outside: from the frames that are sent, from what the
//! network hands over, and from what the applications read.

mod peer;
mod stream;

use std::collections::{BTreeMap, VecDeque};

use super::frames::FrameLog;
use super::network::Label;
use super::{Node, Transit};
use crate::proto::{Dest, Transmit};
use crate::wire::{Control, Credit, Frame, PeerId, Sealer, Seq, SessionId};

use self::peer::Peer;
use self::stream::Stream;

/// Frames kept, to be shown when a rule is broken.
const SHOWN: usize = 48;

/// How a publisher lets a consumer in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admission {
    /// Where the stream begins for the consumer.
    pub(super) start: Credit,
    /// The window that the consumer named.
    pub(super) window: Credit,
    /// The consumer was in this session before.
    pub(super) again: bool,
    /// The consumer listens to the group: see [`crate::wire::SynAck::generation`].
    pub(super) live: bool,
    /// The consumer sets the pace (see [`crate::config::PublishConfig::tag`]), and has not ended.
    pub(super) counts: bool,
    /// The epoch of the publisher.
    pub(super) epoch: u32,
}

/// See the [module](self).
pub(super) struct Checker {
    sealers: Vec<Sealer>,
    streams: BTreeMap<SessionId, Stream>,
    recent: VecDeque<Transit>,
}

impl Checker {
    pub(super) fn new(sealers: Vec<Sealer>) -> Checker {
        Checker { sealers, streams: BTreeMap::new(), recent: VecDeque::new() }
    }

    /// Opens a frame with the first key that fits.
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

    /// The data frames of a session.
    pub(super) fn frames(&self, session: SessionId) -> Option<&FrameLog> {
        self.streams.get(&session).map(|stream| &stream.frames)
    }

    /// A peer was removed: its credit binds the publisher no more.
    pub(super) fn remove(&mut self, session: SessionId, peer: PeerId) {
        if let Some(peer) = self.peer_mut(session, peer) {
            peer.removed = true;
        }
    }

    /// Another publisher continues the session: all consumers have yet to be admitted again.
    pub(super) fn note_replaced(&mut self, session: SessionId) {
        let stream = self.streams.entry(session).or_default();
        stream.peers.values_mut().for_each(|peer| peer.removed = true);
    }

    /// Returns true if a consumer was admitted and not removed since.
    pub(super) fn is_peer(&self, session: SessionId, peer: PeerId) -> bool {
        let stream = self.streams.get(&session);
        stream.and_then(|stream| stream.peers.get(&peer)).is_some_and(|peer| !peer.removed)
    }

    fn peer_mut(&mut self, session: SessionId, peer: PeerId) -> Option<&mut Peer> {
        self.streams.get_mut(&session)?.peers.get_mut(&peer)
    }

    /// Checks a frame as it is sent.
    pub(super) fn check(&mut self, from: Node, to: Dest, frame: &Frame) -> Result<(), String> {
        let stream = self.streams.entry(frame.header.session).or_default();
        match (from, frame.control()) {
            (_, Some(Err(error))) => Err(format!("a control frame does not decode: {error}")),
            (Node::Consumer(_), Some(Ok(Control::Ack(ack)))) => {
                stream.check_ack(&ack, frame.header.epoch)
            }
            (Node::Consumer(_), Some(Ok(Control::FinAck(fin_ack)))) => {
                stream.check_fin_ack(fin_ack.peer)
            }
            (Node::Publisher(_), Some(Ok(Control::Fin(fin))))
                if fin.end != stream.frames.next_seq() =>
            {
                Err(format!("the end was announced at {}, amid the data", fin.end))
            }
            (Node::Publisher(_), None) => stream.check_data(to, frame),
            (Node::Consumer(_), None) => Err("a consumer sent data".to_owned()),
            _ => Ok(()),
        }
    }

    /// A frame is put before a consumer that no publisher sent. In a session without a publisher,
    /// such frames are the stream.
    pub(super) fn note_injected(&mut self, frame: &Frame) {
        let stream = self.streams.entry(frame.header.session).or_default();
        if frame.header.kind.is_data() && frame.header.seq == stream.frames.next_seq() {
            // A frame that does not decode is the receiver's to refuse.
            let _ = stream.frames.push(frame);
        }
    }

    /// A publisher lets a consumer in. The SYN named the consumer's window, which is its credit
    /// until its first ack. A consumer that is admitted again keeps what it holds.
    pub(super) fn admit(
        &mut self,
        session: SessionId,
        peer: PeerId,
        admission: Admission,
    ) -> Result<(), String> {
        self.streams.entry(session).or_default().admit(peer, admission)
    }

    /// The network hands a data frame to a consumer.
    pub(super) fn note_handed(&mut self, label: &Label, peer: PeerId) -> Result<(), String> {
        let Some(stream) = self.streams.get_mut(&label.session) else { return Ok(()) };
        stream.note_handed(label, peer)
    }

    /// An application consumed everything below `end`.
    pub(super) fn note_consumed(&mut self, peer: PeerId, end: Seq) {
        for peer in self.streams.values_mut().filter_map(|stream| stream.peers.get_mut(&peer)) {
            peer.consumed = peer.consumed.max(end);
        }
    }

    /// A consumer that joined late skips the rest of a message that began before. Skipped frames
    /// leave the consumer's window.
    pub(super) fn note_skipped(&mut self, peer: PeerId) {
        for stream in self.streams.values_mut() {
            let Some(peer) = stream.peers.get_mut(&peer) else { continue };
            while peer.consumed < peer.handed_end && !stream.frames.begins(peer.consumed) {
                peer.consumed = peer.consumed.next();
            }
        }
    }

    /// What a publisher retains: everything from `acked` to `sent`, in frames and bytes.
    pub(super) fn retained(&self, session: SessionId, acked: Seq, sent: Seq) -> (u64, u64) {
        let Some(frames) = self.frames(session) else { return (0, 0) };
        let bytes = frames.end_bytes(sent) - frames.end_bytes(acked.min(sent));
        (sent.since(acked), bytes)
    }

    /// The peers that a publisher retains frames for. Where the stream is `rewindable`, a consumer
    /// that catches up can have its past read again.
    fn retaining(
        &self,
        session: SessionId,
        rewindable: bool,
    ) -> impl Iterator<Item = (&FrameLog, PeerId, &Peer)> {
        let kept = move |peer: &&Peer| {
            peer.counts && !peer.removed && !(rewindable && peer.was_catching_up)
        };
        self.streams.get(&session).into_iter().flat_map(move |stream| {
            let peers = stream.peers.iter().filter(move |(_, peer)| kept(peer));
            peers.map(|(id, peer)| (&stream.frames, *id, peer))
        })
    }

    /// A publisher may release a frame only when every peer has acked the frame.
    pub(super) fn check_acked(
        &self,
        session: SessionId,
        acked: Seq,
        rewindable: bool,
    ) -> Result<(), String> {
        for (_, id, peer) in self.retaining(session, rewindable) {
            if acked > peer.acked.max(peer.start.frames) {
                return Err(format!(
                    "frames below {acked} were released, and {id} acked those below {}",
                    peer.acked
                ));
            }
        }
        Ok(())
    }

    /// A publisher may tell that so many messages are acked only when every peer was handed them
    /// whole.
    pub(super) fn check_acked_messages(
        &self,
        session: SessionId,
        messages: u64,
        rewindable: bool,
    ) -> Result<(), String> {
        for (frames, id, peer) in self.retaining(session, rewindable) {
            let handed = frames.ended_below(peer.handed_end);
            if messages > handed {
                return Err(format!(
                    "{messages} messages were told to be acked, and {id} was handed {handed} whole"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
