//! Captures from the disk to a consumer, and what the disk alone gives.
//!
//! Cold means that the page cache holds nothing of the file: it was written to the disk (fsync), then the
//! kernel was asked to drop its pages (`posix_fadvise`). Warm means that all of it was read just before.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use bytes::Bytes;
use clap::Args;
use rustix::fs::Advice;
use swp_fast::wire::Integrity;
use swp_replay::capture::{BlockReader, Capture};
use swp_replay::disk::{DEFAULT_MEMORY_BYTES, DEFAULT_READS_IN_FLIGHT, DiskOptions, Engine};

use crate::Failure;
use crate::peers::{replay, swp};
use crate::record::{Replay, ReplayKind};
use crate::stage::Stage;
use crate::table::{self, DASH, Table, median, ratio};
use crate::units::{self, show_size};

/// Reads in flight and block sizes that are tried against each other, with io_uring and O_DIRECT.
const READS: [usize; 6] = [1, 2, 4, 8, 16, 32];
const BLOCKS: [usize; 5] = [256 << 10, 512 << 10, 1 << 20, 2 << 20, 4 << 20];
const READS_QUICK: [usize; 3] = [1, 8, 32];
const BLOCKS_QUICK: [usize; 2] = [256 << 10, 1 << 20];

/// Records kept to be sent from memory, in bytes; a longer stream repeats them. More than any cache of a
/// processor holds.
const MEMORY_BYTES: usize = 64 << 20;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Message sizes of the streams [default: 1KiB,16KiB]
    #[arg(long, value_delimiter = ',', value_parser = units::bytes, default_value = "1KiB,16KiB")]
    size: Vec<u64>,
    /// Payload bytes of a capture [default: 2GiB]
    #[arg(long, value_parser = units::bytes)]
    bytes: Option<u64>,
    /// Rounds; the median is shown [default: 3]
    #[arg(long)]
    rounds: Option<usize>,
    /// Appends one JSON object a measurement to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Small captures, one size, two rounds, part of the sweep
    #[arg(long)]
    quick: bool,
}

/// Where a stream comes from, and how it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Source {
    Disk {
        engine: Engine,
        direct: bool,
        cold: bool,
    },
    /// Packed and hashed by the sender.
    Memory,
}

/// What is compared. Direct reads pass the page cache by, so warm ones differ in nothing from cold ones.
const SOURCES: [Source; 7] = [
    Source::Memory,
    Source::Disk { engine: Engine::Uring, direct: true, cold: true },
    Source::Disk { engine: Engine::Pread, direct: true, cold: true },
    Source::Disk { engine: Engine::Uring, direct: false, cold: true },
    Source::Disk { engine: Engine::Pread, direct: false, cold: true },
    Source::Disk { engine: Engine::Uring, direct: false, cold: false },
    Source::Disk { engine: Engine::Pread, direct: false, cold: false },
];

impl Source {
    fn label(self) -> String {
        match self {
            Source::Memory => "memory, hashed by the sender".to_owned(),
            Source::Disk { engine, direct, cold } => format!(
                "{}, {}, {engine}",
                if cold { "cold" } else { "warm" },
                if direct { "direct" } else { "buffered" },
            ),
        }
    }
}

pub(crate) fn run(options: &Options, stage: &mut Stage) -> Result<(), Failure> {
    let quick = options.quick;
    let bytes = options.bytes.unwrap_or(if quick { 128 << 20 } else { 2 << 30 });
    let rounds = options.rounds.unwrap_or(if quick { 2 } else { 3 });
    let sizes = if quick { &options.size[..1] } else { &options.size[..] };
    let mut streams = Vec::new();
    for &size in sizes {
        let count = (bytes / size).max(1);
        let capture = Capture::open(stage.capture(usize::try_from(size)?, count, None)?)?;
        for round in 0..rounds {
            for turn in 0..SOURCES.len() {
                let source = SOURCES[(round + turn) % SOURCES.len()];
                let mut record = stream(stage, &capture, source, size)?;
                record.round = round;
                eprintln!("{}", line(&record, &source.label()));
                table::append(options.json.as_deref(), &record)?;
                streams.push((source, record));
            }
        }
        stage.drop_captures()?;
    }
    let reads = sweep(options, stage, bytes)?;
    print!("{}\n{}", render(&streams), render_sweep(&reads));
    Ok(())
}

