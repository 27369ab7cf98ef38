//! What a session allocates: the same for a frame whatever its messages are, and nothing while
//! nothing is due. `wire/tests/memory.rs` covers the wire alone.

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use swp_fast::testing::Pair;
use swp_fast::wire::{Messages, OpenFrame};
use swp_fast::{PublishConfig, SubscribeConfig};

/// Frames of one measurement: enough for several acks.
const FRAMES: usize = 256;

/// Body bytes of a frame. Messages of both sizes below fill a body.
const BODY_BYTES: usize = 16 << 10;

const KEEP_ALIVE: Duration = Duration::from_secs(1);

fn pair() -> Pair {
    let mut publish = PublishConfig::default();
    publish.keep_alive = KEEP_ALIVE;
    Pair::new(publish, SubscribeConfig::default())
}

/// Writes, sends, receives and reads frames full of messages of `len` bytes. Returns the number of
/// messages.
fn transfer(pair: &mut Pair, frames: usize, len: usize) -> usize {
    let message = [7; 4096];
    let mut open = OpenFrame::new(BODY_BYTES + 2 * len);
    let mut messages = 0;
    for _ in 0..frames {
        while open.push(&message[..len]) {}
        let (buf, packed) = open.take();
        pair.write(buf, packed);
        pair.now = pair.now + Duration::from_micros(20);
        pair.exchange();
        while let Some(frame) = pair.read() {
            messages += Messages::new(frame.body).filter(|message| message.is_ok()).count();
        }
    }
    // The consumer delays the ack of the last frames.
    pair.now = pair.now + Duration::from_millis(5);
    pair.exchange();
    messages
}

fn cost(len: usize) -> (AllocationInfo, usize) {
    let mut pair = pair();
    // Queues grow to their size in the first transfer.
    transfer(&mut pair, FRAMES, len);
    let mut messages = 0;
    let made = measure(|| messages = transfer(&mut pair, FRAMES, len));
    (made, messages)
}

#[test]
fn a_frame_allocates_the_same_whatever_its_messages_are() {
    let (small, many) = cost(64);
    let (large, few) = cost(2048);
    assert_eq!((many % FRAMES, few % FRAMES), (0, 0), "every frame has as many messages");
    assert!(many > 20 * few, "{many} messages beside {few}");
    assert_eq!(small.count_total, large.count_total, "{small:?} {large:?}");
    // The buffer, the owner count of `Bytes`, and a share of an ack.
    assert!(small.count_total <= 3 * FRAMES as u64, "{small:?}");
    assert_eq!((small.count_current, large.count_current), (0, 0), "all of it is freed");
}

#[test]
fn nothing_is_allocated_while_nothing_is_due() {
    let mut pair = pair();
    transfer(&mut pair, FRAMES, 64);
    let idle = measure(|| {
        for _ in 0..100 {
            pair.now = pair.now + Duration::from_millis(5);
            assert!(pair.sender.poll_timeout() > Some(pair.now));
            assert!(pair.receiver.poll_timeout() > Some(pair.now));
            assert!(pair.sender.poll_transmit(pair.now).is_none());
            assert!(pair.receiver.poll_transmit(pair.now).is_none());
            assert!(pair.read().is_none());
            assert!(pair.sender.can_write());
            pair.exchange();
        }
    });
    assert_eq!(idle.count_total, 0, "{idle:?}");
}

#[test]
fn a_consumers_timer_that_runs_early_allocates_nothing() {
    let mut pair = pair();
    transfer(&mut pair, FRAMES, 64);
    assert!(pair.receiver.poll_timeout() > Some(pair.now));
    let early = measure(|| pair.receiver.handle_timeout(pair.now));
    assert_eq!(early.count_total, 0, "{early:?}");
}

/// The publisher's timers allocate a list of its consumers, and a keep-alive allocates a probe and
/// the ack that answers the probe.
#[test]
fn a_keep_alive_allocates_little() {
    let mut pair = pair();
    transfer(&mut pair, FRAMES, 64);
    let early = measure(|| pair.sender.handle_timeout(pair.now));
    assert_eq!(early.count_total, 1, "the list of consumers: {early:?}");
    let mut keep_alive = || {
        pair.now = pair.now + KEEP_ALIVE;
        pair.sender.handle_timeout(pair.now);
        pair.receiver.handle_timeout(pair.now);
        pair.exchange();
    };
    // The first probe allocates the list of unanswered probes, which stays.
    keep_alive();
    let kept = measure(keep_alive);
    assert!(kept.count_total <= 16 && kept.bytes_max <= 1024, "{kept:?}");
    assert_eq!(kept.count_current, 0);
    assert_eq!(pair.receiver.stats().dropped.total(), 0);
}

#[test]
fn a_malformed_frame_allocates_nothing() {
    let mut pair = pair();
    let noise = [&b""[..], b"noise", &[0x96; 100], &[0xff; 2000]].map(Bytes::from_static);
    let refused = measure(|| {
        for frame in &noise {
            pair.sender.handle_frame(pair.now, frame);
            pair.receiver.handle_frame(pair.now, frame);
        }
    });
    assert_eq!(refused.count_total, 0, "{refused:?}");
    assert_eq!(pair.receiver.stats().dropped.total(), noise.len() as u64);
    assert_eq!(pair.sender.stats().dropped.total(), noise.len() as u64);
}
