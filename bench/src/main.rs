//! `swp-bench`: swp-fast beside what a user would pick instead, in one run on one machine.
//!
//! Peers take turns (A B A B ...), each delivers to a consumer that reads every byte, and medians of the
//! rounds are compared. What a peer loses is counted and shown.
#![forbid(unsafe_code)]

mod peers;
#[expect(dead_code, reason = "the modes move over to it one by one")]
mod record;
mod table;

use clap::{Parser, Subcommand};
use nats_child::NatsServer;
use peers::{Load, Peer};
use swp_fast::wire::Integrity;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Any of the peers can fail in its own way; a benchmark only has to say how.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// One publisher to one consumer, as fast as it goes.
    Throughput {
        /// Who to measure, taking turns.
        #[arg(long, value_delimiter = ',', default_value = "raw,swp,replay")]
        peer: Vec<Peer>,
        /// Message sizes in bytes.
        #[arg(long, value_delimiter = ',', default_value = "64,256,1024,4096,16384,65536,524288")]
        size: Vec<usize>,
        /// Payload bytes a round, at most `--messages` of them.
        #[arg(long, default_value_t = 256 << 20)]
        bytes: u64,
        /// Messages a round, at most.
        #[arg(long, default_value_t = 4_000_000)]
        messages: u64,
        /// Rounds; the median is shown.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Protection of swp's frames: blake3, crc32c or none.
        #[arg(long, default_value = "blake3")]
        integrity: Integrity,
        /// Appends one JSON object a measurement to this file.
        #[arg(long)]
        json: Option<std::path::PathBuf>,
    },
}

fn main() -> Result<(), Failure> {
    let Mode::Throughput { peer, size, bytes, messages, rounds, integrity, json } =
        Args::parse().mode;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let server = NatsServer::start()?;
    let mut results = Vec::new();
    for &bytes_each in &size {
        let count = (bytes / bytes_each as u64).clamp(1, messages);
        let load = Load { size: bytes_each, count, integrity };
        for round in 0..rounds {
            for &peer in &peer {
                let result = runtime.block_on(peers::run(peer, server.url(), load, round))?;
                eprintln!("{}", table::line(&result));
                results.push(result);
            }
        }
    }
    if let Some(path) = json {
        table::append_json(&path, &results)?;
    }
    print!("{}", table::render(&results, &peer, &size));
    Ok(())
}
