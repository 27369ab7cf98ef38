//! SYN and SYN-ACK: consumers that join, rejoin or resume, and refusals.

use super::{LostReason, Sender, SenderEvent, State};
use crate::config::LateJoin;
use crate::proto::peer::{Identity, Joining, Peer, Window};
use crate::proto::{Dest, FIRST_GENERATION, printable};
use crate::time::Time;
use crate::wire::{Control, PeerId, Reset, ResetCode, Resume, SackRanges, Seq, Syn, SynAck};

/// Where a consumer that has to catch up joins, and what it holds above that.
#[derive(Debug, Default)]
struct Start {
    seq: Seq,
    bytes: u64,
    held: SackRanges,
}

/// Why a consumer is refused.
struct Refusal {
    code: ResetCode,
    reason: String,
}

impl Refusal {
    fn new(code: ResetCode, reason: impl Into<String>) -> Refusal {
        Refusal { code, reason: reason.into() }
    }
}

impl Sender {
    pub(super) fn handle_syn(&mut self, now: Time, mut syn: Syn) {
        syn.name = printable(&syn.name);
        match self.state {
            State::Open | State::Finishing(_) => {}
            // The consumer sends its SYN again. By then this publisher has the stream, or has it
            // not.
            State::Claiming { .. } => return,
            State::Closed | State::Failed(_) => return self.answer_late_syn(&syn),
        }
        if self.membership.eviction(syn.peer).is_some() {
            return self.answer_stranger(syn.peer);
        }
        if self.is_duplicate(&syn) {
            return self.handle_duplicate(now, &syn);
        }
        match self.check_syn(&syn).and_then(|()| self.catch_up_start(&syn)) {
            Ok(start) => self.admit(now, syn, start),
            Err(refusal) => self.refuse_syn(syn, &refusal),
        }
    }

    /// A consumer that took part once need not wait any longer to rejoin.
    fn answer_late_syn(&mut self, syn: &Syn) {
        let session = self.control.ids().session;
        if syn.resume.as_ref().is_some_and(|resume| resume.session == session) {
            self.push_reset(syn.peer, ResetCode::Unavailable, "the session is over");
        }
        self.drop_as(|dropped| &mut dropped.unexpected);
    }

    /// Whether the SYN was accepted already: the SYN-ACK was lost, or is under way.
    fn is_duplicate(&self, syn: &Syn) -> bool {
        let is_new = |peer: &Peer| syn.resume.as_ref().is_some_and(|at| peer.is_new_membership(at));
        self.peers.get(syn.peer).is_some_and(|peer| !is_new(peer))
    }

    fn handle_duplicate(&mut self, now: Time, syn: &Syn) {
        let queue = self.window.queue();
        self.peers.update(syn.peer, |peer| {
            peer.liveness_mut().note_heard(now);
            if let Some(resume) = &syn.resume {
                peer.handle_discarded(resume, queue);
            }
        });
        self.send_syn_ack(syn.peer);
    }

    /// Whether the consumer took part in this session, in this epoch or an earlier one.
    fn was_ours(&self, resume: &Resume) -> bool {
        let ids = self.control.ids();
        resume.session == ids.session && resume.epoch <= ids.epoch
    }

    fn check_syn(&self, syn: &Syn) -> Result<(), Refusal> {
        let former = syn.resume.as_ref().map_or(syn.peer, |resume| resume.peer);
        if self.peers.len() >= self.config.max_consumers && !self.peers.contains(former) {
            let reason = format!("the stream has its {} consumers", self.config.max_consumers);
            return Err(Refusal::new(ResetCode::Refused, reason));
        }
        // Frames were sent, by this publisher or by the publisher before.
        let late = self.window.unsent() > Seq::ZERO && syn.resume.is_none();
        if late && self.config.late_join == LateJoin::Refuse {
            return Err(Refusal::new(ResetCode::Refused, "the stream has begun without you"));
        }
        let body = self.config.max_body_bytes() as u64;
        if syn.window_bytes < body || syn.window_frames == 0 {
            let reason =
                format!("a window of {} bytes is less than a frame's {body}", syn.window_bytes);
            return Err(Refusal::new(ResetCode::Protocol, reason));
        }
        if syn.max_message_bytes < self.config.max_message_bytes {
            let reason = format!(
                "messages of up to {} bytes may come, and only {} are accepted",
                self.config.max_message_bytes, syn.max_message_bytes
            );
            return Err(Refusal::new(ResetCode::Protocol, reason));
        }
        Ok(())
    }

    /// Returns where a consumer begins that has to catch up, or `None` where it joins the group at
    /// once.
    fn catch_up_start(&self, syn: &Syn) -> Result<Option<Start>, Refusal> {
        match &syn.resume {
            Some(resume) => self.resume_start(resume).map(Some),
            None => Ok(self.late_start()),
        }
    }

    fn late_start(&self) -> Option<Start> {
        let (unsent, rewindable) = (self.window.unsent(), self.catch_up.is_rewindable());
        let late = unsent > Seq::ZERO;
        if late && self.config.late_join == LateJoin::FromStart && rewindable {
            return Some(Start::default());
        }
        // The consumer does not listen where the group is now, and misses what is sent until it
        // does.
        let elsewhere = late && self.group.told() > FIRST_GENERATION;
        let (seq, bytes) = (unsent, self.window.sent_bytes());
        elsewhere.then(|| Start { seq, bytes, held: SackRanges::default() })
    }

