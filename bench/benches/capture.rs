//! What a capture costs to write and to read where the disk costs nothing: in `/dev/shm`, or in the folder
//! for temporary files. Decides: whether recording or replaying is bound by our code or by the disk (0.9 GB/s
//! with io_uring), and whether a replay can afford to check digests.

use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use swp_replay::capture::{Capture, CaptureWriter, Ending, WriterOptions};
use swp_replay::generate::{GenerateOptions, generate};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Payload of a capture: larger than a processor's caches, small beside its memory.
const BYTES: usize = 32 << 20;

const SIZES: [usize; 3] = [64, 1024, 16384];

fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for temporary files")
}

fn make(path: &Path, size: usize) -> PathBuf {
    let options = WriterOptions { overwrite: true, durable: false, ..WriterOptions::default() };
    let mut writer = CaptureWriter::create(path, options).expect("a capture is created");
    let messages = GenerateOptions {
        messages: (BYTES / size) as u64,
        min_bytes: size,
        max_bytes: size,
        ..GenerateOptions::default()
    };
    generate(&messages, &mut writer).expect("messages are made");
    writer.finish(Ending::default()).expect("the capture is finished");
    path.to_owned()
}

/// Everything on a record's way: drawing its subject and place, packing, hashing, digest of the content.
fn write(c: &mut Criterion) {
    let folder = folder();
    let path = folder.path().join("written");
    let mut group = c.benchmark_group("capture write");
    group.throughput(Throughput::Bytes(BYTES as u64));
    for size in SIZES {
        group.bench_function(BenchmarkId::from_parameter(size), |b| b.iter(|| make(&path, size)));
    }
}

fn read(c: &mut Criterion) {
    let folder = folder();
    let mut group = c.benchmark_group("capture read");
    group.throughput(Throughput::Bytes(BYTES as u64));
    for size in SIZES {
        let path = make(&folder.path().join(size.to_string()), size);
        let capture = Capture::open(&path).expect("it was just made");
        group.bench_function(format!("blocks, {size} B"), |b| {
            b.iter(|| {
                capture.blocks(0).map(|block| block.expect("whole").frames.len()).sum::<usize>()
            });
        });
        group.bench_function(format!("blocks and digests, {size} B"), |b| {
            b.iter(|| {
                for block in capture.blocks(0) {
                    block.expect("whole").verify().expect("unharmed");
                }
            });
        });
        group.bench_function(format!("records, {size} B"), |b| {
            b.iter(|| capture.records().map(|record| record.expect("whole").seq).max());
        });
    }
}

/// An iteration is a whole capture: ten show the median well enough.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
}

criterion_group! { name = benches; config = short(); targets = write, read }
criterion_main!(benches);
