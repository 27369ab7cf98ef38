//! What is checked at every step, from outside of the code under test.

use super::World;
use crate::config::{LateJoin, Slow};
use crate::proto::{Dest, LostReason, ReceiverError, ReceiverEvent, SenderEvent};
use crate::sim::Node;
use crate::sim::checker::Admission;
use crate::sim::network::Label;
use crate::time::Time;
use crate::wire::{Control, Credit, Frame, Kind, ResetCode, Seq};

impl World {
    /// Checks a frame as it is sent.
    pub(super) fn check_frame(&mut self, from: Node, to: Dest, frame: &Frame) {
        let mut checked = self.checker.check(from, to, frame);
        if let (Node::Publisher(publisher), Dest::Peer(id)) = (from, to)
            && let Some(Ok(Control::SynAck(syn_ack))) = frame.control()
            && let Some(consumer) = self.consumers.iter_mut().find(|consumer| consumer.id == id)
        {
            let start = Credit { frames: syn_ack.start, bytes: syn_ack.start_bytes };
            let window = Credit {
                frames: Seq::ZERO.advance(consumer.config.window_frames),
                bytes: consumer.config.window_bytes,
            };
            let refuses = self.publishers[publisher].config.late_join == LateJoin::Refuse;
            // A consumer that was in the session before, and says what it holds, does not join
            // late.
            let again = consumer.session == Some(frame.header.session);
            if refuses && start.frames > Seq::ZERO && !again {
                checked = Err(format!("{id} was let in late, against the configuration"));
            }
            // A late copy of its SYN admits a consumer that has ended, and that hears nothing any
            // more.
            let counts = consumer.counts(&self.publishers[publisher].config) && !consumer.is_gone();
            let (live, epoch) = (syn_ack.generation > 0, frame.header.epoch);
            let admission = Admission { start, window, again, live, counts, epoch };
            checked = checked.and(self.checker.admit(frame.header.session, id, admission));
        }
        if let (Node::Consumer(consumer), Kind::FinAck) = (from, frame.header.kind)
            && !self.consumers[consumer].confirms
        {
            checked = Err("the end was confirmed, and not by the application".to_owned());
        }
        if let Err(what) = checked {
            self.fail(&format!("{from}: {what}"));
        }
    }

    pub(super) fn note_handed_to_publisher(&mut self, index: usize, label: Option<&Label>) {
        self.note_handed(Node::Publisher(index), label);
        let (now, publisher) = (self.local_now(), &mut self.publishers[index]);
        let Some(Label { from: Some(Node::Consumer(consumer)), kind, .. }) = label else { return };
        let ours = label.is_some_and(|label| {
            (label.session, label.epoch) == (publisher.ids.session, publisher.ids.epoch)
        });
        // A frame of a process that died does not count for the process in its place.
        let restarts = self.consumers[*consumer].process.restarts;
        if label.is_some_and(|label| label.restarts != restarts) || !(ours || *kind == Kind::Syn) {
            return;
        }
        let heard = &mut publisher.heard[*consumer];
        heard.at = Some(now);
        if let Some((acked, credit)) = label.and_then(|label| label.ack) {
            let most = (heard.most.0.max(acked), heard.most.1.max(credit));
            if most != heard.most {
                heard.most = most;
                heard.rose_at = now;
            }
        }
    }

    pub(super) fn note_handed_to_consumer(&mut self, index: usize, label: Option<&Label>) {
        self.note_handed(Node::Consumer(index), label);
        let Some(label) = label else { return };
        let (now, consumer) = (self.local_now(), &mut self.consumers[index]);
        if let Some(start) = label.start.filter(|_| label.from.is_some())
            && consumer.session.is_none()
        {
            // Two epochs of a session may each have let the consumer in. The first SYN-ACK counts.
            consumer.session = Some(label.session);
            consumer.reader.joins_at(start);
        }
        // Where a publisher was replaced, only frames of the epoch that let the consumer in count.
        let joined = consumer.receiver.read_point();
        let ours = joined.is_some_and(|at| (at.session, at.epoch) == (label.session, label.epoch));
        if ours && label.from.is_some() {
            consumer.heard = Some(now);
        }
        if label.kind.is_data() {
            let checked = self.checker.note_handed(label, consumer.id);
            if !consumer.reader.has_begun() {
                self.checker.note_skipped(consumer.id);
            }
            if let Err(what) = checked {
                self.fail(&what);
            }
        }
    }

    fn note_handed(&mut self, node: Node, label: Option<&Label>) {
        if self.tracer.is_none() {
            return;
        }
        match label {
            Some(Label { kind, seq, .. }) => {
                self.note(format_args!("{node} is handed {kind:?} {seq}"));
            }
            None => self.note(format_args!("{node} is handed noise")),
        }
    }

