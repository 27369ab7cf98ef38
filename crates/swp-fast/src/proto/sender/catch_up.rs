//! Consumers that join behind the present: one that resumes, or that wants the stream from its start.
//!
//! ```text
//!      join        reread.next         queue.first          unsent
//!   ----|---------------|-------------------|------------------|-----> frame numbers
//!       |  the source   |  the source, when |  the queue, kept |  the group, as everybody else
//!       |  has given it |  there is room    |  for it as well  |
//! ```
//!
//! What lies in the past is read again from the source and sent to the consumer's inbox, within its own
//! credit. The group does not wait for that. From where the queue takes over, frames are kept for it as for
//! everybody, so it can be what fills the queue.

use std::ops::Bound;
use std::time::Duration;

use bytes::BytesMut;

use super::{LostReason, Sender, WriteError};
use crate::config::LateJoin;
use crate::proto::peer::PeerState;
use crate::proto::retransmit::RetransmitQueue;
use crate::proto::{Dest, FIRST_GENERATION, Position, Transmit};
use crate::time::Time;
use crate::wire::{
    Digest, Header, Integrity, Kind, MAX_HEADER, PeerId, ResetCode, SackRanges, Seq, Syn,
};

/// While the group is being sent to, those who catch up get one frame for so many of the group's. By `swp-bench latecomer`,
/// at line rate on two cores: with 8 the others keep 0.8 to 0.9 of their pace, with 4 0.7 to 0.8 ...
const GROUP_SHARE: u32 = 8;

/// ... and no more than this many at once, an eighth of a batch.
const MAX_BEHIND_AT_ONCE: u32 = 8;

/// After this much silence towards the group, those who catch up get all there is. A stream at line rate sends
/// a frame every 25 us; one that has nothing to say for ten times as long leaves the link to others ...
const GROUP_PAUSE: Duration = Duration::from_micros(250);

/// ... and one that waits for credit, after a round trip or so: it may be waiting for those who catch up.
const GROUP_STALL: Duration = Duration::from_millis(2);

/// Who catches up has at most one frame on its way for [`GROUP_SHARE`] of the group's: of a queue that both stand in,
/// each gets what it fills. Where the group has few on their way it may have these, twice as many as a report
/// comes for, so that it need not wait for each.
const LEAST_BEHIND_IN_FLIGHT: u64 = 64;

/// Where a consumer joins behind the present.
#[derive(Debug, Default)]
pub(super) struct Behind {
    pub(super) start: Seq,
    pub(super) start_bytes: u64,
    pub(super) held: SackRanges,
}

/// All peers, beginning behind the one that had its turn last.
fn turns(last: PeerId) -> [(Bound<PeerId>, Bound<PeerId>); 2] {
    [(Bound::Excluded(last), Bound::Unbounded), (Bound::Unbounded, Bound::Included(last))]
}

/// What is to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewind {
    /// For whom.
    pub peer: PeerId,
    /// The number of the next frame to be given to [`Sender::write_reread`].
    pub from: Seq,
}

impl Sender {
    /// The source of this stream can be read again, from any frame on: consumers may resume from where
    /// nothing is retained any more, and join from the start.
    pub fn set_rewindable(&mut self) {
        self.rewindable = true;
    }

    /// The next consumer that wants frames from the source, and has room for them: each in turn. To be asked
    /// again after every input.
    pub fn poll_rewind(&mut self) -> Option<Rewind> {
        // Who needs what nobody has is given up when time next passes.
        if self.is_over() || !self.rewindable {
            return None;
        }
        let first = self.queue.first_seq();
        let turns = turns(self.last_rewound);
        let mut in_turn = turns.into_iter().flat_map(|turn| self.peers.range(turn));
        let rewind = in_turn.find_map(|(_, peer)| {
            let behind = peer.catch_up.as_ref().filter(|behind| !behind.caught_up)?;
            let from = behind.reread.next_seq();
            let wanted = peer.state == PeerState::Live && peer.needs_source(first);
            let room = from < peer.credit.frames
                && behind.reread.end_bytes() < peer.credit.bytes
                && self.may_reread(&behind.reread);
            (wanted && room).then_some(Rewind { peer: peer.id, from })
        })?;
        self.last_rewound = rewind.peer;
        Some(rewind)
    }

