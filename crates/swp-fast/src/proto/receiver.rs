//! A consumer's end of a stream.
//!
//! Receipt and consumption are two things. A frame that arrives is reported at once, or in the next pause of
//! [`super::ACK_DELAY`], whatever the application does; credit moves only when the application reads.
//!
//! ```text
//!   Connecting --SYN-ACK--> Open --FIN, all read--> Ending --Closed--> Ended
//!       |   ^                |                         (or silence for the idle time-out)
//!       |   +--given up------+
//!       +------> Failed <----+
//! ```

mod data;
mod handshake;
mod report;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::ranges::RangeSet;
use super::stats::SubscriberStats;
use super::{AssembleError, Assembler, Batch, BatchMessages, FIRST_GENERATION, Transmit};
use crate::config::{ConfigError, SubscribeConfig};
use crate::time::Time;
use crate::wire::{
    Control, Credit, Digest, Fragment, Integrity, Kind, PeerId, ResetCode, Resume, SackRanges,
    Sealer, Seq, SessionId,
};

/// The first SYN is repeated after this long, at first; a broker on the same host answers in 0.3 ms.
const SYN_INTERVAL: Duration = Duration::from_millis(100);
/// ... and doubles up to this, which is also how long a publisher that starts later may go unnoticed
/// if its announcement is lost.
const MAX_SYN_INTERVAL: Duration = Duration::from_secs(1);
/// FIN-ACK is repeated after this long, doubling up to [`MAX_SYN_INTERVAL`], until it is answered or nothing
/// was heard for the idle time-out: by then the publisher has gone, or given this consumer up.
const FIN_ACK_INTERVAL: Duration = Duration::from_millis(50);

/// A data frame in its place.
#[derive(Debug, Clone)]
pub struct ReadyFrame {
    /// Its number.
    pub seq: Seq,
    /// [`Kind::Data`] or [`Kind::Fragment`].
    pub kind: Kind,
    /// Its body, checked: it decodes.
    pub body: Bytes,
    /// Messages that end in it.
    pub messages: u32,
    /// The digest that it was checked with.
    pub digest: Digest,
}

