//! The applications: one offers messages to a real packer, the others read with the real
//! reassembly.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use swp_fast::proto::{Accepts, Packer, Refused};
use swp_fast::time::Time;
use swp_fast::wire::{Fragment, Frame, Kind, count_messages};
use swp_fast::{LateJoin, PublishConfig, ReadyFrame};

use super::{Consumer, ReadAs, Trust, World};

/// The publisher's application and its packer.
pub(super) struct Producer {
    packer: Packer,
    /// The messages that the packer accepted, in that order.
    accepted: Vec<Vec<u8>>,
    /// A large message keeps the application busy for as many steps as it has fragments.
    busy_steps: usize,
    /// The application has offered its last message.
    finished: bool,
}

impl Producer {
    pub(super) fn new(config: &PublishConfig) -> Producer {
        let packer = Packer::new(config, Accepts::Anything);
        Producer { packer, accepted: Vec::new(), busy_steps: 0, finished: false }
    }

    /// The number of messages that the packer accepted.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.len() as u64
    }
}

/// A data frame as the bus first saw it, and the messages that the frame holds.
pub(super) struct SentFrame {
    kind: Kind,
    body: Bytes,
    /// A message begins where the body begins.
    begins: bool,
    /// The messages that end in this frame or before it.
    ended: u64,
}

/// The bytes of message number `number` follow from the number and their place.
fn message(number: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number * 31).wrapping_add(at as u64) as u8).collect()
}

impl World {
    /// The application offers a large message, or a few small ones of one length.
    pub(super) fn write(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        if self.producer.busy_steps > 0 {
            self.producer.busy_steps -= 1;
            return Ok(());
        }
        if self.producer.packer.admit(self.config.max_body_bytes()) == Err(Refused::Blocked) {
            return Ok(());
        }
        if u.ratio(1, 4)? {
            let total = u.int_in_range(1..=self.config.max_message_bytes)? as usize;
            self.offer(total);
            self.producer.busy_steps = total.div_ceil(self.config.max_fragment_bytes()) - 1;
            return Ok(());
        }
        let len = usize::from(u8::arbitrary(u)?);
        for _ in 0..u.int_in_range(1..=4)? {
            if !self.offer(len) {
                break;
            }
        }
        Ok(())
    }

    /// Returns true if the packer accepted a message of this length.
    fn offer(&mut self, len: usize) -> bool {
        let message = message(self.producer.accepted.len() as u64, len);
        match self.producer.packer.push(&message) {
            Ok(_) => {
                self.producer.accepted.push(message);
                true
            }
            Err(Refused::Closed) => {
                assert!(self.producer.finished, "the packer was closed");
                false
            }
            Err(refused) => {
                assert_eq!(refused, Refused::Blocked);
                false
            }
        }
    }

    /// Does what a driver does in one turn: takes what may be written, and writes it. The end is
    /// announced behind everything that was accepted.
    pub(super) fn pump(&mut self) {
        if self.sender.is_over() {
            return;
        }
        self.producer.packer.set_shared(self.sender.is_shared());
        while self.sender.can_write() {
            let Some(packed) = self.producer.packer.take(true) else { break };
            let written = self.sender.write(packed);
            assert!(written.is_ok(), "{written:?} though it may be written");
        }
        self.sender.set_backlog(!self.producer.packer.is_empty() && !self.sender.can_write());
        if self.producer.finished && self.producer.packer.is_empty() {
            self.sender.finish(Bytes::from_static(b"end"));
        }
    }

    pub(super) fn finish(&mut self) {
        self.producer.finished = true;
        self.producer.packer.close();
    }

    /// Keeps a data frame that goes to the group for the first time.
    pub(super) fn note_sent(&mut self, frame: &Frame) {
        if !frame.header.kind.is_data() || frame.header.seq.get() != self.sent.len() as u64 {
            return;
        }
        let (kind, body) = (frame.header.kind, frame.body.clone());
        let (begins, messages) = match kind {
            Kind::Fragment => {
                let fragment = Fragment::decode(&body).expect("a genuine fragment decodes");
                (fragment.offset == 0, u64::from(fragment.is_last()))
            }
            _ => (true, u64::from(count_messages(&body).expect("a genuine body decodes"))),
        };
        let ended = self.ended_below(self.sent.len() as u64) + messages;
        self.sent.push(SentFrame { kind, body, begins, ended });
    }