    /// What is read again for one consumer has the bounds of what is retained for all, whatever it allows.
    fn may_reread(&self, reread: &RetransmitQueue) -> bool {
        (reread.len() as u64) < self.config.retained_frames
            && reread.end_bytes() - reread.first_bytes() < self.config.retained_bytes
    }

    /// Gives a frame of the past that [`Self::poll_rewind`] asked for; `buf` and `digest` as for
    /// [`Self::write`]. What the consumer does not take any more, or no longer needs, is let go of.
    ///
    /// # Errors
    /// Where the body cannot have been one of this session's.
    pub fn write_reread(
        &mut self,
        rewind: Rewind,
        kind: Kind,
        buf: BytesMut,
        digest: Option<Digest>,
    ) -> Result<(), WriteError> {
        let body_len = buf.len().saturating_sub(MAX_HEADER);
        let max = self.config.max_body_bytes();
        if body_len > max {
            return Err(WriteError::BodyTooLarge { bytes: body_len, max });
        }
        if buf.len() < MAX_HEADER || !kind.is_data() {
            return Err(WriteError::NotData);
        }
        let (first, first_bytes) = (self.queue.first_seq(), self.queue.first_bytes());
        let Some(peer) = self.peers.get_mut(&rewind.peer) else { return Ok(()) };
        let wanted = peer.needs_source(first);
        let Some(behind) = peer.catch_up.as_mut().filter(|behind| !behind.caught_up) else {
            return Ok(());
        };
        if !wanted || behind.reread.next_seq() != rewind.from {
            return Ok(());
        }
        let integrity = self.config.integrity;
        let digest = digest
            .filter(|digest| digest.integrity() == integrity && integrity != Integrity::None)
            .unwrap_or_else(|| integrity.digest(&buf[MAX_HEADER..]));
        let (session, epoch) = (self.ids.session, self.ids.epoch);
        let header = Header { kind, session, epoch, seq: rewind.from, digest };
        let frame = self.sealer.seal_data(buf, &header);
        let end_bytes = behind.reread.end_bytes() + body_len as u64;
        behind.reread.push(frame, end_bytes, Position::default());
        behind.reread.release_below(peer.cumulative);
        if rewind.from.next() == first && end_bytes != first_bytes {
            self.fail_rewind(rewind.peer, "what is read again is not what was sent");
        }
        Ok(())
    }

