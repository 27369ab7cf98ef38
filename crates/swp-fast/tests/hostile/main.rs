//! Hostile frames, handed to the publisher and the consumer of a session directly.
//!
//! Each test states what must not change, and the cause under which the frame is counted. Floods
//! and forged frames during a transfer are in `sim_hostile.rs`.

mod forged;
mod malformed;
mod memory;

use std::time::Duration;

use bytes::Bytes;
use swp_fast::proto::{DropCounts, ReceiverError, SenderIds};
use swp_fast::testing::{Frames, Pair, packed, probe, seq};
use swp_fast::wire::{Ack, Control, Fin, FinAck, Key, PeerId, ResetCode};
use swp_fast::{PublishConfig, SubscribeConfig};

const IDS: SenderIds = Pair::IDS;
const CONSUMER: PeerId = Pair::CONSUMER;

/// The window of the consumer, in frames.
const WINDOW: u64 = 64;

/// Frames that the consumer has read before a test begins.
const READ: u64 = 3;

/// The `seq` of hostile control frames. It is newer than that of every genuine ack.
const NEWEST: u64 = 1_000_000;

/// A session in which the consumer has read [`READ`] frames.
fn session(key: Option<Key>) -> Pair {
    let mut publish = PublishConfig::default();
    publish.key = key.clone();
    publish.max_consumers = 4;
    let mut subscribe = SubscribeConfig::default();
    subscribe.key = key;
    subscribe.window_frames = WINDOW;
    let mut pair = Pair::new(publish, subscribe);
    write(&mut pair, READ);
    pair.exchange();
    assert_eq!(read(&mut pair), READ);
    pair
}

fn open_session() -> Pair {
    session(None)
}

fn keyed_session() -> Pair {
    session(Some(Key::from_bytes([3; 32])))
}

/// Writes frames whose only message is the frame's sequence number.
fn write(pair: &mut Pair, frames: u64) {
    for _ in 0..frames {
        let written = pair.sender.stats().messages;
        let seq_of_frame = pair.write(packed(&[&written.to_be_bytes()]), 1);
        assert_eq!(seq_of_frame, seq(written));
    }
}

/// Reads every frame that is ready, and returns how many. Each must be as [`write`] wrote it.
fn read(pair: &mut Pair) -> u64 {
    let mut frames = 0;
    while let Some(frame) = pair.read() {
        assert_eq!(frame.body[2..], frame.seq.get().to_be_bytes());
        frames += 1;
    }
    frames
}

/// An ack of the consumer with the credit that it has granted. It names no newest frame.
fn ack(cumulative: u64) -> Ack {
    let ack = swp_fast::testing::ack(CONSUMER, cumulative);
    Ack { latest: None, ..ack.with_credit(READ + WINDOW, 1 << 22) }
}

/// One control frame of each kind that could move an open session, of either role.
fn control_frames(frames: &Frames) -> Vec<Bytes> {
    let controls = [
        Control::Ack(ack(READ)),
        Control::FinAck(FinAck { peer: CONSUMER }),
        Control::Probe(probe(None, 99, READ)),
        Control::Fin(Fin { end: seq(READ), trailer: Bytes::new() }),
        Control::Closed(FinAck { peer: CONSUMER }),
    ];
    let sealed = controls.iter().map(|control| frames.control(NEWEST, control));
    sealed.chain([frames.reset(NEWEST, CONSUMER, ResetCode::Cancelled)]).collect()
}

/// Asserts that the session carries more frames, and ends without an error.
fn assert_unharmed(mut pair: Pair) {
    write(&mut pair, 40);
    for _ in 0..10 {
        pair.wait(Duration::from_millis(5));
    }
    assert_eq!(read(&mut pair), 40);
    pair.sender.finish(Bytes::new());
    pair.wait(Duration::from_millis(100));
    assert!(pair.receiver.at_end());
    pair.receiver.close(pair.now);
    pair.wait(Duration::from_millis(100));
    assert_eq!(pair.sender.outcome(), Some(Ok(())));
    assert!(pair.receiver.is_over() && pair.receiver.failure().is_none());
}

/// Hands `frame` to the publisher. The publisher must only count the frame under `cause`: nothing
/// else changes, and nothing is sent.
fn publisher_drops(pair: &mut Pair, frame: &Bytes, cause: &str) {
    let before = pair.sender.stats();
    pair.sender.handle_frame(pair.now, frame);
    let mut after = pair.sender.stats();
    assert_counted(&before.dropped, &after.dropped, cause);
    after.dropped = before.dropped;
    assert_eq!(before, after);
    assert!(!pair.sender.is_over());
    assert!(pair.sender.poll_transmit(pair.now).is_none());
}

/// Hands `frame` to the consumer. The consumer must only count the frame under `cause`: nothing
/// else changes, and nothing is sent or ready to be read.
fn consumer_drops(pair: &mut Pair, frame: &Bytes, cause: &str) {
    let before = pair.receiver.stats();
    pair.receiver.handle_frame(pair.now, frame);
    let mut after = pair.receiver.stats();
    assert_counted(&before.dropped, &after.dropped, cause);
    after.dropped = before.dropped;
    assert_eq!(before, after);
    assert!(!pair.receiver.is_over() && !pair.receiver.has_ready());
    assert!(pair.receiver.poll_transmit(pair.now).is_none());
}

/// Asserts that exactly one frame was counted between `before` and `after`, under `cause`.
fn assert_counted(before: &DropCounts, after: &DropCounts, cause: &str) {
    let grown: Vec<(&str, u64)> = after
        .by_cause()
        .iter()
        .zip(before.by_cause())
        .filter(|(after, before)| after.1 > before.1)
        .map(|(after, before)| (after.0, after.1 - before.1))
        .collect();
    assert_eq!(grown, [(cause, 1)]);
}
