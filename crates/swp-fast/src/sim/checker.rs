//! The rules of the stream, from what can be seen on the bus alone: what was sent, what the network
//! handed over, and what the applications read.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::network::Label;
use super::{Node, Transit};
use crate::proto::{Dest, Transmit};
use crate::wire::{Ack, Control, Credit, Frame, PeerId, Sealer, Seq, SessionId};

/// Frames remembered to be shown when a rule is broken.
const SHOWN: usize = 48;

/// A consumer as a member of a session.
struct Member {
    /// Where the stream begins for it.
    start: Credit,
    window: Credit,
    /// The most that it ever allowed.
    told: Credit,
    /// It reported to hold everything below this.
    reported: Seq,
    /// Frames that the network handed to it, by their distance from the start.
    handed: Vec<bool>,
    /// Everything below this was handed to it.
    handed_end: Seq,
    /// Its application took everything below this.
    taken: Seq,
    /// The life of the session in which it was let in: what it says in another is not judged.
    epoch: u32,
    /// It was given up, and its credit binds nobody any more.
    forgotten: bool,
    /// The group waits for it, and keeps what it lacks.
    counts: bool,
    /// It joined behind the present: until it has caught up the group need not wait for it.
    behind: bool,
    /// It has been so: part of what it lacks may be kept for it alone.
    was_behind: bool,
}

/// How a consumer is let in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Joins {
    /// It was a member before.
    pub(super) again: bool,
    /// It is to listen to the group: see [`crate::wire::SynAck::generation`].
    pub(super) live: bool,
    /// The stream goes at its pace (see [`crate::config::PublishConfig::tag`]), and it has not ended.
    pub(super) counts: bool,
    /// The life of the session that lets it in.
    pub(super) epoch: u32,
}