    /// A frame that does not fit the queue of a process is lost, as with a client of the bus. The
    /// data of a stream fits the queue of its only consumer. With several consumers, probes arrive
    /// here too and can use up the reserve. A consumer that is no peer hears more than it can
    /// queue, and the network makes copies. Where round trips vary by more than the shortest, the
    /// ack of a frame can look like the ack of its retransmission (RFC 8985 section 6.2 step 2),
    /// and the publisher retransmits once more what still waits in the queue. Such losses are
    /// retransmitted as any other.
    pub(super) fn check_overflow(&mut self, node: Node, label: Option<&Label>) {
        self.note(format_args!("the queue of {node} is full: a frame is lost"));
        self.overflowed += 1;
        let Some(label) = label.filter(|label| label.kind.is_data()) else { return };
        if let Node::Consumer(index) = node
            && self.config.down.duplicate == 0.0
            && self.consumers.len() == 1
            && self.checker.is_peer(label.session, self.consumers[index].id)
            && !(self.acks_are_ambiguous() && self.consumers[index].process.queues_copies())
        {
            self.fail(&format!("more data is sent to {node} than is queued for it"));
        }
    }

    /// Returns true if round trips vary by more than the shortest round trip.
    fn acks_are_ambiguous(&self) -> bool {
        let (down, up) = (&self.config.down, &self.config.up);
        down.jitter + up.jitter > down.latency + up.latency
    }

    /// Checks a publisher after it was served.
    pub(super) fn check_publisher(&mut self, index: usize, now: Time) {
        let publisher = &self.publishers[index];
        let (sender, session) = (&publisher.sender, publisher.ids.session);
        if sender.is_over() {
            return;
        }
        self.check_timer(Node::Publisher(index), sender.poll_timeout(), now);
        if let Err(what) = self.checker.check_acked(session, sender.acked(), self.config.rewindable)
        {
            self.fail(&what);
        }
        let (frames, bytes) = self.checker.retained(session, sender.acked(), sender.sent());
        let config = &publisher.config;
        if frames > config.retained_frames || bytes > config.retained_bytes {
            self.fail(&format!("publisher {index} retains {frames} frames, {bytes} bytes"));
        }
        self.check_positions(index);
        self.check_quorum(index);
    }

    /// Positions never go back, and an acked position covers only messages that the peers were
    /// handed.
    fn check_positions(&mut self, index: usize) {
        let publisher = &mut self.publishers[index];
        let (sender, app) = (&publisher.sender, &publisher.app);
        let (sent, acked) = (sender.sent_position(), sender.acked_position());
        let before = std::mem::replace(&mut publisher.told, (sent, acked));
        if before == (sent, acked) {
            return;
        }
        if sent < before.0 || acked < before.1 || acked > sent || sent > app.accepted_position() {
            self.fail(&format!("publisher {index} told {before:?}, and then {sent:?}, {acked:?}"));
        }
        let (session, messages) = (publisher.ids.session, app.complete_at(acked));
        let rewindable = self.config.rewindable;
        let checked = self.checker.check_acked_messages(session, messages, rewindable);
        if let Err(what) = checked {
            self.fail(&what);
        }
    }

    /// Checks a consumer after it was served.
    pub(super) fn check_consumer(&mut self, index: usize, now: Time) {
        let timer = self.consumers[index].receiver.poll_timeout();
        self.check_timer(Node::Consumer(index), timer, now);
    }

    fn check_timer(&self, node: Node, timer: Option<Time>, now: Time) {
        if timer.is_some_and(|at| at <= now) {
            self.fail(&format!("{node} was served at {now:?}, and asks to be woken at {timer:?}"));
        }
    }

    pub(super) fn check_sender_event(&mut self, index: usize, event: &SenderEvent) {
        self.note_quorum(index, event);
        match event {
            SenderEvent::Finished { name } => {
                if let Some(consumer) = self.named(name) {
                    self.check_has_all(consumer, "was told to have finished");
                }
            }
            SenderEvent::Lost { name, reason, .. } => {
                if let Some(consumer) = self.named(name) {
                    self.check_lost(index, consumer, reason);
                    let session = self.publishers[index].ids.session;
                    self.checker.remove(session, self.consumers[consumer].id);
                }
            }
            SenderEvent::Closed => {
                let publisher = &self.publishers[index];
                let (acked, accepted) =
                    (publisher.sender.acked_position(), publisher.app.accepted_position());
                if acked != accepted {
                    self.fail(&format!("closed at {acked:?}, and {accepted:?} was accepted"));
                }
                let session = publisher.ids.session;
                for consumer in 0..self.consumers.len() {
                    if self.checker.is_peer(session, self.consumers[consumer].id) {
                        self.check_has_all(consumer, "is a peer in a stream that closed");
                    }
                }
            }
            _ => {}
        }
    }

