//! What a group of consumers costs its publisher: for each report that it takes, and for each frame that it
//! sends, without network, clock or hash.
//! Decides: whether the cost of a report follows members x window, and that of a frame the members. To compare
//! with: at any number of members, a report and a frame cost at 4,096 frames in flight at most 20 % more than
//! at 64; a frame costs with 64 members at most 20 % more than with one.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use swp_fast::proto::{FIRST_GENERATION, Packed, Receiver, Sender, SenderIds};
use swp_fast::time::Time;
use swp_fast::wire::{
    Ack, Control, Credit, Integrity, Kind, OpenFrame, PeerId, SackRanges, Sealer, Seq, SessionId,
};
use swp_fast::{PublishConfig, SubscribeConfig};

/// Each member reports every so many frames, whatever the window, so that a report always lets go of as many.
/// In use, all of them together report once for 64 frames or more.
const CHUNK: u64 = 32;

/// Between frames, in the time that the protocol sees.
const FRAME_INTERVAL: Duration = Duration::from_micros(2);

const SESSION: SessionId = SessionId(1);
const EPOCH: u32 = 1;

/// What was spent on what.
#[derive(Default, Clone, Copy)]
struct Spent {
    frames: Duration,
    reports: Duration,
    frame_count: u64,
    report_count: u64,
}

/// A publisher, and what its members say.
struct Group {
    now: Time,
    sender: Sender,
    members: u64,
    in_flight: u64,
    window: u64,
    sealer: Sealer,
    reported: Seq,
    /// What was sent and not yet let go of: freeing it is the allocator's cost.
    bus: VecDeque<Bytes>,
    spent: Spent,
}

impl Group {
    fn new(members: u64, in_flight: u64) -> Group {
        let now = Time::from_nanos(1);
        let window = 2 * in_flight + CHUNK;
        let mut publish = PublishConfig::default();
        publish.claim_timeout = Duration::ZERO;
        publish.integrity = Integrity::None;
        publish.min_consumers = members as usize;
        publish.retained_frames = window;
        publish.retained_bytes = 1 << 30;
        let ids = SenderIds { session: SESSION, epoch: EPOCH, inbox: PeerId(u64::MAX) };
        let mut sender = Sender::new(publish, ids, now).expect("a valid configuration");
        for id in 1..=members {
            let mut subscribe = SubscribeConfig::default();
            subscribe.window_frames = window;
            subscribe.window_bytes = 1 << 30;
            let mut receiver = Receiver::new(subscribe, PeerId(id), 4 * window, now)
                .expect("a valid configuration");
            for _ in 0..3 {
                while let Some(up) = receiver.poll_transmit(now) {
                    sender.handle_frame(now, &up.frame);
                }
                while let Some(down) = sender.poll_transmit(now) {
                    receiver.handle_frame(now, &down.frame);
                }
            }
        }
        assert!(sender.has_started(), "all have joined");
        let (sealer, bus, spent) = (Sealer::default(), VecDeque::new(), Spent::default());
        let reported = Seq::ZERO;
        Group { now, sender, members, in_flight, window, sealer, reported, bus, spent }
    }

    fn turn(&mut self) {
        self.send();
        self.report();
        while self.bus.len() as u64 > self.window + CHUNK {
            self.bus.pop_front();
        }
    }

    fn send(&mut self) {
        let bodies: Vec<_> = (0..CHUNK).map(|_| one_message()).collect();
        let start = Instant::now();
        for (buf, messages) in bodies {
            assert!(self.sender.can_write(), "credit is not what is measured");
            self.sender.write(Packed::body(Kind::Data, buf, messages)).expect("it takes more");
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

    /// Every member says that it has what was sent before the last `in_flight` frames.
    fn report(&mut self) {
        let sent = self.sender.sent();
        let held = Seq::ZERO.advance(sent.get().saturating_sub(self.in_flight));
        if held == Seq::ZERO {
            return;
        }
        self.reported = self.reported.next();
        let reports: Vec<Bytes> =
            (1..=self.members).map(|id| self.seal(PeerId(id), held)).collect();
        let start = Instant::now();
        for report in &reports {
            self.sender.handle_frame(self.now, report);
        }
        self.spent.reports += start.elapsed();
        self.spent.report_count += self.members;
    }

    fn seal(&self, peer: PeerId, held: Seq) -> Bytes {
        let ack = Ack {
            peer,
            cumulative: held,
            sack: SackRanges::default(),
            credit: Credit { frames: held.advance(self.window), bytes: 1 << 40 },
            latest: Seq::new(held.get() - 1),
            delay_us: 0,
            probe: 0,
            probe_delay_us: 0,
            generation: FIRST_GENERATION,
            duplicates: 0,
            dropped: 0,
        };
        // Behind what it reported while it joined.
        let seq = self.reported.advance(1_000);
        self.sealer.seal_control(SESSION, EPOCH, seq, &Control::Ack(ack))
    }
}

fn one_message() -> (BytesMut, u32) {
    let mut open = OpenFrame::new(128);
    open.push(&[7; 64]);
    open.take()
}

fn cost_of_members(c: &mut Criterion) {
    let mut bench = c.benchmark_group("members");
    bench.throughput(Throughput::Elements(1));
    for members in [1, 8, 64] {
        for in_flight in [64, 4096] {
            let mut group = Group::new(members, in_flight);
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
            let case = format!("{members} members, {in_flight} in flight");
            bench.bench_function(format!("report, {case}"), |b| {
                b.iter_custom(|iters| run(iters, |spent| (spent.reports, spent.report_count)));
            });
            bench.bench_function(format!("frame, {case}"), |b| {
                b.iter_custom(|iters| run(iters, |spent| (spent.frames, spent.frame_count)));
            });
            let stats = group.sender.stats();
            assert_eq!(stats.consumers.len() as u64, members, "none was given up");
            assert_eq!(stats.dropped.total(), 0, "every report was taken");
            assert_eq!(stats.retransmits, 0);
        }
    }
}

/// Short: what is looked for are factors.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = short(); targets = cost_of_members }
criterion_main!(benches);
