//! A consumer's state machine.
//!
//! Receipt and consumption are separate. An ack says what has arrived, whatever the application
//! does. Credit moves only when the application consumes.
//!
//! ```text
//!   Connecting --SYN-ACK--> Open --FIN, all consumed--> Ending --Closed--> Ended
//!       |   ^                |                             | (or silence for the idle time-out)
//!       |   +----removed-----+-----------------------------+
//!       +------> Failed <----+
//! ```
//!
//! A consumer that the publisher has removed, or whose publisher was restarted, joins again and
//! resumes behind the frames that it holds.
//!
//! | Part | What it knows |
//! |---|---|
//! | [`Reassembly`] | which frames are held, in order or beside a gap, and what was consumed |
//! | [`MessageReader`] | messages: of a packed frame, or put together from fragments |
//! | [`AckSchedule`] | when an ack is due, and what credit was advertised |
//! | [`Liveness`] | when something was heard and sent, and whether the process was stopped |
//! | [`StreamEnd`] | where the stream ends, and who has confirmed it |
//! | [`Session`] | what the handshake has settled |
//! | [`Outgoing`] | sealing and counting control frames |
//!
//! `input` and `handshake` handle frames, `output` makes them and has the deadlines.

mod ack_schedule;
mod event;
mod handshake;
mod input;
mod joining;
mod liveness;
mod messages;
mod outgoing;
mod output;
mod ready_frame;
mod reassembly;
mod retries;
mod session;
mod stream_end;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::stats::{DropCounts, SubscriberStats};
use super::{Batch, FIRST_GENERATION};
use crate::config::{ConfigError, SubscribeConfig};
use crate::time::Time;
use crate::wire::{Control, PeerId, Reset, ResetCode, Resume, SackRanges, Sealer};

use ack_schedule::AckSchedule;
use joining::Joining;
use liveness::Liveness;
use messages::MessageReader;
use outgoing::Outgoing;
use reassembly::{Place, Reassembly, Totals};
use retries::Retries;
use session::Session;
use stream_end::StreamEnd;

pub use event::{ReceiverError, ReceiverEvent};
pub use ready_frame::ReadyFrame;

/// The second FIN-ACK follows after this long. The interval doubles until the publisher answers, or
/// was silent for the idle time-out: by then the publisher has gone or has timed this consumer out.
const FIN_ACK_INTERVAL: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Connecting(Joining),
    Open,
    /// FIN-ACK is sent until the publisher answers it.
    Ending(Retries),
    Ended,
    Failed(ReceiverError),
}

impl State {
    fn ending(now: Time) -> State {
        State::Ending(Retries::starting_at(now, FIN_ACK_INTERVAL))
    }
}

/// Counters that belong to no part.
#[derive(Debug, Default)]
struct Counts {
    /// Data frames that arrived more than once.
    duplicates: u64,
    /// Acks sent.
    acks: u64,
    dropped: DropCounts,
}

/// A consumer's state machine, without I/O. See the module for its parts.
///
/// Its methods come in four kinds. A caller uses them in this order:
///
/// 1. The constructor, [`Self::new`].
/// 2. Inputs: [`Self::handle_frame`] for each frame, [`Self::handle_timeout`] when
///    [`Self::poll_timeout`] says so, [`Self::handle_outage`] and [`Self::handle_reconnect`] when
///    the bus goes and comes back.
/// 3. Calls of the application: [`Self::read_message`], [`Self::read_batch`] or
///    [`Self::read_frame`] until they return `None`, then [`Self::at_end`]. At the end
///    [`Self::close`], before it [`Self::cancel`] or [`Self::detach`].
/// 4. Outputs, after each input and each call of the application: first [`Self::generations`], to
///    which the caller adjusts its subscriptions. Then [`Self::poll_transmit`] and
///    [`Self::poll_event`] until they return `None`, and [`Self::poll_timeout`].
#[derive(Debug)]
pub struct Receiver {
    config: SubscribeConfig,
    id: PeerId,
    sealer: Sealer,
    state: State,
    /// `None` until a publisher has accepted this consumer. Kept while it joins again.
    session: Option<Session>,
    reassembly: Reassembly,
    messages: MessageReader,
    acks: AckSchedule,
    liveness: Liveness,
    end: StreamEnd,
    outgoing: Outgoing,
    /// At most a few per input.
    events: VecDeque<ReceiverEvent>,
    counts: Counts,
}