/// One round over NATS.
fn stream(stage: &Stage, capture: &Capture, source: Source, size: u64) -> Result<Replay, Failure> {
    let (mut record, outcome) = match source {
        Source::Memory => {
            let mut record = empty(ReplayKind::Stream, "memory", capture, size);
            record.reads_in_flight = 0;
            let records = from_memory(capture)?;
            let count = capture.totals().messages;
            let sending = send_records(stage.url(), &records, count);
            (record, stage.runtime.block_on(sending)?)
        }
        Source::Disk { engine, direct, cold } => {
            if cold {
                chill(capture.path())?
            } else {
                warm(capture.path())?
            }
            let mut record = empty(ReplayKind::Stream, "disk", capture, size);
            record.engine = engine.to_string();
            record.cache = if cold { "cold" } else { "warm" }.to_owned();
            record.direct = direct;
            let options = DiskOptions { engine, direct, ..DiskOptions::default() };
            (record, stage.runtime.block_on(replay::stream(stage.url(), capture, options))?)
        }
    };
    if outcome.received != capture.totals().messages {
        return Err(format!("{} of {} messages arrived", outcome.received, outcome.sent).into());
    }
    record.bytes = capture.totals().payload_bytes;
    record.seconds = outcome.seconds;
    Ok(record)
}

fn empty(kind: ReplayKind, source: &str, capture: &Capture, size: u64) -> Replay {
    Replay {
        kind,
        source: source.to_owned(),
        engine: String::new(),
        cache: String::new(),
        direct: false,
        reads_in_flight: DEFAULT_READS_IN_FLIGHT,
        block_bytes: capture.superblock().block_bytes as usize,
        size: size as usize,
        round: 0,
        bytes: 0,
        seconds: 0.0,
    }
}

/// The first records of a capture, as they are encoded in it.
fn from_memory(capture: &Capture) -> Result<Vec<Bytes>, Failure> {
    let (mut records, mut bytes) = (Vec::new(), 0);
    for record in capture.records() {
        let record = record?.bytes;
        bytes += record.len();
        // A copy: a slice would keep its block.
        records.push(Bytes::copy_from_slice(&record));
        if bytes >= MEMORY_BYTES {
            break;
        }
    }
    Ok(records)
}

/// The same stream as a replay's, but packed, hashed and numbered by the sender, message by message.
async fn send_records(
    url: &str,
    records: &[Bytes],
    count: u64,
) -> Result<crate::peers::Outcome, Failure> {
    let (publisher, mut subscribers) = swp::session(url, "bench", Integrity::Blake3, 1).await?;
    let subscriber = subscribers.pop().ok_or("no consumer")?;
    let receiving = tokio::spawn(swp::receive_all(subscriber));
    let start = Instant::now();
    for record in records.iter().cycle().take(usize::try_from(count)?) {
        swp::send(&publisher, record).await?;
    }
    publisher.finish().await?;
    let (received, last) = receiving.await??;
    let seconds = last.duration_since(start).as_secs_f64();
    let retransmits = publisher.stats().retransmits;
    Ok(crate::peers::Outcome { sent: count, received, seconds, retransmits })
}

/// Takes the file out of the page cache. It was synced when it was made, so nothing has to stay.
fn chill(path: &Path) -> Result<(), Failure> {
    let file = File::open(path)?;
    file.sync_all()?;
    Ok(rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)?)
}

/// Brings the file into the page cache.
fn warm(path: &Path) -> Result<(), Failure> {
    io::copy(&mut File::open(path)?, &mut io::sink())?;
    Ok(())
}