    /// The messages that end in the frames below this one.
    fn ended_below(&self, seq: u64) -> u64 {
        seq.checked_sub(1).map_or(0, |last| self.sent[last as usize].ended)
    }

    pub(super) fn read(&mut self, u: &mut Unstructured<'_>) -> arbitrary::Result<()> {
        let index = u.choose_index(self.consumers.len())?;
        let most = u.int_in_range(1..=64)?;
        self.read_some(index, most);
        Ok(())
    }

    /// The application reads up to so many times. Returns true if it consumed anything.
    pub(super) fn read_some(&mut self, index: usize, most: usize) -> bool {
        if self.trust == Trust::Forged {
            return (0..most)
                .take_while(|_| self.consumers[index].read(self.now).is_some())
                .count()
                > 0;
        }
        let mut bytes = 0;
        let mut moved = false;
        for _ in 0..most {
            let receiver = &self.consumers[index].receiver;
            let Some(before) = receiver.read_point() else { break };
            if receiver.has_ready() {
                self.check_start(index, before.next.get());
            }
            let read = self.consumers[index].read(self.now);
            let Some(after) = self.consumers[index].receiver.read_point() else { break };
            bytes += after.next_bytes - before.next_bytes;
            moved |= after.next > before.next || read.is_some();
            let Some(read) = read else { break };
            self.compare(index, read);
            let consumer = &self.consumers[index];
            // Of a frame with several messages, some may still be to be read.
            let ended = self.ended_below(after.next.get());
            match consumer.read_as {
                ReadAs::Messages => assert!(consumer.next <= Some(ended), "a message too many"),
                _ => assert_eq!(consumer.next, Some(ended), "all that the frames hold is read"),
            }
        }
        let window = self.consumers[index].config.window_bytes;
        assert!(bytes <= window, "what was held is within the window");
        moved
    }

    /// A consumer begins with the first message that begins where it joined, or behind.
    fn check_start(&mut self, index: usize, seq: u64) {
        let ended = self.ended_below(seq);
        let consumer = &mut self.consumers[index];
        if consumer.next.is_none() {
            assert!(seq == 0 || self.config.late_join == LateJoin::FromNow);
            assert!(self.sent[seq as usize].begins, "a consumer begins with a whole message");
            consumer.next = Some(ended);
        }
    }

    /// What was read is what was accepted, or sent, in its place.
    fn compare(&mut self, index: usize, read: Read) {
        let consumer = &mut self.consumers[index];
        let mut next = consumer.next.expect("the beginning is known");
        match read {
            Read::Messages(messages) => {
                for message in messages {
                    let expected = self.producer.accepted.get(next as usize);
                    assert!(
                        expected.is_some_and(|expected| *expected == message),
                        "message {next} is what was accepted"
                    );
                    next += 1;
                }
            }
            Read::Frame(frame) => {
                let sent = &self.sent[frame.seq.get() as usize];
                assert!(
                    frame.kind == sent.kind && frame.body == sent.body,
                    "frame {} is what was sent",
                    frame.seq
                );
                next = sent.ended;
            }
        }
        consumer.next = Some(next);
    }
}

/// What an application was given.
enum Read {
    Messages(Vec<Bytes>),
    Frame(ReadyFrame),
}

impl Consumer {
    fn read(&mut self, now: Time) -> Option<Read> {
        Some(match self.read_as {
            ReadAs::Messages => Read::Messages(vec![self.receiver.read_message(now)?]),
            ReadAs::Batches => Read::Messages(self.receiver.read_batch(now)?.into_iter().collect()),
            ReadAs::Frames => Read::Frame(self.receiver.read_frame(now)?),
        })
    }
}
