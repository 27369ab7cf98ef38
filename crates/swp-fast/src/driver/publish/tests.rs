use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::config::SubscribeConfig;
use crate::driver::fake_consumer::{FakeConsumer, STREAM, publish_config, sender};
use crate::driver::{Connection, Subjects};
use crate::link::fake::FakeLink;
use crate::link::{Link, LinkState};
use crate::proto::{Accepts, SenderEvent};
use crate::wire::PeerId;

/// Longer than anything here takes in the paused clock's time.
const PATIENCE: Duration = Duration::from_secs(300);

struct Setup {
    link: Arc<FakeLink>,
    shared: Arc<PublishShared>,
    consumer: FakeConsumer,
    clock: Clock,
    _events: mpsc::Receiver<SenderEvent>,
}

impl Setup {
    /// A running publisher task that one consumer has joined.
    async fn new() -> Setup {
        let link = FakeLink::new();
        let (clock, config) = (Clock::start(), publish_config());
        let subjects = Subjects::new(STREAM).expect("a valid name");
        let control = link.subscribe(&subjects.control).await.expect("it is open");
        let inbox = link.subscribe(&subjects.inbox(PeerId(2))).await.expect("it is open");
        let shared_link: Arc<dyn Link> = Arc::<FakeLink>::clone(&link);
        let path = SendPath::new(sender(&config), Arc::clone(&shared_link), subjects.clone());
        let packer = Packer::new(&config, Accepts::Anything);
        let shared = Arc::new(PublishShared::new(path, packer, clock));
        let connection = Connection::new(shared_link, subjects, Duration::from_secs(1));
        let parts = PublisherParts { connection, clock, control, inbox, past: None };
        let _events = run_publisher(parts, Arc::clone(&shared));
        let consumer = FakeConsumer::new(&link, SubscribeConfig::default());
        let mut setup = Setup { link, shared, consumer, clock, _events };
        while !setup.shared.progress.borrow().started {
            setup.turn().await;
        }
        setup.settle().await;
        setup
    }

    /// The consumer takes what has arrived and answers, and the task does what follows.
    async fn turn(&mut self) {
        let now = self.clock.now();
        self.consumer.take(now);
        for frame in self.consumer.frames(now) {
            self.link.deliver("swp.ctl.s", frame);
        }
        settle().await;
    }

    async fn settle(&mut self) {
        for _ in 0..4 {
            self.turn().await;
        }
    }

    fn send(&self, message: &[u8]) -> Position {
        let accepted = {
            let mut outbox = self.shared.outbox.lock();
            let pushed = outbox.packer.push(message);
            outbox.accepted(pushed).expect("there is space")
        };
        if accepted.awaited {
            self.shared.note_accepted();
        }
        accepted.position
    }

    fn messages(&mut self) -> Vec<Bytes> {
        let now = self.clock.now();
        self.consumer.take(now);
        self.consumer.messages(now)
    }

    async fn outcome(&self) -> Result<(), SessionError> {
        let mut progress = self.shared.progress.subscribe();
        let over = progress.wait_for(|now| now.over.is_some());
        let progress = tokio::time::timeout(PATIENCE, over).await.expect("it ends").expect("open");
        progress.over.clone().expect("it is over")
    }
}

/// Lets the task run until it waits.
async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lone_message_leaves_before_the_task_runs() {
    let mut setup = Setup::new().await;
    for n in 0..10_u8 {
        setup.send(&[n]);
        assert_eq!(setup.messages(), [vec![n]], "nothing was awaited since the send");
        setup.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_gathers_during_a_flush_leaves_when_the_flush_returns() {
    let mut setup = Setup::new().await;
    setup.link.hold_flushes(true);
    let first = setup.send(b"first");
    settle().await;
    setup.send(b"a");
    let last = setup.send(b"b");
    settle().await;
    assert_eq!(setup.messages(), ["first"]);
    assert!(setup.shared.progress.borrow().flushed < first);
    setup.link.hold_flushes(false);
    settle().await;
    assert_eq!(setup.messages(), ["a", "b"]);
    assert_eq!(setup.shared.progress.borrow().flushed, last);
}

#[tokio::test(start_paused = true)]
async fn what_the_link_has_no_space_for_leaves_in_order_as_space_appears() {
    let mut setup = Setup::new().await;
    setup.link.set_space(0);
    for n in 0..100_u8 {
        setup.send(&[n; 5_000]);
    }
    settle().await;
    let mut read = 0_u8;
    while read < 100 {
        setup.link.set_space(1);
        setup.turn().await;
        for message in setup.messages() {
            assert_eq!(message[..], [read; 5_000]);
            read += 1;
        }
    }
    assert!(setup.consumer.sequence.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

/// A flush that waits for space in front of a frame has to be polled, or the frame waits forever.
#[tokio::test(start_paused = true)]
async fn a_flush_under_way_is_polled_while_a_frame_waits_for_space() {
    let mut setup = Setup::new().await;
    setup.link.hold_flushes(true);
    setup.send(b"message");
    settle().await;
    assert_eq!(setup.messages(), ["message"]);
    // The answer to a SYN does not wait for the flush, and finds no space.
    setup.link.set_space(0);
    let mut again = FakeConsumer::new(&setup.link, SubscribeConfig::default());
    for syn in again.frames(setup.clock.now()) {
        setup.link.deliver("swp.ctl.s", syn);
    }
    settle().await;
    assert_eq!(setup.link.take_accepted(), []);
    setup.link.free_by_flush(1);
    setup.link.hold_flushes(false);
    settle().await;
    assert_ne!(setup.link.take_accepted(), []);
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_closed_ends_the_session_with_its_reason() {
    let setup = Setup::new().await;
    setup.link.close();
    setup.send(b"message");
    assert_eq!(setup.outcome().await, Err(SessionError::Nats("closed".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_link_that_is_lost_ends_the_session_and_frees_its_producers() {
    let setup = Setup::new().await;
    setup.link.set_state(LinkState::Down);
    assert_eq!(setup.outcome().await, Err(SessionError::Disconnected));
    let refused = setup.shared.outbox.lock().packer.push(b"message");
    assert_eq!(refused, Err(crate::proto::Refused::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_denied_subject_ends_the_session() {
    let setup = Setup::new().await;
    setup.link.deny("swp.data.s");
    assert!(matches!(setup.outcome().await, Err(SessionError::Denied(_))));
}
