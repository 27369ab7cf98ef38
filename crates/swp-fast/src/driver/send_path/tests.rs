use std::time::Duration;

use super::*;
use crate::config::{PublishConfig, SubscribeConfig};
use crate::driver::fake_consumer::{FakeConsumer, STREAM, publish_config, sender};
use crate::link::fake::FakeLink;
use crate::proto::{Accepts, Packer};

struct Setup {
    link: Arc<FakeLink>,
    path: SendPath,
    outbox: SpinLock<Outbox>,
    consumer: FakeConsumer,
    now: Time,
}

impl Setup {
    /// A publisher that one consumer has joined, with nothing under way.
    fn new() -> Setup {
        Setup::with(publish_config(), SubscribeConfig::default())
    }

    fn with(publish: PublishConfig, subscribe: SubscribeConfig) -> Setup {
        let link = FakeLink::new();
        let subjects = Subjects::new(STREAM).expect("a valid name");
        let path = SendPath::new(sender(&publish), Arc::<FakeLink>::clone(&link), subjects);
        let outbox = SpinLock::new(Outbox::new(Packer::new(&publish, Accepts::Anything)));
        let consumer = FakeConsumer::new(&link, subscribe);
        let now = Time::ZERO + Duration::from_millis(1);
        let mut setup = Setup { link, path, outbox, consumer, now };
        while setup.exchange() {}
        assert!(setup.path.sender.has_started());
        setup
    }

    /// Gives both ends what the other has sent. Returns false once both are silent.
    fn exchange(&mut self) -> bool {
        let frames = self.consumer.frames(self.now);
        for frame in &frames {
            self.path.sender().handle_frame(self.now, frame);
        }
        self.task_turn();
        self.flush();
        self.consumer.take(self.now) > 0 || !frames.is_empty()
    }

    /// Accepts a message. Returns whether the task waits for it.
    fn push(&self, message: &[u8]) -> bool {
        let mut outbox = self.outbox.lock();
        let pushed = outbox.packer.push(message);
        outbox.accepted(pushed).expect("there is space").awaited
    }

    fn task_turn(&mut self) -> Sent {
        self.path.send(self.now, &self.outbox, FRAMES_PER_FLUSH)
    }

    fn producer_turn(&mut self) -> usize {
        self.path.send_lone(self.now, &self.outbox)
    }

    /// Flushes what has to be flushed. Returns whether that was anything.
    fn flush(&mut self) -> bool {
        let starts = self.path.start_flush();
        if starts {
            self.path.finish_flush();
        }
        starts
    }

    /// The messages that the consumer can read in order.
    fn messages(&mut self) -> Vec<Bytes> {
        self.consumer.take(self.now);
        self.consumer.messages(self.now)
    }
}

#[test]
fn a_lone_message_leaves_in_the_thread_of_its_producer() {
    let mut setup = Setup::new();
    assert!(setup.push(b"lone"), "the task waits for it");
    assert_eq!(setup.producer_turn(), 1);
    assert_eq!(setup.messages(), ["lone"]);
    assert!(setup.flush(), "the task has to flush it");
    assert!(!setup.flush(), "once is enough");
}

#[test]
fn messages_gather_while_a_flush_is_owed_or_under_way_and_leave_in_one_frame() {
    let mut setup = Setup::new();
    setup.push(b"first");
    setup.producer_turn();
    assert!(!setup.push(b"a"), "the task looks by itself");
    assert_eq!(setup.producer_turn(), 0, "a flush is owed");
    assert!(setup.path.start_flush());
    setup.push(b"b");
    assert_eq!(setup.producer_turn(), 0, "a flush is under way");
    assert_eq!(setup.task_turn(), Sent { taken: 0, again: false });
    assert_eq!(setup.messages(), ["first"]);
    setup.path.finish_flush();
    assert_eq!(setup.task_turn(), Sent { taken: 1, again: false });
    assert_eq!(setup.messages(), ["a", "b"]);
}

#[test]
fn everything_counts_as_flushed_where_nothing_is_under_way() {
    let mut setup = Setup::new();
    setup.push(b"first");
    setup.task_turn();
    assert_eq!(setup.path.flushed_position(), None, "a flush is owed");
    assert!(setup.path.start_flush());
    assert_eq!(setup.path.flushed_position(), None, "a flush is under way");
    setup.path.finish_flush();
    let accepted = setup.outbox.lock().packer.accepted();
    assert_eq!(setup.path.flushed_position(), Some(accepted));
}

#[test]
fn a_flush_covers_what_was_sent_before_it_started() {
    let mut setup = Setup::new();
    let position = |setup: &Setup| setup.outbox.lock().packer.accepted();
    setup.push(b"first");
    setup.task_turn();
    let first = position(&setup);
    assert!(setup.path.start_flush());
    setup.push(b"second");
    setup.task_turn();
    assert_eq!(setup.path.finish_flush(), first);
    setup.task_turn();
    assert!(setup.path.start_flush());
    assert_eq!(setup.path.finish_flush(), position(&setup));
}

