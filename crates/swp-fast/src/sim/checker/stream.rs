//! The rules of one session.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Admission;
use super::peer::Peer;
use crate::proto::Dest;
use crate::sim::frames::FrameLog;
use crate::sim::network::Label;
use crate::wire::{Ack, Frame, PeerId, Seq};

/// What one session has sent and may send.
#[derive(Default)]
pub(super) struct Stream {
    pub(super) frames: FrameLog,
    pub(super) peers: BTreeMap<PeerId, Peer>,
}

impl Stream {
    /// See [`super::Checker::admit`].
    pub(super) fn admit(&mut self, id: PeerId, admission: Admission) -> Result<(), String> {
        let Admission { start, again, live, counts, epoch, .. } = admission;
        let peer = match self.peers.entry(id) {
            Entry::Vacant(entry) => entry.insert(Peer::new(&admission)),
            Entry::Occupied(entry) => {
                let peer = entry.into_mut();
                peer.epoch = epoch;
                peer.counts &= counts;
                match peer.removed {
                    // The first SYN arrived late, at the next publisher of the session. What was
                    // consumed stays consumed.
                    true if !again => {
                        let consumed = peer.consumed.max(start.frames);
                        *peer = Peer::new(&admission);
                        peer.consumed = consumed;
                    }
                    true => peer.come_back(start, live),
                    // A consumer that sent two SYNs can be admitted twice.
                    false if again && peer.start != start => peer.come_back(start, live),
                    // The consumer has caught up, and listens to the group from now on.
                    false => peer.catching_up &= !live,
                }
                peer
            }
        };
        if peer.start != start {
            return Err(format!("{id} was told two beginnings: {:?}, {start:?}", peer.start));
        }
        Ok(())
    }

    /// See [`super::Checker::note_handed`].
    pub(super) fn note_handed(&mut self, label: &Label, id: PeerId) -> Result<(), String> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let Some(seq) = Seq::new(label.seq).filter(|seq| *seq >= peer.start.frames) else {
            return Ok(());
        };
        peer.note_handed(seq);
        // A consumer that does not set the pace hears the group all the same, and refuses what is
        // beyond its credit. Frames of an earlier epoch may still be on their way.
        if !peer.paces() || label.epoch < peer.epoch {
            return Ok(());
        }
        let end = self.frames.end_bytes(seq.next());
        let consumed_bytes = self.frames.end_bytes(peer.consumed).max(peer.start.bytes);
        let window = peer.window;
        if seq >= peer.consumed.advance(window.frames.get()) || end > consumed_bytes + window.bytes
        {
            let (consumed, start) = (peer.consumed, peer.start);
            return Err(format!(
                "frame {seq}, ending at byte {end}, exceeds the queue of {id}, whose application \
                 is at frame {consumed}, byte {consumed_bytes}, with a window of {window:?} \
                 from {start:?}"
            ));
        }
        Ok(())
    }

    /// Checks a data frame as it is sent.
    pub(super) fn check_data(&mut self, to: Dest, frame: &Frame) -> Result<(), String> {
        let seq = frame.header.seq;
        let next = self.frames.next_seq();
        match to {
            Dest::Publisher => return Err("data went to the publisher".to_owned()),
            Dest::Peer(peer) => {
                self.frames.check_again(frame)?;
                return self.check_retransmit(peer, seq);
            }
            // A frame that most consumers missed is retransmitted to all.
            Dest::Group(_) if seq < next => return self.frames.check_again(frame),
            Dest::Group(_) if seq != next => {
                return Err(format!("frame {seq} was sent where {next} was due"));
            }
            Dest::Group(_) => {}
        }
        self.frames.push(frame)?;
        let end = self.frames.end_bytes(seq.next());
        for (peer, credit) in
            self.peers.iter().filter(|(_, peer)| peer.paces()).map(|(id, peer)| (id, peer.credit))
        {
            if seq >= credit.frames || end > credit.bytes {
                return Err(format!(
                    "frame {seq}, ending at byte {end}, was sent beyond the credit of {peer}: \
                     {credit:?}"
                ));
            }
        }
        Ok(())
    }

    /// What goes to one consumer alone keeps to that consumer's credit as well.
    fn check_retransmit(&self, id: PeerId, seq: Seq) -> Result<(), String> {
        let end = self.frames.end_bytes(seq.next());
        match self.peers.get(&id).filter(|peer| !peer.removed) {
            Some(peer) if seq >= peer.credit.frames || end > peer.credit.bytes => Err(format!(
                "frame {seq}, ending at byte {end}, was retransmitted beyond the credit of {id}: \
                 {:?}",
                peer.credit
            )),
            _ => Ok(()),
        }
    }

    /// An ack covers only frames that were handed over, and credit never shrinks.
    pub(super) fn check_ack(&mut self, ack: &Ack, epoch: u32) -> Result<(), String> {
        let id = ack.peer;
        // A forged SYN-ACK can make a consumer ack to a session that never let it in. A late
        // SYN-ACK can make a consumer ack to a publisher that was replaced since and had told it
        // another beginning.
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.epoch == epoch) else {
            return Ok(());
        };
        if ack.credit.max(peer.credit) != ack.credit {
            return Err(format!("{id} took back credit"));
        }
        // An ack of a consumer that was removed may arrive after it was admitted again.
        peer.credit = ack.credit;
        if ack.cumulative > peer.handed_end {
            return Err(format!(
                "{id} acks all below {}, and was handed only those below {}",
                ack.cumulative, peer.handed_end
            ));
        }
        for (start, end) in ack.sack.iter().chain(ack.latest.map(|seq| (seq, seq.next()))) {
            // What the consumer held before it was admitted again is not counted.
            let start = start.max(peer.start.frames);
            if let Some(seq) =
                (start.get()..end.get()).filter_map(Seq::new).find(|seq| !peer.was_handed(*seq))
            {
                return Err(format!("{id} acks frame {seq}, which it was not handed"));
            }
        }
        peer.acked = peer.acked.max(ack.cumulative);
        Ok(())
    }

    /// A FIN-ACK says that everything was consumed. The end was announced behind all data.
    pub(super) fn check_fin_ack(&mut self, id: PeerId) -> Result<(), String> {
        let end = self.frames.next_seq();
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if peer.consumed < end {
            let consumed = peer.consumed;
            return Err(format!("{id} finishes at {end}, and consumed all below {consumed}"));
        }
        peer.acked = end;
        Ok(())
    }
}