/// What one session has sent and may send.
#[derive(Default)]
struct Stream {
    /// Where each data frame ends in the session's bytes, by its number.
    ends: Vec<u64>,
    members: BTreeMap<PeerId, Member>,
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
        if let Some(member) = self.member(session, peer) {
            member.forgotten = true;
        }
    }

    /// Another publisher takes the session over: whoever was a member has yet to come back.
    pub(super) fn note_replaced(&mut self, session: SessionId) {
        let stream = self.streams.entry(session).or_default();
        stream.members.values_mut().for_each(|member| member.forgotten = true);
    }

    /// Whether a consumer was let in and not given up since.
    pub(super) fn is_member(&self, session: SessionId, peer: PeerId) -> bool {
        let stream = self.streams.get(&session);
        stream.and_then(|stream| stream.members.get(&peer)).is_some_and(|one| !one.forgotten)
    }

    fn member(&mut self, session: SessionId, peer: PeerId) -> Option<&mut Member> {
        self.streams.get_mut(&session)?.members.get_mut(&peer)
    }

    /// Looks at a frame as it is sent.
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
                if fin.end.get() != stream.ends.len() as u64 =>
            {
                Err(format!("the end was said to be {}, amid the data", fin.end))
            }
            (Node::Publisher(_), None) => stream.check_data(to, frame),
            (Node::Consumer(_), None) => Err("a consumer sent data".to_owned()),
            _ => Ok(()),
        }
    }

    /// A publisher lets a consumer in: its SYN named its window, and until it reports, that is its credit. One
    /// that is let in again goes on with what it holds.
    pub(super) fn joins(
        &mut self,
        session: SessionId,
        peer: PeerId,
        start: Credit,
        window: Credit,
        how: Joins,
    ) -> Result<(), String> {
        let stream = self.streams.entry(session).or_default();
        let behind = !how.live;
        let mut new =
            Member { behind, was_behind: behind, counts: how.counts, ..Member::new(start, window) };
        new.epoch = how.epoch;
        if behind {
            // Part of its window may be in use.
            new.told = start;
        }
        let member = match stream.members.entry(peer) {
            Entry::Vacant(entry) => entry.insert(new),
            Entry::Occupied(entry) => {
                let member = entry.into_mut();
                member.epoch = how.epoch;
                member.counts &= how.counts;
                match member.forgotten {
                    // A first wish that came late, to the next life of the session: what was taken is taken.
                    true if !how.again => {
                        *member = Member { taken: member.taken.max(start.frames), ..new }
                    }
                    true => member.comes_back(start, behind),
                    // Asked twice, it can have been let in twice.
                    false if how.again && member.start != start => member.comes_back(start, behind),
                    // It has caught up, and listens to the group from now on.
                    false => member.behind &= behind,
                }
                member
            }
        };
        if member.start != start {
            return Err(format!("{peer} was told two beginnings: {:?}, {start:?}", member.start));
        }
        Ok(())
    }

    /// The network hands a frame to a consumer.
    pub(super) fn note_handed(&mut self, label: &Label, peer: PeerId) -> Result<(), String> {
        let Some(stream) = self.streams.get_mut(&label.session) else { return Ok(()) };
        let Some(member) = stream.members.get_mut(&peer) else { return Ok(()) };
        let Some(seq) = Seq::new(label.seq).filter(|seq| *seq >= member.start.frames) else {
            return Ok(());
        };
        let distance = seq.since(member.start.frames) as usize;
        if member.handed.len() <= distance {
            member.handed.resize(distance + 1, false);
        }
        member.handed[distance] = true;
        while member.has(member.handed_end) {
            member.handed_end = member.handed_end.next();
        }
        let end = stream.ends.get(label.seq as usize).copied().unwrap_or_default();
        let taken_bytes = byte_offset(&stream.ends, member.taken).max(member.start.bytes);
        // What an earlier life of the session sent may still be on its way, and is not judged.
        let bound = !member.forgotten && !member.behind && member.counts;
        if !bound || label.epoch < member.epoch {
            // It hears the group all the same; what is beyond its credit it refuses.
            return Ok(());
        }
        let room = member.window;
        if seq >= member.taken.advance(room.frames.get()) || end > taken_bytes + room.bytes {
            let (taken, start) = (member.taken, member.start);
            return Err(format!(
                "frame {seq}, ending at byte {end}, exceeds the queue of {peer}, whose application is at \
                 frame {taken}, byte {taken_bytes}, with a window of {room:?} from {start:?}"
            ));
        }
        Ok(())
    }

    /// An application took everything below `end`. After a late join that includes what is of no use to
    /// it, the rest of a message that began before: `skips` says of a frame whether it is that.
    pub(super) fn note_taken(
        &mut self,
        peer: PeerId,
        end: Option<Seq>,
        skips: impl Fn(Seq) -> bool,
    ) {
        for stream in self.streams.values_mut() {
            let Some(member) = stream.members.get_mut(&peer) else { continue };
            match end {
                Some(end) => member.taken = member.taken.max(end),
                None => {
                    while member.taken < member.handed_end && skips(member.taken) {
                        member.taken = member.taken.next();
                    }
                }
            }
        }
    }

    /// What a publisher retains: everything from `acked` to `sent`, in frames and bytes.
    pub(super) fn retained(&self, session: SessionId, acked: Seq, sent: Seq) -> (u64, u64) {
        let Some(stream) = self.streams.get(&session) else { return (0, 0) };
        let bytes = byte_offset(&stream.ends, sent) - byte_offset(&stream.ends, acked.min(sent));
        (sent.since(acked), bytes)
    }

    /// A publisher may let go of a frame only when every member reported to hold it.
    /// What lies in the past of one that catches up can be read again, where `rewindable`.
    pub(super) fn check_acked(
        &self,
        session: SessionId,
        acked: Seq,
        rewindable: bool,
    ) -> Result<(), String> {
        let Some(stream) = self.streams.get(&session) else { return Ok(()) };
        let kept = |member: &Member| {
            member.counts && !member.forgotten && !(rewindable && member.was_behind)
        };
        for (peer, member) in stream.members.iter().filter(|(_, member)| kept(member)) {
            if acked > member.reported.max(member.start.frames) {
                return Err(format!(
                    "frames below {acked} were released, and {peer} reported {}",
                    member.reported
                ));
            }
        }
        Ok(())
    }
}

impl Member {
    fn new(start: Credit, window: Credit) -> Member {
        Member {
            start,
            window,
            told: Credit {
                frames: start.frames.advance(window.frames.get()),
                bytes: start.bytes.saturating_add(window.bytes),
            },
            reported: Seq::ZERO,
            handed: Vec::new(),
            handed_end: start.frames,
            taken: start.frames,
            epoch: 0,
            forgotten: false,
            behind: false,
            counts: true,
            was_behind: false,
        }
    }