    fn resume_start(&self, resume: &Resume) -> Result<Start, Refusal> {
        let queue = self.window.queue();
        let first = queue.first_seq();
        if !self.was_ours(resume) {
            let reason = "this is another session of the stream than the one to be resumed";
            return Err(Refusal::new(ResetCode::Unavailable, reason));
        }
        // A restarted publisher begins where the one before was known to be, or earlier.
        if resume.held_end() > self.window.unsent() && self.config.resume.is_none() {
            let reason = "it claims to hold what was never sent";
            return Err(Refusal::new(ResetCode::Protocol, reason));
        }
        if resume.next < first && !self.catch_up.is_rewindable() {
            let reason = format!(
                "frame {} is no longer to be had, the first that is has number {first}",
                resume.next
            );
            return Err(Refusal::new(ResetCode::Unavailable, reason));
        }
        // The publisher knows the offsets of retained frames better than the consumer does.
        let bytes = queue.start_bytes(resume.next).unwrap_or(resume.next_bytes);
        if bytes != resume.next_bytes {
            let reason = format!("frame {} begins at byte {bytes}, not there", resume.next);
            return Err(Refusal::new(ResetCode::Protocol, reason));
        }
        Ok(Start { seq: resume.next, bytes, held: resume.sack.clone() })
    }

    fn admit(&mut self, now: Time, syn: Syn, catch_up: Option<Start>) {
        let replaces = syn.resume.as_ref().map(|resume| resume.peer);
        if let Some(former) = replaces {
            // The consumer's former membership holds nobody up any more.
            self.peers.remove(former);
        }
        let unsent = self.window.unsent();
        let (start, start_bytes) = match &catch_up {
            Some(start) => (start.seq, start.bytes),
            None => (unsent, self.window.sent_bytes()),
        };
        let id = syn.peer;
        let identity = Identity {
            id,
            name: syn.name,
            counts: self.config.tag.as_ref().is_none_or(|tag| *tag == syn.tag),
            tag: syn.tag,
            replaces,
        };
        let joining = Joining {
            identity,
            start,
            start_bytes,
            window: Window { frames: syn.window_frames, bytes: syn.window_bytes },
            catches_up: catch_up.map(|start| start.held),
            misses_nothing: start >= unsent,
        };
        self.peers.insert(Peer::new(joining, now));
        self.count_behind();
        self.membership.tell_joining(self.consumers_to_tell());
        // A consumer that resumes may hold more than its last ack said. The queue must not stay
        // full of that.
        self.release();
        self.send_syn_ack(id);
    }

    fn refuse_syn(&mut self, syn: Syn, refusal: &Refusal) {
        let Refusal { code, reason } = refusal;
        // The former membership is over only where this session says that the consumer cannot
        // resume.
        let ours = syn.resume.as_ref().filter(|resume| self.was_ours(resume));
        let former = ours.map(|resume| resume.peer);
        if let Some(former) = former.filter(|_| *code == ResetCode::Unavailable) {
            self.remove(former, LostReason::Left(format!("it cannot resume: {reason}")));
        }
        let name = if syn.name.is_empty() { syn.peer.to_string() } else { syn.name };
        self.refuse(syn.peer, name, *code, reason);
    }

    pub(super) fn refuse(&mut self, peer: PeerId, name: String, code: ResetCode, reason: &str) {
        self.push_reset(peer, code, reason);
        self.events.push_back(SenderEvent::Refused { name, reason: reason.to_owned() });
    }

    pub(super) fn push_reset(&mut self, peer: PeerId, code: ResetCode, reason: &str) {
        let reset = Reset { peer, code, reason: reason.to_owned() };
        self.push_control(Dest::Peer(peer), &Control::Reset(reset));
    }

    /// Sends a SYN-ACK, also to a live consumer: a SYN-ACK tells which generation of the group to
    /// listen to.
    pub(super) fn send_syn_ack(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(id) else { return };
        let syn_ack = SynAck {
            peer: id,
            start: peer.start(),
            start_bytes: peer.credit().start_bytes(),
            integrity: self.config.integrity,
            max_body_bytes: self.config.max_body_bytes() as u32,
            max_message_bytes: self.config.max_message_bytes,
            keep_alive: self.config.keep_alive,
            idle_timeout: self.config.idle_timeout,
            consumers: self.consumers_to_tell(),
            generation: if peer.is_told_to_listen() { self.group.told() } else { 0 },
            paces: peer.identity().counts,
        };
        self.push_control(Dest::Peer(id), &Control::SynAck(syn_ack));
    }

    /// A consumer that is no peer of this session sends a frame: its RESET was lost. As the
    /// consumer still hears the group, it would wait for ever for what it misses.
    pub(super) fn answer_stranger(&mut self, id: PeerId) {
        self.drop_as(|dropped| &mut dropped.foreign);
        match self.membership.eviction(id).map(str::to_owned) {
            Some(reason) => self.push_reset(id, ResetCode::TooSlow, &reason),
            None => {
                let reason = "this consumer is no member of the session";
                self.push_reset(id, ResetCode::UnknownSession, reason);
            }
        }
    }
}
