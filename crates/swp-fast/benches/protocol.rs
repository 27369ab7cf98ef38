//! What a frame costs the two state machines, acks included, without network, clock or hash.
//!
//! Decides whether anything in the core walks over its window. The bounds:
//!
//! | cost | at most |
//! |---|---|
//! | a frame with 4,096 in flight, over a frame with 64 in flight | 1.2 |
//! | a message of 64 B that is read from a frame that has arrived | 30 ns |
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use swp_fast::proto::{Dest, Packed};
use swp_fast::testing::{Pair, packed};
use swp_fast::wire::{Integrity, Kind, Messages, OpenFrame};
use swp_fast::{PublishConfig, SubscribeConfig};

mod ratio;
use ratio::Ratio;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Frames that the publisher or the consumer handles between two readings of the clock, so that the
/// readings cost next to nothing. A consumer sends one ack for as many frames.
const CHUNK: usize = 32;

/// The time between two frames, as the protocol sees it. A broker moves far fewer frames.
const FRAME_INTERVAL: Duration = Duration::from_micros(2);

/// One of this many frames is lost when it is sent for the first time.
const LOST_ONE_IN: u64 = 100;

/// Frames after which the other of two streams has its turn. A turn takes about a millisecond, so
/// that a disturbance of the machine slows both streams alike.
const TURN: u64 = 4096;

/// The time spent in each state machine.
#[derive(Default, Clone, Copy)]
struct Spent {
    sender: Duration,
    receiver: Duration,
    frames: u64,
}

/// A stream whose bus always has `in_flight` frames on it.
struct Stream {
    pair: Pair,
    bus: VecDeque<Bytes>,
    in_flight: usize,
    gaps: bool,
    /// The publisher had no credit in the last turn.
    blocked: bool,
    sent: u64,
    spent: Spent,
}

impl Stream {
    fn new(integrity: Integrity, in_flight: usize, gaps: bool) -> Stream {
        let mut publish = PublishConfig::default();
        publish.integrity = integrity;
        // A retransmission needs time beyond the frames in flight. The window is not measured, so
        // it leaves that time.
        let window = 4 * in_flight as u64 + 1024;
        publish.retained_frames = window;
        publish.retained_bytes = 1 << 30;
        let mut subscribe = SubscribeConfig::default();
        subscribe.window_frames = window;
        subscribe.window_bytes = 1 << 30;
        let pair = Pair::new(publish, subscribe);
        let (bus, spent) = (VecDeque::new(), Spent::default());
        Stream { pair, bus, in_flight, gaps, blocked: false, sent: 0, spent }
    }

    /// Writes and sends a chunk of frames with this body in each.
    fn send(&mut self, body: impl Fn() -> (BytesMut, u32)) {
        let bodies: Vec<_> = (0..CHUNK).map(|_| body()).collect();
        let mut sent = Vec::with_capacity(2 * CHUNK);
        let Pair { now, sender, .. } = &mut self.pair;
        let start = Instant::now();
        let end = *now + FRAME_INTERVAL * CHUNK as u32;
        for (buf, messages) in bodies {
            self.blocked = !sender.can_write();
            if !self.blocked {
                sender.write(Packed::body(Kind::Data, buf, messages)).expect("there is credit");
            }
            *now = *now + FRAME_INTERVAL;
            while let Some(transmit) = sender.poll_transmit(*now) {
                sent.push(transmit);
            }
            if self.blocked {
                // No credit arrives before the next ack.
                break;
            }
        }
        *now = end;
        if sender.poll_timeout().is_some_and(|at| at <= *now) {
            sender.handle_timeout(*now);
        }
        while sender.poll_event().is_some() {}
        self.spent.sender += start.elapsed();
        for transmit in sent {
            self.sent += 1;
            // A retransmission goes to the consumer alone, and arrives.
            let first = matches!(transmit.to, Dest::Group(_));
            if !(self.gaps && first && self.sent.is_multiple_of(LOST_ONE_IN)) {
                self.bus.push_back(transmit.frame);
            }
        }
    }

    /// Receives and reads what is due on the bus, and delivers the acks.
    fn receive(&mut self) {
        // Without credit nothing is sent, and the bus still delivers. The bus then delivers a
        // chunk. With single frames, the cost of a whole turn would count as that of one frame.
        let beyond = self.bus.len().saturating_sub(self.in_flight);
        let due = if beyond == 0 && self.blocked { CHUNK } else { beyond };
        let due = due.min(self.bus.len());
        let frames: Vec<Bytes> = self.bus.drain(..due).collect();
        let mut acks = Vec::with_capacity(CHUNK);
        let Pair { now, sender, receiver, .. } = &mut self.pair;
        let now = *now;
        let start = Instant::now();
        for frame in &frames {
            receiver.handle_frame(now, frame);
            while let Some(ready) = receiver.read_frame(now) {
                black_box(ready.body);
                self.spent.frames += 1;
            }
            while let Some(ack) = receiver.poll_transmit(now) {
                acks.push(ack.frame);
            }
        }
        if receiver.poll_timeout().is_some_and(|at| at <= now) {
            receiver.handle_timeout(now);
        }
        while receiver.poll_event().is_some() {}
        let received = Instant::now();
        for ack in &acks {
            sender.handle_frame(now, ack);
        }
        self.spent.sender += received.elapsed();
        self.spent.receiver += received - start;
    }

