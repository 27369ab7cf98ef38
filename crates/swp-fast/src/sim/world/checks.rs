//! What is checked at every step, from outside of the code under test.

use super::World;
use crate::config::{LateJoin, Slow};
use crate::proto::{Dest, LostReason, ReceiverError, ReceiverEvent, SenderEvent};
use crate::sim::Node;
use crate::sim::checker::Joins;
use crate::sim::network::Label;
use crate::time::Time;
use crate::wire::{Control, Credit, Frame, Kind, ResetCode, Seq};

impl World {
    /// A frame as it is sent.
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
            // One that was a member before, and says what it holds, is not late.
            let again = consumer.session == Some(frame.header.session);
            if refuses && start.frames > Seq::ZERO && !again {
                checked = Err(format!("{id} was let in late, against the configuration"));
            }
            // A late copy of its SYN lets one in that has ended: it hears nothing any more.
            let counts = consumer.counts(&self.publishers[publisher].config) && !consumer.is_gone();
            let (live, epoch) = (syn_ack.generation > 0, frame.header.epoch);
            let how = Joins { again, live, counts, epoch };
            checked = checked.and(self.checker.joins(frame.header.session, id, start, window, how));
        }
        if let (Node::Consumer(consumer), Kind::FinAck) = (from, frame.header.kind)
            && !self.consumers[consumer].confirms
        {
            checked = Err("it confirms the end, and its application did not".to_owned());
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
        // What one that died had to say does not count for the one in its place.
        let life = self.consumers[*consumer].process.life;
        if label.is_some_and(|label| label.life != life) || !(ours || *kind == Kind::Syn) {
            return;
        }
        let heard = &mut publisher.heard[*consumer];
        heard.at = Some(now);
        if let Some((held, allowed)) = label.and_then(|label| label.report) {
            let most = (heard.most.0.max(held), heard.most.1.max(allowed));
            if most != heard.most {
                heard.most = most;
                heard.got_on_at = now;
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
            // Two lives of a session may each have let it in: the first that it hears of counts.
            consumer.session = Some(label.session);
            consumer.reader.joins_at(start);
        }
        // Of a session that was begun again only what comes from the publisher that let it in counts.
        let joined = consumer.receiver.resume_point();
        let ours = joined.is_some_and(|at| (at.session, at.epoch) == (label.session, label.epoch));
        if ours && label.from.is_some() {
            consumer.heard = Some(now);
        }
        if label.kind.is_data() {
            let checked = self.checker.note_handed(label, consumer.id);
            // What is of no use after a late join is passed over, and makes room.
            let writer = self.publishers.first().map(|publisher| &publisher.writer);
            if consumer.reader.read_end.is_none() {
                self.checker.note_taken(consumer.id, None, |seq| {
                    let start = writer.and_then(|writer| writer.start_of(seq));
                    start.is_some_and(|start| !start.whole)
                });
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

    /// What does not fit before a process is lost, as it is with a client of the bus. For a stream's only
    /// consumer there is room for its data. Where there are others, what they are asked arrives here too and
    /// can use up the reserve; who is no member hears more than it can queue; and copies that the network
    /// made are nobody's fault. Those losses are repaired as any other.
    pub(super) fn check_overflow(&mut self, node: Node, label: Option<&Label>) {
        self.note(format_args!("{node} has no room for a frame: lost"));
        self.overflowed += 1;
        let Some(label) = label.filter(|label| label.kind.is_data()) else { return };
        if let Node::Consumer(index) = node
            && self.config.down.duplicate == 0.0
            && self.consumers.len() == 1
            && self.checker.is_member(label.session, self.consumers[index].id)
        {
            self.fail(&format!("more data is sent to {node} than is queued for it"));
        }
    }

    /// After a publisher was served.
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
        self.check_quorum(index);
    }

    /// After a consumer was served.
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
                    self.check_has_all(consumer, "was reported to have finished");
                }
            }
            SenderEvent::Lost { name, reason, .. } => {
                if let Some(consumer) = self.named(name) {
                    self.check_lost(index, consumer, reason);
                    let session = self.publishers[index].ids.session;
                    self.checker.forget(session, self.consumers[consumer].id);
                }
            }
            SenderEvent::Closed => {
                let session = self.publishers[index].ids.session;
                for consumer in 0..self.consumers.len() {
                    if self.checker.is_member(session, self.consumers[consumer].id) {
                        self.check_has_all(consumer, "is a member of a stream reported closed");
                    }
                }
            }
            _ => {}
        }
    }

    /// A consumer may be given up for silence only after it was not heard for as long as was agreed.
    fn check_lost(&self, publisher: usize, consumer: usize, reason: &LostReason) {
        let config = &self.publishers[publisher].config;
        match reason {
            LostReason::TimedOut(_) => {
                let heard = self.publishers[publisher].heard[consumer].at.unwrap_or_default();
                if self.local_now().since(heard) < config.idle_timeout {
                    self.fail(&format!("consumer {consumer} was given up, and heard at {heard:?}"));
                }
                if self.healed_at.is_some_and(|at| heard > at)
                    && !self.consumers[consumer].is_gone()
                {
                    self.fail(&format!(
                        "consumer {consumer} lives and was not heard since {heard:?}"
                    ));
                }
            }
            LostReason::TooManyUnacked(_) if config.unacked_limit.is_none() => {
                self.fail(&format!("consumer {consumer} was given up by a limit that is not set"));
            }
            LostReason::Stalled(_) => self.check_stalled(publisher, consumer),
            LostReason::LeftBehind if self.consumers[consumer].counts(config) => {
                self.fail(&format!("consumer {consumer} counts, and was left behind"));
            }
            // It is told that it cannot resume, and may not have heard it yet.
            LostReason::Left(why)
                if !self.consumers[consumer].is_gone() && !why.starts_with("it cannot resume") =>
            {
                self.fail(&format!("consumer {consumer} is said to have left, and has not"));
            }
            _ => {}
        }
    }

    /// A consumer may be evicted only where it counts, and did not get on for as long as is set. Whether the
    /// stream had to wait for it cannot be seen from here, but whether it told of anything can.
    fn check_stalled(&self, publisher: usize, consumer: usize) {
        let one = &self.publishers[publisher];
        let Slow::Evict { stalled_for } = one.config.slow else {
            self.fail(&format!("consumer {consumer} was evicted, and is to be waited for"));
        };
        if !self.consumers[consumer].counts(&one.config) {
            self.fail(&format!("consumer {consumer} was evicted, and nobody has to wait for it"));
        }
        let got_on_at = one.heard[consumer].got_on_at;
        if self.local_now().since(got_on_at) < stalled_for {
            self.fail(&format!("consumer {consumer} was evicted, and got on at {got_on_at:?}"));
        }
    }

    pub(super) fn check_receiver_event(&self, index: usize, event: &ReceiverEvent, now: Time) {
        match event {
            ReceiverEvent::Ended => self.check_has_all(index, "was told of the end"),
            ReceiverEvent::Failed(error) => self.check_failed(index, error, now),
            ReceiverEvent::Connected | ReceiverEvent::Reconnected => {}
        }
    }

    /// A consumer may give up its publisher only for silence that was agreed on, or when it is told to.
    fn check_failed(&self, index: usize, error: &ReceiverError, now: Time) {
        let consumer = &self.consumers[index];
        let publisher =
            self.publishers.iter().find(|one| Some(one.ids.session) == consumer.session);
        match error {
            ReceiverError::TimedOut(_) => {
                let idle_timeout = publisher.map(|publisher| publisher.config.idle_timeout);
                let heard = consumer.heard.unwrap_or_default();
                if idle_timeout.is_some_and(|most| now.since(heard) < most) {
                    self.fail(&format!("consumer {index} gave up, and heard at {heard:?}"));
                }
                let lives =
                    publisher.is_some_and(|one| !one.sender.is_over() && !one.process.killed);
                if self.healed_at.is_some_and(|at| heard > at) && lives {
                    self.fail(&format!("consumer {index} heard nothing of a living publisher"));
                }
            }
            ReceiverError::Reset { code: ResetCode::UnknownSession, .. } => {
                let member = publisher
                    .is_some_and(|one| self.checker.is_member(one.ids.session, consumer.id));
                if member && publisher.is_some_and(|one| !one.sender.is_over()) {
                    self.fail(&format!("consumer {index} was disowned, and is a member"));
                }
            }
            ReceiverError::Protocol(what) => self.fail(&format!("consumer {index}: {what}")),
            _ => {}
        }
    }

    /// Reports name a consumer by its name and, in brackets, its id.
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

    /// Ends the run.
    pub(in crate::sim) fn fail(&self, what: &str) -> ! {
        let at = self.now.since(Time::ZERO);
        let recent = self.checker.recent();
        panic!("seed {} at {at:?}: {what}\n{recent}{}", self.config.seed, self.outcome());
    }
}
