//! What a frame costs to make and to take apart. Decides: whether packing many messages into one frame
//! pays (per message, next to the 1.2 us that raw async-nats takes), what a digest costs beside it, and by
//! `encode` and `decode`, which do all of it, at which message size a frame's cost stops mattering.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use swp_fast::wire::{
    BODY_LIMIT, Digest, Header, Integrity, Kind, Messages, OpenFrame, Sealer, Seq, SessionId,
};

/// Message sizes up to the largest that is packed and not cut.
const SIZES: [usize; 5] = [64, 256, 1024, 4096, 16384];

fn filled(message: &[u8]) -> OpenFrame {
    let mut frame = OpenFrame::new(BODY_LIMIT);
    while frame.push(message) {}
    frame
}

fn header(digest: Digest) -> Header {
    Header { kind: Kind::Data, session: SessionId(7), epoch: 1, seq: Seq::ZERO, digest }
}

fn seal(integrity: Integrity, message: &[u8]) -> Bytes {
    let frame = filled(message);
    let digest = integrity.digest(frame.body());
    Sealer::default().seal_data(frame.into_buf(), &header(digest))
}

fn pack(c: &mut Criterion) {
    let mut group = c.benchmark_group("pack a frame");
    for size in SIZES {
        let message = vec![b'x'; size];
        group.throughput(Throughput::Elements(u64::from(filled(&message).messages())));
        group.bench_function(format!("{size} B"), |b| b.iter(|| filled(black_box(&message))));
    }
}

fn unpack(c: &mut Criterion) {
    let mut group = c.benchmark_group("unpack a frame");
    for size in SIZES {
        let frame = filled(&vec![b'x'; size]);
        group.throughput(Throughput::Elements(u64::from(frame.messages())));
        let body = Bytes::copy_from_slice(frame.body());
        group.bench_function(format!("{size} B"), |b| {
            b.iter(|| Messages::new(body.clone()).flatten().map(|m| m.len()).sum::<usize>());
        });
    }
}

/// All that a publisher does to the messages of a frame: pack, hash, seal.
fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("encode");
    for integrity in [Integrity::Blake3, Integrity::Crc32c] {
        for size in SIZES {
            let message = vec![b'x'; size];
            group.throughput(Throughput::Elements(u64::from(filled(&message).messages())));
            group.bench_function(format!("{size} B, {integrity}"), |b| {
                b.iter(|| seal(integrity, black_box(&message)));
            });
        }
    }
}

/// All that a consumer does to the bytes of a frame: check its header and digest, hand out its messages.
fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let sealer = Sealer::default();
    for integrity in [Integrity::Blake3, Integrity::Crc32c] {
        for size in SIZES {
            let message = vec![b'x'; size];
            let frame = seal(integrity, &message);
            group.throughput(Throughput::Elements(u64::from(filled(&message).messages())));
            group.bench_function(format!("{size} B, {integrity}"), |b| {
                b.iter(|| {
                    let opened = sealer.open(black_box(&frame)).expect("sealed here");
                    Messages::new(opened.body).flatten().map(|m| m.len()).sum::<usize>()
                });
            });
        }
    }
}

fn seal_and_open(c: &mut Criterion) {
    let message = [b'x'; 64];
    let mut group = c.benchmark_group("16 KiB frame");
    group.throughput(Throughput::Bytes(BODY_LIMIT as u64));
    for integrity in [Integrity::Blake3, Integrity::Crc32c, Integrity::None] {
        group.bench_function(format!("seal, {integrity}"), |b| {
            b.iter_batched(
                || filled(&message),
                |frame| {
                    let digest = integrity.digest(frame.body());
                    Sealer::default().seal_data(frame.into_buf(), &header(digest))
                },
                BatchSize::SmallInput,
            );
        });
        let frame = seal(integrity, &message);
        group.bench_function(format!("open, {integrity}"), |b| {
            b.iter(|| Sealer::default().open(black_box(&frame)).is_ok());
        });
    }
}

/// Short, for the whole set is run with every report; the steps above differ by far more than the noise.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(700))
}

criterion_group! { name = benches; config = short(); targets = pack, unpack, seal_and_open, encode, decode }
criterion_main!(benches);