impl Receiver {
    /// Creates a consumer that sends SYNs until a publisher accepts it. `id` must be random.
    /// `subscription_capacity` is how many messages the bus queues for this consumer.
    ///
    /// # Errors
    /// If `config` cannot work.
    pub fn new(
        config: SubscribeConfig,
        id: PeerId,
        subscription_capacity: u64,
        now: Time,
    ) -> Result<Receiver, ConfigError> {
        config.validate(subscription_capacity)?;
        let start = config.resume.as_ref().map_or(Place::default(), |resume| Place {
            seq: resume.next,
            offset: resume.next_bytes,
        });
        let sealer = Sealer::new(config.key.clone());
        Ok(Receiver {
            id,
            state: State::Connecting(Joining::starting_at(now)),
            session: None,
            reassembly: Reassembly::new(start),
            messages: MessageReader::new(config.max_message_bytes),
            acks: AckSchedule::new(&config),
            liveness: Liveness::new(now),
            end: StreamEnd::default(),
            outgoing: Outgoing::new(sealer.clone()),
            events: VecDeque::new(),
            counts: Counts::default(),
            sealer,
            config,
        })
    }

    /// Returns the next message in order, or `None` for now.
    pub fn read_message(&mut self, now: Time) -> Option<Bytes> {
        loop {
            if let Some(message) = self.messages.next_message() {
                return Some(message);
            }
            let batch = self.read_batch(now)?;
            self.messages.keep(batch);
        }
    }

    /// Returns the messages of the next frame, or the next message that came in fragments, in
    /// order. Returns `None` for now, or if the session fails here ([`Self::failure`]) because
    /// fragments do not fit together.
    pub fn read_batch(&mut self, now: Time) -> Option<Batch> {
        if let Some(rest) = self.messages.take_rest() {
            return Some(rest);
        }
        while !self.messages.is_broken()
            && let Some(frame) = self.read_frame(now)
        {
            match self.messages.push(frame) {
                Ok(None) => {}
                Ok(Some(batch)) => return Some(batch),
                Err(error) => self.fail_messages(error),
            }
        }
        if self.has_read_all_frames()
            && let Err(error) = self.messages.end()
        {
            self.fail_messages(error);
        }
        None
    }

    fn fail_messages(&mut self, error: ReceiverError) {
        self.send_reset("fragments did not make up a message");
        self.fail(error);
    }

    /// Returns the next frame in order, or `None` for now. The frame counts as consumed. Not to be
    /// mixed with the other ways to read within one frame or fragmented message.
    pub fn read_frame(&mut self, now: Time) -> Option<ReadyFrame> {
        let frame = self.reassembly.read_frame()?;
        self.acks.handle_consumed(now, self.reassembly.consumed());
        Some(frame)
    }

    /// Returns true if a frame is ready to be read.
    pub fn has_ready(&self) -> bool {
        self.reassembly.has_ready()
    }

    /// Returns true if the stream has been read to its end, with every message of its last batch.
    /// [`Self::close`] is due then. False for good if the last frames did not make up messages: the
    /// session has failed then.
    pub fn at_end(&self) -> bool {
        self.has_read_all_frames() && !self.messages.is_amid() && !self.messages.is_broken()
    }

    fn has_read_all_frames(&self) -> bool {
        self.end.is_reached(self.reassembly.consumed().seq)
    }

    /// Returns true if [`Self::close`] has confirmed the end. The FIN-ACK may still have to leave.
    pub fn is_confirmed(&self) -> bool {
        self.end.is_confirmed()
    }

    /// Returns the publisher's trailer, once the end is known.
    pub fn trailer(&self) -> Option<&Bytes> {
        self.end.trailer()
    }

