//! What the decoder costs by size of message, with the reads that a busy socket yields. Decides:
//! from which size on a slice beats a copy (`parse::SLICE_FACTOR`).

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use nats_link::parse::{Decoder, Limits, Op};

/// What a stream of each size adds up to.
const STREAM_BYTES: usize = 16 << 20;

/// What one read yields, at most.
const READ_BYTES: usize = 128 << 10;

fn stream(size: usize) -> (Vec<u8>, usize) {
    let line = format!("MSG swp.data.s 1 {size}\r\n");
    let message = [line.as_bytes(), &vec![7; size], b"\r\n"].concat();
    let count = STREAM_BYTES / message.len();
    (message.repeat(count), count)
}

fn decode(stream: &[u8]) -> usize {
    let mut decoder = Decoder::new(Limits::default());
    let (mut rest, mut messages) = (stream, 0);
    while !rest.is_empty() {
        let space = decoder.space();
        let spare = space.capacity() - space.len();
        let (now, later) = rest.split_at(spare.min(READ_BYTES).min(rest.len()));
        space.extend_from_slice(now);
        rest = later;
        while let Ok(Some(op)) = decoder.next() {
            if let Op::Message(message) = op {
                messages += 1;
                black_box(message.into_payload());
            }
        }
    }
    messages
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for size in [64, 1_024, 4_096, 8_191, 8_193, 16_384, 65_536, 524_288] {
        let (stream, count) = stream(size);
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &stream, |bencher, stream| {
            bencher.iter(|| assert_eq!(decode(stream), count));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
