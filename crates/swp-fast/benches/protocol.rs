//! What the two state machines cost a frame, acknowledgements and all, without network, clock or hash.
//! Decides: whether anything in the core walks over its window. To compare with: a frame at 4,096 in flight
//! costs at most 20 % more than at 64; a message of 64 B in a frame that has arrived costs its reader
//! 30 ns at most.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use swp_fast::proto::{Dest, Packed, Receiver, Sender, SenderIds};
use swp_fast::time::Time;
use swp_fast::wire::{Integrity, Kind, Messages, OpenFrame, PeerId, SessionId};
use swp_fast::{PublishConfig, SubscribeConfig};

mod ratio;
use ratio::Ratio;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Frames that one side handles before the other has its turn, so that reading the clock between them costs
/// next to nothing; and as many as a report comes for.
const CHUNK: usize = 32;

/// Between frames, in the time that the protocol sees: 500,000 a second, far more than a broker moves.
const FRAME_INTERVAL: Duration = Duration::from_micros(2);

/// One in so many frames is lost on its first way.
const LOST_ONE_IN: u64 = 100;

/// Frames for which one of two pairs that take turns goes on: a millisecond or so, far less than what else a
/// machine does comes and goes in.
const TURN: u64 = 4096;

/// What was spent on either side.
#[derive(Default, Clone, Copy)]
struct Spent {
    sender: Duration,
    receiver: Duration,
    frames: u64,
}

/// Both ends, and a bus that always has `in_flight` frames on it.
struct Pair {
    now: Time,
    sender: Sender,
    receiver: Receiver,
    bus: VecDeque<Bytes>,
    in_flight: usize,
    gaps: bool,
    /// By credit, in the last turn.
    held_back: bool,
    sent: u64,
    spent: Spent,
}

impl Pair {
    fn new(integrity: Integrity, in_flight: usize, gaps: bool) -> Pair {
        let now = Time::from_nanos(1);
        let mut publish = PublishConfig::default();
        publish.claim_timeout = Duration::ZERO;
        publish.integrity = integrity;
        // Room for a repair's way on top of what is in flight: the window itself is not what is measured.
        let window = 4 * in_flight as u64 + 1024;
        publish.retained_frames = window;
        publish.retained_bytes = 1 << 30;
        let mut subscribe = SubscribeConfig::default();
        subscribe.window_frames = window;
        subscribe.window_bytes = 1 << 30;
        let ids = SenderIds { session: SessionId(1), epoch: 1, inbox: PeerId(1) };
        let sender = Sender::new(publish, ids, now).expect("a valid configuration");
        let receiver =
            Receiver::new(subscribe, PeerId(2), 2 * window, now).expect("a valid configuration");
        let (bus, spent) = (VecDeque::new(), Spent::default());
        let mut pair =
            Pair { now, sender, receiver, bus, in_flight, gaps, held_back: false, sent: 0, spent };
        while !pair.sender.has_started() {
            while let Some(down) = pair.sender.poll_transmit(now) {
                pair.receiver.handle_frame(now, &down.frame);
            }
            while let Some(up) = pair.receiver.poll_transmit(now) {
                pair.sender.handle_frame(now, &up.frame);
            }
        }
        pair
    }

    /// Writes and sends a chunk of frames with this body in each.
    fn send(&mut self, body: impl Fn() -> (BytesMut, u32)) {
        let bodies: Vec<_> = (0..CHUNK).map(|_| body()).collect();
        let mut sent = Vec::with_capacity(2 * CHUNK);
        let start = Instant::now();
        let end = self.now + FRAME_INTERVAL * CHUNK as u32;
        for (buf, messages) in bodies {
            self.held_back = !self.sender.can_write();
            if !self.held_back {
                self.sender.write(Packed::body(Kind::Data, buf, messages)).expect("it takes more");
            }
            self.now = self.now + FRAME_INTERVAL;
            while let Some(transmit) = self.sender.poll_transmit(self.now) {
                sent.push(transmit);
            }
            if self.held_back {
                // Until the next report nobody would ask again.
                break;
            }
        }
        self.now = end;
        if self.sender.poll_timeout().is_some_and(|at| at <= self.now) {
            self.sender.handle_timeout(self.now);
        }
        while self.sender.poll_event().is_some() {}
        self.spent.sender += start.elapsed();
        for transmit in sent {
            self.sent += 1;
            // A repair, which goes to the consumer alone, arrives.
            let first = matches!(transmit.to, Dest::Group(_));
            if !(self.gaps && first && self.sent.is_multiple_of(LOST_ONE_IN)) {
                self.bus.push_back(transmit.frame);
            }
        }
    }