    /// Confirms to the publisher that everything was consumed. Does nothing before
    /// [`Self::at_end`].
    ///
    /// A publisher that took over and has not announced the end yet expects acks, so FIN-ACK
    /// follows its FIN.
    pub fn close(&mut self, now: Time) {
        if self.at_end() && self.state == State::Open && !self.end.is_confirmed() {
            self.end.confirm();
            if self.end.may_acknowledge() {
                self.state = State::ending(now);
            }
        }
    }

    /// Leaves the stream before its end, and tells the publisher why.
    pub fn cancel(&mut self, reason: &str) {
        if !self.is_over() {
            self.send_reset(reason);
            self.fail(ReceiverError::Cancelled);
        }
    }

    /// Ends without telling the publisher, as if the process had died. Another consumer can resume
    /// in its place until the publisher times it out: see [`Self::resume_point`].
    pub fn detach(&mut self) {
        self.fail(ReceiverError::Cancelled);
    }

    /// Returns where another consumer could resume in this one's place: behind what was read.
    ///
    /// Returns `None` before a publisher has accepted this consumer, after a late join until a
    /// message begins, and while a batch or a fragmented message has been read in part: there is no
    /// place in the stream then from which another consumer would read exactly what is left.
    pub fn resume_point(&self) -> Option<Resume> {
        self.read_point().filter(|_| !self.messages.is_amid())
    }

    /// Returns the end of the frames that were read, also where a message or a batch of them is
    /// not complete. Returns `None` before a publisher has accepted this consumer, and after a late
    /// join until a message begins.
    pub fn read_point(&self) -> Option<Resume> {
        let session = self.session.as_ref().filter(|_| self.reassembly.is_aligned())?;
        let Place { seq, offset } = self.reassembly.consumed();
        Some(Resume {
            session: session.id(),
            epoch: session.epoch(),
            peer: self.id,
            next: seq,
            next_bytes: offset,
            sack: SackRanges::default(),
        })
    }

    /// Returns why the session failed, if it did.
    pub fn failure(&self) -> Option<&ReceiverError> {
        match &self.state {
            State::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Returns true if the session has ended, well or not.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Ended | State::Failed(_))
    }

    /// Returns true if a publisher has accepted this consumer, now or before.
    pub fn is_connected(&self) -> bool {
        self.session.is_some()
    }

    /// Returns when a frame of the session was last heard. An outage of the link counts as heard.
    pub fn last_heard(&self) -> Time {
        self.liveness.last_heard()
    }

    /// Returns the generations of the group to listen to, the newest last. There are at most three,
    /// and none while this consumer is far behind.
    ///
    /// After each input, the caller adjusts its subscriptions to them before it sends what
    /// [`Self::poll_transmit`] returns. Frames that are still queued of a generation that is left
    /// should be handled, because they would have to be retransmitted otherwise.
    pub fn generations(&self) -> impl Iterator<Item = u32> + Clone + use<> {
        let session = self.session.as_ref();
        let (newest, moving) = session.map_or((FIRST_GENERATION, false), |session| {
            (session.generation(), session.is_moving())
        });
        session::generations(newest, moving)
    }

    /// Returns true if a frame or an event waits that [`Self::poll_timeout`] does not cover.
    pub fn has_news(&self) -> bool {
        !self.outgoing.is_empty() || !self.events.is_empty()
    }

    /// Returns the next event, oldest first.
    pub fn poll_event(&mut self) -> Option<ReceiverEvent> {
        self.events.pop_front()
    }

    /// Returns the counters as they stand.
    pub fn stats(&self) -> SubscriberStats {
        let Totals { frames, messages, bytes, out_of_order, peak_queued_frames } =
            self.reassembly.totals();
        let Counts { duplicates, acks, dropped } = self.counts;
        SubscriberStats {
            frames,
            messages,
            bytes,
            duplicates,
            out_of_order,
            acks,
            queued_frames: self.reassembly.queued_frames(),
            peak_queued_frames,
            dropped,
        }
    }

    /// Tells the publisher that this consumer leaves.
    fn send_reset(&mut self, reason: &str) {
        if self.session.is_some() && self.state == State::Open {
            let (peer, code, reason) = (self.id, ResetCode::Cancelled, reason.to_owned());
            self.outgoing.push(&Control::Reset(Reset { peer, code, reason }));
        }
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