    /// It was given up, and is let in again with what it holds.
    fn comes_back(&mut self, start: Credit, behind: bool) {
        let passed = start.frames.since(self.start.frames) as usize;
        self.handed.drain(..passed.min(self.handed.len()));
        let held_before = self.start.frames.since(start.frames) as usize;
        self.handed.splice(..0, std::iter::repeat_n(true, held_before));
        self.start = start;
        self.handed_end = start.frames;
        while self.has(self.handed_end) {
            self.handed_end = self.handed_end.next();
        }
        self.forgotten = false;
        self.behind = behind;
        self.was_behind |= behind;
    }

    fn has(&self, seq: Seq) -> bool {
        let distance = seq.since(self.start.frames) as usize;
        seq >= self.start.frames && self.handed.get(distance).is_some_and(|handed| *handed)
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
            Dest::Peer(peer) => return self.check_repeat(peer, seq),
            // What most consumers missed is repeated to all.
            Dest::Group(_) if seq.get() < next => return Ok(()),
            Dest::Group(_) if seq.get() != next => {
                return Err(format!("frame {seq} was sent where {next} was due"));
            }
            Dest::Group(_) => {}
        }
        let end = self.ends.last().copied().unwrap_or(0) + frame.body.len() as u64;
        self.ends.push(end);
        let bound = |member: &Member| member.counts && !member.forgotten && !member.behind;
        for (peer, member) in self.members.iter().filter(|(_, member)| bound(member)) {
            let credit = member.told;
            if seq >= credit.frames || end > credit.bytes {
                return Err(format!(
                    "frame {seq}, ending at byte {end}, was sent beyond the credit of {peer}: {credit:?}"
                ));
            }
        }
        Ok(())
    }

    /// What goes to one consumer alone keeps to its credit as well.
    fn check_repeat(&self, peer: PeerId, seq: Seq) -> Result<(), String> {
        let end = byte_offset(&self.ends, seq.next());
        match self.members.get(&peer).filter(|member| !member.forgotten) {
            Some(member) if seq >= member.told.frames || end > member.told.bytes => Err(format!(
                "frame {seq}, ending at byte {end}, was repeated beyond the credit of {peer}: {:?}",
                member.told
            )),
            _ => Ok(()),
        }
    }

    /// A report may say only what is true: what it covers was handed over, and credit is never taken back.
    fn check_ack(&mut self, ack: &Ack, epoch: u32) -> Result<(), String> {
        let peer = ack.peer;
        // A forged SYN-ACK can make a consumer report to a session that never let it in, and a late one to a
        // publisher that was replaced since and had told it another beginning.
        let Some(member) = self.members.get_mut(&peer).filter(|one| one.epoch == epoch) else {
            return Ok(());
        };
        if ack.credit.max(member.told) != ack.credit {
            return Err(format!("{peer} took back credit"));
        }
        // Also what it said while it was given up may be heard once it is let in again.
        member.told = ack.credit;
        if ack.cumulative > member.handed_end {
            return Err(format!(
                "{peer} reports all below {}, and was handed only those below {}",
                ack.cumulative, member.handed_end
            ));
        }
        for (start, end) in ack.sack.iter().chain(ack.latest.map(|seq| (seq, seq.next()))) {
            // What it held before it was let in again is not counted.
            let start = start.max(member.start.frames);
            if let Some(seq) =
                (start.get()..end.get()).filter_map(Seq::new).find(|seq| !member.has(*seq))
            {
                return Err(format!("{peer} reports frame {seq}, which it was not handed"));
            }
        }
        member.reported = member.reported.max(ack.cumulative);
        Ok(())
    }

    /// Says that everything was consumed; the end was announced behind all data.
    fn check_fin_ack(&mut self, peer: PeerId) -> Result<(), String> {
        let end = Seq::ZERO.advance(self.ends.len() as u64);
        let Some(member) = self.members.get_mut(&peer) else { return Ok(()) };
        if member.taken < end {
            return Err(format!("{peer} finishes at {end}, and took all below {}", member.taken));
        }
        member.reported = end;
        Ok(())
    }
}

/// Where the frames below `seq` end.
fn byte_offset(ends: &[u64], seq: Seq) -> u64 {
    let last = usize::try_from(seq.get()).unwrap_or(usize::MAX).checked_sub(1);
    last.and_then(|last| ends.get(last)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
