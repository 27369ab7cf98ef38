//! The retransmit queue: a slab with a ring of keys, as in `proto::retransmit`, beside a ring of a
//! power of two that holds the frames themselves.
//!
//! Decides which of the two the core uses. The core keeps its queue private, so both are written
//! again here, with only what a frame costs in its place.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use slab::Slab;

/// A retained frame, as large as the slot of the core.
#[derive(Clone)]
struct Slot {
    seq: u64,
    frame: Bytes,
    end_bytes: u64,
    sent_at: Option<u64>,
}

impl Slot {
    fn new(seq: u64, frame: Bytes) -> Slot {
        Slot { seq, frame, end_bytes: seq * 16_384, sent_at: None }
    }
}

trait Queue: Default {
    fn push(&mut self, frame: Bytes);
    fn get_mut(&mut self, seq: u64) -> Option<&mut Slot>;
    fn release_below(&mut self, seq: u64);
}

#[derive(Default)]
struct SlabQueue {
    slots: Slab<Slot>,
    keys: VecDeque<usize>,
    first: u64,
}

impl Queue for SlabQueue {
    fn push(&mut self, frame: Bytes) {
        let seq = self.first + self.keys.len() as u64;
        self.keys.push_back(self.slots.insert(Slot::new(seq, frame)));
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut Slot> {
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.slots.get_mut(*self.keys.get(index)?).filter(|slot| slot.seq == seq)
    }

    fn release_below(&mut self, seq: u64) {
        while self.first < seq {
            let Some(key) = self.keys.pop_front() else { break };
            black_box(self.slots.remove(key).end_bytes);
            self.first += 1;
        }
    }
}

/// A ring that doubles when it is full, as the slab does.
#[derive(Default)]
struct RingQueue {
    slots: Vec<Option<Slot>>,
    first: u64,
    next: u64,
}

impl RingQueue {
    fn index(&self, seq: u64) -> usize {
        seq as usize & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        let mut larger = vec![None; (self.slots.len() * 2).max(16)];
        for seq in self.first..self.next {
            let (from, to) = (self.index(seq), seq as usize & (larger.len() - 1));
            larger[to] = self.slots[from].take();
        }
        self.slots = larger;
    }
}

impl Queue for RingQueue {
    fn push(&mut self, frame: Bytes) {
        if (self.next - self.first) as usize == self.slots.len() {
            self.grow();
        }
        let index = self.index(self.next);
        self.slots[index] = Some(Slot::new(self.next, frame));
        self.next += 1;
    }

    fn get_mut(&mut self, seq: u64) -> Option<&mut Slot> {
        if !(self.first..self.next).contains(&seq) {
            return None;
        }
        let index = self.index(seq);
        self.slots[index].as_mut().filter(|slot| slot.seq == seq)
    }

    fn release_below(&mut self, seq: u64) {
        while self.first < seq.min(self.next) {
            let index = self.index(self.first);
            black_box(self.slots[index].take().map(|slot| slot.end_bytes));
            self.first += 1;
        }
    }
}

/// A queue in use.
///
/// Every frame is pushed, found once when it is sent, and found once for its ack. Some frames are
/// found again for a retransmission. Acks release frames in groups.
struct Use<Q> {
    queue: Q,
    frame: Bytes,
    next: u64,
    window: u64,
}

impl<Q: Queue> Use<Q> {
    fn new(window: u64) -> Use<Q> {
        let frame = Bytes::from(vec![b'x'; 1024]);
        let mut used = Use { queue: Q::default(), frame, next: 0, window };
        for _ in 0..2 * window {
            used.step();
        }
        used
    }

    fn step(&mut self) {
        self.queue.push(self.frame.clone());
        if let Some(slot) = self.queue.get_mut(self.next) {
            slot.sent_at = Some(self.next);
            black_box(slot.frame.clone());
        }
        self.next += 1;
        let acked = self.next.saturating_sub(self.window);
        black_box(self.queue.get_mut(acked).map(|slot| slot.sent_at));
        if self.next.is_multiple_of(100) {
            black_box(self.queue.get_mut(acked + self.window / 2).map(|slot| slot.frame.clone()));
        }
        if self.next.is_multiple_of(32) {
            self.queue.release_below(acked);
        }
    }
}

fn retransmit_queue(c: &mut Criterion) {
    let mut group = c.benchmark_group("retransmit queue");
    group.throughput(Throughput::Elements(1));
    for window in [64, 4096] {
        let mut slab = Use::<SlabQueue>::new(window);
        group.bench_function(format!("slab, {window} in flight"), |b| b.iter(|| slab.step()));
        let mut ring = Use::<RingQueue>::new(window);
        group.bench_function(format!("ring, {window} in flight"), |b| b.iter(|| ring.step()));
    }
}

/// Short, because every full benchmark run includes all of these.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = short(); targets = retransmit_queue }
criterion_main!(benches);