    /// Whether this consumer has not caught up.
    pub fn is_catching_up(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|peer| !peer.is_caught_up())
    }

    /// The source cannot give what [`Self::poll_rewind`] asked for: the consumer is told, and lost.
    pub fn fail_rewind(&mut self, peer: PeerId, reason: &str) {
        self.remove(peer, LostReason::Unavailable(reason.to_owned()));
    }

    /// A frame for a consumer that catches up.
    pub(super) fn next_behind(&mut self, now: Time) -> Option<Transmit> {
        if self.catching_up == 0 || self.link_busy {
            return None;
        }
        let idle = now.since(self.last_data_send) >= self.group_pause();
        if !idle && self.behind_tokens < GROUP_SHARE {
            return None;
        }
        let sent_end = self.unsent;
        let most_in_flight = self.most_behind_in_flight();
        let mut found = None;
        'turns: for turn in turns(self.last_behind) {
            for peer in self.peers.range_mut(turn).map(|(_, peer)| peer) {
                let live = peer.state == PeerState::Live
                    && peer.sent_end(sent_end).since(peer.cumulative) < most_in_flight;
                let Some(seq) = live.then(|| peer.next_behind(sent_end)).flatten() else {
                    continue;
                };
                let Some(slot) = peer.find(&self.queue, seq).filter(|slot| peer.allows(slot))
                else {
                    continue;
                };
                let frame = slot.frame.clone();
                peer.note_sent_behind(now);
                self.last_behind = peer.id;
                found = Some(Transmit { to: Dest::Peer(peer.id), frame });
                break 'turns;
            }
        }
        if found.is_some() {
            self.stats.caught_up_frames += 1;
            self.behind_tokens = self.behind_tokens.saturating_sub(GROUP_SHARE);
        }
        self.catching_up = self.peers.values().filter(|peer| !peer.is_caught_up()).count();
        self.tell_live();
        found
    }

    fn most_behind_in_flight(&self) -> u64 {
        let present = self.peers.values().filter(|peer| peer.is_caught_up() && peer.counts());
        let in_flight = present.map(|peer| self.unsent.since(peer.cumulative)).max();
        (in_flight.unwrap_or(0) / u64::from(GROUP_SHARE)).max(LEAST_BEHIND_IN_FLIGHT)
    }

    /// Tells those who have all that was sent to listen to the group. From now on it keeps to their credit.
    fn tell_live(&mut self) {
        let reached = self.peers.values_mut().filter_map(|peer| {
            let behind = peer.catch_up.as_mut()?;
            let tell = behind.reached && !behind.told_live;
            behind.told_live |= tell;
            tell.then_some(peer.id)
        });
        for id in reached.collect::<Vec<_>>() {
            self.send_syn_ack(id);
        }
    }

    /// Tells whether the link has yet to take what it was handed. Those who catch up wait for as long, or they
    /// would fill it before the group's next frames are there: that the group is silent while the link is
    /// busy says nothing. Who never tells has a link that is never busy.
    pub fn handle_link(&mut self, busy: bool) {
        self.link_busy = busy;
    }

    fn group_pause(&self) -> Duration {
        let done = !self.backlog && self.unsent == self.queue.next_seq();
        if done { GROUP_PAUSE } else { GROUP_STALL }
    }

    /// A frame went to the group: those who catch up may have their share.
    pub(super) fn note_group_frame(&mut self) {
        self.behind_tokens = (self.behind_tokens + 1).min(GROUP_SHARE * MAX_BEHIND_AT_ONCE);
    }

    /// When [`Self::next_behind`] may have more to give though nothing else happens.
    pub(super) fn behind_at(&self) -> Option<Time> {
        let at = self.last_data_send + self.group_pause();
        (self.catching_up > 0 && at > self.last_now).then_some(at)
    }

    /// Where a consumer that asks for it joins, and what it holds above that; `None` where it joins at the
    /// present.
    ///
    /// # Errors
    /// Why it cannot have what it asks for.
    pub(super) fn behind(&self, syn: &Syn) -> Result<Option<Behind>, (ResetCode, String)> {
        let first = self.queue.first_seq();
        let Some(resume) = &syn.resume else {
            let from_start = self.config.late_join == LateJoin::FromStart && self.rewindable;
            let late = self.unsent > Seq::ZERO;
            if late && from_start {
                return Ok(Some(Behind::default()));
            }
            // It does not listen where the group is now, and misses what is sent until it does.
            let elsewhere = late && self.generation_told() > FIRST_GENERATION;
            return Ok(elsewhere.then(|| Behind {
                start: self.unsent,
                start_bytes: self.sent_bytes,
                held: SackRanges::default(),
            }));
        };
        if !self.was_ours(resume) {
            let reason = "this is another session of the stream than the one to be resumed";
            return Err((ResetCode::Unavailable, reason.to_owned()));
        }
        // A publisher that goes on with a session begins where the last one was known to be, or earlier.
        if resume.held_end() > self.unsent && self.config.resume.is_none() {
            return Err((ResetCode::Protocol, "it claims to hold what was never sent".to_owned()));
        }
        if resume.next < first && !self.rewindable {
            let reason = format!(
                "frame {} is no longer to be had, the first that is has number {first}",
                resume.next
            );
            return Err((ResetCode::Unavailable, reason));
        }
        // What is kept here is known better than what the consumer says of it.
        let start_bytes = self.queue.start_bytes(resume.next).unwrap_or(resume.next_bytes);
        if start_bytes != resume.next_bytes {
            let reason = format!("frame {} begins at byte {start_bytes}, not there", resume.next);
            return Err((ResetCode::Protocol, reason));
        }
        Ok(Some(Behind { start: resume.next, start_bytes, held: resume.sack.clone() }))
    }
}