#[test]
fn order_is_kept_when_the_link_has_no_space_and_then_has() {
    let mut setup = Setup::new();
    setup.link.set_space(0);
    let message = vec![7; 10_000];
    setup.push(&message);
    assert_eq!(setup.producer_turn(), 1);
    for _ in 0..5 {
        setup.push(&message);
    }
    assert_eq!(setup.producer_turn(), 0, "a frame waits");
    assert!(!setup.path.start_flush(), "a flush would not cover the frame that waits");
    setup.task_turn();
    // Space that appears meanwhile is not taken by a later frame.
    setup.link.set_space(usize::MAX);
    setup.push(&message);
    setup.task_turn();
    assert_eq!(setup.consumer.take(setup.now), 0);

    setup.link.set_space(2);
    let first = setup.path.next_waiting().expect("frames wait");
    assert_eq!(setup.path.next_waiting(), Some(first.clone()), "it keeps its place");
    setup.link.try_publish(&first.subject, first.frame).expect("there is space");
    setup.path.note_published();
    assert_eq!(setup.consumer.take(setup.now), 2);
    setup.link.set_space(usize::MAX);
    let third = setup.path.next_waiting().expect("frames wait");
    setup.link.try_publish(&third.subject, third.frame).expect("there is space");
    setup.path.note_published();
    assert_eq!(setup.path.next_waiting(), None);
    assert_eq!(setup.messages().len(), 7);
    assert_eq!(setup.consumer.sequence, [0, 1, 2, 3, 4, 5, 6]);
    assert!(setup.flush());
}

#[test]
fn producer_and_task_in_turns_keep_order_and_lose_nothing() {
    let mut setup = Setup::new();
    let (mut read, mut random) = (0_u32, 1_u32);
    for n in 0..2_000_u32 {
        setup.push(&n.to_be_bytes());
        // Xorshift: seven kinds of turn in an order that does not repeat.
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        match random % 7 {
            0 => drop(setup.task_turn()),
            1 | 2 => drop(setup.producer_turn()),
            3 => setup.link.set_space(random as usize % 3),
            4 => {
                setup.link.set_space(usize::MAX);
                while let Some(next) = setup.path.next_waiting() {
                    setup.link.try_publish(&next.subject, next.frame).expect("there is space");
                    setup.path.note_published();
                }
            }
            5 => drop(setup.path.start_flush()),
            _ => drop(setup.path.finish_flush()),
        }
        for message in setup.messages() {
            assert_eq!(message[..], read.to_be_bytes());
            read += 1;
        }
        for frame in setup.consumer.frames(setup.now) {
            setup.path.sender().handle_frame(setup.now, &frame);
        }
    }
    assert!(read > 1_900, "{read} were read");
    assert!(setup.consumer.sequence.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

#[test]
fn a_producer_never_takes_more_than_one_frame() {
    let mut setup = Setup::new();
    setup.push(&[7; 10_000]);
    setup.push(&[7; 10_000]);
    assert_eq!(setup.producer_turn(), 0, "a batch is for the task");
    setup.task_turn();
    setup.flush();
    setup.push(&[7; 100_000]);
    assert_eq!(setup.producer_turn(), 0, "a large message is for the task");
}

#[test]
fn the_open_frame_leaves_only_where_nothing_else_waits() {
    let mut setup = Setup::new();
    // Three fill a frame, and the fourth opens another.
    for _ in 0..4 {
        setup.push(&[7; 5_000]);
    }
    assert_eq!(setup.task_turn(), Sent { taken: 1, again: false });
    setup.flush();
    assert_eq!(setup.task_turn().taken, 1);
    assert_eq!(setup.messages().len(), 4);
}

#[test]
fn a_producer_sends_nothing_over_a_link_that_is_down_or_after_the_task_has_ended() {
    let mut setup = Setup::new();
    setup.push(b"message");
    setup.link.set_state(LinkState::Down);
    assert_eq!(setup.producer_turn(), 0);
    setup.link.set_state(LinkState::Up(1));
    setup.path.stop();
    assert_eq!(setup.producer_turn(), 0);
    assert_eq!(setup.consumer.take(setup.now), 0);
}

#[test]
fn without_credit_messages_stay_in_the_packer_and_no_producer_is_awaited() {
    let small = SubscribeConfig { window_frames: 4, ..SubscribeConfig::default() };
    let mut setup = Setup::with(publish_config(), small);
    for _ in 0..4 {
        setup.push(b"in the window");
        assert_eq!(setup.producer_turn(), 1);
        setup.flush();
        setup.task_turn();
    }
    setup.push(b"beyond it");
    assert_eq!(setup.producer_turn(), 0);
    assert_eq!(setup.task_turn(), Sent { taken: 0, again: false });
    assert!(!setup.push(b"too"), "the ack that brings credit wakes the task");
    assert_eq!(setup.messages().len(), 4);
    while setup.exchange() {}
    assert_eq!(setup.messages(), ["beyond it", "too"]);
}

#[test]
fn a_session_that_is_over_sends_its_last_frames_and_no_message() {
    let mut setup = Setup::new();
    setup.push(b"message");
    setup.path.sender().abort("a test");
    assert_eq!(setup.producer_turn(), 0);
    assert_eq!(setup.task_turn(), Sent { taken: 0, again: false });
    assert_eq!(setup.consumer.take(setup.now), 1, "the RESET");
    assert!(setup.flush(), "the RESET has to be flushed");
    assert!(setup.messages().is_empty());
}