    /// Runs until the consumer has read `frames` more. Returns the time spent on them.
    fn run(&mut self, frames: u64) -> Spent {
        self.spent = Spent::default();
        while self.spent.frames < frames {
            self.send(one_message);
            self.receive();
        }
        self.spent
    }
}

/// A body with one small message. The content of frames is not measured.
fn one_message() -> (BytesMut, u32) {
    (packed(&[&[7; 64]]), 1)
}

/// A stream with a full bus. Where there are gaps, the bus carries retransmissions too.
fn under_way(in_flight: usize, gaps: bool) -> Stream {
    let mut stream = Stream::new(Integrity::None, in_flight, gaps);
    stream.run(20 * in_flight as u64);
    stream
}

const ORDERS: [(&str, bool); 2] = [("in order", false), ("1 % gaps", true)];

type Side = (&'static str, fn(&Spent) -> Duration);

const SIDES: [Side; 2] = [("sender", |spent| spent.sender), ("receiver", |spent| spent.receiver)];

fn cost_per_frame(c: &mut Criterion) {
    let mut group = c.benchmark_group("protocol");
    group.throughput(Throughput::Elements(1));
    for (order, gaps) in ORDERS {
        for in_flight in [64, 4096] {
            let mut stream = under_way(in_flight, gaps);
            for (side, of) in SIDES {
                group.bench_function(format!("{side}, {in_flight} in flight, {order}"), |b| {
                    b.iter_custom(|iters| {
                        let spent = stream.run(iters);
                        of(&spent).mul_f64(iters as f64 / spent.frames as f64)
                    });
                });
            }
            let retransmits = stream.pair.sender.stats().retransmits;
            assert_eq!(gaps, retransmits > 0, "only lost frames are retransmitted");
        }
    }
}

/// The cost with 4,096 frames in flight over the cost with 64, in turns.
fn window_to_window(c: &mut Criterion<Ratio>) {
    let mut group = c.benchmark_group("4,096 in flight to 64");
    for (order, gaps) in ORDERS {
        let [mut large, mut small] = [4096, 64].map(|in_flight| under_way(in_flight, gaps));
        for (side, of) in SIDES {
            group.bench_function(format!("{side}, {order}"), |b| {
                b.iter_custom(|iters| {
                    let mut spent = [0.0, 0.0];
                    for _ in 0..iters.div_ceil(TURN) {
                        for (stream, sum) in [&mut large, &mut small].into_iter().zip(&mut spent) {
                            let spent = stream.run(TURN);
                            *sum += of(&spent).as_secs_f64() / spent.frames as f64;
                        }
                    }
                    spent[0] / spent[1] * iters as f64
                });
            });
        }
    }
}

/// A full frame of the default size.
fn full(size: usize) -> (BytesMut, u32) {
    let config = PublishConfig::default();
    let mut open = OpenFrame::new(config.solo_body_bytes());
    let message = vec![7; size];
    while open.push(&message) {}
    open.take()
}

/// A stream with [`CHUNK`] full frames on its bus.
fn full_bus(integrity: Integrity, size: usize) -> Stream {
    let mut stream = Stream::new(integrity, CHUNK, false);
    stream.send(|| full(size));
    stream
}

/// Reads all that has arrived, message by message. Returns the bytes of the messages.
fn read(stream: &mut Stream) -> usize {
    let mut bytes = 0;
    let pair = &mut stream.pair;
    while let Some(frame) = pair.receiver.read_frame(pair.now) {
        bytes += Messages::new(frame.body).flatten().map(|message| message.len()).sum::<usize>();
    }
    bytes
}

fn arrive(stream: &mut Stream) {
    for frame in std::mem::take(&mut stream.bus) {
        stream.pair.receiver.handle_frame(stream.pair.now, &frame);
    }
}

fn cost_per_message(c: &mut Criterion) {
    let mut group = c.benchmark_group("consumer, per message");
    for size in [64, 1024] {
        group.throughput(Throughput::Elements(CHUNK as u64 * u64::from(full(size).1)));
        group.bench_function(format!("{size} B, arrived"), |b| {
            let setup = || {
                let mut stream = full_bus(Integrity::Blake3, size);
                arrive(&mut stream);
                stream
            };
            b.iter_batched_ref(setup, read, BatchSize::LargeInput);
        });
        for integrity in [Integrity::Blake3, Integrity::Crc32c] {
            group.bench_function(format!("{size} B, arriving, {integrity}"), |b| {
                let both = |stream: &mut Stream| {
                    arrive(stream);
                    read(stream)
                };
                b.iter_batched_ref(|| full_bus(integrity, size), both, BatchSize::LargeInput);
            });
        }
    }
}

/// Short, because every full benchmark run includes all of these.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

/// Longer, so that a sample has about twenty turns.
fn in_turns() -> Criterion<Ratio> {
    short().measurement_time(Duration::from_secs(3)).with_measurement(Ratio)
}

criterion_group! { name = benches; config = short(); targets = cost_per_frame, cost_per_message }
criterion_group! { name = ratios; config = in_turns(); targets = window_to_window }
criterion_main!(benches, ratios);