/// Why a consumer's session ended before the end of the stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiverError {
    /// The publisher said no, or ended the session.
    #[error("the publisher ended the session: {reason}")]
    Reset {
        /// Its reason's number.
        code: ResetCode,
        /// Its reason.
        reason: String,
    },
    /// Nothing was heard of the publisher for the idle time-out.
    #[error("the publisher was not heard for {:.1} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// The publisher removed this consumer, and accepted none of its SYNs within the idle time-out.
    #[error(
        "the publisher removed this consumer ({reason}) and did not readmit it within the idle \
         time-out"
    )]
    NotReadmitted {
        /// Why the publisher removed this consumer.
        reason: String,
    },
    /// The publisher speaks another version of the wire.
    #[error(
        "the publisher speaks wire version {theirs}, this side speaks {}",
        crate::wire::VERSION
    )]
    Version {
        /// Its version.
        theirs: u8,
    },
    /// Fragments did not make up a message.
    #[error(transparent)]
    Fragments(#[from] AssembleError),
    /// What the publisher sent, rightly numbered and with the right digest, cannot be.
    #[error("the publisher broke the protocol: {0}")]
    Protocol(&'static str),
    /// The application gave up.
    #[error("cancelled")]
    Cancelled,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiverEvent {
    /// The publisher let this consumer in.
    Connected,
    /// It had given this consumer up, and let it in again where it was.
    Reconnected,
    /// The publisher knows that this consumer is through, or can no longer be told.
    Ended,
    /// The session is over, unfinished.
    Failed(ReceiverError),
}

/// What the handshake settled.
#[derive(Debug, Clone)]
struct Session {
    id: SessionId,
    epoch: u32,
    integrity: Integrity,
    max_body_bytes: u32,
    keep_alive: Duration,
    idle_timeout: Duration,
    /// How many consumers share the way back.
    members: u32,
    /// The generation of the group that it is to listen to; 0 for none.
    generation: u32,
    /// The group may still be at the one before.
    moving: bool,
    /// While it listens to the group, that keeps to its credit.
    paces: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Connecting { syn_at: Time, interval: Duration },
    Open,
    Ending { fin_ack_at: Time, interval: Duration },
    Ended,
    Failed(ReceiverError),
}

/// See the module.
#[derive(Debug)]
pub struct Receiver {
    config: SubscribeConfig,
    id: PeerId,
    sealer: Sealer,
    state: State,
    session: Option<Session>,
    /// The publisher gave this consumer up, for this reason; it asks to be let in again until then.
    given_up: Option<(String, Time)>,
    /// It is through; a publisher that was replaced since has to be told again.
    closing: bool,
    /// The publisher that it is with has told the end, not only one that was replaced since.
    end_told: bool,
    /// Everything below is here: the cumulative ack.
    next: Seq,
    /// Frames above `next`, by their distance from it; bounded by the window.
    early: VecDeque<Option<ReadyFrame>>,
    early_ranges: RangeSet,
    /// What comes next is a message's beginning; after a late join that has to be found first.
    aligned: bool,
    ready: VecDeque<ReadyFrame>,
    /// Puts fragments together as they are read.
    assembler: Assembler,
    /// What [`Self::read_message`] has not given yet of the last batch.
    current: BatchMessages,
    /// Body bytes in `early` and `ready`.
    held_bytes: u64,
    consumed_frames: Seq,
    consumed_bytes: u64,
    /// Credit as last told, which the publisher may rely on.
    told: Credit,
    end: Option<Seq>,
    trailer: Bytes,
    latest: Option<(Seq, Time)>,
    /// The probe that came last, and when it arrived.
    probe: Option<(u64, Time)>,
    /// Frames that arrived since the last report, and when the first of them did.
    unreported: u64,
    unreported_since: Option<Time>,
    ack_now: bool,
    /// What `ack_at` promises is not put off.
    hurried: bool,
    ack_at: Option<Time>,
    control: VecDeque<Transmit>,
    control_seq: Seq,
    events: VecDeque<ReceiverEvent>,
    last_sent: Time,
    last_heard: Time,
    last_now: Time,
    stats: SubscriberStats,
}

impl Receiver {
    /// A consumer that asks to join, and goes on asking. `id` is random, and the caller's to draw;
    /// `subscription_capacity` is what the bus queues for it, in messages.
    ///
    /// # Errors
    /// Where `config` cannot work.
    pub fn new(
        config: SubscribeConfig,
        id: PeerId,
        subscription_capacity: u64,
        now: Time,
    ) -> Result<Receiver, ConfigError> {
        config.validate(subscription_capacity)?;
        let (next, next_bytes) = config
            .resume
            .as_ref()
            .map_or((Seq::ZERO, 0), |resume| (resume.next, resume.next_bytes));
        let assembler = Assembler::new(config.max_message_bytes);
        Ok(Receiver {
            sealer: Sealer::new(config.key.clone()),
            config,
            id,
            state: State::Connecting { syn_at: now, interval: SYN_INTERVAL },
            session: None,
            given_up: None,
            closing: false,
            end_told: false,
            next,
            early: VecDeque::new(),
            early_ranges: RangeSet::default(),
            aligned: true,
            ready: VecDeque::new(),
            assembler,
            current: BatchMessages::default(),
            held_bytes: 0,
            consumed_frames: next,
            consumed_bytes: next_bytes,
            told: Credit::default(),
            end: None,
            trailer: Bytes::new(),
            latest: None,
            probe: None,
            unreported: 0,
            unreported_since: None,
            ack_now: false,
            hurried: false,
            ack_at: None,
            control: VecDeque::new(),
            control_seq: Seq::ZERO,
            events: VecDeque::new(),
            last_sent: now,
            last_heard: now,
            last_now: now,
            stats: SubscriberStats::default(),
        })
    }

    /// A frame arrived, for the group or in the consumer's own inbox.
    pub fn handle_frame(&mut self, now: Time, frame: &Bytes) {
        self.note_time(now);
        // Whose it is comes first: a foreign frame's body is not worth a hash.
        let unopened = match self.sealer.begin(frame) {
            Ok(unopened) => unopened,
            Err(error) => return self.refuse(frame, error),
        };
        let header = unopened.header();
        let ours = self
            .session
            .as_ref()
            .is_some_and(|session| session.id == header.session && session.epoch == header.epoch);
        let for_anyone = matches!(header.kind, Kind::SynAck | Kind::Announce | Kind::Reset);
        if !ours && !for_anyone {
            self.stats.dropped.foreign += 1;
            return;
        }
        let opened = match unopened.open() {
            Ok(opened) => opened,
            Err(error) => return self.refuse(frame, error),
        };
        match opened.control() {
            None => self.handle_data(now, opened),
            Some(Ok(control)) => self.handle_control(now, &opened, control, ours),
            Some(Err(error)) => self.stats.dropped.count_wire(error),
        }
    }

    /// Returns the next message in order, or `None` for now.
    pub fn read_message(&mut self, now: Time) -> Option<Bytes> {
        loop {
            if let Some(message) = self.current.next() {
                return Some(message);
            }
            self.current = self.read_batch(now)?.into_iter();
        }
    }

    /// Returns the messages of the next frame, or the next message that came in fragments, in order; or `None`
    /// for now, or once the session has failed ([`Self::failure`]) because fragments did not fit together.
    pub fn read_batch(&mut self, now: Time) -> Option<Batch> {
        if let Some(rest) = self.current.take_rest() {
            return Some(rest);
        }
        loop {
            let frame = self.read_frame(now)?;
            match self.assemble(frame) {
                Ok(None) => {}
                Ok(Some(batch)) => return Some(batch),
                Err(error) => {
                    self.tell_failure("fragments did not make up a message");
                    self.fail(error);
                    return None;
                }
            }
        }
    }

    fn assemble(&mut self, frame: ReadyFrame) -> Result<Option<Batch>, ReceiverError> {
        if frame.kind == Kind::Fragment {
            // It decoded when it arrived.
            let Ok(fragment) = Fragment::decode(&frame.body) else { return Ok(None) };
            return Ok(self.assembler.push(&fragment)?.map(Batch::whole));
        }
        if self.assembler.is_open() {
            return Err(ReceiverError::Protocol("a packed frame came amid a fragmented message"));
        }
        Ok((!frame.body.is_empty()).then(|| Batch::packed(frame.body)))
    }

    /// Returns the next frame in order, or `None` for now. The frame counts as consumed. Not to be mixed with
    /// the other ways to read within one frame or fragmented message.
    pub fn read_frame(&mut self, now: Time) -> Option<ReadyFrame> {
        let frame = self.ready.pop_front()?;
        let bytes = frame.body.len() as u64;
        self.held_bytes -= bytes;
        self.consumed_frames = frame.seq.next();
        self.consumed_bytes += bytes;
        self.note_consumed(now);
        Some(frame)
    }

    /// Whether the stream has been read to its end; [`Self::close`] is due then.
    pub fn at_end(&self) -> bool {
        self.end.is_some_and(|end| self.consumed_frames >= end && self.next >= end)
    }

    /// The publisher's last word, once the end is known.
    pub fn trailer(&self) -> Option<&Bytes> {
        self.end.map(|_| &self.trailer)
    }

    /// Everything was consumed: the publisher may know. Does nothing before [`Self::at_end`].
    pub fn close(&mut self, now: Time) {
        if self.at_end() && self.state == State::Open && !self.closing {
            self.closing = true;
            if !self.end_told {
                // A publisher that has yet to begin waits for reports: FIN-ACK comes after its FIN.
                return;
            }
            self.state = State::Ending { fin_ack_at: now, interval: FIN_ACK_INTERVAL };
        }
    }

    /// Gives up before the end, and tells the publisher why.
    pub fn cancel(&mut self, reason: &str) {
        if self.is_over() {
            return;
        }
        self.tell_failure(reason);
        self.fail(ReceiverError::Cancelled);
    }

    /// Tells the publisher that this consumer leaves.
    fn tell_failure(&mut self, reason: &str) {
        if self.session.is_some() && self.state == State::Open {
            let (peer, code, reason) = (self.id, ResetCode::Cancelled, reason.to_owned());
            self.push_control(&Control::Reset(crate::wire::Reset { peer, code, reason }));
        }
    }

    /// Ends without a word, as if its process had died: until the publisher gives it up, another can go on in
    /// its place (see [`Self::resume_point`]).
    pub fn detach(&mut self) {
        self.fail(ReceiverError::Cancelled);
    }

    /// Why the session failed, if it did.
    pub fn failure(&self) -> Option<&ReceiverError> {
        match &self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Where another consumer could go on in this one's place: behind what was read. `None` before it was
    /// let in, and after a late join until a message begins: another would take its middle for a beginning.
    pub fn resume_point(&self) -> Option<Resume> {
        let session = self.session.as_ref().filter(|_| self.aligned)?;
        Some(Resume {
            session: session.id,
            epoch: session.epoch,
            peer: self.id,
            next: self.consumed_frames,
            next_bytes: self.consumed_bytes,
            sack: SackRanges::default(),
        })
    }

    /// Whether a frame is ready to be read.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether the session has ended, well or not.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended | State::Failed(_))
    }

    /// The generations of the group that are to be listened to, the newest last: at most three, and none while
    /// this consumer is far behind. After each input, the caller makes it so before it sends what
    /// [`Self::poll_transmit`] has to say. What was sent to one that is left is better taken than lost.
    pub fn generations(&self) -> impl Iterator<Item = u32> + Clone + use<> {
        let session = self.session.as_ref();
        let (newest, moving) = session
            .map_or((FIRST_GENERATION, false), |session| (session.generation, session.moving));
        // Announcements always go to the first, and nothing else does once the group has left it.
        let others = newest.saturating_sub(u32::from(moving)).max(FIRST_GENERATION + 1)..=newest;
        (newest > 0).then_some(FIRST_GENERATION).into_iter().chain(others)
    }

    /// Whether it is to listen to the group at all.
    pub(super) fn wants_group(&self) -> bool {
        self.session.as_ref().is_none_or(|session| session.generation > 0)
    }

    /// The newest generation that it listens to; 0 for none.
    pub(super) fn generation(&self) -> u32 {
        self.session.as_ref().map_or(0, |session| session.generation)
    }

    /// Whether the publisher has let this consumer in.
    pub fn is_connected(&self) -> bool {
        self.session.is_some()
    }

    /// Whether there is something to be sent, or an event, that [`Self::poll_timeout`] does not tell of.
    pub fn has_news(&self) -> bool {
        !self.control.is_empty() || !self.events.is_empty()
    }

    /// When something of its session was last heard.
    pub fn last_heard(&self) -> Time {
        self.last_heard
    }

    /// The next event, oldest first.
    pub fn poll_event(&mut self) -> Option<ReceiverEvent> {
        self.events.pop_front()
    }

    /// The counters as they stand.
    pub fn stats(&self) -> SubscriberStats {
        let mut stats = self.stats.clone();
        stats.queued_frames = self.held_frames();
        stats
    }

    fn held_frames(&self) -> u64 {
        (self.ready.len() + self.early.iter().flatten().count()) as u64
    }

    fn fail(&mut self, error: ReceiverError) {
        if !self.is_over() {
            self.state = State::Failed(error.clone());
            self.events.push_back(ReceiverEvent::Failed(error));
        }
    }
}

#[cfg(test)]
mod tests;