/// The disk alone, cold and past the page cache: reads in flight against sizes of blocks.
fn sweep(options: &Options, stage: &mut Stage, bytes: u64) -> Result<Vec<Replay>, Failure> {
    const SIZE: u64 = 16 << 10;
    let blocks: &[usize] = if options.quick { &BLOCKS_QUICK } else { &BLOCKS };
    let reads: &[usize] = if options.quick { &READS_QUICK } else { &READS };
    let mut measured = Vec::new();
    for &block_bytes in blocks {
        let path = stage.capture(SIZE as usize, (bytes / SIZE).max(1), Some(block_bytes))?;
        let capture = Capture::open(&path)?;
        let depths = reads.iter().map(|&reads| (Engine::Uring, reads));
        for (engine, reads_in_flight) in depths.chain([(Engine::Pread, 1)]) {
            chill(&path)?;
            let disk = DiskOptions {
                engine,
                reads_in_flight,
                // Twice what is being read, so that a read never waits for a buffer.
                memory_bytes: DEFAULT_MEMORY_BYTES.max(2 * reads_in_flight * block_bytes),
                ..DiskOptions::default()
            };
            let start = Instant::now();
            let bytes = stage.runtime.block_on(read_through(&capture, disk))?;
            let mut record = empty(ReplayKind::Read, "disk", &capture, SIZE);
            record.engine = engine.to_string();
            record.cache = "cold".to_owned();
            record.direct = true;
            record.reads_in_flight = reads_in_flight;
            (record.bytes, record.seconds) = (bytes, start.elapsed().as_secs_f64());
            let label = format!("{engine}, {reads_in_flight} in flight");
            eprintln!("{}", line(&record, &label));
            table::append(options.json.as_deref(), &record)?;
            measured.push(record);
        }
        stage.drop_captures()?;
    }
    Ok(measured)
}

async fn read_through(capture: &Capture, options: DiskOptions) -> Result<u64, Failure> {
    let mut blocks = BlockReader::start(capture, 0, options).await?;
    if !blocks.report().direct {
        return Err("this file system has no direct reads; set TMPDIR to one that has".into());
    }
    let mut bytes = 0;
    while let Some(block) = blocks.next().await {
        bytes += block?.buffer.as_ref().len() as u64;
    }
    Ok(bytes)
}

fn megabytes_per_s(record: &Replay) -> f64 {
    record.bytes as f64 / record.seconds.max(1e-9) / 1e6
}

/// One measurement, as it comes.
fn line(record: &Replay, label: &str) -> String {
    let (size, block) = (show_size(record.size as u64), show_size(record.block_bytes as u64));
    let rate = megabytes_per_s(record);
    format!("{size:>8}  blocks of {block:>7}  {label:<30} round {}  {rate:>7.1} MB/s", record.round)
}

/// Medians of the streams, beside the one from memory.
fn render(streams: &[(Source, Replay)]) -> String {
    let mut table = Table::new(["message", "source", "MB/s", "msg/s", "x memory"]);
    let mut sizes: Vec<usize> = streams.iter().map(|(_, record)| record.size).collect();
    sizes.dedup();
    for size in sizes {
        let rate = |source: Source| {
            let of = streams.iter().filter(|(s, r)| *s == source && r.size == size);
            median(of.map(|(_, record)| megabytes_per_s(record)))
        };
        for source in SOURCES {
            let mine = rate(source);
            table.row(vec![
                show_size(size as u64),
                source.label(),
                mine.map_or(DASH.to_owned(), |mb| format!("{mb:.0}")),
                mine.map_or(DASH.to_owned(), |mb| units::show_rate(mb * 1e6 / size as f64)),
                ratio(mine, rate(Source::Memory)),
            ]);
        }
    }
    table.render()
}

/// MB/s of the disk alone: a row for each size of block, a column for each number of reads in flight.
fn render_sweep(reads: &[Replay]) -> String {
    let engines: Vec<(&str, usize)> = reads
        .iter()
        .take_while(|record| record.block_bytes == reads[0].block_bytes)
        .map(|record| (record.engine.as_str(), record.reads_in_flight))
        .collect();
    let columns = engines.iter().map(|(engine, reads)| format!("{engine} {reads}"));
    let mut table =
        Table::new(["block, cold, direct (MB/s)".to_owned()].into_iter().chain(columns));
    for row in reads.chunks(engines.len().max(1)) {
        let mut cells = vec![show_size(row[0].block_bytes as u64)];
        cells.extend(row.iter().map(|record| format!("{:.0}", megabytes_per_s(record))));
        table.row(cells);
    }
    table.render()
}

#[cfg(test)]
mod tests;
