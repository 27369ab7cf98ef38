use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::*;
use crate::config::SubscribeConfig;
use crate::driver::Subjects;
use crate::link::Link;
use crate::link::fake::FakeLink;
use crate::wire::PeerId;

const PEER: PeerId = PeerId(7);

async fn setup() -> (Arc<FakeLink>, Connection, Intake) {
    let link = FakeLink::new();
    let subjects = Subjects::new("s").expect("a valid name");
    let data = link.subscribe(&subjects.data).await.expect("it is open");
    let inbox = link.subscribe(&subjects.inbox(PEER)).await.expect("it is open");
    let shared: Arc<dyn Link> = Arc::<FakeLink>::clone(&link);
    let connection = Connection::new(shared, subjects, Duration::from_secs(1));
    (link, connection, Intake::new(ConsumerSubscriptions { data, inbox }))
}

fn deliver(link: &FakeLink, subject: &str) {
    link.deliver(subject, subject.to_owned());
}

/// Polls until nothing is left.
fn drain(intake: &mut Intake) -> Vec<String> {
    let mut frames = Vec::new();
    while let Poll::Ready(frame) = intake.poll_next(&mut Context::from_waker(Waker::noop())) {
        frames.push(String::from_utf8(frame.to_vec()).expect("a subject"));
    }
    frames
}

#[tokio::test]
async fn frames_are_taken_from_the_oldest_generation_first_and_from_the_inbox_last() {
    let (link, mut connection, mut intake) = setup().await;
    intake.follow(&mut connection, 1..=3).await.expect("it is open");
    let inbox = format!("swp.peer.s.{PEER}");
    let subjects = [inbox.as_str(), "swp.group.s.3", "swp.group.s.2", "swp.data.s"];
    subjects.iter().for_each(|subject| deliver(&link, subject));
    assert_eq!(drain(&mut intake), ["swp.data.s", "swp.group.s.2", "swp.group.s.3", &inbox]);
}

#[tokio::test]
async fn a_drained_generation_yields_what_was_sent_before() {
    let (link, mut connection, mut intake) = setup().await;
    intake.follow(&mut connection, [1, 2].into_iter()).await.expect("it is open");
    deliver(&link, "swp.group.s.2");
    intake.follow(&mut connection, [1, 3].into_iter()).await.expect("it is open");
    assert!(intake.follows([1, 3].into_iter()));
    assert!(!intake.follows([1, 2, 3].into_iter()) && !intake.follows([1].into_iter()));
    deliver(&link, "swp.group.s.2");
    deliver(&link, "swp.group.s.3");
    assert_eq!(drain(&mut intake), ["swp.group.s.2", "swp.group.s.3"]);
    assert_eq!(intake.groups.len(), 2, "the drained generation is gone");
}

#[tokio::test]
async fn a_turn_is_bounded_and_says_whether_all_was_taken() {
    let (link, _connection, mut intake) = setup().await;
    let receiver = Receiver::new(SubscribeConfig::default(), PEER, 65_536, Time::ZERO);
    let receiver = Mutex::new(receiver.expect("the defaults work"));
    for _ in 0..=FRAMES_PER_TURN {
        deliver(&link, "swp.data.s");
    }
    let mut context = Context::from_waker(Waker::noop());
    let first = intake.take(&mut context, Time::ZERO, &receiver);
    assert_eq!(first, Taken { frames: FRAMES_PER_TURN, all: false });
    let second = intake.take(&mut context, Time::ZERO, &receiver);
    assert_eq!(second, Taken { frames: 1, all: true });
}
