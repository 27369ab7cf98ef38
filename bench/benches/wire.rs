//! What a frame costs to make and to take apart. Decides: whether packing many messages into one frame
//! pays (per message, next to the 1.2 us that raw async-nats takes), and what a digest costs beside it.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use swp_fast::wire::{
    BODY_LIMIT, Digest, Header, Integrity, Kind, Messages, OpenFrame, Sealer, Seq, SessionId,
};

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
    for size in [64, 256, 1024, 4096] {
        let message = vec![b'x'; size];
        group.throughput(Throughput::Elements(u64::from(filled(&message).messages())));
        group.bench_function(format!("{size} B"), |b| b.iter(|| filled(black_box(&message))));
    }
}

fn unpack(c: &mut Criterion) {
    let mut group = c.benchmark_group("unpack a frame");
    for size in [64, 256, 1024, 4096] {
        let frame = filled(&vec![b'x'; size]);
        group.throughput(Throughput::Elements(u64::from(frame.messages())));
        let body = Bytes::copy_from_slice(frame.body());
        group.bench_function(format!("{size} B"), |b| {
            b.iter(|| Messages::new(body.clone()).flatten().map(|m| m.len()).sum::<usize>());
        });
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

criterion_group!(benches, pack, unpack, seal_and_open);
criterion_main!(benches);