    /// Receives and reads what is due on the bus, and takes the reports back.
    fn receive(&mut self) {
        // Where credit holds the sender back, the bus runs on; a chunk at a time, or turns in which nothing
        // can be sent would count as the cost of single frames.
        let beyond = self.bus.len().saturating_sub(self.in_flight);
        let due = if beyond == 0 && self.held_back { CHUNK } else { beyond };
        let due = due.min(self.bus.len());
        let frames: Vec<Bytes> = self.bus.drain(..due).collect();
        let mut reports = Vec::with_capacity(CHUNK);
        let start = Instant::now();
        for frame in &frames {
            self.receiver.handle_frame(self.now, frame);
            while let Some(ready) = self.receiver.read_frame(self.now) {
                black_box(ready.body);
                self.spent.frames += 1;
            }
            while let Some(report) = self.receiver.poll_transmit(self.now) {
                reports.push(report.frame);
            }
        }
        if self.receiver.poll_timeout().is_some_and(|at| at <= self.now) {
            self.receiver.handle_timeout(self.now);
        }
        while self.receiver.poll_event().is_some() {}
        let received = Instant::now();
        for report in &reports {
            self.sender.handle_frame(self.now, report);
        }
        self.spent.sender += received.elapsed();
        self.spent.receiver += received - start;
    }

    /// Goes on until `frames` more were read, and tells what was spent on them.
    fn run(&mut self, frames: u64) -> Spent {
        self.spent = Spent::default();
        while self.spent.frames < frames {
            self.send(one_message);
            self.receive();
        }
        self.spent
    }
}

/// One small message: what is in a frame is not what is measured here.
fn one_message() -> (BytesMut, u32) {
    let mut open = OpenFrame::new(128);
    open.push(&[7; 64]);
    open.take()
}

/// Both ends with a full bus, and with repairs as a part of it where there are gaps.
fn under_way(in_flight: usize, gaps: bool) -> Pair {
    let mut pair = Pair::new(Integrity::None, in_flight, gaps);
    pair.run(20 * in_flight as u64);
    pair
}

const ORDERS: [(&str, bool); 2] = [("in order", false), ("1 % gaps", true)];

type Side = (&'static str, fn(&Spent) -> Duration);

const SIDES: [Side; 2] = [("sender", |spent| spent.sender), ("receiver", |spent| spent.receiver)];

fn cost_per_frame(c: &mut Criterion) {
    let mut group = c.benchmark_group("protocol");
    group.throughput(Throughput::Elements(1));
    for (order, gaps) in ORDERS {
        for in_flight in [64, 4096] {
            let mut pair = under_way(in_flight, gaps);
            for (side, of) in SIDES {
                group.bench_function(format!("{side}, {in_flight} in flight, {order}"), |b| {
                    b.iter_custom(|iters| {
                        let spent = pair.run(iters);
                        of(&spent).mul_f64(iters as f64 / spent.frames as f64)
                    });
                });
            }
            assert_eq!(
                gaps,
                pair.sender.stats().retransmits > 0,
                "gaps are repaired, and only gaps"
            );
        }
    }
}

/// 4,096 in flight and 64, in turns.
fn window_to_window(c: &mut Criterion<Ratio>) {
    let mut group = c.benchmark_group("4,096 in flight to 64");
    for (order, gaps) in ORDERS {
        let [mut large, mut small] = [4096, 64].map(|in_flight| under_way(in_flight, gaps));
        for (side, of) in SIDES {
            group.bench_function(format!("{side}, {order}"), |b| {
                b.iter_custom(|iters| {
                    let mut spent = [0.0, 0.0];
                    for _ in 0..iters.div_ceil(TURN) {
                        for (pair, sum) in [&mut large, &mut small].into_iter().zip(&mut spent) {
                            let spent = pair.run(TURN);
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

/// Full frames on their way, `CHUNK` of them.
fn on_the_way(integrity: Integrity, size: usize) -> Pair {
    let mut pair = Pair::new(integrity, CHUNK, false);
    pair.send(|| full(size));
    pair
}

/// Reads all that has arrived, message by message.
fn read(pair: &mut Pair) -> usize {
    let mut bytes = 0;
    while let Some(frame) = pair.receiver.read_frame(pair.now) {
        bytes += Messages::new(frame.body).flatten().map(|message| message.len()).sum::<usize>();
    }
    bytes
}

fn arrive(pair: &mut Pair) {
    for frame in std::mem::take(&mut pair.bus) {
        pair.receiver.handle_frame(pair.now, &frame);
    }
}

fn cost_per_message(c: &mut Criterion) {
    let mut group = c.benchmark_group("consumer, per message");
    for size in [64, 1024] {
        group.throughput(Throughput::Elements(CHUNK as u64 * u64::from(full(size).1)));
        group.bench_function(format!("{size} B, arrived"), |b| {
            let setup = || {
                let mut pair = on_the_way(Integrity::Blake3, size);
                arrive(&mut pair);
                pair
            };
            b.iter_batched_ref(setup, read, BatchSize::LargeInput);
        });
        for integrity in [Integrity::Blake3, Integrity::Crc32c] {
            group.bench_function(format!("{size} B, arriving, {integrity}"), |b| {
                let both = |pair: &mut Pair| {
                    arrive(pair);
                    read(pair)
                };
                b.iter_batched_ref(|| on_the_way(integrity, size), both, BatchSize::LargeInput);
            });
        }
    }
}

/// Short, for the whole set is run with every report.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

/// Longer: a sample is some twenty turns.
fn in_turns() -> Criterion<Ratio> {
    short().measurement_time(Duration::from_secs(3)).with_measurement(Ratio)
}

criterion_group! { name = benches; config = short(); targets = cost_per_frame, cost_per_message }
criterion_group! { name = ratios; config = in_turns(); targets = window_to_window }
criterion_main!(benches, ratios);