    /// A peer may be timed out only after it was not heard for as long as was agreed.
    fn check_lost(&self, publisher: usize, consumer: usize, reason: &LostReason) {
        let config = &self.publishers[publisher].config;
        match reason {
            LostReason::TimedOut(_) => {
                let heard = self.publishers[publisher].heard[consumer].at.unwrap_or_default();
                if self.local_now().since(heard) < config.idle_timeout {
                    self.fail(&format!(
                        "consumer {consumer} was timed out, and heard at {heard:?}"
                    ));
                }
                if self.healed_at.is_some_and(|at| heard > at)
                    && !self.consumers[consumer].is_gone()
                {
                    self.fail(&format!(
                        "consumer {consumer} runs and was not heard since {heard:?}"
                    ));
                }
            }
            LostReason::TooManyUnacked(_) if config.unacked_limit.is_none() => {
                self.fail(&format!("consumer {consumer} was lost by a limit that is not set"));
            }
            LostReason::Stalled(_) => self.check_stalled(publisher, consumer),
            LostReason::LeftBehind if self.consumers[consumer].counts(config) => {
                self.fail(&format!("consumer {consumer} counts, and was left behind"));
            }
            // The consumer is told that it cannot resume, and may not have heard that yet.
            LostReason::Left(why)
                if !self.consumers[consumer].is_gone() && !why.starts_with("it cannot resume") =>
            {
                self.fail(&format!("consumer {consumer} is said to have left, and has not"));
            }
            _ => {}
        }
    }

    /// A consumer may be evicted only if it counts, and its acks showed no progress for as long as
    /// is set. Whether the stream had to wait for the consumer cannot be seen from here.
    fn check_stalled(&self, publisher: usize, consumer: usize) {
        let one = &self.publishers[publisher];
        let Slow::Evict { stalled_for } = one.config.slow else {
            self.fail(&format!("consumer {consumer} was evicted, and is to be waited for"));
        };
        if !self.consumers[consumer].counts(&one.config) {
            self.fail(&format!("consumer {consumer} was evicted, and sets no pace"));
        }
        let rose_at = one.heard[consumer].rose_at;
        if self.local_now().since(rose_at) < stalled_for {
            self.fail(&format!(
                "consumer {consumer} was evicted, and made progress at {rose_at:?}"
            ));
        }
    }

    pub(super) fn check_receiver_event(&self, index: usize, event: &ReceiverEvent, now: Time) {
        match event {
            ReceiverEvent::Ended => self.check_has_all(index, "was told of the end"),
            ReceiverEvent::Failed(error) => self.check_failed(index, error, now),
            ReceiverEvent::Connected | ReceiverEvent::Reconnected => {}
        }
    }

    /// A consumer may fail only after the silence that was agreed on, or when it is told to.
    fn check_failed(&self, index: usize, error: &ReceiverError, now: Time) {
        let consumer = &self.consumers[index];
        let publisher =
            self.publishers.iter().find(|one| Some(one.ids.session) == consumer.session);
        match error {
            ReceiverError::TimedOut(_) => {
                let idle_timeout = publisher.map(|publisher| publisher.config.idle_timeout);
                let heard = consumer.heard.unwrap_or_default();
                if idle_timeout.is_some_and(|most| now.since(heard) < most) {
                    self.fail(&format!("consumer {index} timed out, and heard at {heard:?}"));
                }
                let runs = publisher.is_some_and(|one| !one.is_gone());
                if self.healed_at.is_some_and(|at| heard > at) && runs {
                    self.fail(&format!("consumer {index} heard nothing of a publisher that runs"));
                }
            }
            ReceiverError::Reset { code: ResetCode::UnknownSession, .. } => {
                let is_peer =
                    publisher.is_some_and(|one| self.checker.is_peer(one.ids.session, consumer.id));
                if is_peer && publisher.is_some_and(|one| !one.sender.is_over()) {
                    self.fail(&format!("consumer {index} was told to be no peer, and is a peer"));
                }
            }
            ReceiverError::Protocol(_) | ReceiverError::Fragments(_) => {
                self.fail(&format!("consumer {index}: {error}"));
            }
            _ => {}
        }
    }

    /// Events name a consumer by its name and, in brackets, its id.
    fn named(&self, display: &str) -> Option<usize> {
        self.consumers.iter().position(|one| display.contains(&one.id.to_string()))
    }

    fn check_has_all(&self, consumer: usize, what: &str) {
        let one = &self.consumers[consumer];
        if !one.reader.has_all(self.config.messages.len()) {
            self.fail(&format!("consumer {consumer} {what}, and had not read everything"));
        }
        let stats = one.receiver.stats();
        if stats.peak_queued_frames > one.config.window_frames {
            self.fail(&format!("consumer {consumer} held more than its window: {stats:?}"));
        }
    }
}
