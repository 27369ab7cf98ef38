//! What a group of consumers costs its publisher for each ack and for each frame, without network,
//! clock or hash.
//!
//! Decides whether the cost of an ack follows the consumers times the window, and whether the cost
//! of a frame follows the consumers. The bounds:
//!
//! | cost | at most |
//! |---|---|
//! | an ack with 4,096 frames in flight, over an ack with 64, for any number of consumers | 1.2 |
//! | a frame with 4,096 frames in flight, over a frame with 64, for any number of consumers | 1.2 |
//! | a frame with 64 consumers, over a frame with one | 1.2 |
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use swp_fast::proto::{Packed, Receiver, Sender, SenderIds};
use swp_fast::testing::{Frames, Pair, ack, exchange, packed};
use swp_fast::time::Time;
use swp_fast::wire::{Control, Integrity, Kind, PeerId};
use swp_fast::{PublishConfig, SubscribeConfig};

/// Each consumer sends one ack for this many frames, whatever the window, so that every round of
/// acks releases as many frames. In use, several consumers send fewer acks than this.
const CHUNK: u64 = 32;

/// The time between two frames, as the protocol sees it.
const FRAME_INTERVAL: Duration = Duration::from_micros(2);

/// The benchmark's acks are numbered from here, behind those of the handshakes.
const FIRST_ACK: u64 = 1_000;

/// The time spent on frames, and on acks.
#[derive(Default, Clone, Copy)]
struct Spent {
    frames: Duration,
    acks: Duration,
    frame_count: u64,
    ack_count: u64,
}

/// A publisher, and the acks of its consumers.
struct Group {
    now: Time,
    sender: Sender,
    consumers: u64,
    in_flight: u64,
    window: u64,
    frames: Frames,
    /// Acks that each consumer has sent.
    acked: u64,
    /// The last frames that were sent, beyond the time when the publisher releases them. The cost
    /// of the allocator to free them is therefore not measured.
    bus: VecDeque<Bytes>,
    spent: Spent,
}

impl Group {
    fn new(consumers: u64, in_flight: u64) -> Group {
        let now = Time::from_nanos(1);
        let window = 2 * in_flight + CHUNK;
        let mut publish = PublishConfig::default();
        publish.claim_timeout = Duration::ZERO;
        publish.integrity = Integrity::None;
        publish.min_consumers = consumers as usize;
        publish.retained_frames = window;
        publish.retained_bytes = 1 << 30;
        // The consumers have the ids from 1, so the inbox of the publisher must not be one of them.
        let ids = SenderIds { inbox: PeerId(u64::MAX), ..Pair::IDS };
        let mut sender = Sender::new(publish, ids, now).expect("a valid configuration");
        for id in 1..=consumers {
            let mut subscribe = SubscribeConfig::default();
            subscribe.window_frames = window;
            subscribe.window_bytes = 1 << 30;
            let mut receiver = Receiver::new(subscribe, PeerId(id), 4 * window, now)
                .expect("a valid configuration");
            exchange(now, &mut sender, &mut receiver);
        }
        assert!(sender.has_started(), "all have joined");
        let frames = Frames::new(ids.session, ids.epoch);
        let (acked, bus, spent) = (0, VecDeque::new(), Spent::default());
        Group { now, sender, consumers, in_flight, window, frames, acked, bus, spent }
    }

    fn turn(&mut self) {
        self.send();
        self.ack();
        while self.bus.len() as u64 > self.window + CHUNK {
            self.bus.pop_front();
        }
    }

    fn send(&mut self) {
        let bodies: Vec<_> = (0..CHUNK).map(|_| packed(&[&[7; 64]])).collect();
        let start = Instant::now();
        for buf in bodies {
            assert!(self.sender.can_write(), "credit is not what is measured");
            self.sender.write(Packed::body(Kind::Data, buf, 1)).expect("there is credit");
            self.now = self.now + FRAME_INTERVAL;
            while let Some(transmit) = self.sender.poll_transmit(self.now) {
                self.bus.push_back(transmit.frame);
            }
        }
        if self.sender.poll_timeout().is_some_and(|at| at <= self.now) {
            self.sender.handle_timeout(self.now);
        }
        while self.sender.poll_event().is_some() {}
        self.spent.frames += start.elapsed();
        self.spent.frame_count += CHUNK;
    }

    /// Every consumer acks the frames before the last `in_flight`.
    fn ack(&mut self) {
        let held = self.sender.sent().get().saturating_sub(self.in_flight);
        if held == 0 {
            return;
        }
        self.acked += 1;
        let acks: Vec<Bytes> = (1..=self.consumers).map(|id| self.seal(PeerId(id), held)).collect();
        let start = Instant::now();
        for ack in &acks {
            self.sender.handle_frame(self.now, ack);
        }
        self.spent.acks += start.elapsed();
        self.spent.ack_count += self.consumers;
    }

    fn seal(&self, peer: PeerId, held: u64) -> Bytes {
        let ack = ack(peer, held).with_credit(held + self.window, 1 << 40);
        self.frames.control(FIRST_ACK + self.acked, &Control::Ack(ack))
    }
}

fn cost_of_consumers(c: &mut Criterion) {
    let mut bench = c.benchmark_group("consumers");
    bench.throughput(Throughput::Elements(1));
    for consumers in [1, 8, 64] {
        for in_flight in [64, 4096] {
            let mut group = Group::new(consumers, in_flight);
            while group.sender.sent().get() < 20 * in_flight {
                group.turn();
            }
            let mut run = |iters: u64, of: fn(&Spent) -> (Duration, u64)| {
                group.spent = Spent::default();
                while of(&group.spent).1 < iters {
                    group.turn();
                }
                let (spent, count) = of(&group.spent);
                spent.mul_f64(iters as f64 / count as f64)
            };
            let case = format!("{consumers} consumers, {in_flight} in flight");
            bench.bench_function(format!("ack, {case}"), |b| {
                b.iter_custom(|iters| run(iters, |spent| (spent.acks, spent.ack_count)));
            });
            bench.bench_function(format!("frame, {case}"), |b| {
                b.iter_custom(|iters| run(iters, |spent| (spent.frames, spent.frame_count)));
            });
            let stats = group.sender.stats();
            assert_eq!(stats.consumers.len() as u64, consumers, "every consumer is still a peer");
            assert_eq!(stats.dropped.total(), 0, "every ack was accepted");
            assert_eq!(stats.retransmits, 0);
        }
    }
}

/// Short, because only factors matter.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = short(); targets = cost_of_consumers }
criterion_main!(benches);
