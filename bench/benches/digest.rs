//! What a digest costs by the size of what is hashed. Decides: which integrity is the default, and how
//! large a frame's body is made (blake3 hashes runs of 16 KiB in parallel, and is slow below).

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use swp_fast::wire::{BODY_LIMIT, HASH_RUN, Integrity};

/// Around the points where blake3 changes its ways: one block, one chunk, sixteen chunks.
const SIZES: [usize; 9] =
    [64, 256, 1024, 4096, HASH_RUN - 1024, HASH_RUN, BODY_LIMIT, 64 << 10, 1 << 20];

fn digest(c: &mut Criterion) {
    let mut group = c.benchmark_group("digest");
    for integrity in [Integrity::Blake3, Integrity::Crc32c] {
        for size in SIZES {
            let bytes = vec![b'x'; size];
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(format!("{integrity}, {size} B"), |b| {
                b.iter(|| integrity.digest(black_box(&bytes)));
            });
        }
    }
}

/// Short, for the whole set is run with every report.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
}

criterion_group! { name = benches; config = short(); targets = digest }
criterion_main!(benches);
