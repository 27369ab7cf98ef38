//! What a session allocates on its way: so much a frame, whatever is in it, and nothing while nothing is
//! due. Of the wire alone see `wire/tests/memory.rs`.

use std::time::Duration;

use allocation_counter::{AllocationInfo, measure};
use bytes::Bytes;
use swp_fast::proto::{Packed, Receiver, Sender, SenderIds};
use swp_fast::time::Time;
use swp_fast::wire::{Kind, Messages, OpenFrame, PeerId, SessionId};
use swp_fast::{PublishConfig, SubscribeConfig};

/// Frames of one measurement: a few windows' worth of reports.
const FRAMES: usize = 256;

/// Body bytes of a frame; both message sizes below fill it.
const BODY_BYTES: usize = 16 << 10;

const KEEP_ALIVE: Duration = Duration::from_secs(1);

struct Pair {
    now: Time,
    sender: Sender,
    receiver: Receiver,
}

impl Pair {
    fn new() -> Pair {
        let now = Time::from_nanos(1);
        let mut publish = PublishConfig::default();
        publish.claim_timeout = Duration::ZERO;
        publish.keep_alive = KEEP_ALIVE;
        let ids = SenderIds { session: SessionId(1), epoch: 1, inbox: PeerId(1) };
        let sender = Sender::new(publish, ids, now).expect("a valid configuration");
        let receiver = Receiver::new(SubscribeConfig::default(), PeerId(2), 8192, now)
            .expect("a valid configuration");
        let mut pair = Pair { now, sender, receiver };
        pair.exchange();
        assert!(pair.sender.has_started());
        pair
    }

    /// Both ends say all that they have to say.
    fn exchange(&mut self) {
        loop {
            let down = self.sender.poll_transmit(self.now);
            let up = self.receiver.poll_transmit(self.now);
            if down.is_none() && up.is_none() {
                break;
            }
            if let Some(down) = down {
                self.receiver.handle_frame(self.now, &down.frame);
            }
            if let Some(up) = up {
                self.sender.handle_frame(self.now, &up.frame);
            }
        }
        while self.sender.poll_event().is_some() || self.receiver.poll_event().is_some() {}
    }

    /// Writes, sends, receives and reads frames full of messages of `len` bytes; how many messages.
    fn transfer(&mut self, frames: usize, len: usize) -> usize {
        let message = [7; 4096];
        let mut open = OpenFrame::new(BODY_BYTES + 2 * len);
        let mut messages = 0;
        for _ in 0..frames {
            while open.push(&message[..len]) {}
            let (buf, packed) = open.take();
            self.sender.write(Packed::body(Kind::Data, buf, packed)).expect("it takes more");
            self.now = self.now + Duration::from_micros(20);
            self.exchange();
            while let Some(frame) = self.receiver.read_frame(self.now) {
                messages += Messages::new(frame.body).filter(|message| message.is_ok()).count();
            }
        }
        // The last frames' report.
        self.now = self.now + Duration::from_millis(5);
        self.exchange();
        messages
    }
}

fn cost(len: usize) -> (AllocationInfo, usize) {
    let mut pair = Pair::new();
    // Queues grow to their size once, and one more run shows that they have.
    pair.transfer(FRAMES, len);
    let mut messages = 0;
    let made = measure(|| messages = pair.transfer(FRAMES, len));
    (made, messages)
}

#[test]
fn a_frame_costs_the_same_whatever_is_in_it() {
    let (small, many) = cost(64);
    let (large, few) = cost(2048);
    assert_eq!((many % FRAMES, few % FRAMES), (0, 0), "every frame is as full as the next");
    assert!(many > 20 * few, "{many} messages beside {few}");
    assert_eq!(small.count_total, large.count_total, "{small:?} {large:?}");
    // The buffer and what `Bytes` counts its owners with; and, for one frame in 32, a report.
    assert!(small.count_total <= 3 * FRAMES as u64, "{small:?}");
    // Everything was let go again.
    assert_eq!((small.count_current, large.count_current), (0, 0));
}

#[test]
fn nothing_is_allocated_while_nothing_is_due() {
    let mut pair = Pair::new();
    pair.transfer(FRAMES, 64);
    let idle = measure(|| {
        for _ in 0..100 {
            pair.now = pair.now + Duration::from_millis(5);
            assert!(pair.sender.poll_timeout() > Some(pair.now));
            assert!(pair.receiver.poll_timeout() > Some(pair.now));
            assert!(pair.sender.poll_transmit(pair.now).is_none());
            assert!(pair.receiver.poll_transmit(pair.now).is_none());
            assert!(pair.receiver.read_frame(pair.now).is_none());
            assert!(pair.sender.can_write());
            pair.exchange();
        }
    });
    assert_eq!(idle.count_total, 0, "{idle:?}");
    // A time-out that comes too early, as timers may.
    let early = measure(|| pair.receiver.handle_timeout(pair.now));
    assert_eq!(early.count_total, 0, "{early:?}");
}

/// The exceptions, a few small ones each second: the publisher's timers (a list of its consumers), the
/// probe, and the report that answers it.
#[test]
fn a_keep_alive_costs_little() {
    let mut pair = Pair::new();
    pair.transfer(FRAMES, 64);
    let early = measure(|| pair.sender.handle_timeout(pair.now));
    assert_eq!(early.count_total, 1, "the list of consumers: {early:?}");
    let mut keep_alive = || {
        pair.now = pair.now + KEEP_ALIVE;
        pair.sender.handle_timeout(pair.now);
        pair.receiver.handle_timeout(pair.now);
        pair.exchange();
    };
    // The list of probes under way is made with the first, and stays.
    keep_alive();
    let kept = measure(keep_alive);
    assert!(kept.count_total <= 16 && kept.bytes_max <= 1024, "{kept:?}");
    assert_eq!(kept.count_current, 0);
    assert_eq!(pair.receiver.stats().dropped.total(), 0);
}

/// Refused frames are looked at where they lie.
#[test]
fn noise_allocates_nothing() {
    let mut pair = Pair::new();
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
