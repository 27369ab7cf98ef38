use super::*;
use crate::config::SubscribeConfig;
use crate::driver::Subjects;
use crate::link::Link;
use crate::link::fake::FakeLink;
use crate::testing::{Frames, syn_ack};
use crate::wire::{Control, Fin, Kind, PeerId, Sealer, Seq, SessionId};

const PEER: PeerId = PeerId(9);

fn frames() -> Frames {
    Frames::new(SessionId(7), 1)
}

/// A subscriber without a task. It has joined the stream at its first frame.
async fn joined(confirm_end: ConfirmEnd) -> SubscribeShared {
    let link = FakeLink::new();
    let subjects = Subjects::new("s").expect("a valid name");
    let data = link.subscribe(&subjects.data).await.expect("it is open");
    let inbox = link.subscribe(&subjects.inbox(PEER)).await.expect("it is open");
    let clock = Clock::start();
    let config = SubscribeConfig { confirm_end, ..SubscribeConfig::default() };
    let receiver = Receiver::new(config, PEER, 65_536, clock.now());
    let receiver = receiver.expect("the configuration works");
    let subscriptions = ConsumerSubscriptions { data, inbox };
    let shared = SubscribeShared::new(receiver, subscriptions, clock, confirm_end);
    let syn_ack = Control::SynAck(syn_ack(PEER, 0, 0));
    give(&shared, &frames().control(0, &syn_ack));
    sent(&shared);
    shared
}

fn give(shared: &SubscribeShared, frame: &Bytes) {
    lock(&shared.receiver).handle_frame(shared.clock.now(), frame);
}

fn give_fin(shared: &SubscribeShared, frames_before: u64) {
    let end = (0..frames_before).fold(Seq::ZERO, |seq, _| seq.next());
    let fin = Control::Fin(Fin { end, trailer: Bytes::new() });
    give(shared, &frames().control(1, &fin));
}

/// The kinds of the frames that the subscriber sends now.
fn sent(shared: &SubscribeShared) -> Vec<Kind> {
    let mut receiver = lock(&shared.receiver);
    let now = shared.clock.now();
    let kind = |frame: &Bytes| Sealer::new(None).open(frame).expect("it is whole").header.kind;
    std::iter::from_fn(|| receiver.poll_transmit(now)).map(|sent| kind(&sent.frame)).collect()
}

fn read(shared: &SubscribeShared) -> Poll<Option<Result<Bytes, SubscribeFailure>>> {
    shared.poll_read(&mut Context::from_waker(Waker::noop()), Receiver::read_message)
}

#[tokio::test]
async fn a_failure_on_the_last_frame_is_no_end() {
    for confirm_end in [ConfirmEnd::WhenRead, ConfirmEnd::Explicitly] {
        let shared = joined(confirm_end).await;
        give_fin(&shared, 1);
        give(&shared, &frames().fragment(0, 50, 20, b"middle"));
        assert!(matches!(read(&shared), Poll::Ready(Some(Err(_)))));
        assert!(sent(&shared).contains(&Kind::Reset));
    }
}

#[tokio::test]
async fn dropping_after_close_takes_nothing_back() {
    let shared = joined(ConfirmEnd::Explicitly).await;
    give_fin(&shared, 0);
    assert!(matches!(read(&shared), Poll::Ready(None)));
    assert!(shared.close(true).is_ok());
    shared.handle_dropped(true);
    assert_eq!(sent(&shared), [Kind::FinAck]);
}

#[tokio::test]
async fn dropping_without_close_tells_the_publisher() {
    let shared = joined(ConfirmEnd::Explicitly).await;
    give_fin(&shared, 0);
    assert!(matches!(read(&shared), Poll::Ready(None)));
    shared.handle_dropped(true);
    assert_eq!(sent(&shared), [Kind::Reset]);
}

#[tokio::test]
async fn the_end_is_not_confirmed_while_messages_are_unread() {
    for closes in [true, false] {
        let shared = joined(ConfirmEnd::WhenRead).await;
        give(&shared, &frames().data(0, &[b"one", b"two"]));
        give_fin(&shared, 1);
        let batch = shared.poll_read(&mut Context::from_waker(Waker::noop()), Receiver::read_batch);
        assert!(matches!(batch, Poll::Ready(Some(Ok(_)))));
        if closes {
            assert!(shared.close(false).is_err());
        } else {
            shared.handle_dropped(false);
        }
        assert!(sent(&shared).contains(&Kind::Reset));
    }
}
